//! Waiting for a condition with a deadline, instead of sleeping for luck.

use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_millis(20);

/// Asks `probe` again and again until it has an answer; fails the test after `within`.
pub async fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(
            started.elapsed() < within,
            "{what}: not within {within:?} (waited {:?})",
            started.elapsed()
        );
        tokio::time::sleep(PAUSE).await;
    }
}

/// The same for a plain condition.
pub async fn until(what: &str, within: Duration, mut condition: impl AsyncFnMut() -> bool) {
    eventually(what, within, async || condition().await.then_some(())).await;
}

/// Seconds, for short lines.
pub const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Milliseconds, for short lines.
pub const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}
