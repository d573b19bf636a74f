//! One client that does not read as fast as it can: it looks at its socket now and then, or
//! takes so many bytes a second. What it gets is compared and counted like everybody's.

use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::door::Client;
use crate::feed::{self, Message};
use crate::frames::Frame;
use crate::reader::QUIET;
use crate::tally::{Losses, Numbers, Range, Tally};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Habit {
    /// Reads all the time.
    Always,
    /// Reads all there is, and looks again after this time.
    Looks(Duration),
    /// Takes so many bytes a second, a part of them every 10 ms.
    Sips(usize),
}

/// How often a sipping client takes its part.
const TICK: Duration = Duration::from_millis(10);

/// Reads everything of a batch, until it is complete or nothing comes any more. The first
/// message may take its time.
pub(crate) fn drink(mut client: Client, habit: Habit, range: Range) -> Result<Losses> {
    let mut tally = Tally::new(range);
    let mut numbers = Numbers::new(range);
    let mut buffer = vec![0; 64 << 10];
    let (tick, portion) = match habit {
        Habit::Always => (Duration::ZERO, usize::MAX),
        Habit::Looks(tick) => (tick, usize::MAX),
        Habit::Sips(rate) => (TICK, rate / 100),
    };
    client.socket.set_nonblocking(!tick.is_zero())?;
    client.socket.set_read_timeout(Some(QUIET))?;
    let mut last = Instant::now() + QUIET;
    let mut closed = false;
    while !closed && !tally.is_complete(range.messages) {
        let mut left = portion;
        while left > 0 && !closed {
            let most = left.min(buffer.len());
            let length = match client.socket.read(&mut buffer[..most]) {
                Ok(length) => length,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => break,
                    ErrorKind::Interrupted => continue,
                    ErrorKind::ConnectionReset => 0,
                    _ => return Err(error.into()),
                },
            };
            closed |= length == 0;
            left -= length;
            last = last.max(Instant::now());
            client.inbox.take(&buffer[..length], |frame| {
                closed |= !take(frame, range, &mut tally, &mut numbers)?;
                Ok(())
            })?;
            if tick.is_zero() {
                break;
            }
        }
        if last.elapsed() > QUIET {
            break;
        }
        std::thread::sleep(tick);
    }
    numbers.verify(range.markets)?;
    let mut losses = Losses::default();
    losses.add(&tally, range.messages);
    Ok(losses)
}

/// False for a frame that ends the connection.
fn take(frame: Frame<'_>, range: Range, tally: &mut Tally, numbers: &mut Numbers) -> Result<bool> {
    let Some(message) = feed::read_frame(frame)? else {
        return Ok(false);
    };
    match message {
        Message::Gap(missed) => tally.in_gaps += usize::try_from(missed)?,
        Message::Notice => {}
        Message::Candle(candle) => {
            let index = tally.take(range, &candle)?;
            numbers.note(index, candle.seq)?;
        }
    }
    Ok(true)
}
