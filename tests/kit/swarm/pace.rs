//! How a client reads: how long it waits, and how much it takes then.

use std::time::Duration;

use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::dice::Dice;

/// The most that is read before another client has its turn, in bytes.
const TURN: usize = 256 * 1024;

/// How long a client that reads all the time waits for something before it looks up.
const QUIET: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// Reads whatever comes, at once.
    Fast,
    /// Looks each 25 ms, and takes all.
    Paced,
    /// Takes a little, again and again.
    Sips,
    /// Reads for a while, and then not at all, for as long as this at most.
    Stalls {
        longest: Duration,
        reads_until: Instant,
    },
}

impl Pace {
    pub(super) fn of(dice: &mut Dice, longest_stall: Duration) -> Self {
        match dice.below(10) {
            0..=2 => Self::Fast,
            3..=5 => Self::Paced,
            6..=7 => Self::Sips,
            _ => Self::Stalls {
                longest: longest_stall,
                reads_until: Instant::now(),
            },
        }
    }

    /// Waits and reads in its way. The result is false at the end of the stream.
    pub(super) async fn read(
        &mut self,
        stream: &TcpStream,
        dice: &mut Dice,
        take: &mut impl FnMut(&[u8]),
    ) -> std::io::Result<bool> {
        match self {
            Self::Fast => {}
            Self::Paced => {
                sleep(Duration::from_millis(25)).await;
                return drain(stream, TURN, take);
            }
            Self::Sips => {
                sleep(Duration::from_millis(dice.between(1, 20))).await;
                let sip = usize::try_from(dice.between(50, 4000)).expect("small");
                return drain(stream, sip, take);
            }
            Self::Stalls {
                longest,
                reads_until,
            } => {
                if Instant::now() >= *reads_until {
                    let most = u64::try_from(longest.as_millis()).expect("some seconds");
                    sleep(Duration::from_millis(dice.between(most / 10, most))).await;
                    let reads_for = Duration::from_millis(dice.between(50, 400));
                    *reads_until = Instant::now() + reads_for;
                }
            }
        }
        match timeout(QUIET, stream.ready(Interest::READABLE)).await {
            Ok(ready) => ready.map(drop)?,
            Err(_) => return Ok(true),
        }
        drain(stream, TURN, take)
    }
}

/// Takes what is there, up to so many bytes.
fn drain(stream: &TcpStream, most: usize, take: &mut impl FnMut(&[u8])) -> std::io::Result<bool> {
    let mut piece = [0; 8 * 1024];
    let mut left = most;
    while left > 0 {
        let room = left.min(piece.len());
        match stream.try_read(&mut piece[..room]) {
            Ok(0) => return Ok(false),
            Ok(length) => {
                take(&piece[..length]);
                left -= length;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
