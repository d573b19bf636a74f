//! Where reloads are tried: a Redis, a host with a state folder and one component from
//! text, and its operator.

use crate::admin::Admin;
use crate::follow::Follower;
use crate::guest::Guest;
use crate::redis::Redis;
use crate::settings::{Setup, Transform};
use crate::tidegate::Tidegate;

#[derive(Debug)]
pub struct Stage {
    pub redis: Redis,
    pub tidegate: Tidegate,
    pub admin: Admin,
}

impl Stage {
    /// A host that runs this component.
    pub async fn with(guest: &Guest) -> Self {
        Self::set(guest, |setup| setup).await
    }

    /// The same with other settings.
    pub async fn set(guest: &Guest, change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::tables(guest, change, |table| table).await
    }

    /// The same with a change to the component's own table too.
    pub async fn tables(
        guest: &Guest,
        change: impl FnOnce(Setup) -> Setup,
        table: impl FnOnce(Transform) -> Transform,
    ) -> Self {
        let redis = Redis::start().await;
        let setup = patient(Tidegate::on(&redis)).state_dir();
        let file = guest.write(&setup.path(""));
        let setup = setup.transform(table(Transform::file(&file)));
        let tidegate = change(setup).start().await;
        Self {
            admin: tidegate.admin_api(),
            redis,
            tidegate,
        }
    }

    /// Kills the host and starts it again on the same folder.
    pub async fn kill_and_restart(self) -> Self {
        let tidegate = self.tidegate.kill_and_restart().await;
        Self { tidegate, ..self }
    }

    /// A client that checks every tick.
    pub async fn follower(&self) -> Follower {
        self.tidegate.subscriber(["ticks:*"]).await.follow()
    }

    /// So many of them.
    pub async fn followers(&self, count: usize) -> Vec<Follower> {
        let mut followers = Vec::with_capacity(count);
        for _ in 0..count {
            followers.push(self.follower().await);
        }
        followers
    }

    /// The part of a revision, where it is kept.
    pub async fn role(&self, revision: &str) -> Option<String> {
        let revisions = self.admin.revisions().await;
        let found = revisions
            .iter()
            .find(|entry| entry["revision"]["id"] == revision)?;
        found["role"].as_str().map(str::to_owned)
    }

    /// One tick of this symbol.
    pub async fn tick(&self, symbol: &str, number: u64) {
        let channel = format!("{}{symbol}", crate::guest::FEED);
        self.redis
            .publish(&channel, format!(r#"{{"n":{number}}}"#))
            .await;
    }
}

/// Queues so long that a busy machine makes everything late and loses nothing: what is
/// missing then is the host's fault.
pub fn patient(setup: Setup) -> Setup {
    setup
        .setting("log-size", "1GiB")
        .setting("lag-limit", "1h")
        .setting("lane-queue-size", "64MiB")
        .env("TIDEGATE_LOG", "info")
}
