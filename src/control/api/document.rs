//! The OpenAPI 3.1 document, made of the very handlers and types.

use std::collections::BTreeMap;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ComponentsBuilder, HeaderBuilder, InfoBuilder, OpenApi, Ref, RefOr, Response,
    ResponseBuilder, Schema,
};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::problem::MEDIA_TYPE;
use super::routes;
use super::schema::Problem;

/// Paths that one resource is read at, with its entity tag.
const TAGGED: [&str; 4] = [
    "/state",
    "/services/{service}",
    "/pools/{pool}",
    "/pools/{pool}/backends/{backend}",
];

/// Everything that the API can be asked, and every answer.
#[must_use]
pub fn document() -> OpenApi {
    let (_, mut document) = routes::routes();
    document.info = InfoBuilder::new()
        .title("Tentetsu")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .build();
    let mut components = document.components.take().unwrap_or_default();
    send_back(&mut components);
    let components = ComponentsBuilder::from(components)
        .schema(Problem::name(), Problem::schema())
        .security_scheme(
            TOKEN,
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        );
    document.components = Some(components.build());
    // On the unix socket the kernel says who asks.
    document.security = Some(vec![
        SecurityRequirement::new(TOKEN, [] as [&str; 0]),
        SecurityRequirement::default(),
    ]);
    for (path, item) in &mut document.paths.paths {
        complete(path, item);
    }
    document
}

const TOKEN: &str = "token";

const ABOUT: &str = "What a tentetsu appliance is to do, and what it does. GET changes nothing; a write is stored before \
                     it is answered. What GET tells beside a definition (generation, pending, owner, panics, mode) may \
                     be sent back as it is, and not otherwise. Roles: read asks, operate drains, undrains, maintains, weighs and confirms, admin \
                     does everything.";

/// What is told beside a definition, and may be sent back: in which schema it is told, and in which sent.
const TOLD: [(&str, &str, &str); 6] = [
    ("generation", "CurrentState", "Definitions"),
    ("pending", "CurrentState", "Definitions"),
    ("owner", "ServiceState", "ServiceSpec"),
    ("owner", "PoolState", "PoolSpec"),
    ("panics", "PoolState", "PoolSpec"),
    ("mode", "BackendState", "BackendSpec"),
];

/// Adds to the definitions' forms what may be sent back.
fn send_back(components: &mut Components) {
    for (key, told, sent) in TOLD {
        let told = properties(components, told).and_then(|told| told.get(key).cloned());
        if let (Some(property), Some(sent)) = (told, properties(components, sent)) {
            sent.insert(key.to_owned(), property);
        }
    }
}

fn properties<'c>(
    components: &'c mut Components,
    schema: &str,
) -> Option<&'c mut BTreeMap<String, RefOr<Schema>>> {
    match components.schemas.get_mut(schema)? {
        RefOr::T(Schema::Object(object)) => Some(&mut object.properties),
        _ => None,
    }
}

/// Adds the answers that all operations of a kind have.
fn complete(path: &str, item: &mut PathItem) {
    if let Some(get) = &mut item.get {
        refuse(get, &[400, 401, 403, 503]);
        if path.contains('{') {
            refuse(get, &[404]);
        }
        if TAGGED.contains(&path) {
            tag(get);
        }
    }
    for write in [&mut item.put, &mut item.post, &mut item.delete]
        .into_iter()
        .flatten()
    {
        refuse(write, &[400, 401, 403, 409, 412, 422, 503]);
        if path.contains('{') {
            refuse(write, &[404]);
        }
        if write.request_body.is_some() {
            refuse(write, &[408, 413, 415]);
        }
    }
}

fn refuse(operation: &mut Operation, statuses: &[u16]) {
    for status in statuses {
        let responses = &mut operation.responses.responses;
        responses
            .entry(status.to_string())
            .or_insert_with(|| problem(*status));
    }
}

fn problem(status: u16) -> RefOr<Response> {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Problem::name())));
    ResponseBuilder::new()
        .description(description(status))
        .content(MEDIA_TYPE, content.build())
        .into()
}

const fn description(status: u16) -> &'static str {
    match status {
        400 => "The request can't be understood",
        401 => "No token, or none that is known",
        403 => "It takes a role that the caller has not",
        404 => "Nothing of this name is there",
        408 => "The body did not come in time",
        409 => "Another change is in the way",
        412 => "If-Match or If-None-Match does not hold",
        413 => "The body is too large",
        415 => "The body is not said to be JSON",
        422 => "What was sent has faults: all of them, each with its place",
        _ => {
            "The node is stopping, or can't store: nothing was changed, or will be told by the next start"
        }
    }
}

/// The entity tag, and what is said to a reader who has it.
fn tag(get: &mut Operation) {
    if let Some(RefOr::T(found)) = get.responses.responses.get_mut("200") {
        let tag = HeaderBuilder::new().schema(String::schema());
        let tag = tag.description(Some("The entity tag, for If-Match and If-None-Match"));
        found.headers.insert("ETag".to_owned(), tag.build());
    }
    let same = ResponseBuilder::new().description("As If-None-Match has it");
    get.responses
        .responses
        .insert("304".to_owned(), same.into());
}
