//! Which reasons of one outage are worth a line of the log: each change of it, but not each
//! turn of one that goes back and forth.

use std::time::{Duration, Instant};

/// How many different reasons of one outage are told apart; further ones are not logged.
const MOST: usize = 16;

/// The least time between two lines with the same reason, which doubles with each of them.
const AGAIN: Duration = Duration::from_secs(60);
const MOST_DOUBLINGS: u32 = 6;

/// What was said of one outage.
#[derive(Debug, Default)]
pub(super) struct News {
    said: Vec<ReportedReason>,
    /// The last line's place in `said`.
    last: Option<usize>,
}

#[derive(Debug)]
struct ReportedReason {
    reason: String,
    at: Instant,
    times: u32,
}

impl News {
    /// News that begin with a first reason, which needs no further line.
    pub(super) fn begun(reason: &str, now: Instant) -> Self {
        let mut news = Self::default();
        news.is_news(reason, now);
        news
    }

    /// Whether `reason` is to be said now, which then counts as said: it is another than the
    /// last that was, and has not been said a short while ago.
    pub(super) fn is_news(&mut self, reason: &str, now: Instant) -> bool {
        let known = self.said.iter().position(|said| said.reason == reason);
        match known {
            Some(place) => {
                let said = &mut self.said[place];
                let pause = AGAIN * 2_u32.pow(said.times.min(MOST_DOUBLINGS));
                if self.last == Some(place) || now.duration_since(said.at) < pause {
                    return false;
                }
                said.at = now;
                said.times += 1;
                self.last = Some(place);
            }
            None if self.said.len() < MOST => {
                self.last = Some(self.said.len());
                self.said.push(ReportedReason {
                    reason: reason.to_owned(),
                    at: now,
                    times: 0,
                });
            }
            None => return false,
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At which seconds a reason is said that is `of(second)`.
    fn said(seconds: u64, of: impl Fn(u64) -> &'static str) -> Vec<u64> {
        let (mut news, start) = (News::default(), Instant::now());
        (0..seconds)
            .filter(|&second| news.is_news(of(second), start + Duration::from_secs(second)))
            .collect()
    }

    #[test]
    fn a_change_is_said_once_and_a_reason_that_lasts_is_not_repeated() {
        let reasons = |second| if second < 5 { "closed" } else { "WRONGPASS" };
        assert_eq!(said(100_000, reasons), [0, 5]);
    }

    #[test]
    fn going_back_and_forth_is_said_less_and_less() {
        let reasons = |second| ["closed", "refused"][(second % 2) as usize];
        let lines = said(3600, reasons);
        assert!(lines.starts_with(&[0, 1]), "{lines:?}");
        assert!(lines.len() <= 12, "{lines:?}");
    }

    #[test]
    fn what_is_said_last_becomes_true_again() {
        // Back to the first reason before that may be said again: it is said later.
        let reasons = |second| if second == 1 { "WRONGPASS" } else { "closed" };
        assert_eq!(said(1000, reasons), [0, 1, 60]);
    }

    #[test]
    fn reasons_without_end_are_no_flood() {
        let mut news = News::default();
        let lines = (0..1000).filter(|n| news.is_news(&n.to_string(), Instant::now()));
        assert_eq!(lines.count(), MOST);
    }
}
