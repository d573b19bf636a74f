//! The figures, as a table of ratios for people and as JSON for scripts.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::Plan;
use crate::calls::{self, Calls};
use crate::fanout::{Batch, Pair, Round};
use crate::idle::Idle;
use crate::spread::Spread;
use crate::swap;

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) plan: Plan,
    pub(crate) fanout: Vec<Round>,
    pub(crate) idle: Idle,
    pub(crate) calls: Vec<Calls>,
    pub(crate) swaps: Vec<swap::Round>,
}

impl Report {
    pub(crate) fn table(&self) -> String {
        let Plan {
            sessions,
            rounds,
            rate,
            idle,
            ..
        } = self.plan;
        let mut table = Table::default();
        let paced = format!("{rate} a second");
        table.head(&format!("One message to {sessions} sessions"), "bare loop");
        let mut fanout =
            |what: &str, unit, phase: fn(&Round) -> &Pair, figure: fn(&Batch) -> f64| {
                let pairs: Vec<_> = self.fanout.iter().map(phase).collect();
                table.row(
                    &format!("{what} ({unit})"),
                    pairs.iter().map(|pair| figure(&pair.host)),
                    pairs.iter().map(|pair| figure(&pair.bare)),
                );
            };
        type Phase = fn(&Round) -> &Pair;
        let at_pace: Phase = |round| &round.paced;
        let single: Phase = |round| &round.single;
        let at_tilt: Phase = |round| &round.tilt;
        let thousands = |batch: &Batch| batch.per_second / 1e3;
        for (when, phase) in [
            (&*paced, at_pace),
            ("one by one", single),
            ("full tilt", at_tilt),
        ] {
            fanout(&format!("CPU a delivery, {when}"), "µs", phase, Batch::cpu);
            fanout("  of it in the kernel", "µs", phase, |b| b.system);
        }
        fanout("Deliveries a second, one by one", "1000", single, thousands);
        fanout("Deliveries a second, full tilt", "1000", at_tilt, thousands);
        fanout(&format!("Latency, middle, {paced}"), "ms", at_pace, |b| {
            b.p50 / 1e3
        });
        fanout(
            &format!("Latency, 99 of 100, {paced}"),
            "ms",
            at_pace,
            |b| b.p99 / 1e3,
        );
        fanout("CPU of the readers a delivery", "µs", at_pace, |b| {
            b.reader
        });
        for Calls { name, rounds } in &self.calls {
            table.head(&format!("A call of {name}"), "plain Rust");
            let native = || rounds.iter().map(|round| round.native / 1e3);
            let mut call = |what, figure: fn(&calls::Round) -> f64| {
                let figures = rounds.iter().map(|round| figure(round) / 1e3);
                table.row(what, figures, native());
            };
            call("In the sandbox (µs)", |round| round.sandbox);
            call("  and through the guard (µs)", |round| round.guarded);
        }
        let kib = |bytes: f64| bytes / 1024.0;
        format!(
            "{}\nResident for a session of {idle}: {:.1} KiB subscribed, {:.1} KiB after some \
             messages; the host without sessions: {:.1} MiB\n\nRatios: the middle one of {rounds} \
             rounds, least and most in brackets. Left of them, middle values.\n{}",
            table.text,
            kib(self.idle.fresh),
            kib(self.idle.used),
            kib(self.idle.host as f64) / 1024.0,
            swap::table(&self.plan.swap, &self.swaps),
        )
    }

    pub(crate) fn json(&self) -> Value {
        let batch = |batch: &Batch| {
            json!({
                "cpu_user_us": batch.user,
                "cpu_system_us": batch.system,
                "reader_cpu_us": batch.reader,
                "deliveries_per_second": batch.per_second,
                "latency_p50_us": batch.p50,
                "latency_p99_us": batch.p99,
            })
        };
        let pair = |pair: &Pair| json!({"host": batch(&pair.host), "bare": batch(&pair.bare)});
        let round = |round: &Round| {
            json!({
                "paced": pair(&round.paced),
                "single": pair(&round.single),
                "tilt": pair(&round.tilt),
            })
        };
        let call = |round: &calls::Round| {
            json!({
                "native_ns": round.native,
                "sandbox_ns": round.sandbox,
                "guarded_ns": round.guarded,
            })
        };
        let calls = self.calls.iter().map(|calls| {
            let rounds: Value = calls.rounds.iter().map(call).collect();
            (calls.name.to_owned(), rounds)
        });
        json!({
            "sessions": self.plan.sessions,
            "messages_per_second": self.plan.rate,
            "fanout": self.fanout.iter().map(round).collect::<Value>(),
            "idle": {
                "sessions": self.plan.idle,
                "bytes_per_session": self.idle.fresh,
                "bytes_per_session_after_messages": self.idle.used,
                "host_bytes": self.idle.host,
            },
            "swap": swap::json(&self.plan.swap, &self.swaps),
            "calls": calls.collect::<serde_json::Map<_, _>>(),
        })
    }
}

/// Rows of a figure, what it is compared with, and their ratio.
#[derive(Debug, Default)]
struct Table {
    text: String,
}

impl Table {
    fn head(&mut self, what: &str, other: &str) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.line(what, "tidegate", other, "ratio");
    }

    /// Two figures for each round; the ratio is taken round by round.
    fn row(
        &mut self,
        what: &str,
        ours: impl Iterator<Item = f64> + Clone,
        theirs: impl Iterator<Item = f64> + Clone,
    ) {
        let middle = |values| format!("{:.2}", Spread::of(values).median);
        let ratio = Spread::of(ours.clone().zip(theirs.clone()).map(|(a, b)| a / b));
        let theirs = format!("{:.2}", Spread::of(theirs).median);
        self.line(what, &middle(ours), &theirs, &ratio.to_string());
    }

    fn line(&mut self, what: &str, ours: &str, theirs: &str, ratio: &str) {
        writeln!(self.text, "{what:<45}{ours:>10}{theirs:>12}    {ratio}")
            .expect("writing to a String does not fail");
    }
}
