//! The OpenAPI 3.1 document, from the rows.

use std::collections::{BTreeMap, BTreeSet};

use http::StatusCode;
use serde_json::{Value, json};
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn, PathItem,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::security::{
    ApiKey as SecurityApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{
    ComponentsBuilder, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, OpenApiBuilder, PathsBuilder, Ref,
    Required, Response, ResponseBuilder, Server, Type,
};
use utoipa::{PartialSchema, ToSchema};

use super::Registry;
use crate::error::Code;
use crate::function::{Access, Answer, Content, Function, HttpTrigger};
use crate::http::Problem;
use crate::http::problem;

const BEARER: &str = "bearer";
const API_KEY: &str = "apiKey";

/// The document for all HTTP functions of `registry`, served at `public_url`.
pub fn openapi(registry: &Registry, public_url: &str) -> OpenApi {
    let mut paths = PathsBuilder::new();
    let mut components = ComponentsBuilder::new();
    let mut schemas: Vec<_> = Vec::new();
    Problem::schemas(&mut schemas);
    schemas.push((Problem::name().into_owned(), Problem::schema()));
    for function in registry.functions() {
        let Some(http) = function.http_trigger() else { continue };
        let item = PathItem::new(method(http), operation(function, http));
        paths = paths.path(format!("/api/{}", http.route), item);
        schemas.extend(http.operation.schemas.iter().cloned());
    }
    for (name, schema) in schemas {
        components = components.schema(name, schema);
    }
    components = components.security_scheme(
        BEARER,
        SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build()),
    );
    components = components.security_scheme(
        API_KEY,
        SecurityScheme::ApiKey(SecurityApiKey::Header(ApiKeyValue::with_description(
            "X-API-Key",
            "The key of a program; `Authorization: Bearer` takes it as well.",
        ))),
    );
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Pravis Boutique API")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some("Shopping by voice for a handloom boutique: say what you want, see it, order it."))
                .build(),
        )
        .servers(Some([Server::new(public_url)]))
        .paths(paths)
        .components(Some(components.build()))
        .build()
}

fn method(http: &HttpTrigger) -> HttpMethod {
    match http.method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn operation(function: &Function, http: &HttpTrigger) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(function.name))
        .tag(function.service.name())
        .summary(Some(http.operation.summary));
    for name in parameters_of(http.route) {
        operation = operation.parameter(path_parameter(name));
    }
    for parameter in &http.operation.parameters {
        operation = operation.parameter(parameter.clone());
    }
    if http.idempotent {
        operation = operation.parameter(idempotency_key());
    }
    if !http.operation.bodies.is_empty() {
        let mut body = RequestBodyBuilder::new().required(Some(Required::True));
        for content in &http.operation.bodies {
            body = body.content(content.media_type, content_of(content));
        }
        operation = operation.request_body(Some(body.build()));
    }
    for (status, answers) in successes(http) {
        let mut response = ResponseBuilder::new();
        let mut descriptions: Vec<&str> = answers.iter().map(|answer| answer.description).collect();
        descriptions.dedup();
        response = response.description(descriptions.join(" "));
        for content in answers.iter().filter_map(|answer| answer.content.as_ref()) {
            response = response.content(content.media_type, content_of(content));
        }
        operation = operation.response(status.as_str(), response.build());
    }
    for (status, codes) in failures(http) {
        operation = operation.response(status.as_str(), failure(status, &codes));
    }
    if http.access == Access::Anyone {
        // Anonymous is allowed, and so is a token.
        operation = operation.security(SecurityRequirement::default());
    }
    let programs = match http.access {
        Access::Anyone => true,
        Access::SignedIn => false,
        Access::May(permission) => permission.suits_a_key(),
    };
    if programs {
        operation = operation.security(SecurityRequirement::new::<_, [&str; 0], &str>(API_KEY, []));
    }
    operation.security(SecurityRequirement::new::<_, [&str; 0], &str>(BEARER, [])).build()
}

/// The names in braces of a route.
pub fn parameters_of(route: &'static str) -> impl Iterator<Item = &'static str> {
    route.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
}

fn path_parameter(name: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .build()
}

fn idempotency_key() -> Parameter {
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some("Sent again with the same key, the request is answered again, not done again (48 h)."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).max_length(Some(255)).build()))
        .build()
}

fn content_of(content: &Content) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(content.schema.clone()).example(content.example.clone()).build()
}

/// The declared answers by status: one status can come in several forms.
fn successes(http: &HttpTrigger) -> BTreeMap<StatusCode, Vec<&Answer>> {
    let mut by_status: BTreeMap<StatusCode, Vec<&Answer>> = BTreeMap::new();
    for answer in &http.operation.answers {
        by_status.entry(answer.status).or_default().push(answer);
    }
    by_status
}

/// Every failure the function can tell of, by status.
fn failures(http: &HttpTrigger) -> Vec<(StatusCode, Vec<Code>)> {
    let mut codes = http.operation.failures.clone();
    codes.extend([Code::NotAcceptable, Code::Internal, Code::Unavailable, Code::InvalidToken]);
    if http.access != Access::Anyone {
        codes.extend([Code::NotAuthenticated, Code::NotPermitted]);
    }
    if http.route.contains('{') {
        codes.push(Code::NotFound);
    }
    if !http.operation.parameters.is_empty() || !http.operation.bodies.is_empty() {
        codes.push(Code::ValidationFailed);
    }
    if !http.operation.bodies.is_empty() {
        codes.extend([Code::MalformedRequest, Code::PayloadTooLarge, Code::UnsupportedMediaType]);
    }
    if http.idempotent {
        codes.extend([Code::RequestInProgress, Code::IdempotencyKeyReused]);
    }
    let statuses: BTreeSet<StatusCode> = codes.iter().map(|&code| problem::status(code)).collect();
    let of = |status| {
        let mut with: Vec<Code> = Code::ALL.into_iter().filter(|code| codes.contains(code)).collect();
        with.retain(|&code| problem::status(code) == status);
        with
    };
    statuses.into_iter().map(|status| (status, of(status))).collect()
}

fn failure(status: StatusCode, codes: &[Code]) -> Response {
    let titles: Vec<&str> = codes.iter().map(|&code| problem::title(code)).collect();
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Problem::name())))
        .example(codes.first().map(|&code| example(status, code)))
        .build();
    ResponseBuilder::new().description(titles.join("; ")).content(problem::MEDIA_TYPE, content).build()
}

fn example(status: StatusCode, code: Code) -> Value {
    json!({
        "type": format!("urn:pravis:problem:{}", problem::code_text(code)),
        "title": problem::title(code),
        "status": status.as_u16(),
        "detail": problem::title(code),
        "instance": "/api/v1/…",
        "code": problem::code_text(code),
        "requestId": "req_01KAXQ8W0V7D3T4Z5J6N8P9R2S"
    })
}
