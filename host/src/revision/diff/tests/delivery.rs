//! How families are delivered, held against each other.

use super::{revision, said};

#[test]
fn another_delivery_breaks_clients_where_it_takes_messages_from_them() {
    let ticks = |latest: bool, snapshot: bool| {
        let mut revision = revision();
        revision.surface.families[0].latest = latest;
        revision.surface.families[0].snapshot_on_subscribe = snapshot;
        revision
    };
    let between =
        |from: [bool; 2], to: [bool; 2]| said(Some(&ticks(from[0], from[1])), &ticks(to[0], to[1]));
    assert_eq!(
        between([false, false], [true, true]),
        [
            "breaking channel delivery: latest, was every: a client that is behind no longer gets each message",
            "note channel snapshot-on-subscribe: now",
        ]
    );
    assert_eq!(
        between([true, true], [false, false]),
        [
            "breaking channel snapshot-on-subscribe: no longer",
            "note channel delivery: every, was latest",
        ]
    );
    let new = said(None, &ticks(true, true));
    assert_eq!(
        new[0],
        "wider channel family ticks: new: ticks:{symbol}:{side}, messages of type tick with \
         fields open; delivered as latest, with a snapshot on subscribe"
    );
}
