//! Accepting that fails: what the failure means, and how long to wait after it.

use std::io;
use std::time::Duration;

use rustix::io::Errno;

const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A run of failures to accept: the pauses grow, and the log says it once.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pause: Option<Duration>,
}

impl Trouble {
    /// How long to pause; `soon` where something was done about the failure.
    pub(super) fn pause(&mut self, error: &io::Error, soon: bool) -> Duration {
        if self.pause.is_none() {
            tracing::error!(%error, "cannot accept connections; those that are open go on");
        }
        let pause = self
            .pause
            .filter(|_| !soon)
            .map_or(FIRST_PAUSE, |last| (2 * last).min(LONGEST_PAUSE));
        self.pause = Some(pause);
        pause
    }

    pub(super) fn over(&mut self) {
        if self.pause.take().is_some() {
            tracing::info!("accepting connections again");
        }
    }
}

/// Whether the one connection failed, and not the listener.
pub(super) fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Whether the process, or the machine, has no file left.
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_doubles_its_pause_up_to_a_second() {
        let mut trouble = Trouble::default();
        let error = io::Error::other("no files");
        let pauses: Vec<_> = (0..10)
            .map(|_| trouble.pause(&error, false).as_millis())
            .collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(trouble.pause(&error, true), FIRST_PAUSE);
        trouble.pause(&error, false);
        trouble.over();
        assert_eq!(trouble.pause(&error, false), FIRST_PAUSE);
    }

    #[test]
    fn what_a_client_did_is_told_from_what_the_process_lacks() {
        let of = |errno: Errno| io::Error::from_raw_os_error(errno.raw_os_error());
        assert!(is_the_clients(&of(Errno::CONNABORTED)));
        assert!(is_out_of_files(&of(Errno::MFILE)) && is_out_of_files(&of(Errno::NFILE)));
        assert!(!is_the_clients(&of(Errno::MFILE)) && !is_out_of_files(&of(Errno::NOMEM)));
    }
}
