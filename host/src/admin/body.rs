//! What comes with a request: nothing, a small JSON object, or a component's bytes.
//!
//! Bodies are read frame by frame, within a limit, a number of uploads and a time. What they
//! hold is never logged.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::Admin;
use super::problem::Problem;
use crate::rollout::Refused;
use crate::tasks::Tasks;

/// Bytes of a JSON body: settings are the largest thing there.
const MAX_JSON: u64 = 1 << 20;
/// Bytes of an upload, whatever the limits of a transform say.
const MAX_UPLOAD: u64 = 256 << 20;
/// How long an upload may stand still, and how long it may take.
const STALLED: Duration = Duration::from_secs(30);
const LONGEST: Duration = Duration::from_secs(600);
/// What is still read and thrown away of a body that nobody wants: a client that is busy
/// sending would otherwise lose the answer along with the connection.
const LINGER: Duration = Duration::from_secs(5);
const MAX_LINGER: usize = 64 << 20;

/// A body's form in the document.
#[derive(Debug)]
pub(super) struct BodyForm {
    pub(super) content_type: &'static str,
    pub(super) schema: Schema,
    pub(super) required: bool,
}

/// Something that can come as a request's body.
pub(super) trait FromBody: Send + Sized + 'static {
    /// None where there is no body.
    fn form(schemas: &mut SchemaGenerator) -> Option<BodyForm>;

    fn read(
        admin: &Admin,
        headers: &HeaderMap,
        body: &mut BodyDataStream,
    ) -> impl Future<Output = Result<Self, Problem>> + Send;
}

/// No body; one that comes all the same is not looked at.
#[derive(Debug)]
pub(super) struct NoBody;

impl FromBody for NoBody {
    fn form(_: &mut SchemaGenerator) -> Option<BodyForm> {
        None
    }

    async fn read(_: &Admin, _: &HeaderMap, _: &mut BodyDataStream) -> Result<Self, Problem> {
        Ok(Self)
    }
}

/// A JSON object. No body at all counts as an empty object.
#[derive(Debug)]
pub(super) struct JsonObject<T>(pub(super) T);

impl<T: DeserializeOwned + JsonSchema + Send + 'static> FromBody for JsonObject<T> {
    fn form(schemas: &mut SchemaGenerator) -> Option<BodyForm> {
        Some(BodyForm {
            content_type: "application/json",
            schema: schemas.subschema_for::<T>(),
            required: false,
        })
    }

    async fn read(
        _: &Admin,
        headers: &HeaderMap,
        body: &mut BodyDataStream,
    ) -> Result<Self, Problem> {
        let bytes = collect(headers, body, MAX_JSON, "send less").await?;
        let bytes = if bytes.is_empty() { b"{}" } else { &*bytes };
        // A list would do for serde: the fields in their order.
        if !bytes.trim_ascii_start().starts_with(b"{") {
            return Err(Problem::bad_request("the body: it must be a JSON object"));
        }
        match serde_json::from_slice(bytes) {
            Ok(value) => Ok(Self(value)),
            Err(error) => Err(Problem::bad_request(format!("the body: {error}"))),
        }
    }
}

/// A component, whole, and its place among the uploads that are under way.
#[derive(Debug)]
pub(super) struct Upload {
    pub(super) bytes: Vec<u8>,
    /// Held until the request is done with: the bytes are in memory for as long.
    pub(super) place: OwnedSemaphorePermit,
}

impl FromBody for Upload {
    fn form(_: &mut SchemaGenerator) -> Option<BodyForm> {
        Some(BodyForm {
            content_type: "application/wasm",
            schema: Schema::default(),
            required: true,
        })
    }

    async fn read(
        admin: &Admin,
        headers: &HeaderMap,
        body: &mut BodyDataStream,
    ) -> Result<Self, Problem> {
        let Ok(place) = admin.uploads.clone().try_acquire_owned() else {
            let words = format!("{} components are being uploaded", super::MAX_UPLOADS);
            return Err(Refused::Busy(words).into());
        };
        let limit = admin.max_upload.min(MAX_UPLOAD);
        let raise = "a component's limit is max-component-size";
        let bytes = collect(headers, body, limit, raise).await?;
        if bytes.is_empty() {
            let detail = "the body is empty; send the component's bytes (curl --data-binary @FILE)";
            return Err(Problem::bad_request(detail));
        }
        Ok(Self { bytes, place })
    }
}

/// The whole body, if it has no more than `limit` bytes; `raise` says what to do otherwise.
async fn collect(
    headers: &HeaderMap,
    body: &mut BodyDataStream,
    limit: u64,
    raise: &str,
) -> Result<Vec<u8>, Problem> {
    let too_large = || Problem::too_large(limit, raise);
    if length(headers).is_some_and(|announced| announced > limit) {
        return Err(too_large());
    }
    let reading = async {
        let mut bytes = Vec::new();
        loop {
            let frame = match timeout(STALLED, body.next()).await {
                Ok(None) => return Ok(bytes),
                Ok(Some(Ok(frame))) => frame,
                Ok(Some(Err(_))) => {
                    return Err(Problem::bad_request("the body ended before its end"));
                }
                Err(_) => {
                    let detail = format!("no byte for {} s; send it again", STALLED.as_secs());
                    return Err(Problem::stalled(detail));
                }
            };
            if (bytes.len() + frame.len()) as u64 > limit {
                return Err(too_large());
            }
            bytes.extend_from_slice(&frame);
        }
    };
    let body = timeout_at(Instant::now() + LONGEST, reading).await;
    body.unwrap_or_else(|_| {
        let detail = format!("not done in {} s; send it faster", LONGEST.as_secs());
        Err(Problem::stalled(detail))
    })
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(header::CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

/// Lets a client finish what it is sending, within bounds, so that it gets to read why it was
/// refused. One that asked first (`Expect`) waits for the answer and sends nothing.
pub(super) fn linger(tasks: &Tasks, headers: &HeaderMap, mut body: BodyDataStream) {
    let sends = length(headers).is_some_and(|length| length > 0)
        || headers.contains_key(header::TRANSFER_ENCODING);
    if !sends || headers.contains_key(header::EXPECT) {
        return;
    }
    let read_on = timeout(LINGER, async move {
        let mut left = MAX_LINGER;
        while let Some(Ok(frame)) = body.next().await
            && let Some(less) = left.checked_sub(frame.len())
        {
            left = less;
        }
    });
    tasks.brief("admin_linger", read_on);
}

/// A body to be read.
pub(super) fn stream(body: Body) -> BodyDataStream {
    body.into_data_stream()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn collected(body: Body, limit: u64) -> Result<usize, &'static str> {
        let headers = HeaderMap::new();
        let read = collect(&headers, &mut stream(body), limit, "").await;
        read.map(|bytes| bytes.len())
            .map_err(|problem| problem.code())
    }

    fn frames(sizes: [usize; 3]) -> Body {
        let frames = sizes.map(|size| Ok::<_, std::io::Error>(vec![0; size]));
        Body::from_stream(futures_util::stream::iter(frames))
    }

    #[tokio::test]
    async fn a_body_has_its_limit_in_all_frames_together() {
        assert_eq!(collected(frames([3, 3, 4]), 10).await, Ok(10));
        assert_eq!(collected(frames([3, 3, 5]), 10).await, Err("too-large"));
    }

    #[tokio::test]
    async fn what_is_announced_as_too_large_is_not_read() {
        let headers = HeaderMap::from_iter([(header::CONTENT_LENGTH, 11.into())]);
        let never = Body::from_stream(futures_util::stream::pending::<std::io::Result<Vec<u8>>>());
        let read = collect(&headers, &mut stream(never), 10, "").await;
        assert_eq!(read.unwrap_err().code(), "too-large");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_may_pause_but_not_stand_still() {
        let after = |pause: Duration| {
            let frame = async move {
                tokio::time::sleep(pause).await;
                Ok::<_, std::io::Error>(vec![0])
            };
            collected(Body::from_stream(futures_util::stream::once(frame)), 1)
        };
        let little = Duration::from_secs(1);
        assert_eq!(after(STALLED - little).await, Ok(1));
        assert_eq!(after(STALLED + little).await, Err("upload-stalled"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_ends_too() {
        let drops = futures_util::stream::unfold((), async |()| {
            tokio::time::sleep(STALLED / 2).await;
            Some((Ok::<_, std::io::Error>(vec![0]), ()))
        });
        let started = Instant::now();
        let body = Body::from_stream(drops);
        assert_eq!(collected(body, 1 << 30).await, Err("upload-stalled"));
        assert_eq!(started.elapsed(), LONGEST);
    }
}
