//! Whoever changes the transform: the admin API, one request a connection, with the times.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Step;
use crate::host::TOKEN;
use crate::publisher::Shared;

/// Compiling may take its time beside a full load.
const PATIENCE: Duration = Duration::from_secs(15);

/// The least that a candidate has more than the component that it is made of, in bytes, and what
/// each has more than the one before.
const MORE: usize = 1 << 10;

/// The component with another digest and another size, and in all else the same.
pub(super) fn candidate(component: &[u8], number: usize) -> Vec<u8> {
    const NAME: &[u8] = b"\x05bench";
    let contents = vec![u8::try_from(number % 256).unwrap_or_default(); MORE * (number + 1)];
    let mut bytes = component.to_vec();
    // A custom section: its number, its length in groups of seven bits, its name, its contents.
    bytes.push(0);
    let mut length = NAME.len() + contents.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(NAME);
    bytes.extend(contents);
    bytes
}

#[derive(Debug)]
pub(super) struct Operator<'a> {
    pub(super) host: SocketAddr,
    pub(super) clock: &'a Shared,
}

impl Operator<'_> {
    /// Uploads a component, which has the host compile and check it; gives the revision.
    pub(super) fn push(&self, component: &[u8]) -> Result<(String, Step)> {
        let (answer, step) = self.post("/v1/revisions", component)?;
        ensure!(
            answer["new"] == true,
            "the host has had this component before"
        );
        Ok((text(&answer["revision"]["id"])?, step))
    }

    /// Gives the plan's id.
    pub(super) fn plan(&self, revision: &str) -> Result<(String, Step)> {
        let (answer, step) = self.post(&format!("/v1/revisions/{revision}/plan"), b"{}")?;
        Ok((text(&answer["id"])?, step))
    }

    pub(super) fn apply(&self, plan: &str) -> Result<Step> {
        let consent = json!({"probation": true}).to_string();
        let (_, step) = self.post(&format!("/v1/plans/{plan}/apply"), consent.as_bytes())?;
        Ok(step)
    }

    pub(super) fn rollback(&self, transform: &str) -> Result<Step> {
        let (_, step) = self.post(&format!("/v1/transforms/{transform}/rollback"), b"{}")?;
        Ok(step)
    }

    pub(super) fn pause(&self, transform: &str) -> Result<Step> {
        let (_, step) = self.post(&format!("/v1/transforms/{transform}/pause"), b"{}")?;
        Ok(step)
    }

    pub(super) fn resume(&self, transform: &str) -> Result<Step> {
        let (_, step) = self.post(&format!("/v1/transforms/{transform}/resume"), b"{}")?;
        Ok(step)
    }

    fn post(&self, path: &str, body: &[u8]) -> Result<(Value, Step)> {
        let from = self.clock.now();
        let answer = send(self.host, path, body).with_context(|| format!("POST {path}"))?;
        let step = Step {
            from,
            to: self.clock.now(),
            switch: answer["switch_micros"].as_f64().unwrap_or(f64::NAN),
        };
        Ok((answer, step))
    }
}

fn send(host: SocketAddr, path: &str, body: &[u8]) -> Result<Value> {
    let kind = match body.first() {
        Some(b'{') => "json",
        _ => "wasm",
    };
    let mut connection = TcpStream::connect(host)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n\
         Content-Type: application/{kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(body)?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    ensure!(head.starts_with("HTTP/1.1 2"), "refused: {answer}");
    Ok(serde_json::from_str(body)?)
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("an id in the answer")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_differ_from_each_other_and_still_begin_with_the_component() {
        let candidates: Vec<_> = (0..300).map(|n| candidate(b"component", n)).collect();
        for (n, component) in candidates.iter().enumerate() {
            assert!(component.starts_with(b"component\0"), "{n}");
            assert_eq!(
                candidates.iter().filter(|twin| *twin == component).count(),
                1,
                "{n}"
            );
        }
        // 1,024 and the name make 1,030: 6 and 8 times 128.
        assert_eq!(candidates[0][9..13], [0, 0x86, 0x08, 0x05]);
    }
}
