//! A candidate beside the active revision on live events: counted, compared, never heard.

use serde_json::{Value, json};
use tidegate_tests::admin::{revision_of, text};
use tidegate_tests::binary::{run, said};
use tidegate_tests::guest::Failing;
use tidegate_tests::stage::patient;
use tidegate_tests::{Feed, Follower, Guest, Redis, Setup, Stage, Tidegate, Transform, secs};

/// A host on `a`, a client, ticks of `AB` and `XY`, and a candidate.
struct Beside {
    stage: Stage,
    follower: Follower,
    feed: Feed,
    candidate: String,
}

impl Beside {
    async fn of(guest: &Guest) -> Self {
        Self::on(Stage::with(&Guest::stamped("a")).await, guest).await
    }

    async fn on(stage: Stage, guest: &Guest) -> Self {
        let follower = stage.follower().await;
        let feed = Feed::start(&stage.redis, &["AB", "XY"], 500).await;
        let candidate = stage.admin.push(guest).await;
        Self {
            stage,
            follower,
            feed,
            candidate,
        }
    }

    async fn start(&self, asked: Value) -> String {
        let path = format!("/v1/revisions/{}/shadow", self.candidate);
        let answer = self.stage.admin.post(&path, asked).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(answer.body["candidate"], self.candidate.as_str());
        text(&answer.body["id"]).to_owned()
    }

    async fn report(&self, asked: Value) -> Value {
        let id = self.start(asked).await;
        self.stage.admin.shadow_ends(&id, secs(20)).await
    }

    /// Nothing of the candidate was published, and nothing of the active revision is missing.
    async fn ends(self) {
        let sent = self.feed.stop().await;
        self.follower.has_all(&sent, secs(10)).await;
        for symbol in ["AB", "XY"] {
            assert_eq!(self.follower.marks(symbol), ["a"]);
        }
    }
}

fn count(report: &Value, what: &str) -> u64 {
    report["comparison"][what].as_u64().expect("a count")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_does_the_same_is_identical_and_both_are_timed() {
    let beside = Beside::of(&Guest::stamped("a").version("1.0.1")).await;
    let report = beside.report(json!({"events": 100, "seconds": 20})).await;
    assert_eq!(report["state"], "done", "{report:#}");
    assert_eq!(report["progress"], 1.0);
    assert_eq!(count(&report, "events"), 100, "{report:#}");
    assert_eq!(count(&report, "identical"), 100, "{report:#}");
    assert_eq!(count(&report, "different") + count(&report, "failed"), 0);
    for side in ["active", "candidate"] {
        let times = &report["comparison"][side];
        let (p50, p99) = (times["p50"].as_f64(), times["p99"].as_f64());
        assert!(p50 > Some(0.0) && p50 <= p99, "{report:#}");
    }
    beside.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_says_something_else_is_told_by_field_with_a_few_examples() {
    let beside = Beside::of(&Guest::stamped("b")).await;
    let report = beside.report(json!({"events": 100})).await;
    assert_eq!(count(&report, "different"), 100, "{report:#}");
    let fields = report["comparison"]["fields"].as_array().expect("fields");
    let names: Vec<_> = fields.iter().map(|field| text(&field["field"])).collect();
    assert_eq!(names, ["rev", "rev_again"], "{report:#}");
    for field in fields {
        assert_eq!(field["events"], 100);
        let examples = field["examples"].as_array().expect("examples");
        assert!((1..=5).contains(&examples.len()), "{report:#}");
        let example = &examples[0];
        assert_eq!(
            (&example["active"], &example["candidate"]),
            (&json!("\"a\""), &json!("\"b\""))
        );
        assert!(example["input"].is_null(), "{report:#}");
    }
    beside.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_remembers_is_found_at_random_moments() {
    let beside = Beside::of(&Guest::remembering("a")).await;
    let report = beside.report(json!({"events": 400, "seconds": 20})).await;
    let remembers = &report["comparison"]["failures"]["remembers"];
    assert!(remembers.as_u64() >= Some(1), "{report:#}");
    let same = Beside::of(&Guest::stamped("a").version("1.0.1")).await;
    let report = same.report(json!({"events": 400, "seconds": 20})).await;
    assert_eq!(count(&report, "failed"), 0, "{report:#}");
    beside.ends().await;
    same.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_agreed_to_publish_is_shown_by_its_form_and_inputs_only_when_asked() {
    let beside = Beside::of(&Guest::wider("a")).await;
    let report = beside.report(json!({"events": 50})).await;
    let shown = report.to_string();
    assert!(shown.contains("venue"), "{report:#}");
    assert!(!shown.contains("north"), "{report:#}");
    assert!(!shown.contains(r#""n\""#), "an input is shown: {report:#}");
    let asked = json!({"events": 50, "show_input": true});
    let report = beside.report(asked).await;
    let shown = report.to_string();
    assert!(shown.contains("north"), "{report:#}");
    assert!(shown.contains(r#"\"n\":"#), "no input is shown: {report:#}");
    assert!(!shown.contains("feed:ticks"), "{report:#}");
    beside.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_may_only_look_sees_no_value_that_is_not_public() {
    let tokens = tempfile::tempdir().expect("a temporary folder");
    let file = tokens.path().join("tokens.json").display().to_string();
    let words = ["admin-token", "create", "--admin-tokens-file", &file];
    let who = ["--name", "guest", "--role", "view"];
    let created = run(tokens.path(), &[&words[..], &who].concat());
    assert!(created.status.success(), "{}", said(&created));
    let printed = String::from_utf8(created.stdout).expect("text");
    let token = printed.lines().last().expect("the token").trim();
    let setup = |setup: Setup| setup.setting("admin-tokens-file", &file);
    let stage = Stage::set(&Guest::stamped("a"), setup).await;
    let beside = Beside::on(stage, &Guest::wider("a")).await;
    let id = beside
        .start(json!({"events": 50, "show_input": true}))
        .await;
    let shown = beside.stage.admin.shadow_ends(&id, secs(20)).await;
    assert!(shown.to_string().contains("north"), "{shown:#}");
    let guest = beside.stage.admin.with_token(token);
    let shown = guest.get(&format!("/v1/shadows/{id}")).await.done();
    assert_eq!(count(&shown, "events"), 50, "{shown:#}");
    let shown = shown.to_string();
    assert!(shown.contains("venue"), "{shown}");
    for hidden in ["north", r#"\"n\":"#] {
        assert!(!shown.contains(hidden), "{hidden}: {shown}");
    }
    beside.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_it_rejects_is_told_in_its_own_words_also_where_the_other_does_too() {
    let redis = Redis::start().await;
    let setup = patient(Tidegate::on(&redis)).state_dir();
    let tidegate = setup.transform(Transform::builtin("candle")).start().await;
    let admin = tidegate.admin_api();
    let same = json!({"settings": {"exchange": 1}});
    let candidate = revision_of(&admin.settings("candle", same).await.done());
    let path = format!("/v1/revisions/{candidate}/shadow");
    let asked = json!({"events": 3, "seconds": 20});
    let started = admin.post(&path, asked).await.done();
    for _ in 0..3 {
        let channel = "channel:exchange:1:candle:close:BTC-USD:1h";
        redis.publish(channel, "no JSON, but secret").await;
    }
    let report = admin.shadow_ends(text(&started["id"]), secs(30)).await;
    assert_eq!(count(&report, "identical"), 3, "{report:#}");
    let rejected = &report["comparison"]["rejections"];
    assert_eq!(rejected[0]["reason"], "malformed", "{report:#}");
    assert_eq!(rejected[0]["events"], 3, "{report:#}");
    assert!(!text(&rejected[0]["detail"]).is_empty(), "{report:#}");
    assert!(rejected[1].is_null(), "{report:#}");
    assert!(!report.to_string().contains("secret"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_costs_nothing_but_itself() {
    for how in [Failing::Trap, Failing::Guard] {
        let beside = Beside::of(&Guest::stamped("a").failing(how)).await;
        let report = beside.report(json!({"events": 100})).await;
        let failed = count(&report, "failed");
        assert!((45..=55).contains(&failed), "{report:#}");
        assert_eq!(count(&report, "identical"), 100 - failed, "{report:#}");
        let kinds = &report["comparison"]["failures"];
        assert_eq!(kinds[how.word()], failed, "{report:#}");
        // The active revision's own figures know nothing of it.
        let figures = &beside.stage.admin.transform("ticks").await["figures"];
        assert_eq!(
            (&figures["faults"], &figures["guard_blocks"]),
            (&json!(0), &json!(0))
        );
        beside.ends().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_loops_does_not_hold_the_active_revision_up() {
    let beside = Beside::of(&Guest::stamped("a").failing(Failing::Loop)).await;
    let report = beside.report(json!({"events": 200, "seconds": 3})).await;
    assert!(count(&report, "failed") > 0, "{report:#}");
    beside.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shadow_ends_by_time_by_hand_and_by_an_apply() {
    let beside = Beside::of(&Guest::stamped("b")).await;
    let admin = &beside.stage.admin;
    let report = beside
        .report(json!({"events": 1_000_000, "seconds": 1}))
        .await;
    assert_eq!(report["state"], "done", "{report:#}");
    let id = beside.start(json!({"seconds": 60})).await;
    assert_eq!(admin.transform("ticks").await["shadow"], id.as_str());
    let report = admin.delete(&format!("/v1/shadows/{id}")).await.done();
    assert_eq!(report["state"], "stopped", "{report:#}");
    assert!(admin.transform("ticks").await["shadow"].is_null());
    let id = beside.start(json!({"seconds": 60})).await;
    admin.push_and_apply(&Guest::stamped("c")).await;
    let report = admin.shadow_ends(&id, secs(5)).await;
    assert_eq!(report["state"], "stopped", "{report:#}");
    let unknown = admin.get("/v1/shadows/0123456789abcdef").await;
    unknown.refused(404, "no-such-shadow");
}
