//! Standard error that is gone, full, or that nobody reads: everything goes on as with a good
//! one, and the lines that are lost are counted.

use std::fs::OpenOptions;
use std::io::{PipeReader, Write, pipe};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde_json::json;
use tidegate_tests::guest::Failing;
use tidegate_tests::process::Process;
use tidegate_tests::{Feed, Guest, Stage, eventually, keys, millis, secs, until};

const SYMBOLS: [&str; 3] = ["AB", "XY", "XZ"];

/// One that is read for a line, and then by nobody: `2>&1 | head -1`.
fn dead() -> OwnedFd {
    let (reader, writer) = pipe().expect("files are left");
    std::thread::spawn(move || std::io::BufRead::lines(std::io::BufReader::new(reader)).next());
    writer.into()
}

/// A disk without room.
fn full() -> OwnedFd {
    let device = OpenOptions::new().write(true).open("/dev/full");
    device.expect("a device of every Linux").into()
}

/// One that is full already, and whose reader does not read. It lasts as long as the reader.
fn stalled() -> (OwnedFd, PipeReader) {
    let (reader, writer) = pipe().expect("files are left");
    let mut filling = writer.try_clone().expect("files are left");
    // It ends when the reader is dropped: until then the last byte waits for room.
    std::thread::spawn(move || while filling.write_all(&[b'.'; 4096]).is_ok() {});
    (writer.into(), reader)
}

/// Holds a terminal, names its other end, and closes it when something was written there.
const TERMINAL: &str = "
import os
held, other = os.openpty()
print(os.ttyname(other), flush=True)
os.read(held, 1)
";

/// Of `open`: does not make the terminal the one that controls this process.
const O_NOCTTY: i32 = 0o400;

/// A terminal that is closed after the first line. It lasts as long as the process.
async fn closed_terminal() -> (OwnedFd, Process) {
    let holder = Process::start(Path::new("/usr/bin/python3"), |command| {
        command.args(["-c", TERMINAL]);
    });
    let name = eventually("the terminal's name", secs(10), async || {
        let said = holder.stdout.text();
        said.strip_suffix('\n').map(str::to_owned)
    })
    .await;
    let mut writing = OpenOptions::new();
    let terminal = writing.write(true).custom_flags(O_NOCTTY).open(name);
    (terminal.expect("the holder has it open").into(), holder)
}

/// Faults, swaps, a rollback, a reconnect, keys that break and are revoked, and the end.
async fn everything_goes_on(stderr: OwnedFd) {
    let change = |setup: tidegate_tests::Setup| {
        let setup = setup.stderr(stderr).setting("drain-time", "500ms");
        setup
            .env("TIDEGATE_LOG", "trace")
            .setting("log-queue-size", "4KiB")
    };
    let mut stage = Stage::set(&Guest::stamped("first"), change).await;
    let key = keys::create(&stage.tidegate.keys_file(), "passing", &[]);
    let connect = stage.tidegate.connect().key(&key);
    let mut passing = eventually("the key", secs(2), async || {
        connect.open().await.let_in().await.ok()
    })
    .await;
    let follower = stage.follower().await;
    let feed = Feed::start(&stage.redis, &SYMBOLS, 200).await;
    follower.sees_mark("first", &SYMBOLS, secs(10)).await;

    let bad = stage
        .admin
        .push(&Guest::stamped("bad").failing(Failing::Trap))
        .await;
    stage
        .admin
        .apply_revision(&bad, json!({"allow_failing": true}))
        .await;
    stage.admin.returns_from("ticks", &bad, secs(30)).await;
    stage.admin.push_and_apply(&Guest::stamped("next")).await;
    follower.sees_mark("next", &SYMBOLS, secs(10)).await;
    stage.admin.rollback("ticks", json!({})).await.done();
    follower.sees_mark("first", &SYMBOLS, secs(10)).await;
    feed.stop().await;

    stage.redis.kill().await;
    stage.tidegate.becomes_unready(secs(5)).await;
    stage.redis.restart(&[]).await;
    stage.tidegate.becomes_ready(secs(10)).await;

    let file = stage.tidegate.keys_file();
    let good = std::fs::read_to_string(&file).expect("the key file");
    keys::replace(&file, "not JSON");
    // Longer than three looks at the file.
    tokio::time::sleep(secs(1)).await;
    keys::replace(&file, &good);
    keys::revoke(&file, "passing");
    assert_eq!(passing.closed_within(secs(1)).await.0, 4001);

    assert_eq!(stage.tidegate.admin_get("/healthz").await.status, 200);
    assert_eq!(stage.tidegate.metric("tidegate_tasks_down", &[]).await, 0.0);
    let ends = stage.tidegate.metric("tidegate_task_ends_total", &[]).await;
    assert_eq!(ends, 0.0, "nothing ended");
    until("lost lines to be counted", secs(5), async || {
        stage
            .tidegate
            .metric("tidegate_log_lines_lost_total", &[])
            .await
            > 0.0
    })
    .await;

    let staying = stage.tidegate.client().await.record();
    stage.tidegate.terminate();
    assert_eq!(staying.closed(secs(3)).await.0, 1001);
    let status = stage.tidegate.process.exit(secs(6)).await;
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_reader_of_the_log_hurts_nobody() {
    everything_goes_on(dead()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_the_log_hurts_nobody() {
    everything_goes_on(full()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_of_the_log_that_stalls_hurts_nobody() {
    let (stderr, _reader) = stalled();
    everything_goes_on(stderr).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_terminal_hurts_nobody() {
    let (stderr, _holder) = closed_terminal().await;
    everything_goes_on(stderr).await;
}

#[tokio::test]
async fn with_a_good_reader_no_line_is_lost_and_the_last_ones_are_there() {
    let mut stage = Stage::with(&Guest::stamped("first")).await;
    assert_eq!(
        stage
            .tidegate
            .metric("tidegate_log_lines_lost_total", &[])
            .await,
        0.0
    );
    stage.tidegate.terminate();
    let status = stage.tidegate.process.exit(secs(6)).await;
    assert!(status.success(), "{status}");
    until("the last line", millis(500), async || {
        stage.tidegate.stderr().lines_with("drained") == 1
    })
    .await;
    assert_eq!(stage.tidegate.stderr().lines_with("draining"), 1);
}
