//! What a loop's log costs without sockets: a frame into the arena, a message's way to the views
//! of its patterns, a flush for each member, and the hub that hands messages to the loops.
//! Run as `cargo bench --package tidegate`.

use std::hint::black_box;
use std::time::Instant;

use divan::Bencher;
use divan::counter::ItemsCount;
use tidegate::channel::{Channel, Pattern};
use tidegate::hub::Message;
use tidegate::hub::bench::Crowd;
use tidegate::loops::Loops;
use tidegate::metrics::Metrics;

fn main() {
    divan::main();
}

/// As long as a candle's.
const FRAME: [u8; 230] = [b'x'; 230];

/// Messages that come together.
const BATCH: usize = 64;

fn channels(count: usize) -> Vec<Channel> {
    (0..count)
        .map(|n| format!("ticks:S{n}-USD:1h").parse().expect("a channel"))
        .collect()
}

fn pattern(text: &str) -> Pattern {
    text.parse().expect("a pattern")
}

/// One session with so many of the four patterns that match a message.
#[divan::bench(args = [0, 1, 4])]
fn publish_to_matching_patterns(bencher: Bencher<'_, '_>, matching: usize) {
    let channels = channels(BATCH);
    let patterns = [
        "ticks:*:*",
        "ticks:*:1h",
        "ticks:S1-USD:*",
        "ticks:S1-USD:1h",
    ];
    let patterns: Vec<_> = patterns[..matching]
        .iter()
        .map(|text| pattern(text))
        .collect();
    let mut crowd = Crowd::empty();
    if matching > 0 {
        crowd.enter(&patterns);
    }
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for _ in 0..BATCH {
            crowd.publish(&channels[1], 1, black_box(&FRAME));
        }
        crowd.flush()
    });
}

/// So many patterns in the index, each of another session, and none matches but one.
#[divan::bench(args = [1, 100, 10_000])]
fn publish_among_foreign_patterns(bencher: Bencher<'_, '_>, foreign: usize) {
    let channels = channels(BATCH);
    let mut crowd = Crowd::empty();
    for n in 0..foreign {
        crowd.enter(&[pattern(&format!("ticks:F{n}-USD:*"))]);
    }
    crowd.enter(&[pattern("ticks:*:*")]);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        for (place, channel) in (0..).zip(&channels) {
            crowd.publish(channel, place, black_box(&FRAME));
        }
        crowd.flush()
    });
}

/// A batch to so many sessions that share one view; an item is one message to one session.
#[divan::bench(args = [1, 100, 1_000, 10_000])]
fn flush_to_members(bencher: Bencher<'_, '_>, sessions: usize) {
    let channels = channels(BATCH);
    let mut crowd = Crowd::empty();
    for _ in 0..sessions {
        crowd.enter(&[pattern("ticks:*:*")]);
    }
    let items = ItemsCount::new(BATCH * sessions);
    bencher.counter(items).bench_local(|| {
        for (place, channel) in (0..).zip(&channels) {
            crowd.publish(channel, place, black_box(&FRAME));
        }
        assert_eq!(crowd.flush(), BATCH * sessions);
    });
}

/// From a lane to the inboxes of so many loops: numbered, and made frames of.
#[divan::bench(args = [1, 2, 8])]
fn hub_publish(bencher: Bencher<'_, '_>, loops: usize) {
    let metrics = Metrics::new();
    let family = metrics.family("ticks");
    let channels = channels(BATCH);
    bencher
        .counter(ItemsCount::new(BATCH))
        .with_inputs(|| {
            let loops = Loops::new(loops, 64 << 20, &metrics).expect("files are left");
            let hub = loops.hub(1_000, 1 << 20, &metrics);
            let message = |channel: &Channel| {
                let text = format!(
                    r#"{{"type":"tick","channel":"{}","data":{{"text":"{}"}}}}"#,
                    channel.as_str(),
                    "x".repeat(150)
                );
                Message {
                    channel: channel.clone(),
                    head: text.find(r#","data""#).expect("it was just written"),
                    text,
                    received: Instant::now(),
                    family: family.clone(),
                    standing: None,
                    identity: None,
                }
            };
            (hub, channels.iter().map(message).collect::<Vec<_>>(), loops)
        })
        .bench_local_values(|(hub, messages, loops)| {
            hub.publish(messages);
            (hub, loops)
        });
}
