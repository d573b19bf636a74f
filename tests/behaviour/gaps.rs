//! What a slow client misses it is told: when the log has passed it by, for the age of what
//! waits or for its size, it gets one exact gap for each channel before anything newer of it,
//! and then messages go on. The kept side of both bounds is in `bursts`.

use serde_json::{Value, json};
use tidegate_tests::tape::ALL;
use tidegate_tests::tide::Reader;
use tidegate_tests::{Setup, Tape, Tide, secs, until};

/// Nobody is cut, and nothing is too old.
fn patient(setup: Setup) -> Setup {
    setup
        .setting("stall-limit", "1h")
        .setting("lag-limit", "1h")
}

/// With one loop, what the healthy client has is in the slow one's log too: nothing more can
/// pass that by while it reads on.
fn small_log(setup: Setup) -> Setup {
    patient(setup)
        .setting("log-size", "1MiB")
        .setting("loops", "1")
}

/// The channels of gaps, sorted.
fn channels(gaps: &[Value]) -> Vec<&str> {
    let name = |gap: &Value| gap["channel"].as_str().map(str::len);
    assert!(gaps.iter().all(|gap| name(gap).is_some()), "{gaps:?}");
    let mut names: Vec<_> = gaps
        .iter()
        .filter_map(|gap| gap["channel"].as_str())
        .collect();
    names.sort_unstable();
    names
}

fn names(tape: &Tape) -> Vec<&str> {
    (0..tape.width()).map(|index| tape.name(index)).collect()
}

/// More comes after the gaps, and comes whole.
async fn messages_go_on(tide: &mut Tide, reader: &mut Reader) {
    let (gaps, messages) = (reader.gaps.len(), reader.messages);
    // So few that the smallest log has room for them on a thousand channels.
    tide.rise_everywhere(1).await;
    reader.catch_up().await;
    assert_eq!(reader.gaps.len(), gaps);
    assert!(reader.messages > messages);
}

/// The host counts what the client was told.
async fn assert_counted(tide: &Tide, reader: &Reader) {
    let metrics = tide.tidegate.metrics().await;
    let sum = reader.ledger.sum();
    let missed = (sum.in_gaps + sum.counted) as f64;
    assert_eq!(metrics.sum("tidegate_missed_total", &[]), missed, "{sum}");
    let slow = [("reason", "slow")];
    let gaps = metrics.sum("tidegate_gaps_total", &slow);
    assert_eq!(gaps, sum.gaps as f64, "{sum}");
    let of_family = [("family", "ticks"), ("why", "slow")];
    let missed_of_family = metrics.sum("tidegate_family_missed_total", &of_family);
    assert_eq!(missed_of_family, missed, "{sum}");
}

#[tokio::test]
async fn who_is_behind_for_longer_than_the_limit_gets_one_exact_gap_a_channel() {
    let short = |setup| patient(setup).setting("lag-limit", "1s");
    let mut tide = Tide::on(Tape::of(2), short).await;
    let plain = ["ticks:AAA:east", "ticks:AAA:north", "ticks:AAB:west"];
    let mut reader = tide.reader(plain).await;
    tide.rise_everywhere(1000).await;
    // All that is left are the numbers of what it missed.
    until("the log to be too old", secs(10), async || {
        tide.tidegate.metric("tidegate_log_bytes", &[]).await < 1024.0
    })
    .await;
    // Newer ones, which are still to be had.
    tide.rise_everywhere(20).await;
    reader.catch_up().await;
    assert_eq!(channels(&reader.gaps), plain);
    let sum = reader.ledger.sum();
    assert_eq!(sum.received + sum.in_gaps, 3 * 1020, "{sum}");
    assert!(sum.in_gaps > 1000 && sum.received > 60, "{sum}");
    messages_go_on(&mut tide, &mut reader).await;
    assert_counted(&tide, &reader).await;
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn whom_the_log_has_no_room_for_gets_one_exact_gap_a_channel() {
    let mut tide = Tide::on(Tape::of(2).heavy(), small_log).await;
    let mut reader = tide.reader(["ticks:AAA:north", "ticks:AAB:west"]).await;
    // For this one more than two MiB, of which the last are kept.
    tide.rise_everywhere(700).await;
    reader.catch_up().await;
    assert_eq!(
        channels(&reader.gaps),
        ["ticks:AAA:north", "ticks:AAB:west"]
    );
    messages_go_on(&mut tide, &mut reader).await;
    assert_counted(&tide, &reader).await;
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_wildcard_gets_a_gap_for_each_channel_that_it_missed_and_overlaps_make_no_second() {
    let mut tide = Tide::on(Tape::of(6), small_log).await;
    let mut wide = tide.reader([ALL]).await;
    let mut overlapping = tide
        .reader([ALL, "ticks:AAA:*", "ticks:*:north", "ticks:AAB:north"])
        .await;
    tide.rise_everywhere(800).await;
    for reader in [&mut wide, &mut overlapping] {
        reader.catch_up().await;
        let mut expected = names(&tide.tape);
        expected.sort_unstable();
        assert_eq!(channels(&reader.gaps), expected);
    }
    messages_go_on(&mut tide, &mut wide).await;
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_gap_says_no_more_and_no_less_than_it_should() {
    let mut tide = Tide::on(Tape::of(2), small_log).await;
    let mut reader = tide.reader(["ticks:AAA:north"]).await;
    tide.rise(&vec![0; 20_000]).await;
    reader.catch_up().await;
    let [gap] = &reader.gaps[..] else {
        panic!("one gap: {:?}", reader.gaps);
    };
    let (from, to) = (&gap["from"], &gap["to"]);
    let expected = json!({"type": "gap", "channel": "ticks:AAA:north", "from": from, "to": to,
        "reason": "slow"});
    assert_eq!(gap.to_string(), expected.to_string());
}

#[tokio::test]
async fn who_is_behind_when_the_host_drains_is_told_what_it_missed_before_the_rest() {
    let mut tide = Tide::on(Tape::of(2).heavy(), small_log).await;
    let mut reader = tide.reader(["ticks:AAA:north", "ticks:AAB:west"]).await;
    tide.rise_everywhere(700).await;
    tide.tidegate.terminate();
    let (code, reason) = reader.close().await;
    assert_eq!((code, reason.as_str()), (1001, "server shutting down"));
    assert_eq!(
        channels(&reader.gaps),
        ["ticks:AAA:north", "ticks:AAB:west"]
    );
    assert_eq!(reader.ledger.owed(), Vec::<String>::new());
}

#[tokio::test]
async fn a_client_that_falls_behind_again_and_again_is_told_each_time() {
    let mut tide = Tide::on(Tape::of(2), small_log).await;
    let mut reader = tide.reader([ALL]).await;
    let mut before = 0;
    for _ in 0..3 {
        tide.rise_everywhere(1500).await;
        reader.catch_up().await;
        let now = reader.ledger.sum().in_gaps;
        assert!(now > before, "nothing missed this time: {now}");
        before = now;
    }
    // Its system may take some more in the middle of a round, and is then told twice.
    assert!(reader.gaps.len() >= 3 * 8);
    assert_counted(&tide, &reader).await;
}

#[tokio::test]
async fn of_a_thousand_channels_each_has_its_gap() {
    let mut tide = Tide::on(Tape::of(250), small_log).await;
    let mut reader = tide.reader([ALL]).await;
    tide.rise_everywhere(20).await;
    reader.catch_up().await;
    let mut expected = names(&tide.tape);
    expected.sort_unstable();
    assert_eq!(channels(&reader.gaps), expected);
    messages_go_on(&mut tide, &mut reader).await;
    assert_counted(&tide, &reader).await;
}

#[tokio::test]
async fn of_more_than_a_thousand_channels_the_pattern_has_one_gap_with_the_count() {
    let mut tide = Tide::on(Tape::of(251), small_log).await;
    let mut reader = tide.reader([ALL]).await;
    tide.rise_everywhere(20).await;
    reader.catch_up().await;
    let [gap] = &reader.gaps[..] else {
        panic!("one gap: {:?}", reader.gaps);
    };
    let count = gap["count"].as_u64().expect("a count");
    let expected = json!({"type": "gap", "channel": ALL, "from": null, "to": null,
        "count": count, "reason": "slow"});
    assert_eq!(gap.to_string(), expected.to_string());
    let sum = reader.ledger.sum();
    assert_eq!(sum.received + count, 20 * 1004, "{sum}");
    messages_go_on(&mut tide, &mut reader).await;
    assert_counted(&tide, &reader).await;
}

#[tokio::test]
async fn what_is_missed_while_nobody_reads_is_shown_before_it_is_told() {
    let mut tide = Tide::on(Tape::of(2), |setup| small_log(setup).state_dir()).await;
    let _reader = tide.reader([ALL]).await;
    tide.rise_everywhere(1500).await;
    let behind = "tidegate_sessions_behind";
    tide.tidegate.metric_becomes(behind, &[], 1.0).await;
    until("the session to be shown behind", secs(5), async || {
        let listed = tide.tidegate.admin_api().get("/v1/sessions").await.done();
        let sessions = listed["sessions"].as_array().expect("a list");
        sessions.iter().any(|session| {
            let waits = session["waiting_messages"].as_u64() > Some(100);
            let late = session["lag_seconds"].as_f64() > Some(0.0);
            let missed = session["missed"].as_u64() > Some(1000);
            waits && late && missed
        })
    })
    .await;
}
