//! A host with five components of the languages that bring an engine along: it starts from
//! what it has compiled, and compiles nothing.

use std::time::Instant;

use serde_json::Value;
use tidegate_tests::admin::{everything, revision_of};
use tidegate_tests::examples::{self, renamed};
use tidegate_tests::stage::patient;
use tidegate_tests::{Client, Redis, Tidegate, Transform, secs};

/// The names of the five, each with its language. All names have as many letters.
const FIVE: [(&str, &str); 5] = [
    ("tacker", "rust"),
    ("tecker", "javascript"),
    ("ticker", "javascript"),
    ("tocker", "quickjs"),
    ("tucker", "python"),
];

async fn compilations(tidegate: &Tidegate, outcome: &str) -> f64 {
    let labels = [("outcome", outcome)];
    tidegate
        .metric("tidegate_compilations_total", &labels)
        .await
}

/// Functions compiled, and functions whose code was there.
async fn functions(tidegate: &Tidegate) -> [f64; 2] {
    let metrics = tidegate.metrics().await;
    ["compiled", "reused"]
        .map(|outcome| metrics.sum("tidegate_compiled_functions_total", &[("outcome", outcome)]))
}

/// Shows that each of the five answers.
async fn all_answer(redis: &Redis, client: &mut Client) {
    for (name, language) in FIVE {
        let payload = r#"{"last":"1.50","time":"2026-02-19T12:00:00Z"}"#;
        let channel = format!("channel:exchange:1:{name}:BTC-USD");
        assert_eq!(redis.publish(&channel, payload).await, 1, "{name}");
        let message = client.next_data().await;
        assert_eq!(message["channel"], format!("{name}s:BTC-USD"), "{language}");
        assert_eq!(message["data"]["last"], "1.50", "{language}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_with_five_components_of_three_languages_starts_from_what_it_has_compiled() {
    let redis = Redis::start().await;
    let setup = patient(Tidegate::on(&redis)).state_dir();
    let (first, language) = FIVE[0];
    let file = setup.path("first.wasm");
    let component = renamed(&examples::ticker(language), first);
    std::fs::write(&file, component).expect("a file in one's own folder");
    let tidegate = setup.transform(Transform::file(&file)).start().await;
    for (name, language) in &FIVE[1..] {
        let admin = tidegate.admin_api();
        let component = renamed(&examples::ticker(language), name);
        let before = functions(&tidegate).await;
        let pushed = admin.post_bytes("/v1/revisions", &component).await.done();
        let after = functions(&tidegate).await;
        let [compiled, reused] = [0, 1].map(|place| after[place] - before[place]);
        println!("{name}, {language}: {compiled} functions compiled, {reused} reused");
        if *name == "ticker" {
            assert!(
                compiled * 10.0 < reused,
                "JavaScript was there: {compiled}, {reused}"
            );
        }
        admin
            .apply_revision(&revision_of(&pushed), everything())
            .await;
    }
    assert_eq!(compilations(&tidegate, "compiled").await, 5.0);
    let families = FIVE.map(|(name, _)| format!("{name}s:*"));
    let families = families.each_ref().map(String::as_str);
    all_answer(&redis, &mut tidegate.subscriber(families).await).await;

    let started = Instant::now();
    let tidegate = tidegate.kill_and_restart().await;
    // For whoever reads the test's output; how long it takes is the machine's affair.
    println!(
        "five components from their compiled code: {:?}",
        started.elapsed()
    );
    // The first call into an engine pages its code in, which can take more than a call may, and on a
    // busy machine twice in a row: then it is tried again in a second.
    let admin = tidegate.admin_api();
    for (name, _) in FIVE {
        let is_live = |report: &Value| report["state"] == "live";
        admin.becomes(name, "live", secs(20), is_live).await;
    }
    assert_eq!(compilations(&tidegate, "compiled").await, 0.0);
    assert_eq!(compilations(&tidegate, "cached").await, 5.0);
    all_answer(&redis, &mut tidegate.subscriber(families).await).await;
}
