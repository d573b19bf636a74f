//! The numbers of a night: what runs, what can be used and written, who got how much and how
//! late, and what was missed. The page about them is held against the host.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use tidegate_tests::binary::{repository, run};
use tidegate_tests::payloads::{candle, candle_channel, number_of};
use tidegate_tests::tape::ALL;
use tidegate_tests::{Guest, Redis, Setup, Stage, Tape, Tide, Tidegate, millis, secs, until};

#[tokio::test]
async fn what_runs_is_in_the_build_info() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let said = run(&std::env::temp_dir(), &["--version"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let version = said.split_whitespace().last().expect("a version");
    let labels = [("version", version), ("os", std::env::consts::OS)];
    assert_eq!(tidegate.metric("tidegate_build_info", &labels).await, 1.0);
}

#[tokio::test]
async fn a_file_or_a_folder_that_cannot_be_used_shows_until_it_is_mended() {
    let redis = Redis::start().await;
    let tokens = r#"{"version":1,"tokens":[]}"#;
    let setup = Tidegate::on(&redis).state_dir();
    let (file, state) = (setup.path("tokens.json"), setup.state_folder());
    std::fs::write(&file, tokens).expect("a file in one's own folder");
    let tidegate = setup
        .setting("admin-tokens-file", &file.to_string_lossy())
        .start()
        .await;
    let keys = std::fs::read(tidegate.keys_file()).expect("the keys");
    let away = tidegate.path("away");
    let gauges_become = async |value: f64| {
        for name in ["key_file_ok", "token_file_ok", "state_writable"] {
            let name = format!("tidegate_{name}");
            tidegate.metric_becomes(&name, &[], value).await;
        }
    };
    gauges_become(1.0).await;
    std::fs::write(tidegate.keys_file(), "{").expect("written");
    std::fs::remove_file(&file).expect("removed");
    std::fs::rename(&state, &away).expect("renamed");
    gauges_become(0.0).await;
    std::fs::rename(&away, &state).expect("renamed");
    std::fs::write(&file, tokens).expect("written");
    std::fs::write(tidegate.keys_file(), keys).expect("written");
    gauges_become(1.0).await;
    // The log is written beside everything else, a moment after the gauge.
    until("the line of the mended folder", secs(10), async || {
        let log = tidegate.stderr();
        log.lines_with("state folder can be written to again") == 1
    })
    .await;
    let log = tidegate.stderr();
    assert_eq!(log.lines_with("state folder cannot be written to"), 1);
}

#[tokio::test]
async fn time_of_the_processor_is_what_the_kernel_says() {
    let (_redis, tidegate) = Tidegate::plain().await;
    let before = tidegate.process.cpu_time();
    let shown = tidegate.metric("process_cpu_seconds_total", &[]).await;
    let after = tidegate.process.cpu_time();
    // The kernel's own table is in steps of 10 ms.
    let (least, most) = (before.as_secs_f64() - 0.03, after.as_secs_f64() + 0.03);
    assert!((least..=most).contains(&shown), "{least} {shown} {most}");
    assert!(shown.fract() != 0.0, "{shown} is in whole seconds");
}

#[tokio::test]
async fn messages_bytes_and_delay_are_counted_by_family() {
    let (redis, tidegate) = Tidegate::plain().await;
    let mut clients = [
        tidegate.subscriber(["candles:*:*"]).await,
        tidegate.subscriber(["candles:*:*", "signals:*:*"]).await,
    ];
    let channel = candle_channel(1, "BTC-USD", "1h");
    let mut bytes = 0;
    for number in 0..40 {
        redis.publish(&channel, candle(number)).await;
        for client in &mut clients {
            let text = client.next_text().await;
            let message = serde_json::from_str(&text).expect("JSON");
            assert_eq!(number_of(&message), number);
            // A frame of this size has a head of four bytes.
            assert!((126..1 << 16).contains(&text.len()));
            bytes += text.len() + 4;
        }
    }
    let metrics = tidegate.metrics().await;
    let of =
        |name: &str, family: &str| metrics.sum(&format!("tidegate_{name}"), &[("family", family)]);
    assert_eq!(of("family_messages_total", "candles"), 80.0);
    assert_eq!(of("family_bytes_total", "candles"), bytes as f64);
    assert_eq!(of("family_missed_total", "candles"), 0.0);
    // The first write of each session is timed, and then one in eight.
    assert_eq!(of("delivery_seconds_count", "candles"), 10.0);
    let mean = of("delivery_seconds_sum", "candles") / 10.0;
    assert!((1e-6..0.5).contains(&mean), "{mean}");
    for name in [
        "family_messages_total",
        "family_bytes_total",
        "delivery_seconds_count",
    ] {
        let labels = [("family", "signals")];
        let line = format!("tidegate_{name}{{family=\"signals\"}} 0");
        assert!(metrics.text().contains(&line), "{line}");
        assert_eq!(metrics.sum(&format!("tidegate_{name}"), &labels), 0.0);
    }
}

#[tokio::test]
async fn what_a_client_did_not_get_is_counted_whether_the_log_passed_it_by_or_it_was_cut() {
    let bounds = |setup: Setup| {
        setup
            .setting("log-size", "1MiB")
            .setting("stall-limit", "10s")
    };
    let mut tide = Tide::on(Tape::of(2), bounds).await;
    let mut stalled = tide.reader([ALL]).await;
    tide.rise_everywhere(1500).await;
    until("the stalled client to be cut", secs(20), async || {
        tide.tidegate.metric("tidegate_cuts_total", &[]).await == 1.0
    })
    .await;
    stalled.close().await;
    let metrics = tide.tidegate.metrics().await;
    let missed = |why: &str| {
        let labels = [("family", "ticks"), ("why", why)];
        metrics.sum("tidegate_family_missed_total", &labels)
    };
    assert!(missed("slow") > 0.0 && missed("cut") > 0.0);
    assert_eq!(missed("slow"), metrics.sum("tidegate_missed_total", &[]));
    let got = stalled.ledger.sum().received as f64;
    assert_eq!(got + missed("slow") + missed("cut"), 8.0 * 1500.0);
    tide.assert_nothing_lost();
}

#[tokio::test]
async fn a_family_that_goes_takes_its_series_along() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let has = async |family: &str| {
        let text = stage.tidegate.metrics().await.text().to_owned();
        text.contains(&format!("family=\"{family}\""))
    };
    assert!(has("ticks").await);
    // Twice, as the one before stays ready to return.
    for mark in ["b", "c"] {
        let tocks = Guest::stamped(mark).named("tocks");
        let tocks = tocks.descriptor(|descriptor| "ticks".clone_into(&mut descriptor.name));
        stage.admin.push_and_apply(&tocks).await;
    }
    until("only the new family", secs(10), async || {
        has("tocks").await && !has("ticks").await
    })
    .await;
}

#[tokio::test]
async fn whatever_can_be_counted_stands_at_zero_from_the_start() {
    let (_redis, tidegate) = Tidegate::plain().await;
    tokio::time::sleep(millis(10)).await;
    let metrics = tidegate.metrics().await;
    let page = std::fs::read_to_string(repository().join("docs/metrics.md")).expect("the page");
    let declared: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let shown: BTreeSet<&str> = metrics.names().into_iter().collect();
    assert_eq!(shown, declared);
}

#[test]
fn the_page_of_metrics_is_what_the_host_has() {
    let output = run(&std::env::temp_dir(), &["metrics"]);
    let page = String::from_utf8(output.stdout).expect("text");
    let kept = std::fs::read_to_string(repository().join("docs/metrics.md")).unwrap_or_default();
    assert!(
        page == kept,
        "docs/metrics.md: run `tidegate metrics > docs/metrics.md`"
    );
}

#[tokio::test]
async fn prometheus_own_tool_finds_nothing_to_say_where_it_is_installed() {
    if Command::new("promtool").arg("--version").output().is_err() {
        return;
    }
    let (redis, tidegate) = Tidegate::plain().await;
    let mut client = tidegate.subscriber(["candles:*:*"]).await;
    let channel = candle_channel(1, "BTC-USD", "1h");
    redis.publish(&channel, candle(1)).await;
    client.next_json().await;
    let metrics = tidegate.metrics().await;
    let mut check = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it is installed");
    let mut input = check.stdin.take().expect("piped");
    input
        .write_all(metrics.text().as_bytes())
        .expect("it reads");
    drop(input);
    let output = check.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.is_empty(), "{said}");
}
