//! What `transform fuzz` writes of a component in which it found nothing: it goes with a push, is
//! kept with the revision, and a plan shows it or that there is none.

use serde_json::{Value, json};
use tidegate_tests::admin::{revision_of, text, url_encoded};
use tidegate_tests::author::Author;
use tidegate_tests::binary::{repository, said};
use tidegate_tests::{Guest, Stage};

fn candle() -> String {
    let file = repository().join("transforms/dist/candle.wasm");
    file.display().to_string()
}

fn certificate(author: &Author) -> Value {
    let file = author.path("candle.json").display().to_string();
    author.ends(
        0,
        &[
            "fuzz",
            &candle(),
            "--events",
            "20000",
            "--certificate",
            &file,
        ],
    );
    let written = std::fs::read(&file).expect("a certificate");
    serde_json::from_slice(&written).expect("JSON")
}

#[tokio::test]
async fn a_certificate_goes_with_a_push_and_is_shown_by_the_plan() {
    let stage = Stage::with(&Guest::ticks()).await;
    let author = Author::default();
    let certificate = certificate(&author);
    let component = std::fs::read(candle()).expect("a component");
    let pushed = stage
        .admin
        .post_bytes("/v1/revisions", &component)
        .await
        .done();
    assert_eq!(pushed["revision"]["certificate"], Value::Null);
    let without = stage.admin.plan(&revision_of(&pushed)).await;
    assert_eq!(without["certificate"], Value::Null);
    // The same component again, now with what was tried: it is known, and says more of itself.
    let path = format!(
        "/v1/revisions?certificate={}",
        url_encoded(&certificate.to_string())
    );
    let pushed = stage.admin.post_bytes(&path, &component).await.done();
    assert_eq!(
        (&pushed["new"], &pushed["revision"]["certificate"]),
        (&json!(false), &certificate)
    );
    let with = stage.admin.plan(&revision_of(&pushed)).await;
    assert_eq!(with["certificate"], certificate);
    assert_eq!(certificate["component"], pushed["revision"]["component"]);
    assert_eq!(certificate["exceptions"], json!([]));
}

#[tokio::test]
async fn one_of_another_component_or_of_no_form_is_refused_and_nothing_is_kept() {
    let stage = Stage::with(&Guest::ticks()).await;
    let certificate = certificate(&Author::default());
    let second = Guest::stamped("b");
    let before = stage.admin.revisions().await.len();
    let path = format!(
        "/v1/revisions?certificate={}",
        url_encoded(&certificate.to_string())
    );
    let refused = stage.admin.post_bytes(&path, &second.binary()).await;
    let said = refused.refused(422, "check-failed");
    assert!(
        said.contains("certificate is of another component"),
        "{said}"
    );
    let large = format!("\"{}\"", "x".repeat(7 << 10));
    let whole = certificate.to_string();
    let cut = &whole[..whole.len() / 2];
    for wrong in ["{}", "[1]", &large, cut] {
        let path = format!("/v1/revisions?certificate={}", url_encoded(wrong));
        let refused = stage.admin.post_bytes(&path, &second.binary()).await;
        let said = refused.refused(400, "bad-request");
        assert!(said.contains("`certificate`"), "{said}");
    }
    assert_eq!(stage.admin.revisions().await.len(), before);
}

#[tokio::test]
async fn the_commands_carry_it_and_people_read_it_in_the_plan() {
    let stage = Stage::with(&Guest::ticks()).await;
    let author = Author::default();
    let _written = certificate(&author);
    let certificate = author.path("candle.json").display().to_string();
    let types = async |words: &[&str]| {
        let output = stage.tidegate.transform(words).await;
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        String::from_utf8(output.stdout).expect("text")
    };
    let pushed = types(&["push", &candle(), "--certificate", &certificate, "--json"]).await;
    let pushed: Value = serde_json::from_str(&pushed).expect("JSON");
    let text_of_plan = types(&["plan", text(&pushed["revision"]["id"])]).await;
    assert!(
        text_of_plan.contains("fuzzed: no leak found in "),
        "{text_of_plan}"
    );
    let file = author.write("other.wasm", Guest::stamped("b").binary());
    let pushed = types(&["push", &file.display().to_string(), "--json"]).await;
    let pushed: Value = serde_json::from_str(&pushed).expect("JSON");
    let text_of_plan = types(&["plan", text(&pushed["revision"]["id"])]).await;
    assert!(text_of_plan.contains("not fuzzed"), "{text_of_plan}");
}

/// A project whose sample has more fields than a certificate has room for.
fn wide_project() -> Author {
    let author = Author::default();
    let mut payload = json!({"price": "42350.25", "size": 12.5, "at": "noon", "side": "buy"});
    for at in 0..400 {
        payload[format!("internal-figure-{at}")] = json!(at);
    }
    let public = json!({"price": "42350.25", "size": 12.5, "at": "noon", "side": "buy"});
    let sample = json!({
        "event": {"channel": "desk:BTC-USD:deals", "payload": payload},
        "expect": {"publications": [
            {"channel": "deals:BTC-USD:retail", "type": "deal", "data": public}]}
    });
    author.write("samples/wide.json", sample.to_string());
    let text = format!(
        "language = \"rust\"\ncomponent = {:?}\nsettings = {WIDE_SETTINGS}\n",
        leaks()
    );
    author.write("tidegate-transform.toml", text);
    author
}

const WIDE_SETTINGS: &str = "{ behaviour = \"ignores-secrets\" }";

fn leaks() -> String {
    let file = repository().join("tests/contract/leaks.wasm");
    file.display().to_string()
}

#[tokio::test]
async fn one_with_more_fields_than_there_is_room_for_says_so_and_goes_along() {
    let stage = Stage::with(&Guest::ticks()).await;
    let author = wide_project();
    author.ends(
        0,
        &["fuzz", "--events", "2000", "--certificate", "wide.json"],
    );
    let file = author.path("wide.json").display().to_string();
    let settings = json!({"behaviour": "ignores-secrets"}).to_string();
    let output = stage
        .tidegate
        .transform(&[
            "push",
            &leaks(),
            "--settings",
            &settings,
            "--certificate",
            &file,
            "--json",
        ])
        .await;
    assert!(output.status.success(), "{}", said(&output));
    let pushed: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let kept = &pushed["revision"]["certificate"];
    let named = kept["secret"].as_array().expect("a list").len() as u64;
    let unnamed = kept["unnamed"].as_u64().expect("a number");
    assert!(named > 100 && unnamed > 50, "{kept:#}");
}

#[tokio::test]
async fn a_forged_one_is_shown_as_the_word_of_whoever_pushes_it() {
    let stage = Stage::with(&Guest::ticks()).await;
    let mut forged = certificate(&Author::default());
    forged["events"] = json!(1_000_000_000_u64);
    let path = format!(
        "/v1/revisions?certificate={}",
        url_encoded(&forged.to_string())
    );
    let component = std::fs::read(candle()).expect("a component");
    let pushed = stage.admin.post_bytes(&path, &component).await.done();
    let plan = stage.admin.plan(&revision_of(&pushed)).await;
    assert_eq!(plan["certificate"], forged);
}
