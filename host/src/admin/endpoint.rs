//! One endpoint: what the router and the document both have to know of it, in one place.
//!
//! Query, body and answer are types of the function that answers, so that the document says
//! what the code reads and writes. Who may call is checked here, before a body is read, and
//! a change runs to its end here even where its caller hangs up.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Admin;
use super::body::{self, BodyForm, FromBody, NoBody};
use super::change::ChangeInProgress;
use super::problem::Problem;
use super::tokens::{Holder, TokenRole};
use super::tries::Why;
use crate::listener::{Arrival, Remote};

/// A method of a path.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) method: Method,
    pub(super) path: &'static str,
    /// The operation's name in the document and in the log.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// None where no token is asked for.
    pub(super) role: Option<TokenRole>,
    /// The codes of the problems that are its own, beside those that every endpoint has.
    pub(super) refusals: Vec<&'static str>,
    pub(super) query: fn(&mut SchemaGenerator) -> Schema,
    pub(super) body: fn(&mut SchemaGenerator) -> Option<BodyForm>,
    /// The statuses of what it answers when nothing is wrong, and what they mean.
    pub(super) statuses: Vec<(StatusCode, &'static str)>,
    pub(super) content_type: &'static str,
    pub(super) answer: fn(&mut SchemaGenerator) -> Schema,
    pub(super) route: MethodRouter<Arc<Admin>>,
}

/// What is known of an endpoint before there is a function for it.
#[derive(Debug)]
pub(super) struct EndpointOutline {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) refusals: Vec<&'static str>,
}

/// One request that was read and allowed.
#[derive(Debug)]
pub(super) struct Call<Q = NoQuery, B = NoBody> {
    pub(super) admin: Arc<Admin>,
    pub(super) holder: Holder,
    /// Where it came from.
    pub(super) address: Option<IpAddr>,
    /// The name or the id in the path; empty where the path has none.
    pub(super) of: String,
    pub(super) query: Q,
    pub(super) body: B,
}

/// Nothing behind the question mark.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NoQuery {}

/// What is answered when nothing is wrong.
#[derive(Debug)]
pub(super) struct Success<A> {
    status: StatusCode,
    location: Option<String>,
    value: A,
}

impl<A> Success<A> {
    pub(super) fn ok(value: A) -> Result<Self, Problem> {
        Self::of(StatusCode::OK, None, value)
    }

    /// `location` is the path of what was made.
    pub(super) fn of(
        status: StatusCode,
        location: Option<String>,
        value: A,
    ) -> Result<Self, Problem> {
        Ok(Self {
            status,
            location,
            value,
        })
    }
}

impl<A: Serialize> IntoResponse for Success<A> {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.value)).into_response();
        let location = self
            .location
            .and_then(|path| HeaderValue::try_from(path).ok());
        if let Some(location) = location {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl EndpointOutline {
    /// Codes of its own problems.
    pub(super) fn refuses(mut self, codes: &[&'static str]) -> Self {
        self.refusals.extend_from_slice(codes);
        self
    }

    /// An endpoint that anybody may call, and that answers as it likes.
    pub(super) fn open(
        self,
        content_type: &'static str,
        answer: fn(&mut SchemaGenerator) -> Schema,
        statuses: &[(StatusCode, &'static str)],
        route: MethodRouter<Arc<Admin>>,
    ) -> Endpoint {
        Endpoint {
            method: self.method,
            path: self.path,
            id: self.id,
            summary: self.summary,
            role: None,
            refusals: self.refusals,
            query: NoQuery::json_schema,
            body: NoBody::form,
            statuses: statuses.to_vec(),
            content_type,
            answer,
            route,
        }
    }

    /// An endpoint that asks for a token of this role, and whose requests `answer` answers.
    pub(super) fn with<Q, B, A, F, R>(
        self,
        role: TokenRole,
        statuses: &[(StatusCode, &'static str)],
        answer: F,
    ) -> Endpoint
    where
        Q: DeserializeOwned + JsonSchema + Send + 'static,
        B: FromBody,
        A: Serialize + JsonSchema + Send + 'static,
        F: Fn(Call<Q, B>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<Success<A>, Problem>> + Send + 'static,
    {
        let id = self.id;
        let filter = MethodFilter::try_from(self.method.clone())
            .expect("the table has no method that axum does not know");
        let route = on(
            filter,
            async move |State(admin): State<Arc<Admin>>,
                        of: Result<Option<Path<String>>, PathRejection>,
                        request: Request| {
                let of = match of {
                    Ok(of) => of.map(|Path(of)| of).unwrap_or_default(),
                    Err(_) => return Problem::unreadable_path().into_response(),
                };
                let (call, asked) = match read::<Q, B>(admin, id, role, of, request).await {
                    Ok(read) => read,
                    Err(problem) => return problem.into_response(),
                };
                // On a task of its own: a caller that hangs up does not stop a swap half-way.
                let tasks = call.admin.context.tasks.clone();
                let answering = answer(call);
                let task = tasks.brief("admin_request", async move {
                    let answered = answering.await;
                    asked.log(answered.as_ref().err());
                    answered
                });
                let answered = task.await.unwrap_or_else(|_| Err(Problem::internal()));
                answered.into_response()
            },
        );
        Endpoint {
            role: Some(role),
            query: Q::json_schema,
            body: B::form,
            answer: |schemas| schemas.subschema_for::<A>(),
            ..self.open("application/json", |_| Schema::default(), statuses, route)
        }
    }
}

/// Reads the token first, then the address, then the body.
async fn read<Q: DeserializeOwned, B: FromBody>(
    admin: Arc<Admin>,
    id: &'static str,
    needed: TokenRole,
    of: String,
    request: Request,
) -> Result<(Call<Q, B>, ChangeInProgress), Problem> {
    let (parts, body) = request.into_parts();
    let mut body = body::stream(body);
    let holder = match known(&admin, &parts.headers) {
        Ok(holder) => holder,
        Err(problem) => {
            body::linger(&admin.context.tasks, &parts.headers, body);
            admin.refuse(Why::Unknown, 401, id, None, remote(&parts));
            return Err(problem);
        }
    };
    let asked = ChangeInProgress::new(id, needed, &holder, &of);
    let reading = async {
        if !holder.role.allows(needed) {
            admin.refuse(Why::Role, 403, id, Some(&holder.name), remote(&parts));
            return Err(Problem::forbidden(&holder.name, needed));
        }
        let query = query(&parts.uri)?;
        let body = B::read(&admin, &parts.headers, &mut body).await?;
        Ok((query, body))
    };
    let read = reading.await;
    body::linger(&admin.context.tasks, &parts.headers, body);
    match read {
        Ok((query, body)) => {
            let call = Call {
                admin,
                holder,
                address: remote(&parts).map(|remote| remote.ip),
                of,
                query,
                body,
            };
            Ok((call, asked))
        }
        Err(problem) => {
            asked.log(Some(&problem));
            Err(problem)
        }
    }
}

fn remote(parts: &Parts) -> Option<Remote> {
    let arrival = parts.extensions.get::<Arrival>();
    arrival.map(|arrival| arrival.remote)
}

fn known(admin: &Admin, headers: &HeaderMap) -> Result<Holder, Problem> {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .filter(|token| !token.is_empty())
        .zip(admin.tokens.as_ref())
        .and_then(|(given, tokens)| tokens.find(given))
        .ok_or_else(Problem::unauthorized)
}

fn query<Q: DeserializeOwned>(uri: &Uri) -> Result<Q, Problem> {
    match Query::try_from_uri(uri) {
        Ok(Query(query)) => Ok(query),
        Err(rejection) => Err(Problem::bad_request(rejection.body_text())),
    }
}
