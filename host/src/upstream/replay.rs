//! The upstream of a demo on somebody's own events: they come one after the other and, when all
//! have come, again.

use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::event::Event;

/// Offers events, as upstream channel and payload, one each `pause`, for as long as it runs.
pub async fn run(events: &[Event], pause: Duration, offer: impl Fn(String, Vec<u8>)) {
    let mut ticks = tokio::time::interval(pause);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    for event in events.iter().cycle() {
        ticks.tick().await;
        offer(event.channel.clone(), event.payload.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn events_come_in_their_order_and_again() {
        let event = |name: &str| Event::at(name.to_owned(), Vec::new(), 0);
        let events = [event("a"), event("b")];
        let (send, came) = mpsc::channel();
        let replay = run(&events, Duration::from_millis(10), move |channel, _| {
            send.send(channel).unwrap();
        });
        // The sender goes with it.
        let _ = tokio::time::timeout(Duration::from_millis(25), replay).await;
        assert_eq!(came.iter().collect::<Vec<_>>(), ["a", "b", "a"]);
    }
}
