//! An operator: the admin API as a script would use it, one request a connection.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};

use crate::guest::Guest;
use crate::http;
use crate::wait::eventually;

/// An answer of the API.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Null where it is no JSON.
    pub body: Value,
    pub content_type: String,
}

impl Answer {
    fn of(response: &http::Response) -> Self {
        Self {
            status: response.status,
            body: serde_json::from_str(&response.body).unwrap_or(Value::Null),
            content_type: response.header("content-type").unwrap_or_default().into(),
        }
    }

    /// What was asked for; a refusal fails the test.
    pub fn done(self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        self.body
    }

    /// The refusal of this status and code, as problem details have it; in words.
    pub fn refused(&self, status: u16, code: &str) -> String {
        let stated = (self.status, self.body["code"].as_str());
        assert_eq!(stated, (status, Some(code)), "{self:?}");
        assert!(
            self.content_type.starts_with("application/problem+json"),
            "{self:?}"
        );
        assert_eq!(self.body["type"], format!("urn:tidegate:problem:{code}"));
        assert_eq!(self.body["status"], status);
        let detail = self.body["detail"].as_str().unwrap_or_default();
        assert!(!detail.is_empty(), "{self:?}");
        format!("{detail} {}", self.body["faults"])
    }
}

/// Whoever holds a token.
#[derive(Debug, Clone)]
pub struct Admin {
    address: SocketAddr,
    token: String,
}

impl Admin {
    pub fn to(address: SocketAddr, token: &str) -> Self {
        Self {
            address,
            token: token.to_owned(),
        }
    }

    /// The same host with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self::to(self.address, token)
    }

    /// One request; fails only where there is no answer.
    pub async fn try_send(&self, method: &str, path: &str, body: &[u8]) -> std::io::Result<Answer> {
        let bearer = format!("Bearer {}", self.token);
        let kind = if body.first() == Some(&b'{') {
            "application/json"
        } else {
            "application/wasm"
        };
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", kind)];
        let response = http::send(self.address, method, path, &headers, body).await?;
        Ok(Answer::of(&response))
    }

    async fn send(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.try_send(method, path, body)
            .await
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, b"").await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, b"").await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, body.to_string().as_bytes()).await
    }

    pub async fn post_bytes(&self, path: &str, body: &[u8]) -> Answer {
        self.send("POST", path, body).await
    }

    pub async fn try_push(&self, guest: &Guest) -> Answer {
        self.post_bytes("/v1/revisions", &guest.binary()).await
    }

    /// The same with settings for `configure`, or limits.
    pub async fn try_push_with(&self, guest: &Guest, key: &str, value: &Value) -> Answer {
        let path = format!("/v1/revisions?{key}={}", url_encoded(&value.to_string()));
        self.post_bytes(&path, &guest.binary()).await
    }

    /// Sends a component and gives its revision.
    pub async fn push(&self, guest: &Guest) -> String {
        revision_of(&self.try_push(guest).await.done())
    }

    pub async fn try_plan(&self, revision: &str) -> Answer {
        let path = format!("/v1/revisions/{revision}/plan");
        self.post(&path, json!({})).await
    }

    pub async fn plan(&self, revision: &str) -> Value {
        self.try_plan(revision).await.done()
    }

    /// Applies a plan by its id.
    pub async fn apply(&self, plan: &str, consent: Value) -> Answer {
        let path = format!("/v1/plans/{plan}/apply");
        self.post(&path, consent).await
    }

    /// Plans a revision and applies the plan.
    pub async fn try_apply_revision(&self, revision: &str, consent: Value) -> Answer {
        let plan = self.plan(revision).await;
        self.apply(text(&plan["id"]), consent).await
    }

    pub async fn apply_revision(&self, revision: &str, consent: Value) -> Value {
        self.try_apply_revision(revision, consent).await.done()
    }

    /// The whole way, with consent to everything; gives the revision.
    pub async fn push_and_apply(&self, guest: &Guest) -> String {
        let revision = self.push(guest).await;
        self.apply_revision(&revision, everything()).await;
        revision
    }

    pub async fn rollback(&self, transform: &str, asked: Value) -> Answer {
        let path = format!("/v1/transforms/{transform}/rollback");
        self.post(&path, asked).await
    }

    pub async fn pause(&self, transform: &str) -> Value {
        let path = format!("/v1/transforms/{transform}/pause");
        self.post(&path, json!({})).await.done()
    }

    pub async fn resume(&self, transform: &str) -> Value {
        let path = format!("/v1/transforms/{transform}/resume");
        self.post(&path, json!({})).await.done()
    }

    pub async fn settings(&self, transform: &str, asked: Value) -> Answer {
        let path = format!("/v1/transforms/{transform}/settings");
        self.post(&path, asked).await
    }

    /// The report on one transform.
    pub async fn transform(&self, name: &str) -> Value {
        self.get(&format!("/v1/transforms/{name}")).await.done()
    }

    /// The revision that runs.
    pub async fn active(&self, transform: &str) -> String {
        text(&self.transform(transform).await["revision"]["id"]).to_owned()
    }

    /// Every revision that is kept, with its part; newest first.
    pub async fn revisions(&self) -> Vec<Value> {
        let mut answer = self.get("/v1/revisions").await.done();
        match answer["revisions"].take() {
            Value::Array(revisions) => revisions,
            answer => panic!("a list of revisions, not {answer}"),
        }
    }

    /// The audit log's entries, newest last.
    pub async fn history(&self) -> Vec<Value> {
        let mut answer = self.get("/v1/history?limit=1000").await.done();
        match answer["entries"].take() {
            Value::Array(entries) => entries,
            answer => panic!("a list of entries, not {answer}"),
        }
    }

    /// Waits until the report on a transform is as asked, and gives it.
    pub async fn becomes(
        &self,
        transform: &str,
        what: &str,
        within: Duration,
        condition: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(what, within, async || {
            let report = self.transform(transform).await;
            condition(&report).then_some(report)
        })
        .await
    }

    /// Waits until Tidegate has returned from this revision by itself, and gives the evidence.
    pub async fn returns_from(&self, transform: &str, revision: &str, within: Duration) -> Value {
        let what = format!("an automatic return from {revision}");
        let returned = |report: &Value| report["returned"]["from"] == revision;
        let mut report = self.becomes(transform, &what, within, returned).await;
        report["returned"].take()
    }

    /// Waits for the end of a shadow, and gives its report.
    pub async fn shadow_ends(&self, id: &str, within: Duration) -> Value {
        eventually("the end of the shadow", within, async || {
            let report = self.get(&format!("/v1/shadows/{id}")).await.done();
            (report["state"] != "running").then_some(report)
        })
        .await
    }
}

/// Consent to whatever the plan says, and no probation.
pub fn everything() -> Value {
    json!({
        "allow_wider": true, "allow_breaking": true, "allow_silent": true, "allow_failing": true,
        "probation": false,
    })
}

/// The revision of an answer to a push.
pub fn revision_of(pushed: &Value) -> String {
    text(&pushed["revision"]["id"]).to_owned()
}

/// A value that must be a text.
pub fn text(value: &Value) -> &str {
    value
        .as_str()
        .unwrap_or_else(|| panic!("a text was expected, not {value}"))
}

/// For a query.
pub fn url_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
