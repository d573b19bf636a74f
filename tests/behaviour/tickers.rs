//! The ticker of the examples, in each language: within default limits, the same events give
//! publications that are equal to the byte, and rejections that are counted alike.

use std::collections::BTreeMap;

use serde_json::Value;
use tidegate_tests::admin::{everything, revision_of};
use tidegate_tests::examples::{self, LANGUAGES};
use tidegate_tests::quotes::{Quote, quotes};
use tidegate_tests::stage::patient;
use tidegate_tests::{Admin, Redis, Tidegate, Transform, http, secs, until};

const EVENTS: usize = 1000;

/// What a ticker made of all events.
#[derive(Debug, PartialEq)]
struct Answers {
    /// Messages as they were sent, without their `seq`.
    publications: Vec<String>,
    /// Counters of rejections by reason and by field.
    rejections: BTreeMap<String, u64>,
}

const REASONS: [&str; 4] = ["malformed", "missing", "invalid", "unwanted"];
const FIELDS: [&str; 6] = ["symbol", "last", "bid", "ask", "time", "other"];

async fn rejections(tidegate: &Tidegate) -> BTreeMap<String, u64> {
    let metrics = tidegate.metrics().await;
    let count = |name: &str, label: &str, value: &str| {
        let count = metrics.sum(name, &[("transform", "ticker"), (label, value)]);
        (format!("{label} {value}"), count as u64)
    };
    let reasons = REASONS.map(|reason| count("tidegate_events_rejected_total", "reason", reason));
    let by_field = "tidegate_events_rejected_by_field_total";
    let fields = FIELDS.map(|field| count(by_field, "field", field));
    reasons.into_iter().chain(fields).collect()
}

/// Sends all events to the ticker that runs, and collects what comes of them.
async fn answers(redis: &Redis, tidegate: &Tidegate, events: &[Quote]) -> Answers {
    let mut client = tidegate.subscriber(["tickers:*"]).await;
    let of = [("transform", "ticker")];
    let count = async |name: &str| tidegate.metric(name, &of).await as usize;
    let [events_before, published_before] = [
        count("tidegate_events_total").await,
        count("tidegate_publications_total").await,
    ];
    let before = rejections(tidegate).await;
    redis.publish_all(events.iter().cloned()).await;
    until("all events", secs(60), async || {
        count("tidegate_events_total").await == events_before + events.len()
    })
    .await;
    let mut publications = Vec::new();
    for _ in published_before..count("tidegate_publications_total").await {
        publications.push(without_seq(&client.next_text().await));
    }
    let mut rejections = rejections(tidegate).await;
    for (what, count) in &mut rejections {
        *count -= before[what];
    }
    Answers {
        publications,
        rejections,
    }
}

fn without_seq(message: &str) -> String {
    let (before, rest) = message.split_once(r#","seq":"#).expect("it is numbered");
    let after = rest.trim_start_matches(|digit: char| digit.is_ascii_digit());
    format!("{before}{after}")
}

/// Pushes a ticker, within default limits, and lets it take over.
async fn take_over(admin: &Admin, language: &str) {
    let component = examples::ticker(language);
    let pushed = admin.post_bytes("/v1/revisions", &component).await.done();
    let revision = revision_of(&pushed);
    admin.apply_revision(&revision, everything()).await;
    assert_eq!(admin.active("ticker").await, revision, "{language}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_events_give_the_same_answers_in_each_language() {
    let redis = Redis::start().await;
    let setup = patient(Tidegate::on(&redis)).state_dir();
    let rust = Transform::file(&examples::path("rust"));
    let tidegate = setup.transform(rust).start().await;
    let events = quotes(EVENTS);
    let first = answers(&redis, &tidegate, &events).await;
    tell_use(&tidegate.admin_api(), "rust").await;
    assert!(first.publications.len() > 300, "{first:#?}");
    for kind in REASONS.iter().chain(&FIELDS[..5]) {
        let counted = first
            .rejections
            .iter()
            .any(|(what, &count)| what.ends_with(kind) && count > 0);
        assert!(counted, "{kind}: {:#?}", first.rejections);
    }
    let described = document(&tidegate).await;
    let pattern = r"^tickers:(?:[A-Z0-9]{1,16}-[A-Z0-9]{1,16})$";
    assert!(described.to_string().contains(pattern), "{described:#}");
    for language in &LANGUAGES[1..] {
        take_over(&tidegate.admin_api(), language).await;
        let own = answers(&redis, &tidegate, &events).await;
        tell_use(&tidegate.admin_api(), language).await;
        assert_eq!(own.rejections, first.rejections, "{language}");
        for (number, (own, rust)) in own.publications.iter().zip(&first.publications).enumerate() {
            assert_eq!(own, rust, "{language}, publication {number}");
        }
        assert_eq!(
            own.publications.len(),
            first.publications.len(),
            "{language}"
        );
        assert_eq!(document(&tidegate).await, described, "{language}");
    }
    for lost in [
        "tidegate_transform_faults_total",
        "tidegate_guard_blocks_total",
    ] {
        assert_eq!(tidegate.metric(lost, &[]).await, 0.0, "{lost}");
    }
}

/// What the public document says; the order of what has names does not matter.
async fn document(tidegate: &Tidegate) -> Value {
    let document = http::get(tidegate.public(), "/public/v1/asyncapi.yaml", &[]).await;
    serde_saphyr::from_str(&document.body).expect("YAML")
}

/// What the ticker that runs has used, for whoever reads the test's output.
async fn tell_use(admin: &Admin, language: &str) {
    let report = admin.transform("ticker").await;
    println!("{language}: {} {}", report["figures"], report["high_water"]);
}
