//! The OpenAPI document: the same from the command, the file and the host, and true of what
//! a running host answers, from a push to a rollback.

use serde_json::{Value, json};
use tidegate_tests::binary::{repository, run, said};
use tidegate_tests::guest::FEED;
use tidegate_tests::http::Response;
use tidegate_tests::{Guest, Redis, Tidegate, Transform, http};

use super::{TOKEN, ask, with_token};

fn from_command() -> String {
    let output = run(&std::env::temp_dir(), &["openapi"]);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).expect("JSON is text")
}

#[tokio::test]
async fn command_file_and_host_give_the_same_document() {
    let document = from_command();
    let file = std::fs::read_to_string(repository().join("docs/openapi.json"));
    let advice = "docs/openapi.json: run `tidegate openapi > docs/openapi.json`";
    assert!(file.expect(advice) == document, "{advice}");
    let (_redis, tidegate) = with_token().await;
    let served = http::get(tidegate.admin(), "/openapi.json", &[]).await;
    assert_eq!(served.header("content-type"), Some("application/json"));
    assert!(served.body == document, "the host has another document");
}

#[tokio::test]
async fn the_host_has_each_path_with_these_methods_and_no_other() {
    let (_redis, tidegate) = with_token().await;
    let document: Value = serde_json::from_str(&from_command()).expect("JSON");
    for (path, methods) in document["paths"].as_object().expect("paths") {
        let real = path
            .replace("{name}", "abcdef")
            .replace("{id}", "abcdef")
            .replace("{family}", "candles");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let answer = ask(tidegate.admin(), "", method, &real, "").await;
            let is_there = !methods[method.to_lowercase()].is_null();
            assert_eq!(answer.status != 405, is_there, "{method} {path}");
            assert_ne!(answer.status, 404, "{method} {path}");
        }
    }
}

/// The document, and every answer held against it.
struct Witness {
    tidegate: Tidegate,
    document: Value,
}

impl Witness {
    fn new(tidegate: Tidegate) -> Self {
        let mut document: Value = serde_json::from_str(&from_command()).expect("JSON");
        let schemas = document["components"]["schemas"].as_object_mut();
        // Programs shall bear further fields; here each must be in the document.
        for schema in schemas.expect("schemas").values_mut() {
            if schema["properties"].is_object() {
                schema["unevaluatedProperties"] = json!(false);
            }
        }
        Self { tidegate, document }
    }

    /// Asks, and gives an answer that is as the document says. `of` goes into the path.
    async fn ask(&self, method: &str, path: &str, of: &str, body: &[u8]) -> (u16, Value) {
        let real = path.replace("{name}", of).replace("{id}", of);
        let answer = ask(self.tidegate.admin(), TOKEN, method, &real, body).await;
        let template = path.split('?').next().expect("a path");
        self.check(method, template, &answer);
        let body = serde_json::from_str(&answer.body).unwrap_or_default();
        (answer.status, body)
    }

    async fn post(&self, path: &str, of: &str, body: Value) -> Value {
        let (status, answer) = self
            .ask("POST", path, of, body.to_string().as_bytes())
            .await;
        assert!((200..300).contains(&status), "{path}: {answer}");
        answer
    }

    async fn get(&self, path: &str, of: &str) -> Value {
        let (status, answer) = self.ask("GET", path, of, b"").await;
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    fn check(&self, method: &str, path: &str, answer: &Response) {
        let kind = answer.header("content-type").unwrap_or_default();
        let escape = |text: &str| text.replace('~', "~0").replace('/', "~1");
        let what = format!("{method} {path} {}: {}", answer.status, answer.body);
        let method_pointer = format!("/paths/{}/{}", escape(path), method.to_lowercase());
        let mut response = format!("{method_pointer}/responses/{}", answer.status);
        let reference = self.document.pointer(&format!("{response}/$ref"));
        if let Some(reference) = reference.and_then(Value::as_str) {
            response = reference.trim_start_matches('#').to_owned();
        }
        let pointer = format!("{response}/content/{}/schema", escape(kind));
        let Some(schema) = self.document.pointer(&pointer) else {
            panic!("not in the document: {what}");
        };
        let mut schema = schema.clone();
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::draft202012::new(&schema).expect("a schema");
        let body: Value = serde_json::from_str(&answer.body).expect("JSON");
        let faults: Vec<String> = validator
            .iter_errors(&body)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{what}: {faults:#?}");
    }
}

#[tokio::test]
async fn what_is_refused_is_as_the_document_says() {
    let (_redis, tidegate) = with_token().await;
    let witness = Witness::new(tidegate);
    for path in [
        "/readyz",
        "/openapi.json",
        "/v1/transforms",
        "/v1/sessions",
        "/v1/revisions",
    ] {
        witness.get(path, "").await;
    }
    for (method, path) in [
        ("GET", "/v1/transforms/{name}"),
        ("GET", "/v1/revisions/{id}"),
        ("GET", "/v1/plans/{id}"),
        ("GET", "/v1/shadows/{id}"),
        ("GET", "/v1/history"),
        ("DELETE", "/v1/shadows/{id}"),
        ("POST", "/v1/check"),
        ("POST", "/v1/revisions"),
        ("POST", "/v1/revisions/{id}/plan"),
        ("POST", "/v1/revisions/{id}/shadow"),
        ("POST", "/v1/plans/{id}/apply"),
        ("POST", "/v1/transforms/{name}/settings"),
        ("POST", "/v1/transforms/{name}/rollback"),
        ("POST", "/v1/transforms/{name}/pause"),
        ("POST", "/v1/transforms/{name}/resume"),
    ] {
        for body in ["", "{}", "nonsense", "{\"settings\": {}}"] {
            let (status, answer) = witness
                .ask(method, path, "abcdef123", body.as_bytes())
                .await;
            assert!(status >= 400, "{method} {path} {body}: {answer}");
        }
    }
}

/// The ticks of the kit, in a version.
fn ticks(version: &str) -> Guest {
    Guest::ticks().descriptor(|descriptor| version.clone_into(&mut descriptor.version))
}

#[tokio::test]
async fn what_is_done_is_as_the_document_says() {
    let redis = Redis::start().await;
    let setup = Tidegate::on(&redis).admin_token(TOKEN);
    let component = ticks("1.0.0").write(&setup.path(""));
    let state = setup.path("state");
    let tidegate = setup
        .setting("state-dir", &state.display().to_string())
        .transform(Transform::file(&component))
        .start()
        .await;
    let mut client = tidegate.subscriber(["ticks:*"]).await;
    let tick = r#"{"price":"1.5"}"#;
    redis.publish(&format!("{FEED}ABC"), tick).await;
    client.next_json().await;
    let witness = Witness::new(tidegate);
    let name = "ticks";
    witness.get("/v1/transforms/{name}", name).await;
    witness.get("/v1/sessions", "").await;
    let second = ticks("2.0.0").binary();
    let (status, checked) = witness.ask("POST", "/v1/check", "", &second).await;
    assert_eq!((status, &checked["version"]), (200, &json!("2.0.0")));
    let (status, pushed) = witness.ask("POST", "/v1/revisions", "", &second).await;
    assert_eq!(status, 201, "{pushed}");
    let (status, _) = witness.ask("POST", "/v1/revisions", "", &second).await;
    assert_eq!(status, 200);
    let revision = pushed["revision"]["id"].as_str().expect("an id").to_owned();
    witness.get("/v1/revisions", "").await;
    witness.get("/v1/revisions?transform=ticks", "").await;
    witness.get("/v1/revisions/{id}", &revision[..8]).await;
    let asked = json!({"events": 1, "show_input": true});
    let shadow = witness
        .post("/v1/revisions/{id}/shadow", &revision, asked)
        .await;
    let id = shadow["id"].as_str().expect("an id").to_owned();
    witness.get("/v1/shadows/{id}", &id).await;
    witness.get("/v1/transforms", "").await;
    let (status, stopped) = witness.ask("DELETE", "/v1/shadows/{id}", &id, b"").await;
    assert_eq!(status, 200, "{stopped}");
    let plan = witness
        .post("/v1/revisions/{id}/plan", &revision, json!({}))
        .await;
    let id = plan["id"].as_str().expect("an id").to_owned();
    witness.get("/v1/plans/{id}", &id).await;
    let consent = json!({"allow_wider": true, "allow_breaking": true});
    witness.post("/v1/plans/{id}/apply", &id, consent).await;
    witness.get("/v1/transforms/{name}", name).await;
    let (status, _) = witness.ask("POST", "/v1/plans/{id}/apply", &id, b"").await;
    assert_eq!(status, 409);
    witness
        .post("/v1/transforms/{name}/rollback", name, json!({}))
        .await;
    witness
        .post("/v1/transforms/{name}/pause", name, json!({}))
        .await;
    witness.get("/v1/transforms", "").await;
    witness
        .post("/v1/transforms/{name}/resume", name, json!({}))
        .await;
    let limits = json!({"limits": {"deadline": "20ms", "memory": "32MiB"}});
    witness
        .post("/v1/transforms/{name}/settings", name, limits)
        .await;
    let history = witness.get("/v1/history?transform=ticks&limit=3", "").await;
    assert_eq!(
        history["entries"].as_array().map(Vec::len),
        Some(3),
        "{history}"
    );
}
