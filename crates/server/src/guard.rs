//! Who may ask: keys, and what browsers say about the pages whose scripts ask.
//!
//! A server on this computer can be reached by every page that a person opens. Three things stand
//! against that. `Host` must be a name of this server, so that a name of somebody else's that was
//! made to point here is of no use (DNS rebinding). `Origin`, which browsers add to what scripts
//! send to other sites, must be this server's own or one that was allowed. And without being
//! allowed, no other page is told that it may read an answer (CORS).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::Response;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{Access, ApiError, AppState};

/// What needs the key. The page itself is the same for everybody and holds nothing.
const KEYED: [&str; 5] = ["/v1/", "/api/", "/metrics", "/tokenize", "/detokenize"];

/// The key that requests must show, as its hash: hashes have one length, whatever keys have.
#[derive(Clone)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Keeps a key.
    pub(crate) fn new(key: &str) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// Whether this is the key. How long it takes to say does not depend on how much is right.
    fn is(&self, shown: &[u8]) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown).into();
        self.0.ct_eq(&shown).into()
    }
}

/// Lets a request through, or refuses it before anything of its body is read.
pub(crate) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let access = &state.options().access;
    let origin = match check_sender(request.headers(), request.uri(), request.method(), access) {
        Ok(origin) => origin,
        Err(error) => return error.response(&path),
    };
    let mut response = if request.method() == Method::OPTIONS && origin.is_some() {
        preflight()
    } else if let Err(error) = check_key(request.headers(), &path, state.key()) {
        error.response(&path)
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(
        header::HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        headers.insert(
            header::HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("cross-origin"),
        );
    }
    response
}

/// Whether the key is shown where it is needed.
fn check_key(headers: &HeaderMap, path: &str, key: Option<&Key>) -> Result<(), ApiError> {
    let Some(key) = key else { return Ok(()) };
    if !KEYED.iter().any(|begin| path.starts_with(begin)) {
        return Ok(());
    }
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| {
        let value = value.as_bytes();
        let (scheme, rest) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(rest)
    });
    // Anthropic's clients show it in a header of its own.
    match bearer.or_else(|| headers.get("x-api-key").map(HeaderValue::as_bytes)) {
        None => Err(ApiError::no_key("this server wants a key: `Authorization: Bearer KEY`")),
        Some(shown) if key.is(shown) => Ok(()),
        Some(_) => Err(ApiError::no_key("the key is wrong")),
    }
}

/// Whether the request was sent to this server by something that may; the origin that is to be
/// told so, if it is another's.
fn check_sender(
    headers: &HeaderMap,
    uri: &Uri,
    method: &Method,
    access: &Access,
) -> Result<Option<HeaderValue>, ApiError> {
    let host = headers.get(header::HOST).map(|host| host.to_str().unwrap_or_default());
    let host = host.or(uri.authority().map(axum::http::uri::Authority::as_str)).unwrap_or_default();
    if !is_own_name(host, &access.hosts) {
        let message = format!(
            "this server is not called {host:?}; `mynah serve --allow-host NAME` adds a name"
        );
        return Err(ApiError::forbidden(message, "host_not_allowed"));
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let text = origin.to_str().unwrap_or_default();
        let bare = text.split_once("://").map(|(_, rest)| rest);
        if bare.is_some_and(|bare| bare.eq_ignore_ascii_case(host)) {
            return Ok(None);
        }
        if access.origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(text)) {
            return Ok(Some(origin.clone()));
        }
        return Err(foreign(text));
    }
    // Some requests of pages come without an origin, and say whence all the same.
    let is_foreign = headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if is_foreign && method != Method::GET && method != Method::HEAD {
        return Err(foreign("another site"));
    }
    Ok(None)
}

fn foreign(origin: &str) -> ApiError {
    let message = format!(
        "scripts of {origin:?} may not ask this server; `mynah serve --allow-origin ORIGIN` lets \
         them"
    );
    ApiError::forbidden(message, "origin_not_allowed")
}

/// Whether the value of `Host` is a name of this server. Addresses are: whoever calls it by one
/// was not led here by a name that somebody else can change.
fn is_own_name(host: &str, allowed: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    match address {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<std::net::Ipv4Addr>().is_ok()
                || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
        }
    }
}

/// What a browser is told that asks whether a page of an allowed origin may ask.
fn preflight() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*, authorization"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(headers: &[(&str, &str)], access: &Access) -> Result<Option<HeaderValue>, ApiError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = header::HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.insert(name, value.parse().unwrap());
        }
        check_sender(&map, &Uri::from_static("/v1/models"), &Method::POST, access)
    }

    #[test]
    fn a_name_of_somebody_else_is_refused() {
        let access = Access { hosts: vec!["box.lan".to_owned()], ..Access::default() };
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:8080", "[::1]:8080", "box.lan:1"] {
            assert!(sent(&[("host", host)], &access).is_ok(), "{host}");
        }
        for host in ["", "evil.example", "127.0.0.1.evil.example", "[::1].evil.example", "a:b:80"] {
            let error = sent(&[("host", host)], &access).unwrap_err();
            assert_eq!(error.code(), Some("host_not_allowed"), "{host}");
        }
    }

    #[test]
    fn a_page_of_somebody_else_is_refused() {
        let origins = vec!["https://ours.example".to_owned()];
        let access = Access { origins, ..Access::default() };
        let from = |origin| sent(&[("host", "localhost:8080"), ("origin", origin)], &access);
        assert_eq!(from("http://localhost:8080"), Ok(None));
        assert_eq!(from("https://ours.example").unwrap().unwrap(), "https://ours.example");
        for origin in ["http://localhost:8081", "https://evil.example", "null", ""] {
            assert_eq!(from(origin).unwrap_err().code(), Some("origin_not_allowed"), "{origin}");
        }
        let foreign = sent(&[("host", "localhost"), ("sec-fetch-site", "cross-site")], &access);
        assert_eq!(foreign.unwrap_err().code(), Some("origin_not_allowed"));
    }

    #[test]
    fn the_key_is_wanted_where_something_is_to_be_had() {
        let key = Key::new("secret");
        let shown = |name: &'static str, value: &str, path| {
            let headers = HeaderMap::from_iter([(
                header::HeaderName::from_static(name),
                value.parse::<HeaderValue>().unwrap(),
            )]);
            check_key(&headers, path, Some(&key)).map_err(|error| error.status().as_u16())
        };
        assert_eq!(shown("authorization", "Bearer secret", "/v1/models"), Ok(()));
        assert_eq!(shown("authorization", "bearer secret", "/api/x"), Ok(()));
        assert_eq!(shown("x-api-key", "secret", "/v1/messages"), Ok(()));
        for value in ["Bearer secre", "Bearer secret ", "Bearer ", "Basic secret", "secret"] {
            assert_eq!(shown("authorization", value, "/metrics"), Err(401), "{value}");
        }
        assert_eq!(shown("accept", "*", "/health"), Ok(()));
        assert_eq!(shown("accept", "*", "/"), Ok(()));
    }
}
