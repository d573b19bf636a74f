//! `tidegate tail`: a client for the terminal. Each data message becomes one line of JSON
//! on standard output; counts go to standard error, where a terminal shows them, and so do
//! states, gaps, and that nothing has come for a while.
//!
//! The key travels in a header, not in the address, and in no error. What the server says
//! against a request is passed on in its own words, with what to do about it.

mod address;
mod quiet;

use std::convert::Infallible;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use hyper_util::rt::TokioIo;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use tower_service::Service as _;

use self::address::StreamAddress;
use self::quiet::QUIET;
use super::print::complain;
use super::reach::{Connector, Stream, TrustArgs, is_of_tls, why};
use crate::count::count;
use crate::settings::Secret;
use crate::transform::printable;

/// How long the server may take to answer the upgrade.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Channels in one request: what servers accept unless they are told otherwise.
const CHANNELS_AT_ONCE: usize = 20;

/// Subscribes and prints each message as a line of JSON.
#[derive(Debug, clap::Args)]
pub(super) struct TailArgs {
    /// The stream's address
    // It may hold a key as ?apiKey=, so it is not to be printed either.
    #[arg(long, default_value = "ws://127.0.0.1:8080/public/v1/stream", value_parser = secret)]
    url: Secret,
    /// The API key
    #[arg(long, env = "TIDEGATE_KEY", default_value = "demo", value_parser = secret,
          hide_env_values = true)]
    key: Secret,
    #[command(flatten)]
    trust: TrustArgs,
    /// End after so many messages
    #[arg(long, value_name = "N")]
    count: Option<NonZeroU64>,
    /// Channels to subscribe to; * stands for any value of a part
    #[arg(required = true, value_name = "CHANNEL")]
    channels: Vec<String>,
}

/// Never fails: clap would quote a refused value.
fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::given(text))
}

/// Runs until `count`, Ctrl-C, a closed pipe, or something goes wrong.
pub(super) async fn run(args: TailArgs) -> anyhow::Result<()> {
    let counts = ProgressBar::new_spinner();
    counts.enable_steady_tick(Duration::from_millis(100));
    let mut out = io::stdout();
    let ended = tokio::select! {
        result = follow(&args, &mut out, &counts) => result,
        // A terminal that cannot tell of Ctrl-C is no reason to stop.
        Ok(()) = tokio::signal::ctrl_c() => Ok(()),
    };
    counts.finish_and_clear();
    ended
}

type Socket = WebSocketStream<TokioIo<Stream>>;

async fn follow(args: &TailArgs, out: &mut impl Write, counts: &ProgressBar) -> anyhow::Result<()> {
    counts.set_message("connecting");
    let mut socket = connect(args).await?;
    for channels in args.channels.chunks(CHANNELS_AT_ONCE) {
        let request = json!({"action": "subscribe", "channels": channels});
        let sent = socket.send(Message::text(request.to_string())).await;
        // A refusal closes the connection; the close that can be read below says why.
        if sent.is_err() {
            break;
        }
    }
    let mut messages = 0;
    let mut quiet = pin!(tokio::time::sleep(QUIET));
    let mut warned = false;
    loop {
        let next = tokio::select! {
            next = socket.next() => next,
            () = &mut quiet, if !warned => {
                warned = true;
                let hint = quiet::hint(args).await;
                counts.suspend(|| complain(&hint));
                continue;
            }
        };
        let text = match next {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(close))) => return Err(closed(close)),
            Some(Ok(_)) => continue,
            Some(Err(error)) => bail!(
                "the connection broke: {}; try again",
                words(&error.to_string())
            ),
            None => bail!("the server ended the connection without a word; try again"),
        };
        let Some(channel) = data_channel(&text)? else {
            match state_or_gap(&text) {
                // Otherwise a stream that has stopped, or has holes, looks like a quiet one.
                Some(notice) => counts.suspend(|| complain(&notice)),
                None => counts.set_message("subscribed, waiting for messages"),
            }
            continue;
        };
        // The text is not split over lines, so that a reader by lines gets whole messages.
        let line = text.replace(['\n', '\r'], " ");
        let written = counts.suspend(|| writeln!(out, "{line}").and_then(|()| out.flush()));
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
            written => written.context("cannot write to standard output")?,
        }
        messages += 1;
        quiet.as_mut().reset(Instant::now() + QUIET);
        counts.set_message(format!("messages: {messages}, the last on {channel}"));
        if args.count.is_some_and(|count| messages >= count.get()) {
            // The server may be gone by now, and all that was wanted is here.
            let _ = socket.close(None).await;
            return Ok(());
        }
    }
}

async fn connect(args: &TailArgs) -> anyhow::Result<Socket> {
    let address = StreamAddress::of(&args.url)?;
    let place = &address.place;
    let mut request = args
        .url
        .expose()
        .into_client_request()
        .map_err(|_| anyhow!("--url cannot be asked for; is there a character too many?"))?;
    if !address.has_key {
        if let Some(fault) = args.key.fault() {
            bail!("the API key of --key or TIDEGATE_KEY {fault}");
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", args.key.expose()))
            .context("an API key is visible ASCII")?;
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    let to = address.beside("").parse()?;
    let mut connector = Connector::new(&args.trust, address.secure)?;
    let stream = connector.call(to).await.map_err(|error| {
        let advice = if is_of_tls(&*error) {
            ""
        } else {
            "; is a `tidegate serve` or `tidegate demo` running there?"
        };
        anyhow!("cannot reach {place}: {}{advice}", why(&*error))
    })?;
    let upgrading = client_async(request, TokioIo::new(stream));
    match tokio::time::timeout(ANSWER_TIME, upgrading).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(answer))) => {
            let body =
                String::from_utf8_lossy(answer.body().as_deref().unwrap_or_default()).into_owned();
            let answer = format!("{} {}", answer.status(), words(&body));
            Err(anyhow!(
                "{place} answered {}; is this the stream's address?",
                answer.trim_end()
            ))
        }
        Ok(Err(error)) => Err(anyhow!(
            "{place} does not speak WebSocket: {}; is this the stream's address?",
            words(&error.to_string())
        )),
        Err(_) => Err(anyhow!(
            "{place} did not answer within {} s; try again",
            ANSWER_TIME.as_secs()
        )),
    }
}

/// The channel of a data message; none for what only answers a request.
fn data_channel(text: &str) -> anyhow::Result<Option<String>> {
    let Ok(message) = serde_json::from_str::<Value>(text) else {
        bail!("the server sent what is not JSON; is this the stream's address?");
    };
    let field = |name: &str| message.get(name).and_then(Value::as_str);
    if field("type") == Some("error") {
        let code = field("code").unwrap_or("an error");
        let of =
            field("channel").map_or(String::new(), |channel| format!(" for {}", words(channel)));
        let said = words(field("message").unwrap_or_default());
        bail!(
            "the server answered {}{of}: {said}{}",
            words(code),
            next_for_code(code)
        );
    }
    let channel = field("channel").filter(|_| message.get("data").is_some());
    Ok(channel.map(words))
}

/// What a `status` or a `gap` says, in words.
fn state_or_gap(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    let field = |name: &str| message.get(name).and_then(Value::as_str).map(words);
    let number = |name: &str| message.get(name).and_then(Value::as_u64);
    let channel = field("channel")?;
    match field("type")?.as_str() {
        "status" => Some(format!("{channel} is {}", field("state")?)),
        "gap" => {
            let which = match (number("from"), number("to"), number("count")) {
                (Some(from), Some(to), _) => format!("messages {from} to {to}"),
                (_, _, Some(missed)) => count(missed, "message"),
                _ => "messages".to_owned(),
            };
            Some(format!("{channel}: missing {which}: {}", field("reason")?))
        }
        _ => None,
    }
}

fn next_for_code(code: &str) -> &'static str {
    match code {
        "INVALID_CHANNEL" => {
            "; the channels there are stand in /public/v1/asyncapi.yaml of the server"
        }
        "FORBIDDEN_CHANNEL" => "; use a key that may, or have one made with `tidegate key create`",
        "SUBSCRIPTION_LIMIT" => "; ask for fewer channels, or for patterns with *",
        "RATE_LIMITED" => "; ask for fewer channels at once",
        _ => "",
    }
}

/// What a close means to the person who reads it.
fn closed(close: Option<CloseFrame>) -> anyhow::Error {
    let Some(close) = close else {
        return anyhow!("the server closed the connection without a reason; try again");
    };
    let code = u16::from(close.code);
    let next = match code {
        4001 => "; give a key that is in force with --key or TIDEGATE_KEY",
        4008 => "; end another connection of this key, or use another key",
        1001 => "; connect again in a moment",
        1013 => "; what reads this output must keep up, or ask for fewer channels",
        _ => "",
    };
    anyhow!(
        "the server closed the connection: {} ({code}){next}",
        words(&close.reason)
    )
}

/// Words of the other side as a terminal may show them.
fn words(text: &str) -> String {
    printable(text.trim(), 200)
}

#[cfg(test)]
mod tests;
