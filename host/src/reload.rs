//! What a host reads anew when it is told to: keys, admin tokens and certificates. The first
//! two are followed anyway; being told saves the wait and says what is in force.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::admin::Tokens;
use crate::causes::whole;
use crate::credentials::Watch;
use crate::registry::Registry;
use crate::tasks::Tasks;
use crate::upstream::redis::Server;

/// Everything that comes from a file which may change while the host runs.
#[derive(Debug)]
pub(crate) struct Reload {
    keys: Watch,
    tokens: Option<Tokens>,
    redis: Server,
    registry: Arc<Registry>,
    tasks: Tasks,
    /// Held while it reads, so that signals in a row do not queue up behind a slow disk.
    reading: Mutex<()>,
}

impl Reload {
    pub(crate) fn new(
        keys: Watch,
        tokens: Option<Tokens>,
        redis: Server,
        registry: Arc<Registry>,
        tasks: Tasks,
    ) -> Self {
        Self {
            keys,
            tokens,
            redis,
            registry,
            tasks,
            reading: Mutex::default(),
        }
    }

    /// Reads all of it on a thread that may wait for the disk, and says so in one line.
    /// Nothing waits for that: a stop that comes meanwhile is followed.
    pub(crate) fn start(self: &Arc<Self>) {
        let reload = self.clone();
        let started = self.tasks.brief_thread("reload", move || {
            if let Some(_alone) = reload.reading.try_lock() {
                reload.read();
            }
        });
        if let Err(error) = started {
            tracing::error!(%error, "SIGHUP: there is no thread to read anything anew");
        }
    }

    fn read(&self) {
        let keys = Some(self.keys.look());
        let tokens = self.tokens.as_ref().and_then(Tokens::look);
        let read = self.redis.reload();
        let certificates = read
            .and_then(|count| self.registry.reload_certificates().map(|()| count))
            .map_err(|error| whole(&error))
            .transpose();
        let all = [&keys, &tokens, &certificates];
        let good = all.iter().all(|read| !matches!(read, Some(Err(_))));
        let [keys, admin_tokens, certificates] = all.map(words);
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
