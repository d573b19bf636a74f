//! What is judged is what is enforced: a schema that two readers could take differently is
//! refused with what to do, and what was taken is what the guard, a plan and the document say.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tidegate_tests::checked::{check, is_refused};
use tidegate_tests::guest::{Allowed, Descriptor, Sample};
use tidegate_tests::{Guest, Stage, Tidegate, Transform, http};

const DRAFT_4: &str = "http://json-schema.org/draft-04/schema#";
const DRAFT_7: &str = "http://json-schema.org/draft-07/schema#";
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What must never leave.
const POSITION: &str = "-120.5";

fn closed(fields: &Value) -> Value {
    json!({"type": "object", "additionalProperties": false, "properties": fields})
}

/// A component that publishes what comes in, and says that it is of this schema.
fn echo(schema: &Value) -> Guest {
    Guest::ticks().descriptor(|of| {
        of.data_schema = schema.to_string();
        of.samples = vec![Sample::published("feed:ticks:A", "{}", "ticks:A", "{}")];
    })
}

/// Schemas of one field `rev`, in which a part is of another draft: to a reader that follows
/// it, anything fits.
fn of_other_drafts() -> [Value; 4] {
    let position = json!({"type": "array", "items": false, "maxItems": 1,
        "$schema": DRAFT_7, "prefixItems": [{"const": "v2"}]});
    [
        json!({"$schema": DRAFT_4, "const": "v2"}),
        json!({"$schema": DRAFT_4, "type": "number", "maximum": 5, "exclusiveMaximum": 5}),
        position,
        json!({"anyOf": [{"$schema": DRAFT_4, "const": "v2"}, {"type": "null"}]}),
    ]
}

#[test]
fn a_part_of_another_draft_is_refused_with_its_place_and_what_to_do() {
    for rev in of_other_drafts() {
        let place = match rev.get("anyOf") {
            Some(_) => "/properties/rev/anyOf/0",
            None => "/properties/rev",
        };
        is_refused(
            &echo(&closed(&json!({"rev": rev}))),
            &[place, "\"$schema\" stands only at the top", "take it out"],
        );
    }
}

#[test]
fn the_whole_is_of_2020_12_or_says_nothing() {
    let with = |dialect: &str| {
        let mut schema = closed(&json!({"price": {"type": "string", "maxLength": 20}}));
        schema["$schema"] = dialect.into();
        echo(&schema)
    };
    for dialect in [
        DRAFT_4,
        DRAFT_7,
        "https://json-schema.org/draft/2019-09/schema",
        "",
    ] {
        is_refused(&with(dialect), &["at the top", DIALECT]);
    }
    for dialect in [DIALECT.to_owned(), format!("{DIALECT}#")] {
        let (accepted, said) = check(&with(&dialect));
        assert!(accepted, "{said}");
    }
}

#[test]
fn a_keyword_of_the_wrong_form_is_refused() {
    for (rev, says) in [
        (json!({"type": "string", "maxLength": "20"}), "maxLength"),
        (json!({"type": "string", "maxLength": -1}), "maxLength"),
        (json!({"type": "number", "maximum": true}), "maximum"),
        (json!({"type": "integer", "multipleOf": 0}), "multipleOf"),
        (json!({"type": "integer", "multipleOf": 0.1}), "multipleOf"),
        (json!({"enum": []}), "enum"),
        (json!({"enum": "v2"}), "enum"),
        (json!({"anyOf": {"0": {"const": 1}}}), "anyOf"),
        (
            json!({"type": ["string", "string"], "maxLength": 1}),
            "twice",
        ),
        (json!({"type": "integer", "enum": ["v2"]}), "enum"),
        (json!({"const": 1, "$id": "https://example.org"}), "$id"),
    ] {
        is_refused(
            &echo(&closed(&json!({"rev": rev}))),
            &["/properties/rev: ", says],
        );
    }
}

#[test]
fn an_expression_that_two_readers_take_differently_is_refused() {
    for pattern in ["^[a[b]|.*]$", "^[a-z&&[^b]]$", "(?x)^a $ # b", r"^\p{Lu}$"] {
        let rev = json!({"type": "string", "pattern": pattern});
        is_refused(
            &echo(&closed(&json!({"rev": rev}))),
            &["/properties/rev: the \"pattern\"", "write"],
        );
    }
    // Put between parentheses as a text, this one would be open at both ends.
    let open = |of: &mut Descriptor| of.parameters[0].1 = Allowed::Pattern("A)|(?:B".into());
    is_refused(
        &Guest::ticks().descriptor(open),
        &["parameter symbol", "pattern"],
    );
}

#[tokio::test]
async fn a_candidate_with_a_part_of_another_draft_never_runs_and_nothing_of_it_leaves() {
    let stage = Stage::with(&echo(&closed(
        &json!({"rev": {"type": "string", "maxLength": 20}}),
    )))
    .await;
    let active = stage.admin.active("ticks").await;
    for rev in of_other_drafts() {
        let hostile = echo(&closed(&json!({"rev": rev})));
        let said = stage
            .admin
            .try_push(&hostile)
            .await
            .refused(422, "check-failed");
        assert!(said.contains("stands only at the top"), "{said}");
    }
    assert_eq!(stage.admin.active("ticks").await, active);
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    let internal = format!(r#"{{"rev":{{"n":1,"internal":{{"position":{POSITION}}}}}}}"#);
    stage.redis.publish("feed:ticks:AB", &internal).await;
    stage
        .redis
        .publish("feed:ticks:AB", r#"{"rev":"v1"}"#)
        .await;
    let text = client.next_data().await.to_string();
    assert!(!text.contains(POSITION) && text.contains("v1"), "{text}");
}

#[tokio::test]
async fn words_of_json_schema_inside_of_values_are_data() {
    let words = json!({"$schema": DRAFT_4, "format": "date", "properties": {}, "$ref": "#/x",
        "$id": "https://example.org", "type": "string", "maxLength": 1});
    let schema = closed(&json!({"rev": {"enum": [words, {"format": 1}]}}));
    let stage = Stage::with(&echo(&schema)).await;
    let mut client = stage.tidegate.subscriber(["ticks:*"]).await;
    let mut longer = words.clone();
    longer["maxLength"] = 64.into();
    let mut without = words.clone();
    without["$schema"] = Value::Null;
    for rev in [
        &longer,
        &without,
        &json!("a"),
        &json!({"format": 2}),
        &words,
    ] {
        let payload = json!({"rev": rev}).to_string();
        stage.redis.publish("feed:ticks:AB", &payload).await;
    }
    assert_eq!(client.next_data().await["data"]["rev"], words);
    let labels = [("transform", "ticks"), ("reason", "schema")];
    let blocked = stage
        .tidegate
        .metric("tidegate_guard_blocks_total", &labels);
    assert_eq!(blocked.await, 4.0);
}

#[tokio::test]
async fn a_plan_says_what_the_guard_will_let_through() {
    let of = |rev: Value| echo(&closed(&json!({"rev": rev})));
    let stage = Stage::with(&of(json!({"type": "string", "maxLength": 20}))).await;
    for (rev, wider, breaking) in [
        (json!({"const": "v2"}), 0, 0),
        (
            json!({"const": "a text of more than twenty characters"}),
            1,
            0,
        ),
        (json!({"type": "string", "pattern": "^v[0-9]$"}), 1, 0),
        (json!({"type": "string", "format": "date"}), 1, 0),
        (closed(&json!({"n": {"type": "integer"}})), 1, 1),
    ] {
        let candidate = stage.admin.push(&of(rev.clone())).await;
        let plan = stage.admin.plan(&candidate).await;
        let count = |level: &str| {
            let changes = plan["changes"].as_array().expect("a list of changes");
            changes
                .iter()
                .filter(|change| change["level"] == level)
                .count()
        };
        assert_eq!(
            (count("wider"), count("breaking")),
            (wider, breaking),
            "{rev}: {plan:#}"
        );
    }
}

#[test]
fn what_could_hold_up_a_lane_is_refused() {
    let values: Vec<u32> = (0..10_000).collect();
    for (rev, says) in [
        (
            json!({"type": "string", "pattern": "^[ab]*a[ab]{5000}$"}),
            "to a table",
        ),
        (json!({"enum": values}), "values in all"),
    ] {
        is_refused(
            &echo(&closed(&json!({"rev": rev}))),
            &["/properties/rev: ", says],
        );
    }
    let bounded = json!({"type": "string", "pattern": "^[ab]*a[ab]{5}$"});
    let (accepted, said) = check(&echo(&closed(&json!({"rev": bounded}))));
    assert!(accepted, "{said}");
}

#[tokio::test]
async fn a_plan_names_every_field_and_item_that_comes() {
    let text = json!({"type": "string", "maxLength": 20});
    let stage = Stage::with(&echo(&closed(&json!({"rev": text})))).await;
    let pair = json!({"type": "array", "items": false, "maxItems": 1,
        "prefixItems": [{"type": "string", "maxLength": 60_000}]});
    let leg = closed(&json!({"net position": {"type": "number"}, "pair": pair}));
    let more = echo(&closed(&json!({"rev": text, "leg": leg})));
    let candidate = stage.admin.push(&more).await;
    let plan = stage.admin.plan(&candidate).await.to_string();
    for says in ["net position", "string up to 60000 characters"] {
        assert!(plan.contains(says), "{says} in {plan}");
    }
}

#[tokio::test]
async fn the_document_shows_the_form_that_is_enforced() {
    let mut schema = closed(&json!({
        "at": {"type": "string", "format": "date-time", "$comment": "of the engine room"},
        "pair": {"type": "array", "prefixItems": [{"const": 1}, {"const": 2}],
            "items": false, "maxItems": 2.0},
    }));
    schema["$schema"] = DIALECT.into();
    let guest = echo(&schema).descriptor(|of| {
        of.parameters[0].1 = Allowed::OneOf(vec!["BTC-USD".into(), "A.B".into()]);
        of.samples = vec![Sample::published("feed:ticks:A.B", "{}", "ticks:A.B", "{}")];
    });
    let redis = tidegate_tests::Redis::start().await;
    let setup = Tidegate::on(&redis);
    let file = guest.write(&setup.path(""));
    let tidegate = setup.transform(Transform::file(&file)).start().await;
    let document = http::get(tidegate.public(), "/public/v1/asyncapi.yaml", &[])
        .await
        .body;
    for (text, there) in [
        ("maxLength: 64", true),
        ("maxItems: 2\n", true),
        ("engine room", false),
        ("$schema", false),
        // Readers of AsyncAPI know draft 7.
        ("prefixItems", false),
        ("additionalItems: false", true),
        (r"^ticks:(?:BTC-USD|A\.B)$", true),
    ] {
        assert_eq!(document.contains(text), there, "{text} in {document}");
    }
}

/// Writes a revision's record anew, whole and with its digest, as if another had kept it.
fn rewrite_record(stage: &Stage, revision: &str, rev: Value) {
    let path = stage.tidegate.state_folder();
    let path = path.join(format!("revisions/{revision}.json"));
    let text = std::fs::read_to_string(&path).expect("a record");
    let mut record: Value = serde_json::from_str(&text).expect("a record is JSON");
    record["content"]["surface"]["families"][0]["messages"][0]["data_schema"]["properties"]["rev"] =
        rev;
    let content = record["content"].to_string();
    let digest = Sha256::digest(&content);
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("{{\"version\":1,\"sha256\":\"{digest}\",\"content\":{content}}}\n");
    std::fs::write(path, text).expect("a record that can be written");
}

#[tokio::test]
async fn a_record_that_is_not_true_of_its_component_is_not_used() {
    for (rev, says) in [
        (
            json!({"$schema": DRAFT_4, "const": "b"}),
            "is refused today",
        ),
        (
            json!({"const": "b"}),
            "says something else than the component",
        ),
    ] {
        let stage = Stage::with(&Guest::stamped("a")).await;
        let first = stage.admin.active("ticks").await;
        let second = Guest::stamped("b").version("1.1.0");
        let second = stage.admin.push_and_apply(&second).await;
        rewrite_record(&stage, &second, rev);
        let stage = stage.kill_and_restart().await;
        assert_eq!(stage.admin.active("ticks").await, first);
        let said = stage.tidegate.stderr().text();
        assert!(
            said.contains(says) && said.contains(&second[..12]),
            "{said}"
        );
    }
}
