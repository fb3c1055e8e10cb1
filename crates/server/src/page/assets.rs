//! The page's files, which are in the binary, and what browsers are told beside them.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::ApiError;

/// The folder `crates/web/page`. Programs that are not optimised read it from the disk.
#[derive(rust_embed::Embed)]
#[folder = "../web/page"]
struct Files;

/// What the page may do: run its own scripts, ask its own server, and nothing else. Texts never
/// become markup or script, whatever the code says: browsers that know Trusted Types refuse it.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// Headers of what a browser opens as a page; what a page is made of needs none of them.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ),
];

/// A file as it is sent.
pub(super) struct Asset {
    kind: &'static str,
    tag: HeaderValue,
    pub(super) plain: Bytes,
    pub(super) packed: Bytes,
}

type Assets = Arc<HashMap<String, Asset>>;

pub(super) fn router() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/page/{*path}", get(file))
        .with_state(Arc::new(assets()))
}

/// All files by their paths; packed once, not for every browser.
pub(super) fn assets() -> HashMap<String, Asset> {
    Files::iter()
        .filter_map(|path| {
            let kind = kind_of(&path)?;
            let file = Files::get(&path)?;
            let hash = file.metadata.sha256_hash();
            let tag =
                hash[..16].iter().fold(String::new(), |tag, byte| tag + &format!("{byte:02x}"));
            let tag = HeaderValue::from_str(&format!("\"{tag}\"")).ok()?;
            let plain = Bytes::from(file.data.into_owned());
            let packed = packed(&plain)?;
            Some((path.into_owned(), Asset { kind, tag, plain, packed }))
        })
        .collect()
}

fn packed(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok().map(Bytes::from)
}

/// What a file is. Others (declarations of types, licences) are not served.
fn kind_of(path: &str) -> Option<&'static str> {
    let (_, end) = path.rsplit_once('.')?;
    Some(match end {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => return None,
    })
}

async fn index(State(assets): State<Assets>, headers: HeaderMap) -> Result<Response, ApiError> {
    respond(&assets, "index.html", &headers)
}

async fn file(
    State(assets): State<Assets>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    respond(&assets, &path, &headers)
}

fn respond(assets: &Assets, path: &str, asked: &HeaderMap) -> Result<Response, ApiError> {
    let asset = assets
        .get(path)
        .ok_or_else(|| ApiError::not_found(format!("the page has no file {path:?}")))?;
    let names = |header: HeaderName, what: &str| {
        asked.get_all(header).iter().filter_map(|value| value.to_str().ok()).any(|value| {
            value
                .split(',')
                .map(|part| part.split(';').next().unwrap_or_default().trim())
                .any(|part| part.trim_start_matches("W/") == what)
        })
    };
    let mut response = if names(header::IF_NONE_MATCH, asset.tag.to_str().unwrap_or_default()) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else if names(header::ACCEPT_ENCODING, "gzip") {
        let mut response = Response::new(Body::from(asset.packed.clone()));
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        Response::new(Body::from(asset.plain.clone()))
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.kind));
    headers.insert(header::ETAG, asset.tag.clone());
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Browsers ask again each time, and are told that nothing changed.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if !matches!(path.rsplit_once('.'), Some((_, "js" | "css"))) {
        for (name, value) in HEADERS {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(response)
}
