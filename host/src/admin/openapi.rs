//! The OpenAPI 3.1 document of the admin listener, written from the table of endpoints and
//! from the types that are read and answered. Nothing about an endpoint stands here.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use schemars::JsonSchema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

use super::body::BodyForm;
use super::endpoint::Endpoint;
use super::problem::{self, KINDS};
use super::table;
use super::tokens::TokenRole;

/// What the parts of a path stand for.
const PATH_PARTS: [(&str, &str); 3] = [
    ("family", "The family, as its channels begin."),
    ("name", "The transform's name, as its component has it."),
    (
        "id",
        "The id; of a revision also its beginning, if no other begins like it: at least 6 digits.",
    ),
];

static DOCUMENT: LazyLock<String> = LazyLock::new(document);

/// `GET /openapi.json`.
pub(super) async fn served() -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        DOCUMENT.as_str(),
    )
}

/// The document as JSON, with a line's end after it.
pub fn document() -> String {
    format!("{:#}\n", value(&table::endpoints()))
}

/// The schemas of what is read and of what is written: the two differ in what may be absent.
struct Schemas {
    read: SchemaGenerator,
    written: SchemaGenerator,
}

impl Schemas {
    fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| {
                settings.definitions_path = "/components/schemas".into();
                settings.meta_schema = None;
            })
        };
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }
}

fn value(endpoints: &[Endpoint]) -> Value {
    let mut schemas = Schemas::new();
    let mut paths = Map::new();
    for endpoint in endpoints {
        let methods = paths.entry(endpoint.path).or_insert_with(|| json!({}));
        let method = endpoint.method.as_str().to_lowercase();
        methods[method] = operation(endpoint, &mut schemas);
    }
    let problem = problem_schema(&mut schemas.written);
    let mut components = schemas.read.take_definitions(true);
    components.extend(schemas.written.take_definitions(true));
    components.insert("Problem".into(), problem);
    components.sort_keys();
    let alone: Map<String, Value> = KINDS
        .iter()
        .map(|kind| (kind.code.to_owned(), problem_response(&[*kind])))
        .collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidegate admin API",
            "version": "1.0.0",
            "description": "For operators: what runs, and how to change it while clients stay connected. \
                The usual way is push, plan, perhaps shadow, apply, and if need be rollback. \
                Errors are problem details (RFC 9457) with a stable `code`; answers may get further fields. \
                Without any admin token in its settings a host has none of the paths under /v1.",
        },
        "servers": [{
            "url": "{admin}",
            "variables": { "admin": { "default": "http://127.0.0.1:8081" } },
        }],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": alone,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "An admin token. It has a role: `view` may look, `operate` may change too.",
                },
            },
        },
    });
    unwrap_lines(&mut document);
    document
}

/// Comments of the sources are wrapped; a reader's program does that by itself.
fn unwrap_lines(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" => *text = text.replace('\n', " "),
                    nested => unwrap_lines(nested),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_lines),
        _ => {}
    }
}

fn operation(endpoint: &Endpoint, schemas: &mut Schemas) -> Value {
    let mut operation = json!({
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "security": [],
    });
    if let Some(role) = endpoint.role {
        operation["description"] = format!("Needs a token with the role `{role}`.").into();
        operation["security"] = json!([{ "token": [role.to_string()] }]);
    }
    let parameters = parameters(endpoint, &mut schemas.read);
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    let body = (endpoint.body)(&mut schemas.read);
    let mut responses = successes(endpoint, &mut schemas.written);
    responses.extend(problems(endpoint, body.is_some()));
    responses.sort_keys();
    if let Some(form) = body {
        let BodyForm {
            content_type,
            schema,
            required,
        } = form;
        operation["requestBody"] =
            json!({ "required": required, "content": { content_type: { "schema": schema } } });
    }
    operation["responses"] = responses.into();
    operation
}

fn parameters(endpoint: &Endpoint, schemas: &mut SchemaGenerator) -> Vec<Value> {
    let in_path = PATH_PARTS
        .iter()
        .filter(|(name, _)| endpoint.path.contains(&format!("{{{name}}}")))
        .map(|(name, description)| {
            json!({
                "name": name,
                "in": "path",
                "required": true,
                "description": description,
                "schema": { "type": "string" },
            })
        });
    let query = (endpoint.query)(schemas);
    let properties = query.get("properties").and_then(Value::as_object).cloned();
    let in_query = properties.into_iter().flatten().map(|(name, mut schema)| {
        let description = schema
            .as_object_mut()
            .and_then(|schema| schema.remove("description"));
        // What is not given is left out: nothing in an address is null.
        if let Some(Value::Array(kinds)) = schema.get_mut("type") {
            kinds.retain(|kind| kind != "null");
            if let [only] = &kinds[..] {
                schema["type"] = only.clone();
            }
        }
        json!({ "name": name, "in": "query", "description": description, "schema": schema })
    });
    in_path.chain(in_query).collect()
}

fn successes(endpoint: &Endpoint, schemas: &mut SchemaGenerator) -> Map<String, Value> {
    let schema = (endpoint.answer)(schemas);
    let mut responses = Map::new();
    for (status, meaning) in &endpoint.statuses {
        let mut response = json!({
            "description": meaning,
            "content": { endpoint.content_type: { "schema": schema } },
        });
        if matches!(*status, StatusCode::CREATED | StatusCode::ACCEPTED) {
            response["headers"] = json!({
                "Location": { "description": "The path of what was made.", "schema": { "type": "string" } },
            });
        }
        responses.insert(status.as_str().into(), response);
    }
    responses
}

/// The problems of an endpoint by status, with the codes that it can have there.
fn problems(endpoint: &Endpoint, has_body: bool) -> Map<String, Value> {
    let mut codes = endpoint.refusals.clone();
    codes.extend(["foreign-host", "foreign-origin"]);
    match endpoint.role {
        Some(TokenRole::View) => codes.extend(["bad-request", "unauthorized", "internal"]),
        Some(TokenRole::Operate) => {
            codes.extend(["bad-request", "unauthorized", "forbidden", "internal"]);
        }
        None => {}
    }
    if has_body {
        codes.extend(["too-large", "upload-stalled"]);
    }
    codes.sort_unstable();
    codes.dedup();
    let mut by_status: BTreeMap<StatusCode, Vec<problem::ProblemKind>> = BTreeMap::new();
    for kind in codes.into_iter().filter_map(problem::find) {
        by_status.entry(kind.status).or_default().push(kind);
    }
    let response = |(status, kinds): (StatusCode, Vec<problem::ProblemKind>)| {
        let response = match &kinds[..] {
            [only] => json!({ "$ref": format!("#/components/responses/{}", only.code) }),
            several => problem_response(several),
        };
        (status.as_str().to_owned(), response)
    };
    by_status.into_iter().map(response).collect()
}

fn problem_response(kinds: &[problem::ProblemKind]) -> Value {
    let rows: Vec<String> = kinds
        .iter()
        .map(|kind| format!("`{}`: {}.", kind.code, kind.title))
        .collect();
    let codes: Vec<&str> = kinds.iter().map(|kind| kind.code).collect();
    let schema = json!({
        "allOf": [{ "$ref": "#/components/schemas/Problem" }],
        "properties": { "code": { "enum": codes } },
    });
    json!({
        "description": rows.join(" "),
        "content": { "application/problem+json": { "schema": schema } },
    })
}

fn problem_schema(schemas: &mut SchemaGenerator) -> Value {
    let mut schema = problem::Shape::json_schema(schemas);
    let codes: Vec<&str> = KINDS.iter().map(|kind| kind.code).collect();
    if let Some(code) = schema.pointer_mut("/properties/code") {
        code["enum"] = codes.into();
    }
    schema.into()
}

#[cfg(test)]
mod tests;
