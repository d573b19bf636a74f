//! What a transform call costs: the guests' logic as plain Rust, the same in the sandbox, and
//! the same with the egress guard behind it.

use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tidegate::event::Event;
use tidegate::metrics::Metrics;
use tidegate::tasks::Tasks;
use tidegate::transform::limits::Limits;
use tidegate::transform::{Component, Engine, Fingerprint, Instance, Outcome, compile_here};
use tidegate_sdk::{Transform, sample};

use crate::host::Binary;
use crate::plan::Plan;
use crate::row::{Row, Target};
use crate::{feed, progress};

/// The host's default for the stack of an instance, in bytes.
const STACK: usize = 512 << 10;

/// Events made ahead, so that making them is not measured.
const CHUNK: usize = 1_000;

/// Alerts come on one upstream channel for all markets.
const ALERT_CHANNEL: &str = "channel:alerts:exchange:1";
const ALERT: &str = r#"{"id":123,"symbol":"BTC-USD","alertType":"macdv","timeframe":"15m","price":42350.5,"triggerValue":85.3,"signalDelta":12.4,"triggeredAt":"2026-02-19T12:00:00.000Z","sourceExchangeId":1,"sourceExchangeName":"coinbase","triggerLabel":"level_3"}"#;

/// Nanoseconds a call, all three measured one right after the other.
#[derive(Debug, Clone, Copy)]
struct CallsRound {
    /// Plain Rust.
    native: f64,
    /// In the sandbox, event in and publication out.
    sandbox: f64,
    /// The same, and the guard's check and the frame.
    guarded: f64,
}

pub(crate) fn measure(plan: &Plan, _binary: &Binary) -> Result<Vec<Row>> {
    let payload = feed::payload(0, 0);
    let upstream = feed::upstream_channel(0);
    let mut rows = of::<candle::Candle>(plan, "candle", &upstream, &payload)?;
    rows.extend(of::<signal::Signal>(plan, "signal", ALERT_CHANNEL, ALERT)?);
    Ok(rows)
}

fn rows(name: &str, rounds: &[CallsRound]) -> Vec<Row> {
    let row = |what: &str, unit, target, figure: fn(&CallsRound) -> f64| {
        Row::new(
            format!("{name}: {what}"),
            unit,
            target,
            rounds.iter().map(figure),
        )
    };
    vec![
        row("call ÷ plain Rust", "÷", Target::AtMost(2.5), |round| {
            round.sandbox / round.native
        }),
        row("call and guard ÷ plain Rust", "÷", Target::None, |round| {
            round.guarded / round.native
        }),
        row("call", "µs", Target::None, |round| round.sandbox / 1e3),
        row("call and guard", "µs", Target::None, |round| {
            round.guarded / 1e3
        }),
    ]
}

fn of<T: Transform>(
    plan: &Plan,
    name: &'static str,
    channel: &str,
    payload: &str,
) -> Result<Vec<Row>> {
    progress(&format!("transform calls: {name}"));
    let settings = serde_json::json!({});
    let configured = T::configure(&settings.to_string());
    let (transform, configuration) = configured.map_err(anyhow::Error::msg)?;
    let patterns = &configuration.upstream_patterns;
    let event = sample::event(patterns, channel, payload.as_bytes());
    let event = event.context("its channel is one that the transform listens to")?;
    let engine = Engine::start(STACK, &Tasks::default())?;
    let bytes = component(name)?;
    let compiled = compile_here(&engine, &bytes)?;
    let print = Fingerprint::of(&bytes);
    let component = Component::load(&engine, &compiled, &print, &settings, Limits::default())
        .map_err(|faults| anyhow::anyhow!("{name} is refused: {}", faults.join("; ")))?;
    let mut rounds = Vec::with_capacity(plan.rounds);
    for _ in 0..plan.rounds {
        let native = native(&transform, &event, plan.calls)?;
        let (sandbox, guarded) = sandboxed(&component, channel, payload, plan.calls)?;
        rounds.push(CallsRound {
            native,
            sandbox,
            guarded,
        });
    }
    Ok(rows(name, &rounds))
}

/// The component that the host carries.
fn component(name: &str) -> Result<Vec<u8>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../transforms/dist");
    std::fs::read(dist.join(name).with_extension("wasm"))
        .with_context(|| format!("no component {name}: run `cargo xtask transforms`"))
}

fn native<T: Transform>(transform: &T, event: &tidegate_sdk::Event, calls: usize) -> Result<f64> {
    ensure!(
        transform.transform(event).is_ok(),
        "the event is a good one"
    );
    let started = Instant::now();
    for _ in 0..calls {
        let _ = black_box(transform.transform(black_box(event)));
    }
    Ok(started.elapsed().as_secs_f64() * 1e9 / calls as f64)
}

fn sandboxed(
    component: &Component,
    channel: &str,
    payload: &str,
    calls: usize,
) -> Result<(f64, f64)> {
    let metrics = Metrics::new().transform("bench");
    let mut instance = Instance::new(component, &metrics)?;
    let mut elapsed = 0.0;
    let chunks = calls / CHUNK;
    for _ in 0..chunks {
        let events = vec![Event::new(channel.into(), payload.into()); CHUNK];
        let started = Instant::now();
        for event in &events {
            let captures = component.captures(&event.channel).context("no event")?;
            match instance.transform(component, event, &captures, &metrics)? {
                Outcome::Published(publications) => {
                    ensure!(publications.iter().all(Result::is_ok), "blocked")
                }
                Outcome::Rejected(rejection) => anyhow::bail!("rejected: {rejection:?}"),
            }
        }
        elapsed += started.elapsed().as_secs_f64();
    }
    let calls = (chunks * CHUNK) as f64;
    // What the host itself measures is the call alone.
    let inside = metrics.seconds.get_sample_sum();
    Ok((inside * 1e9 / calls, elapsed * 1e9 / calls))
}
