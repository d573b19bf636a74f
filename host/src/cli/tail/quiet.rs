//! What `tail` says when nothing comes: a channel that nobody publishes looks like a quiet
//! one. Which values there are stands in the host's own document, beside the stream.

use std::time::Duration;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Uri;
use hyper::body::Bytes;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::TailArgs;
use super::address::StreamAddress;
use crate::cli::reach::Connector;
use crate::transform::printable;

/// How long nothing may come before that is said.
pub(super) const QUIET: Duration = Duration::from_secs(10);

/// How long the document may take. It is a help, and no more.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest document that is read, in bytes.
const MAX_DOCUMENT: usize = 1 << 20;

/// How much is shown of what a document says of one family, in characters.
const MAX_FORM: usize = 1000;

/// The words for a person who waits.
pub(super) async fn hint(args: &TailArgs) -> String {
    let begins = format!("nothing has come for {} s", QUIET.as_secs());
    let asked = tokio::time::timeout(PATIENCE, document(args)).await;
    let forms = match asked {
        Ok(Ok(document)) => forms(&document, &args.channels),
        _ => Vec::new(),
    };
    if forms.is_empty() {
        return format!("{begins}; is the channel's name right, or is it only quiet?");
    }
    let forms: String = forms.iter().map(|form| format!("\n  {form}")).collect();
    format!("{begins}: it is quiet, or nobody publishes a channel of that name. There are{forms}")
}

/// The AsyncAPI document of the host.
async fn document(args: &TailArgs) -> anyhow::Result<Value> {
    let address = StreamAddress::of(&args.url)?;
    let to: Uri = address.beside("asyncapi.yaml").parse()?;
    let connector = Connector::new(&args.trust, address.secure)?;
    let client = legacy::Client::builder(TokioExecutor::new());
    let client: legacy::Client<_, Empty<Bytes>> = client.build(connector);
    let answer = client.get(to).await?;
    let body = Limited::new(answer.into_body(), MAX_DOCUMENT)
        .collect()
        .await;
    let body = body.map_err(anyhow::Error::from_boxed)?.to_bytes();
    serde_saphyr::from_slice(&body).context("it is not YAML")
}

/// How the channels of these families are called, and which values there are.
fn forms(document: &Value, channels: &[String]) -> Vec<String> {
    let family = |channel: &str| channel.split(':').next().unwrap_or_default().to_owned();
    let asked: Vec<String> = channels.iter().map(|channel| family(channel)).collect();
    let messages = document["components"]["messages"].as_object();
    messages
        .into_iter()
        .flat_map(|messages| messages.values())
        .filter_map(|message| message["payload"]["properties"]["channel"]["description"].as_str())
        .filter(|form| asked.contains(&family(form)))
        .map(|form| printable(form, MAX_FORM))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_families_that_were_asked_for_are_told() {
        let message = |form: &str| json!({ "payload": { "properties": { "channel": { "description": form } } } });
        let document = json!({ "components": { "messages": {
            "error": message("The channel at fault, if one is."),
            "tick": message("ticks:{symbol}; symbol is one of A, B"),
            "bar": message("bars:{symbol}; symbol matches [A-Z]+"),
        } } });
        let asked = ["ticks:X".to_owned(), "ticks:*".to_owned()];
        assert_eq!(
            forms(&document, &asked),
            ["ticks:{symbol}; symbol is one of A, B"]
        );
        assert!(forms(&json!(1), &asked).is_empty());
    }
}
