//! Reads a proxy's address, and what is written with percent signs in one.

use url::Url;

use crate::config::Config;
use crate::http::HttpError;

/// The proxy as `HTTPS_PROXY` and its like write it; without a scheme it is an http proxy.
pub(crate) fn proxy(text: &str, config: &Config) -> Result<ureq::Proxy, HttpError> {
    let bad = || HttpError::Proxy {
        proxy: text.rsplit_once('@').map_or(text, |(_, host)| host).to_owned(),
    };
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let url = Url::parse(&whole).map_err(|_| bad())?;
    let protocol = match url.scheme() {
        "http" => ureq::ProxyProtocol::Http,
        "https" => ureq::ProxyProtocol::Https,
        _ => return Err(bad()),
    };
    let mut builder = ureq::Proxy::builder(protocol).host(url.host_str().ok_or_else(bad)?);
    if let Some(port) = url.port_or_known_default() {
        builder = builder.port(port);
    }
    if !url.username().is_empty() {
        builder = builder.username(&percent_decoded(url.username()));
    }
    if let Some(password) = url.password() {
        builder = builder.password(&percent_decoded(password));
    }
    let exceptions = config.no_proxy.as_deref().unwrap_or_default();
    for host in exceptions.split(',').map(str::trim).filter(|host| !host.is_empty()) {
        builder = builder.no_proxy(host);
    }
    builder.build().map_err(|_| bad())
}

/// Turns `%40` and its like into the characters they stand for.
pub(crate) fn percent_decoded(text: &str) -> String {
    let mut bytes = text.as_bytes().iter();
    let mut out = Vec::with_capacity(text.len());
    while let Some(&byte) = bytes.next() {
        let rest = bytes.as_slice();
        let code = (byte == b'%')
            .then(|| rest.get(..2).and_then(|digits| str::from_utf8(digits).ok()))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if code.is_some() {
            bytes.nth(1);
        }
        out.push(code.unwrap_or(byte));
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_that_encode_nothing_stay() {
        assert_eq!(percent_decoded("a%20b%zz%4"), "a b%zz%4");
    }
}
