//! `https`, by ureq over rustls, with a cryptography that is not compiled from C.
//!
//! Redirects are followed by the caller, so that a server cannot lead from here to anything that
//! is not asked for in the same way. Nor does the library ask for addresses: it calls those that
//! the caller has found and held against its reach, and starts no thread.

use super::{
    Get, Head, HttpError, Outcome, Sink, USER_AGENT, content_range, is_redirect, left_until,
    retry_after,
};
use std::io::{ErrorKind, Read};
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use ureq::config::Config;
use ureq::http::{HeaderMap, HeaderValue, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

/// Bytes handed over at once.
const PART: usize = 64 * 1024;

/// Addresses that one host is called at: more than a library needs to try.
const MOST_ADDRESSES: usize = 16;

/// One request to a host at these addresses, and its answer's body unless it leads elsewhere.
pub fn one(
    ask: &Get<'_>,
    addresses: Vec<SocketAddr>,
    sink: &mut Sink<'_>,
) -> Result<Outcome, HttpError> {
    let config = config().ok_or_else(|| {
        HttpError::Tls("this processor lacks the instructions that it takes".into())
    })?;
    let agent = Agent::with_parts(config, DefaultConnector::default(), Known(addresses));
    let mut request = agent.get(ask.url.to_string());
    if let Some((first, last)) = ask.range {
        request = request.header("Range", format!("bytes={first}-{last}"));
    }
    let request = request.config().timeout_global(Some(left_until(ask.deadline)?)).build();
    let mut response = request.call().map_err(|error| ours(error, ask))?;
    let headers = response.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let head = Head {
        status: response.status().as_u16(),
        length: text("content-length").and_then(|length| length.parse().ok()),
        range: text("content-range").and_then(content_range),
        retry_after: text("retry-after").and_then(retry_after),
    };
    if let Some(location) = text("location").filter(|_| is_redirect(head.status)) {
        return Ok(Outcome::Elsewhere(location.to_owned()));
    }
    if is_compressed(headers) {
        return Err(HttpError::Compressed);
    }
    if head.length.is_some_and(|length| length > ask.limit) {
        return Err(HttpError::Long(ask.limit));
    }
    let mut body = response.body_mut().as_reader();
    let (mut part, mut room) = (vec![0; PART], ask.limit);
    loop {
        let read = body.read(&mut part).map_err(|error| ours(Error::from(error), ask))?;
        if read == 0 {
            return Ok(Outcome::Done(head));
        }
        room = room.checked_sub(read as u64).ok_or(HttpError::Long(ask.limit))?;
        sink(&head, &part[..read]).map_err(HttpError::Stopped)?;
    }
}

fn is_compressed(headers: &HeaderMap) -> bool {
    let encoding = headers.get("content-encoding").map(HeaderValue::as_bytes);
    encoding.is_some_and(|value| !value.eq_ignore_ascii_case(b"identity"))
}

/// The addresses of the host that is asked, known already. The library's own resolver would start
/// a thread for every request, and panic where the system has none left.
#[derive(Debug)]
struct Known(Vec<SocketAddr>);

impl Resolver for Known {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let mut found = self.empty();
        self.0.iter().take(MOST_ADDRESSES).for_each(|&address| found.push(address));
        if found.is_empty() { Err(Error::HostNotFound) } else { Ok(found) }
    }
}

/// How every request is made; it holds the certificates of the authorities. None where the
/// cryptography would not run.
fn config() -> Option<Config> {
    static CONFIG: OnceLock<Option<Config>> = OnceLock::new();
    CONFIG.get_or_init(|| can_run().then(new_config)).clone()
}

fn new_config() -> Config {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::WebPki)
        .unversioned_rustls_crypto_provider(Arc::new(rustls_graviola::default_provider()))
        .build();
    Agent::config_builder()
        .tls_config(tls)
        .https_only(true)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .max_idle_connections(0)
        .accept_encoding("")
        .user_agent(USER_AGENT)
        .build()
}

/// Whether the processor has what the cryptography would otherwise panic for.
fn can_run() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("aes")
        && is_x86_feature_detected!("pclmulqdq")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("adx")
        && is_x86_feature_detected!("ssse3")
        && is_x86_feature_detected!("avx")
        && is_x86_feature_detected!("avx2");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes")
        && std::arch::is_aarch64_feature_detected!("pmull")
        && std::arch::is_aarch64_feature_detected!("sha2");
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

fn ours(error: Error, ask: &Get<'_>) -> HttpError {
    match error {
        Error::Timeout(_) => HttpError::Late,
        Error::HostNotFound => {
            HttpError::Name { host: ask.url.host.clone(), source: ErrorKind::NotFound.into() }
        }
        Error::Io(error) if error.kind() == ErrorKind::UnexpectedEof => HttpError::Cut,
        // rustls speaks through the reader.
        Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
            HttpError::Tls(error.to_string())
        }
        Error::Io(error) => HttpError::Io(error),
        Error::Tls(why) => HttpError::Tls(why.into()),
        Error::Rustls(error) => HttpError::Tls(error.to_string()),
        other => HttpError::Nonsense(other.to_string()),
    }
}
