//! Who tried what he may not: it is in the audit log with where it came from, and a flood of it
//! fills neither that nor the log.

use serde_json::{Value, json};
use tidegate_tests::admin::{everything, text};
use tidegate_tests::binary::{run, said};
use tidegate_tests::{Guest, Stage, eventually, http, secs};

/// Entries with this result.
async fn of_result(stage: &Stage, result: &str) -> Vec<Value> {
    let mut history = stage.admin.history().await;
    history.retain(|entry| entry["result"] == result);
    history
}

async fn comes(stage: &Stage, result: &str) -> Value {
    eventually(result, secs(20), async || {
        of_result(stage, result).await.pop()
    })
    .await
}

#[tokio::test]
async fn a_request_without_a_good_token_is_there_with_its_address() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let stranger = stage.admin.with_token("tda_secret-that-is-not-in-force");
    stranger
        .post("/v1/transforms/ticks/pause", json!({}))
        .await
        .refused(401, "unauthorized");
    let entry = comes(&stage, "unauthorized").await;
    assert_eq!(entry["by"], "");
    assert_eq!(entry["address"], "127.0.0.1");
    assert_eq!(entry["action"], "request");
    assert_eq!(entry["detail"], "1 request, for pause");
    assert!(!entry.to_string().contains("not-in-force"), "{entry}");
    let labels = [("result", "unauthorized")];
    let tries = stage.tidegate.metric("tidegate_admin_tries_total", &labels);
    assert_eq!(tries.await, 1.0);
}

#[tokio::test]
async fn a_token_whose_role_is_too_small_is_named() {
    let mut token = String::new();
    let stage = Stage::set(&Guest::stamped("a"), |setup| {
        let file = setup.path("admin-tokens.json");
        let path = file.to_string_lossy();
        let words = [
            "admin-token",
            "create",
            "--name",
            "screen",
            "--role",
            "view",
        ];
        let output = run(
            &setup.path(""),
            &[&words[..], &["--admin-tokens-file", &path]].concat(),
        );
        assert!(output.status.success(), "{}", said(&output));
        let shown = String::from_utf8_lossy(&output.stdout);
        shown
            .lines()
            .last()
            .expect("the token")
            .clone_into(&mut token);
        setup.setting("admin-tokens-file", &path)
    })
    .await;
    let screen = stage.admin.with_token(&token);
    for _ in 0..3 {
        screen
            .post("/v1/transforms/ticks/pause", json!({}))
            .await
            .refused(403, "forbidden");
    }
    let entry = comes(&stage, "forbidden").await;
    assert_eq!(
        (&entry["by"], &entry["address"]),
        (&json!("screen"), &json!("127.0.0.1"))
    );
    let detail = text(&entry["detail"]);
    assert!(detail.contains("for pause"), "{detail}");
}

#[tokio::test]
async fn a_flood_of_them_leaves_a_few_lines_that_count_it() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    const FLOOD: usize = 2_000;
    let address = stage.tidegate.admin();
    for _ in 0..FLOOD {
        let headers = [("Authorization", "Bearer wrong")];
        let answer = http::get(address, "/v1/transforms", &headers).await;
        assert_eq!(answer.status, 401);
    }
    let counted = eventually("all are counted", secs(60), async || {
        let entries = of_result(&stage, "unauthorized").await;
        let counts = entries.iter().map(|entry| {
            let number = text(&entry["detail"]).split(' ').next().expect("a number");
            number.parse::<usize>().expect("a number")
        });
        (counts.sum::<usize>() == FLOOD).then_some(entries.len())
    })
    .await;
    assert!(counted <= 6, "{counted} lines");
    let log = stage.tidegate.stderr().text();
    let said = log.matches("an admin request is refused").count();
    assert!(said < 100, "{said} lines of the log");
}

#[tokio::test]
async fn who_applied_what_with_which_consents_is_there_and_from_where() {
    let stage = Stage::with(&Guest::stamped("a")).await;
    let wider = stage.admin.push(&Guest::wider("b")).await;
    let plan = stage.admin.plan(&wider).await;
    let id = text(&plan["id"]);
    let consent = json!({"allow_breaking": true});
    let refused = stage.admin.apply(id, consent).await;
    refused.refused(409, "needs-allow-wider");
    stage.admin.apply(id, everything()).await.done();
    let path = format!("/v1/revisions/{}/shadow", text(&plan["from"]));
    let asked = json!({"seconds": 60, "show_input": true});
    let shadow = stage.admin.post(&path, asked).await.done();
    let path = format!("/v1/shadows/{}", text(&shadow["id"]));
    stage.admin.delete(&path).await.done();
    let path = "/v1/check";
    stage
        .admin
        .post_bytes(path, &Guest::stamped("c").binary())
        .await;
    let history = stage.admin.history().await;
    let last: Vec<String> = history[history.len() - 5..]
        .iter()
        .map(|entry| {
            assert_eq!(entry["address"], "127.0.0.1", "{entry}");
            format!(
                "{} {}: {}",
                text(&entry["action"]),
                text(&entry["result"]),
                text(&entry["detail"])
            )
        })
        .collect();
    assert!(
        last[0].starts_with("apply needs-allow-wider: "),
        "{last:#?}"
    );
    assert!(last[0].ends_with("; allow_breaking true"), "{last:#?}");
    let consents = "; allow_wider true, allow_breaking true, allow_silent true, allow_failing true, probation false";
    assert!(
        last[1].starts_with("apply done: ") && last[1].ends_with(consents),
        "{last:#?}"
    );
    assert_eq!(last[2], "shadow done: with inputs shown");
    assert_eq!(last[3], "stop-shadow done: ");
    assert!(last[4].starts_with("check done: "), "{last:#?}");
}
