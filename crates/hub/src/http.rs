//! Asks servers for things: https only, few redirects, secrets only to whom they belong.
//!
//! A proxy, mirrors and credentials come from [`Config`]. This module does not know what is
//! fetched; [`crate::transfer`] continues broken transfers.

use std::io::{self, Read};
use std::thread::sleep;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::HeaderMap;
use ureq::tls::{RootCerts, TlsConfig};
use url::Url;

use crate::config::{Config, Patience};
use crate::error::Error;
use crate::observer::{Event, Observer};
use crate::proxy::{percent_decoded, proxy};

/// How many redirects are followed.
const MOST_REDIRECTS: usize = 8;

/// A request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The text is not the address of anything.
    #[error("{url:?} is not an address: {reason}")]
    Address {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The address is not https, and neither this machine nor a mirror that was named.
    #[error("{url} is not https")]
    NotHttps {
        /// The address.
        url: String,
    },
    /// The caller wants no request made.
    #[error("{url} was not asked: mynah is offline")]
    Offline {
        /// The address.
        url: String,
    },
    /// The name of the host has no address.
    #[error("the host {host} cannot be found")]
    HostNotFound {
        /// The host.
        host: String,
    },
    /// The connection could not be made, or broke.
    #[error("the connection to {host} failed: {reason}")]
    Connection {
        /// The host.
        host: String,
        /// What the operating system says.
        reason: String,
    },
    /// The server took too long.
    #[error("{host} did not answer in time ({what})")]
    Timeout {
        /// The host.
        host: String,
        /// What took too long.
        what: String,
    },
    /// The server's certificate is not one to trust, or encryption failed otherwise.
    #[error("no secure connection to {host}: {reason}")]
    Tls {
        /// The host.
        host: String,
        /// What is wrong.
        reason: String,
    },
    /// The server answered with an error.
    #[error("{url} answers {status}{}", meaning(*.status))]
    Status {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// How long the server asks to wait.
        retry_after: Option<Duration>,
    },
    /// Redirects do not end.
    #[error("{url} redirects more than {MOST_REDIRECTS} times")]
    Redirects {
        /// The address that was asked first.
        url: String,
    },
    /// An answer is larger than one of its kind can be.
    #[error("the answer of {url} is longer than {limit} bytes")]
    TooLong {
        /// The address.
        url: String,
        /// The limit.
        limit: u64,
    },
    /// The server does not follow the protocol.
    #[error("the answer of {url} is not HTTP as it should be: {reason}")]
    Protocol {
        /// The address.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// The proxy does not connect.
    #[error("the proxy does not connect to {host}: {reason}")]
    ProxyRefused {
        /// The host behind it.
        host: String,
        /// What the proxy says.
        reason: String,
    },
    /// The proxy's address cannot be used.
    #[error("the proxy {proxy:?} cannot be used")]
    Proxy {
        /// The proxy's address, without a password.
        proxy: String,
    },
}

fn meaning(status: u16) -> &'static str {
    match status {
        401 => " (it wants to know who asks)",
        403 => " (it refuses)",
        404 => " (not found)",
        410 => " (gone)",
        429 => " (too many requests)",
        500..=599 => " (trouble on the server)",
        _ => "",
    }
}

impl HttpError {
    /// What the person can do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::HostNotFound { .. } | Self::Connection { .. } | Self::Timeout { .. } => {
                "is the network up? A proxy is taken from HTTPS_PROXY"
            }
            Self::Proxy { .. } | Self::ProxyRefused { .. } => {
                "the proxy is taken from HTTPS_PROXY or ALL_PROXY, exceptions from NO_PROXY"
            }
            Self::Tls { .. } => {
                "a company's own certificate must be among the system's; SSL_CERT_FILE names others"
            }
            Self::Offline { .. } => "leave out --offline (MYNAH_OFFLINE) to fetch it",
            Self::NotHttps { .. } => "use https: what comes over http can be changed on its way",
            Self::Status { status: 401 | 403, .. } => {
                "some models must be asked for on their page first; then set HF_TOKEN"
            }
            Self::Status { status: 404 | 410, .. } => "check the spelling of the name",
            Self::Status { status: 429 | 500..=599, .. } => "try again later",
            _ => return None,
        };
        Some(hint.into())
    }

    /// Whether the same request may well succeed a little later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Connection { .. } | Self::Timeout { .. } => true,
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }
}

/// Makes requests.
pub(crate) struct Client {
    agent: ureq::Agent,
    /// Hosts that may be asked over plain http because the caller named them so.
    plain: Vec<Origin>,
    /// What is sent to whom as `Authorization`.
    secrets: Vec<(Origin, String)>,
    pub(crate) patience: Patience,
    offline: bool,
}

/// Scheme, host and port: who answers.
type Origin = (String, String, u16);

fn origin(url: &Url) -> Origin {
    let host = url.host_str().unwrap_or_default().to_owned();
    (url.scheme().to_owned(), host, url.port_or_known_default().unwrap_or_default())
}

/// An answer whose body is still to be read.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ureq::Body,
    /// The headers of the first answer, which may have been a redirect.
    pub(crate) first_headers: HeaderMap,
    /// The address that answered in the end.
    pub(crate) url: Url,
}

impl Client {
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        let proxy = config.proxy.as_deref().map(|text| proxy(text, config)).transpose()?;
        let patience = config.patience;
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(&config.user_agent)
            .accept_encoding("identity")
            .proxy(proxy)
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.silence))
            .timeout_per_read(Some(patience.silence))
            .build()
            .new_agent();
        let (mut plain, mut secrets) = (Vec::new(), Vec::new());
        for base in [&config.hf_endpoint, &config.pip_index_url, &config.npm_registry] {
            let url = parse(base)?;
            if url.scheme() == "http" {
                plain.push(origin(&url));
            }
            if !url.username().is_empty() {
                let name = percent_decoded(url.username());
                let password = percent_decoded(url.password().unwrap_or_default());
                let pair = STANDARD.encode(format!("{name}:{password}"));
                secrets.push((origin(&url), format!("Basic {pair}")));
            }
        }
        if let Some(token) = &config.hf_token {
            secrets.push((origin(&parse(&config.hf_endpoint)?), format!("Bearer {token}")));
        }
        Ok(Self { agent, plain, secrets, patience, offline: config.offline })
    }

    /// Asks once, following redirects. Any status but an error's counts as an answer; so does
    /// 416, which says that a range lies outside the file.
    pub(crate) fn get(&self, url: &Url, headers: &[(&str, &str)]) -> Result<Reply, HttpError> {
        if self.offline {
            return Err(HttpError::Offline { url: shown(url) });
        }
        let mut at = url.clone();
        let mut first_headers = None;
        for _ in 0..=MOST_REDIRECTS {
            self.check_scheme(&at)?;
            let response = self.request(&at, headers).map_err(|error| explain(error, &at))?;
            let status = response.status().as_u16();
            let (parts, body) = response.into_parts();
            let first_headers = first_headers.get_or_insert_with(|| parts.headers.clone());
            if let 301 | 302 | 303 | 307 | 308 = status {
                let target = header(&parts.headers, "location").unwrap_or_default();
                at = at.join(target).map_err(|error| HttpError::Address {
                    url: target.to_owned(),
                    reason: error.to_string(),
                })?;
                continue;
            }
            if status >= 400 && status != 416 {
                let retry_after = header(&parts.headers, "retry-after")
                    .and_then(|text| text.trim().parse().ok())
                    .map(Duration::from_secs);
                return Err(HttpError::Status { url: shown(&at), status, retry_after });
            }
            let first_headers = first_headers.clone();
            return Ok(Reply { status, headers: parts.headers, body, first_headers, url: at });
        }
        Err(HttpError::Redirects { url: shown(url) })
    }

    fn request(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
    ) -> Result<ureq::http::Response<ureq::Body>, ureq::Error> {
        let mut bare = url.clone();
        // Credentials in an address are sent by `secrets`, and only to their own host.
        let _ = bare.set_username("");
        let _ = bare.set_password(None);
        bare.set_fragment(None);
        let mut request = self.agent.get(bare.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let origin = origin(url);
        if let Some((_, secret)) = self.secrets.iter().find(|(whose, _)| *whose == origin) {
            request = request.header("authorization", secret);
        }
        request.call()
    }

    /// Asks, and asks again after a wait while the failure is one that passes.
    pub(crate) fn get_patiently(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        observer: &dyn Observer,
    ) -> Result<Reply, HttpError> {
        let mut failures = 0;
        loop {
            match self.get(url, headers) {
                Err(error) if error.is_transient() && failures + 1 < self.patience.tries => {
                    failures += 1;
                    self.wait(failures, &error, observer);
                }
                result => return result,
            }
        }
    }

    /// Reads a small answer whole.
    pub(crate) fn text(
        &self,
        url: &Url,
        headers: &[(&str, &str)],
        limit: u64,
        observer: &dyn Observer,
    ) -> Result<(String, Reply), Error> {
        let mut failures = 0;
        loop {
            let mut reply = self.get_patiently(url, headers, observer)?;
            match read_all(&mut reply, limit) {
                Ok(text) => return Ok((text, reply)),
                Err(error) if error.is_transient() && failures + 1 < self.patience.tries => {
                    failures += 1;
                    self.wait(failures, &error, observer);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits after the `failures`-th failure in a row, longer each time.
    pub(crate) fn wait(&self, failures: u32, error: &HttpError, observer: &dyn Observer) {
        let asked = match error {
            HttpError::Status { retry_after, .. } => *retry_after,
            _ => None,
        };
        let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
        let wait = asked
            .unwrap_or_else(|| self.patience.first_wait.saturating_mul(doubled))
            .min(self.patience.longest_wait);
        observer.event(Event::Retrying { reason: &error.to_string(), wait, asked });
        sleep(wait);
    }

    /// Refuses an address that may not be asked: only this machine and named mirrors may be
    /// without encryption.
    pub(crate) fn check_scheme(&self, url: &Url) -> Result<(), HttpError> {
        let is_here = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost",
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        let plain_allowed = is_here || self.plain.contains(&origin(url));
        match url.scheme() {
            "https" => Ok(()),
            "http" if plain_allowed => Ok(()),
            _ => Err(HttpError::NotHttps { url: shown(url) }),
        }
    }
}

/// Reads an address that the caller or a server gave.
pub(crate) fn parse(text: &str) -> Result<Url, HttpError> {
    let bad = |reason: String| HttpError::Address { url: text.to_owned(), reason };
    let url = Url::parse(text).map_err(|error| bad(error.to_string()))?;
    if url.host_str().is_none() {
        return Err(bad("it names no host".into()));
    }
    Ok(url)
}

/// The address as it may be shown: without a password, and without the query, which often holds
/// a signature.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn read_all(reply: &mut Reply, limit: u64) -> Result<String, HttpError> {
    let mut text = Vec::new();
    let mut reader = reply.body.as_reader().take(limit + 1);
    reader.read_to_end(&mut text).map_err(|error| explain_io(&error, &reply.url))?;
    if text.len() as u64 > limit {
        return Err(HttpError::TooLong { url: shown(&reply.url), limit });
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Says what a failed read of a body means.
pub(crate) fn explain_io(error: &io::Error, url: &Url) -> HttpError {
    let host = url.host_str().unwrap_or_default().to_owned();
    match error.kind() {
        io::ErrorKind::TimedOut => HttpError::Timeout { host, what: error.to_string() },
        _ => HttpError::Connection { host, reason: error.to_string() },
    }
}

/// Whether the name of a host has no address. The standard library has no kind for this: on Unix
/// only its text tells, on Windows the system's number (`WSAHOST_NOT_FOUND`, `WSANO_DATA`).
fn is_lookup_failure(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(11001 | 11004))
        || error.to_string().starts_with("failed to lookup address information")
}

fn explain(error: ureq::Error, url: &Url) -> HttpError {
    let host = url.host_str().unwrap_or_default().to_owned();
    match error {
        ureq::Error::HostNotFound => HttpError::HostNotFound { host },
        ureq::Error::Timeout(what) => HttpError::Timeout { host, what: what.to_string() },
        ureq::Error::Tls(reason) => HttpError::Tls { host, reason: reason.into() },
        ureq::Error::Rustls(reason) => HttpError::Tls { host, reason: reason.to_string() },
        ureq::Error::Io(error) if is_lookup_failure(&error) => HttpError::HostNotFound { host },
        ureq::Error::Io(error) => explain_io(&error, url),
        ureq::Error::ConnectionFailed => HttpError::Connection { host, reason: error.to_string() },
        ureq::Error::ConnectProxyFailed(reason) => HttpError::ProxyRefused { host, reason },
        ureq::Error::BadUri(reason) => HttpError::Address { url: shown(url), reason },
        other => HttpError::Protocol { url: shown(url), reason: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(change: impl FnOnce(&mut Config)) -> Client {
        let mut config = Config::new("/nowhere");
        change(&mut config);
        Client::new(&config).unwrap()
    }

    #[test]
    fn only_this_machine_and_named_mirrors_may_be_asked_without_encryption() {
        let allowed =
            |client: &Client, url: &str| client.check_scheme(&parse(url).unwrap()).is_ok();
        let plain = client(|_| ());
        assert!(allowed(&plain, "https://example.org/x"));
        assert!(allowed(&plain, "http://localhost:8080/x"));
        assert!(allowed(&plain, "http://127.0.0.9/x"));
        assert!(allowed(&plain, "http://[::1]/x"));
        assert!(!allowed(&plain, "http://example.org/x"));
        assert!(!allowed(&plain, "http://localhost.example.org/x"));
        assert!(!allowed(&plain, "ftp://localhost/x"));
        let mirror = client(|c| c.pip_index_url = "http://mirror.lan:81/simple".into());
        assert!(allowed(&mirror, "http://mirror.lan:81/files/x"));
        assert!(!allowed(&mirror, "http://mirror.lan/files/x"));
    }

    #[test]
    fn what_is_shown_holds_no_secret() {
        let url = parse("https://me:secret@h/p?signature=abc#f").unwrap();
        assert_eq!(shown(&url), "https://h/p");
        let proxied = Config { proxy: Some("ftp://me:secret@h:1".into()), ..Config::new("/") };
        let error = Client::new(&proxied).err().unwrap().to_string();
        assert_eq!(error, "the proxy \"h:1\" cannot be used");
    }

    #[test]
    fn credentials_belong_to_one_host() {
        let client = client(|c| {
            c.pip_index_url = "https://me%40home:a%2Fb@index.example/simple".into();
            c.hf_token = Some("hf_x".into());
        });
        let pair = STANDARD.encode("me@home:a/b");
        let expected = [
            (("https".into(), "index.example".into(), 443), format!("Basic {pair}")),
            (("https".into(), "huggingface.co".into(), 443), "Bearer hf_x".into()),
        ];
        assert_eq!(client.secrets, expected);
    }

    #[test]
    fn a_host_without_an_address_is_told_at_once() {
        let client = client(|_| ());
        let url = parse("https://host.invalid/").unwrap();
        let error = client.get_patiently(&url, &[], &crate::observer::Silent).err().unwrap();
        assert!(matches!(error, HttpError::HostNotFound { .. }), "{error}");
    }

    #[test]
    fn offline_asks_nobody() {
        let client = client(|c| c.offline = true);
        let url = parse("https://example.invalid/").unwrap();
        assert!(matches!(client.get(&url, &[]), Err(HttpError::Offline { .. })));
    }
}
