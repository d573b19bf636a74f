//! What a host reads anew when it is told to: keys, admin tokens and certificates. The first
//! two are followed anyway; being told saves the wait and says what is in force.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::admin::Tokens;
use crate::causes::whole;
use crate::credentials::FileWatch;
use crate::fleet::Member;
use crate::gate::jwt::SignedTokens;
use crate::tasks::Tasks;
use crate::upstream::redis::Server;

/// Everything that comes from a file which may change while the host runs.
#[derive(Debug)]
pub(crate) struct Reload {
    keys: Option<FileWatch>,
    signed: Option<Arc<SignedTokens>>,
    tokens: Option<Tokens>,
    redis: Server,
    member: Option<Arc<Member>>,
    tasks: Tasks,
    reading: Catching,
}

/// Work that is asked for in a row: it does not queue up behind a slow disk, and the last who
/// asked finds all done that there was when it asked.
#[derive(Debug, Default)]
struct Catching {
    asked: AtomicBool,
    /// Held while somebody works.
    alone: Mutex<()>,
}

impl Catching {
    /// Works, unless another thread does: that thread then works once more.
    fn run(&self, work: impl Fn()) {
        self.asked.store(true, Ordering::SeqCst);
        // The flag is looked at again without the lock, for whoever asked and found it still held.
        while self.asked.load(Ordering::SeqCst) {
            let Some(_alone) = self.alone.try_lock() else {
                return;
            };
            while self.asked.swap(false, Ordering::SeqCst) {
                work();
            }
        }
    }
}

impl Reload {
    pub(crate) fn new(
        keys: Option<FileWatch>,
        signed: Option<Arc<SignedTokens>>,
        tokens: Option<Tokens>,
        redis: Server,
        member: Option<Arc<Member>>,
        tasks: Tasks,
    ) -> Self {
        Self {
            keys,
            signed,
            tokens,
            redis,
            member,
            tasks,
            reading: Catching::default(),
        }
    }

    /// Reads all of it on a thread that may wait for the disk, and says so in one line.
    /// Nothing waits for that: a stop that comes meanwhile is followed.
    pub(crate) fn start(self: &Arc<Self>) {
        let reload = self.clone();
        let started = self.tasks.brief_thread("reload", move || {
            reload.reading.run(|| reload.read());
        });
        if let Err(error) = started {
            tracing::error!(%error, "SIGHUP: there is no thread to read anything anew");
        }
    }

    fn read(&self) {
        if let Some(signed) = &self.signed {
            // An issuer may be slow; what comes of it is logged by itself.
            signed.reload();
        }
        let keys = self.keys.as_ref().map(FileWatch::look);
        let tokens = self.tokens.as_ref().and_then(Tokens::look);
        let of_fleet = self.member.as_ref();
        let of_fleet = of_fleet.map_or(Ok(()), |member| member.reload_certificates());
        let read = self.redis.reload();
        let certificates = read
            .and_then(|count| of_fleet.map(|()| count))
            .map_err(|error| whole(&error))
            .transpose();
        let results = [&keys, &tokens, &certificates];
        let good = results.iter().all(|read| !matches!(read, Some(Err(_))));
        let [keys, admin_tokens, certificates] = results.map(words);
        if good {
            tracing::info!(keys, admin_tokens, certificates, "SIGHUP: read anew");
        } else {
            tracing::error!(
                keys,
                admin_tokens,
                certificates,
                "SIGHUP: not all could be read anew; of what could not, the old stays in force"
            );
        }
    }
}

/// How many there are, or why that is not known.
fn words(read: &Option<Result<usize, String>>) -> String {
    match read {
        None => "no file".to_owned(),
        Some(Ok(count)) => count.to_string(),
        Some(Err(why)) => why.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn what_is_asked_for_meanwhile_is_done_once_more() {
        let (catching, times) = (Catching::default(), Cell::new(0));
        catching.run(|| {
            times.set(times.get() + 1);
            if times.get() == 1 {
                for _ in 0..3 {
                    catching.run(|| unreachable!("somebody is at it"));
                }
            }
        });
        assert_eq!(times.get(), 2);
        catching.run(|| times.set(times.get() + 1));
        assert_eq!(times.get(), 3);
    }
}
