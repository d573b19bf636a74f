//! HTTP(S) to one host's admin API: a connection for each request, the token from the
//! environment, answers as JSON, and for whatever goes wrong words that say what to do.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::address::AdminAddress;
use super::body::Content;
use super::failure::CommandFailure;
use super::progress::shown;
use super::reach::{Connector, TrustArgs, find, is_of_tls, why};
use crate::causes::whole;
use crate::count::count;
use crate::settings::Secret;

/// The variable that holds the token: a flag would show it in the list of processes.
pub(super) const TOKEN: &str = "TIDEGATE_ADMIN_TOKEN";

/// How long an answer may take: a compilation may be allowed ten minutes, and may wait for others
/// before.
const ANSWER_TIME: Duration = Duration::from_secs(15 * 60);

/// The largest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// A host's admin API.
#[derive(Debug)]
pub(super) struct AdminClient {
    pub(super) address: AdminAddress,
    token: Option<Secret>,
    http: legacy::Client<Connector, Content>,
}

impl AdminClient {
    /// # Errors
    /// There is nobody to trust at an `https://` address.
    pub(super) fn new(
        address: AdminAddress,
        token: Option<Secret>,
        trust: &TrustArgs,
    ) -> Result<Self, CommandFailure> {
        let connector = Connector::new(trust, address.secure)
            .map_err(|error| CommandFailure::new("no-trust", whole(&error)))?;
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        // A host closes what is idle, and a request must not meet that.
        let http = builder.pool_max_idle_per_host(0).build(connector);
        Ok(Self {
            address,
            token,
            http,
        })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, CommandFailure> {
        let look = self.look(path);
        or_ctrl_c("ask again", shown("asking the host", look)).await
    }

    /// Gets an answer without a word to the person, for what is asked again and again. The caller
    /// minds Ctrl-C.
    pub(super) async fn look(&self, path: &str) -> Result<Value, CommandFailure> {
        self.send(Method::GET, path, Content::nothing(), "").await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Value, CommandFailure> {
        let answer = self.send(Method::DELETE, path, Content::nothing(), "");
        or_ctrl_c(LOOK, answer).await
    }

    /// `doing` is what a person is shown while it takes long.
    pub(super) async fn post(
        &self,
        path: &str,
        content: &Value,
        doing: &str,
    ) -> Result<Value, CommandFailure> {
        let text = Content::Text(content.to_string().into());
        let answer = self.send(Method::POST, path, text, "application/json");
        or_ctrl_c(LOOK, shown(doing, answer)).await
    }

    /// Sends a file while it is read.
    pub(super) async fn upload(
        &self,
        path: &str,
        file: Content,
        doing: &str,
    ) -> Result<Value, CommandFailure> {
        let answer = self.send(Method::POST, path, file, "application/wasm");
        or_ctrl_c(LOOK, shown(doing, answer)).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content: Content,
        form: &'static str,
    ) -> Result<Value, CommandFailure> {
        let request = self.request(method, path, content, form)?;
        match tokio::time::timeout(ANSWER_TIME, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => {
                let minutes = count(ANSWER_TIME.as_secs() / 60, "minute");
                let what = format!("{} did not answer within {minutes}", self.address);
                Err(CommandFailure::new("no-answer", what).advise(LOOK))
            }
        }
    }

    async fn exchange(&self, request: Request<Content>) -> Result<Value, CommandFailure> {
        let answer = self.http.request(request).await;
        let answer = answer.map_err(|error| self.broke(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() {
                self.stranger(status)
            } else {
                self.broke(&*error)
            }
        })?;
        let json = serde_json::from_slice(&body.to_bytes());
        if status.is_success() {
            return json.map_err(|_| self.stranger(status));
        }
        Err(self.refused(status, json.unwrap_or_default()))
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        content: Content,
        form: &'static str,
    ) -> Result<Request<Content>, CommandFailure> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address));
        if !form.is_empty() {
            request = request.header(CONTENT_TYPE, form);
        }
        if let Some(token) = &self.token {
            let bad =
                |fault| CommandFailure::new("bad-token", format!("the token in {TOKEN} {fault}"));
            if let Some(fault) = token.fault() {
                return Err(bad(fault));
            }
            let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| bad("is not visible ASCII"))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request
            .body(content)
            .map_err(|error| CommandFailure::new("bad-request", error.to_string()))
    }

    fn broke(&self, error: &(dyn std::error::Error + 'static)) -> CommandFailure {
        let why = why(error);
        if find::<legacy::Error>(error).is_some_and(legacy::Error::is_connect) {
            let what = format!("cannot reach {}: {why}", self.address);
            let failure = CommandFailure::new("unreachable", what);
            if is_of_tls(error) {
                return failure;
            }
            return failure.advise(
                "is a host running there? Its second line, `admin http://…`, is what belongs into \
                 --admin or TIDEGATE_ADMIN",
            );
        }
        if find::<hyper::Error>(error).is_some_and(hyper::Error::is_user) {
            return CommandFailure::new("unreadable", format!("cannot send the file: {why}"));
        }
        let what = format!("the connection to {} broke: {why}", self.address);
        CommandFailure::new("unreachable", what).advise(
            "if a file was on its way, it may be larger than the host takes; otherwise try again",
        )
    }

    fn stranger(&self, status: StatusCode) -> CommandFailure {
        let what = format!(
            "{} answered {status} in a form that this program does not know",
            self.address
        );
        CommandFailure::new("unknown-answer", what)
            .advise("is this the admin listener of a Tidegate of the same version?")
    }

    fn refused(&self, status: StatusCode, problem: Value) -> CommandFailure {
        let said = CommandFailure::from_host(problem);
        match (status, said) {
            (StatusCode::UNAUTHORIZED, said) => {
                let what = if self.token.is_some() {
                    format!("{} does not know the token in {TOKEN}", self.address)
                } else {
                    format!(
                        "{} wants a token, and there is none in {TOKEN}",
                        self.address
                    )
                };
                said.unwrap_or_else(|| CommandFailure::new("unauthorized", ""))
                    .with("detail", what.into())
                    .advise("`tidegate admin-token create` makes one; the demo's is `demo`")
            }
            (StatusCode::FORBIDDEN, said) => {
                let what = format!("{} does not let this token do that", self.address);
                said.unwrap_or_else(|| CommandFailure::new("forbidden", what))
                    .advise(&format!("give one of the role `operate` in {TOKEN}"))
            }
            (StatusCode::NOT_FOUND, said) => {
                let known = said.filter(|said| said.code().starts_with("no-such-"));
                known.unwrap_or_else(|| {
                    let what = format!("{} has no such admin API", self.address);
                    CommandFailure::new("not-found", what).advise(
                        "start the host with --admin-tokens-file or TIDEGATE_SERVE_ADMIN_TOKEN, and give \
                         the admin listener's address, not the public one's",
                    )
                })
            }
            (_, Some(said)) => said,
            (_, None) => self.stranger(status),
        }
    }
}

/// What to do where nobody knows whether the host did it.
const LOOK: &str = "the host may have done it all the same: look at `tidegate transform history`";

async fn or_ctrl_c(
    advice: &str,
    answer: impl Future<Output = Result<Value, CommandFailure>>,
) -> Result<Value, CommandFailure> {
    tokio::select! {
        answer = answer => answer,
        Ok(()) = tokio::signal::ctrl_c() => {
            Err(CommandFailure::new("interrupted", "interrupted").advise(advice))
        }
    }
}

/// The answer in the shape that the host's version of this program writes.
pub(super) fn shaped<T: DeserializeOwned>(answer: &Value) -> Result<T, CommandFailure> {
    T::deserialize(answer).map_err(|error| {
        CommandFailure::new(
            "unknown-answer",
            format!(
                "the host's answer has another form than expected ({error}); use the `tidegate` \
                 of the host's own version"
            ),
        )
    })
}

/// Opens the file that shall be sent.
pub(super) fn open(path: &std::path::Path) -> Result<Content, CommandFailure> {
    Content::file(path).map_err(|error| {
        let next = match error.kind() {
            io::ErrorKind::NotFound => "; is the name right?",
            io::ErrorKind::IsADirectory => "; give the component's file itself",
            _ => "",
        };
        let what = format!("cannot read {}: {error}{next}", path.display());
        CommandFailure::new("unreadable", what)
    })
}
