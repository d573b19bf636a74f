//! A host whose state folder takes nothing: it starts and runs what is in it, says so wherever
//! anybody looks, stops what it is told to stop, and starts nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::{Guest, Redis, Setup, Stage, Tidegate, Transform, secs, until};

/// Takes the right to write from everybody, or gives it back to the owner.
fn set_writable(path: &Path, writable: bool) {
    let mode = fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode();
    let mode = if writable {
        mode | 0o200
    } else {
        mode & !0o222
    };
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            set_writable(&entry.expect("an entry").path(), writable);
        }
    }
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("one's own file");
}

/// It is said on `/readyz`, by a gauge, and by `transform show`.
async fn is_said(host: &Tidegate) {
    host.metric_becomes("tidegate_state_writable", &[], 0.0)
        .await;
    until("a note on /readyz", secs(10), async || {
        let (status, body) = host.ready().await;
        let notes = body["notes"].to_string();
        status == 200 && notes.contains("the state folder cannot be written to")
    })
    .await;
    let shown = host.transform(&["show", "ticks"]).await;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("the state folder cannot be written to"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_host_starts_with_a_read_only_folder_stops_what_it_is_told_to_and_starts_nothing() {
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        setup.setting("probation-time", "0s")
    })
    .await;
    let a = stage.admin.active("ticks").await;
    let b = stage.admin.push_and_apply(&Guest::stamped("b")).await;
    let c = stage.admin.push(&Guest::stamped("c")).await;
    let plan = stage.admin.plan(&c).await;
    let (setup, key) = stage.tidegate.killed();
    let folder = setup.state_folder();
    set_writable(&folder, false);
    let host = setup.obeying_file_rights().start_with_key(key).await;
    let admin = host.admin_api();
    assert_eq!(admin.active("ticks").await, b);
    is_said(&host).await;
    let refused = admin.apply(text(&plan["id"]), everything()).await;
    assert_eq!(refused.status, 500, "{refused:?}");
    assert!(!text(&refused.body["detail"]).is_empty(), "{refused:?}");
    assert_eq!(admin.active("ticks").await, b);
    let back = admin.rollback("ticks", json!({})).await.done();
    assert_eq!(back["to"], a.as_str(), "{back}");
    assert!(
        back["not_yet"].to_string().contains("written down"),
        "{back}"
    );
    let paused = admin.pause("ticks").await;
    assert_eq!(paused["state"], "paused");
    assert!(
        paused["not_yet"].to_string().contains("written down"),
        "{paused}"
    );
    set_writable(&folder, true);
    host.metric_becomes("tidegate_state_behind", &[], 0.0).await;
    host.metric_becomes("tidegate_state_writable", &[], 1.0)
        .await;
    let host = host.kill_and_restart().await;
    let report = host.admin_api().transform("ticks").await;
    assert_eq!(report["revision"]["id"], a.as_str(), "{report:#}");
    assert_eq!(report["state"], "paused", "{report:#}");
    assert_eq!(report["not_yet"], Value::Null, "{report:#}");
}

#[tokio::test]
async fn an_empty_folder_that_takes_nothing_is_refused_before_a_socket_is_bound() {
    let redis = Redis::start().await;
    let setup: Setup = Tidegate::on(&redis).state_dir();
    let file = Guest::stamped("a").write(&setup.path(""));
    let folder = setup.state_folder();
    fs::create_dir(&folder).expect("a folder of one's own");
    set_writable(&folder, false);
    let setup = setup.transform(Transform::file(&file));
    let refused = setup.obeying_file_rights().refused().await;
    let said = refused.said;
    assert!(said.contains("cannot use the state folder"), "{said}");
    assert!(
        said.contains("let the user that runs tidegate at it"),
        "{said}"
    );
}
