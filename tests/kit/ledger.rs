//! What one client is owed of a tape and what it gets, message by message: each channel
//! without a hole, in order, once and whole, from where the answer to its subscription said;
//! and what it does not get, it is told before anything newer.
//!
//! No I/O: whoever reads notes each text, and learns what is wrong with it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::tape::Tape;

/// Which number of a channel is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Exactly(u64),
    /// The first since a wildcard was taken: nobody said which, but this is the highest that
    /// it can be.
    AtMost(u64),
    /// After a gap that told only how many: this or a later one.
    From(u64),
    /// The same where nobody said which was the first: any, of which those from this on are missing.
    Any(u64),
}

#[derive(Debug, Clone, Copy, Default)]
struct Line {
    /// Set while a subscription covers the channel.
    due: Option<Due>,
    /// The highest number that came or was told.
    last: u64,
}

/// How much a client got and was told that it did not get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub received: u64,
    /// In gaps with numbers.
    pub in_gaps: u64,
    /// In gaps of a pattern with a count.
    pub counted: u64,
    pub gaps: u64,
}

impl std::ops::AddAssign for Sum {
    fn add_assign(&mut self, more: Self) {
        self.received += more.received;
        self.in_gaps += more.in_gaps;
        self.counted += more.counted;
        self.gaps += more.gaps;
    }
}

/// The account of one client.
#[derive(Debug)]
pub struct Ledger {
    tape: Arc<Tape>,
    /// Of the host; the same for all who share it.
    epoch: Arc<OnceLock<String>>,
    held: BTreeSet<String>,
    lines: Vec<Line>,
    sum: Sum,
    /// Numbers that did not come after gaps that told a count.
    skipped: u64,
    /// Numbers of which nobody can say whether they are among those that were counted.
    unknown: u64,
}

impl Ledger {
    pub fn of(tape: &Arc<Tape>) -> Self {
        Self::sharing(tape, &Arc::default())
    }

    /// One of several whose host must be the same.
    pub fn sharing(tape: &Arc<Tape>, epoch: &Arc<OnceLock<String>>) -> Self {
        Self {
            tape: tape.clone(),
            epoch: epoch.clone(),
            held: BTreeSet::new(),
            lines: vec![Line::default(); tape.width()],
            sum: Sum::default(),
            skipped: 0,
            unknown: 0,
        }
    }

    pub fn sum(&self) -> Sum {
        self.sum
    }

    pub fn holds(&self) -> &BTreeSet<String> {
        &self.held
    }

    /// Notes one message of the host. The rest is for the caller: what is no tick, no gap
    /// and no answer to a subscription.
    pub fn note(&mut self, text: &str) -> Result<Option<Value>, String> {
        if text.starts_with(r#"{"type":"tick""#) {
            self.tick(text)?;
            return Ok(None);
        }
        let message: Value =
            serde_json::from_str(text).map_err(|error| format!("{error}: {text}"))?;
        match message["type"].as_str() {
            Some("gap") => self.gap(&message).map(|()| None),
            Some("subscribed") => self.subscribed(&message).map(|()| Some(message)),
            Some("unsubscribed") => {
                self.unsubscribed(&message)?;
                Ok(Some(message))
            }
            _ => Ok(Some(message)),
        }
        .map_err(|wrong| format!("{wrong}: {text}"))
    }

    /// The session is over: nothing is owed until the next one subscribes.
    pub fn left(&mut self) {
        self.held.clear();
        for index in 0..self.lines.len() {
            self.drop_line(index);
        }
    }

    fn tick(&mut self, text: &str) -> Result<(), String> {
        let tick = Tick::read(text).ok_or_else(|| format!("not as it should be: {text}"))?;
        let index = self.tape.index(tick.channel);
        let index = index.ok_or_else(|| format!("of an unknown channel: {text}"))?;
        if !self.tape.is_whole(tick.seq, tick.data) {
            return Err(format!("not the data of number {}: {text}", tick.seq));
        }
        self.arrive(index, tick.seq, tick.seq)?;
        self.sum.received += 1;
        Ok(())
    }

    fn gap(&mut self, gap: &Value) -> Result<(), String> {
        let channel = gap["channel"].as_str().ok_or("a gap of no channel")?;
        if gap["reason"] != "slow" {
            return Err("nobody lost this but the client".into());
        }
        self.sum.gaps += 1;
        if let Some(count) = gap["count"].as_u64() {
            return self.count(channel, count, gap);
        }
        let number = |name: &str| gap[name].as_u64().ok_or(format!("{name} is no number"));
        let (from, to) = (number("from")?, number("to")?);
        let index = self.tape.index(channel).ok_or("an unknown channel")?;
        if to < from {
            return Err("a gap of nothing".into());
        }
        self.arrive(index, from, to)?;
        self.sum.in_gaps += to - from + 1;
        Ok(())
    }

    /// A gap that tells how many, for all channels of a pattern.
    fn count(&mut self, pattern: &str, count: u64, gap: &Value) -> Result<(), String> {
        if !self.held.contains(pattern) || count == 0 {
            return Err("of a pattern that is not held, or of nothing".into());
        }
        if !gap["from"].is_null() || !gap["to"].is_null() {
            return Err("numbers of no channel".into());
        }
        self.sum.counted += count;
        for index in self.tape.matching(pattern) {
            let line = &mut self.lines[index];
            if let Some(Due::AtMost(number)) = line.due {
                // It may have begun with any of these.
                self.unknown += number - (line.last + 1);
            }
            line.due = line.due.map(|due| match due {
                Due::Exactly(number) | Due::From(number) => Due::From(number),
                Due::AtMost(number) | Due::Any(number) => Due::Any(number),
            });
        }
        Ok(())
    }

    /// These numbers of a channel came, or were told missing.
    fn arrive(&mut self, index: usize, from: u64, to: u64) -> Result<(), String> {
        let name = self.tape.name(index);
        let line = &mut self.lines[index];
        let published = self.tape.published(index);
        let due = line
            .due
            .ok_or_else(|| format!("{from} of {name}, which is not held"))?;
        let in_order = match due {
            Due::Exactly(number) => from == number,
            Due::AtMost(number) => from <= number && from > line.last,
            Due::From(number) => from >= number,
            Due::Any(_) => from > line.last,
        };
        if !in_order || to > published {
            return Err(format!(
                "{from} to {to} of {name}, where {due:?} was due after {} and {published} are published",
                line.last
            ));
        }
        if let Due::From(number) | Due::Any(number) = due {
            self.skipped += from.saturating_sub(number);
        }
        line.last = to;
        line.due = Some(Due::Exactly(to + 1));
        Ok(())
    }

    fn subscribed(&mut self, answer: &Value) -> Result<(), String> {
        let epoch = answer["epoch"].as_str().unwrap_or_default();
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if epoch.len() != 16 || !epoch.bytes().all(is_hex) {
            return Err("an epoch has sixteen hexadecimal digits".into());
        }
        if self.epoch.get_or_init(|| epoch.to_owned()) != epoch {
            return Err("another epoch than before".into());
        }
        let seq = answer["seq"].as_object().ok_or("seq is no object")?;
        let patterns = names(answer)?;
        let (wild, plain): (Vec<_>, Vec<_>) =
            patterns.iter().partition(|pattern| pattern.contains('*'));
        if seq.len() != BTreeSet::from_iter(&plain).len() {
            return Err("seq has one entry for each plain channel".into());
        }
        for name in plain {
            let last = seq.get(name.as_str()).and_then(Value::as_u64);
            self.take(name, last.ok_or(format!("no seq of {name}"))?)?;
        }
        for pattern in wild {
            for index in self.tape.matching(pattern) {
                let highest = self.tape.published(index) + 1;
                let line = &mut self.lines[index];
                line.due.get_or_insert(Due::AtMost(highest));
            }
        }
        self.held.extend(patterns);
        Ok(())
    }

    /// A plain channel is subscribed, and the number said that the next message follows.
    fn take(&mut self, name: &str, said: u64) -> Result<(), String> {
        let index = self.tape.index(name).ok_or("an unknown channel")?;
        let line = &mut self.lines[index];
        let published = self.tape.published(index);
        let next = said + 1;
        let goes_on = match line.due {
            None => said >= line.last,
            Some(Due::Exactly(due)) => next == due,
            Some(Due::AtMost(due)) => said >= line.last && next <= due,
            Some(Due::From(due)) => next >= due,
            Some(Due::Any(_)) => said >= line.last,
        };
        if !goes_on || said > published {
            let Line { due, last } = line;
            return Err(format!(
                "{said} of {name} after {last}, where {due:?} was due, of {published} in all"
            ));
        }
        if let Some(Due::From(due) | Due::Any(due)) = line.due {
            self.skipped += next.saturating_sub(due);
        }
        line.due = Some(Due::Exactly(next));
        Ok(())
    }

    fn unsubscribed(&mut self, answer: &Value) -> Result<(), String> {
        for pattern in names(answer)? {
            self.held.remove(&pattern);
        }
        let mut covered = vec![false; self.lines.len()];
        for pattern in &self.held {
            for index in self.tape.matching(pattern) {
                covered[index] = true;
            }
        }
        for (index, covered) in covered.into_iter().enumerate() {
            if !covered {
                self.drop_line(index);
            }
        }
        Ok(())
    }

    /// Nothing of a channel is due any more. How far it was subscribed nobody said.
    fn drop_line(&mut self, index: usize) {
        if let Some(Due::From(number) | Due::Any(number)) = self.lines[index].due.take() {
            self.unknown += self.tape.published(index) + 1 - number;
        }
    }

    /// What is owed still, of all that is published; nothing where the account is even.
    pub fn owed(&self) -> Vec<String> {
        let mut owed = Vec::new();
        let mut uncounted = 0;
        for (index, line) in self.lines.iter().enumerate() {
            let end = self.tape.published(index) + 1;
            match line.due {
                Some(Due::Exactly(number) | Due::AtMost(number)) if number != end => {
                    let (name, due) = (self.tape.name(index), line.due);
                    owed.push(format!("{name}: {due:?}, and the end is {end}"));
                }
                Some(Due::From(number) | Due::Any(number)) => uncounted += end - number,
                _ => {}
            }
        }
        let (missing, counted) = (self.skipped + uncounted, self.sum.counted);
        if !(missing..=missing + self.unknown).contains(&counted) {
            let unknown = self.unknown;
            owed.push(format!(
                "{missing} are missing and perhaps {unknown} more, {counted} were counted"
            ));
        }
        owed
    }
}

fn names(answer: &Value) -> Result<Vec<String>, String> {
    let list = answer["channels"].as_array().ok_or("no list of channels")?;
    let name = |channel: &Value| channel.as_str().map(str::to_owned).ok_or("no name".into());
    list.iter().map(name).collect()
}

/// A tick found by its pieces, all of which must be there: there are too many to parse each.
struct Tick<'a> {
    channel: &'a str,
    seq: u64,
    data: &'a str,
}

impl<'a> Tick<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(r#"{"type":"tick","channel":""#)?;
        let (channel, rest) = rest.split_once(r#"","seq":"#)?;
        let (seq, rest) = rest.split_once(r#","data":{"price":""#)?;
        Some(Self {
            channel,
            seq: seq.parse().ok()?,
            data: rest.strip_suffix(r#""}}"#)?,
        })
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            received,
            in_gaps,
            counted,
            gaps,
        } = self;
        write!(
            f,
            "{received} received, {in_gaps} told and {counted} counted as missing in {gaps} gaps"
        )
    }
}
