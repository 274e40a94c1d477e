//! One HTTP GET at a time, over a blocking socket: for announces, scrapes and web seeds.
//!
//! ```text
//! get(&Get { url, bind, range, limit, deadline }, Reach::Outside, &mut |head, bytes| ..)  ->  Head
//! ```
//! The body goes to the caller in parts as it comes, so that it need not be held in memory; an
//! answer that is longer than `limit`, later than `deadline` or redirected more than
//! [`MAX_REDIRECTS`] times is an error. Nothing is asked for compressed, and no connection is kept.
//! `http` goes over a socket of ours, so that it starts at `bind`; `https` goes through a library
//! behind the feature `tls` and starts wherever the system likes.
//!
//! What a URL says of its host is not what is called: names and odd spellings of addresses lead
//! anywhere. So a [`Reach`] is held against the addresses themselves, just before the call.

mod body;

#[cfg(feature = "tls")]
mod tls;

use super::host::addresses_of;
use super::reason;
use crate::logic::is_local;
use crate::logic::reach::Reach;
use crate::node::socket::socket_to;
use crate::protocol::url::{BadUrl, Scheme, Url};
use body::{Body, Inbox};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// How often an answer may lead elsewhere.
pub const MAX_REDIRECTS: usize = 5;

/// How long each address of a host may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// The most bytes of an answer's head.
const MAX_HEAD: usize = 16 * 1024;

/// The most headers.
const MAX_HEADERS: usize = 64;

/// How we call ourselves.
const USER_AGENT: &str = concat!("swarmlet/", env!("CARGO_PKG_VERSION"));

/// What is to be fetched, and within which bounds.
#[derive(Debug, Clone)]
pub struct Get<'a> {
    /// Where.
    pub url: &'a Url,
    /// The address to call from; any if `None`.
    pub bind: Option<IpAddr>,
    /// The first and the last byte that are wanted; all if `None`. A server may ignore it: see
    /// [`Head::range`].
    pub range: Option<(u64, u64)>,
    /// The most bytes of the body.
    pub limit: u64,
    /// When everything must be there.
    pub deadline: Instant,
}

/// What an answer says before its body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// 200, 206, 404, ..; never a redirect.
    pub status: u16,
    /// The body's length, if it was told.
    pub length: Option<u64>,
    /// The first and the last byte that the body is (206).
    pub range: Option<(u64, u64)>,
    /// How long a busy server wants to be left alone, if it says so in seconds (RFC 9110, 10.2.3).
    pub retry_after: Option<Duration>,
}

/// Takes a part of the body; an error ends the transfer.
pub type Sink<'a> = dyn FnMut(&Head, &[u8]) -> Result<(), String> + 'a;

/// Why there is no whole answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL, or one that it leads to, is none.
    #[error("the URL is unusable: {0}")]
    Url(#[from] BadUrl),
    /// A UDP URL, or one that was redirected to.
    #[error("{0} is not fetched by HTTP")]
    Scheme(&'static str),
    /// Built without the feature.
    #[error("https is not built in: build with the feature tls, or use the tracker's http URL")]
    NoTls,
    /// Asking DNS failed.
    #[error("no address was found for {host}: {source}")]
    Name {
        /// The name.
        host: String,
        /// What the system says.
        source: io::Error,
    },
    /// A stranger named it.
    #[error("{0} is on our own machine or network, where such a URL may not lead")]
    Inside(IpAddr),
    /// The connection failed or broke.
    #[error("{}", reason(.0))]
    Io(#[from] io::Error),
    /// The deadline passed.
    #[error("no whole answer in time")]
    Late,
    /// The bytes are no HTTP.
    #[error("what answered does not speak HTTP: {0}")]
    Nonsense(String),
    /// Redirected too often, or in a circle.
    #[error("{0}")]
    Redirects(&'static str),
    /// The body is, or says it is, longer than wanted.
    #[error("the answer is longer than {0} bytes")]
    Long(u64),
    /// The connection was closed too early.
    #[error("the answer broke off")]
    Cut,
    /// A status that is no success.
    #[error("the server answered {0}")]
    Status(u16),
    /// The body comes compressed although that was not asked for.
    #[error("the answer is compressed, which was not asked for")]
    Compressed,
    /// TLS failed: the certificate, or what it protects.
    #[error("no secure connection: {0}")]
    Tls(String),
    /// The caller's sink wanted no more.
    #[error("{0}")]
    Stopped(String),
}

/// Fetches from where `reach` allows. The body of whatever status is not a redirect goes to `sink`.
pub fn get(ask: &Get<'_>, reach: Reach, sink: &mut Sink<'_>) -> Result<Head, HttpError> {
    Ok(follow(ask, reach, Scheme::Http, sink)?.0)
}

/// Follows redirects, from https to nothing below `least`; gives the address of who answered, too.
fn follow(
    ask: &Get<'_>,
    mut reach: Reach,
    least: Scheme,
    sink: &mut Sink<'_>,
) -> Result<(Head, IpAddr), HttpError> {
    let mut url = ask.url.clone();
    let mut seen = Vec::new();
    loop {
        let hop = Get { url: &url, ..ask.clone() };
        let (outcome, server) = match one(&hop, reach, sink) {
            Err(HttpError::Inside(_)) if !seen.is_empty() => {
                return Err(HttpError::Redirects("it redirects into our own network"));
            }
            answered => answered?,
        };
        let location = match outcome {
            Outcome::Done(head) => return Ok((head, server)),
            Outcome::Elsewhere(location) => location,
        };
        reach = reach_from(reach, server);
        let next = url.join(&location)?;
        if next.scheme == Scheme::Udp {
            return Err(HttpError::Scheme("a udp URL"));
        }
        if is_downgrade(&url, &next) && least == Scheme::Https {
            return Err(HttpError::Redirects("it redirects from https to http"));
        }
        seen.push(url);
        if seen.contains(&next) {
            return Err(HttpError::Redirects("it redirects in a circle"));
        }
        if seen.len() > MAX_REDIRECTS {
            return Err(HttpError::Redirects("it redirects more than five times"));
        }
        url = next;
    }
}

/// A server elsewhere does not send us to our own machine or network, where our question might do
/// harm.
fn reach_from(reach: Reach, server: IpAddr) -> Reach {
    if is_local(server) { reach } else { Reach::Outside }
}

/// Whether a redirect leads out of what nobody on the way can read or change.
fn is_downgrade(from: &Url, to: &Url) -> bool {
    from.scheme == Scheme::Https && to.scheme != Scheme::Https
}

/// Fetches a body of at most `ask.limit` bytes into memory, from wherever the user's URL leads. What
/// is fetched so is believed, and its URL may hold a passkey: https never leads to http.
pub fn fetch(ask: &Get<'_>) -> Result<(Head, Vec<u8>), HttpError> {
    let (head, body, _) = fetch_within(ask, Reach::Anywhere)?;
    Ok((head, body))
}

/// Likewise, from where `reach` allows. Gives the address of who answered, too.
pub fn fetch_within(ask: &Get<'_>, reach: Reach) -> Result<(Head, Vec<u8>, IpAddr), HttpError> {
    let mut all = Vec::new();
    let (head, server) = follow(ask, reach, Scheme::Https, &mut |_, bytes| {
        all.extend_from_slice(bytes);
        Ok(())
    })?;
    Ok((head, all, server))
}

enum Outcome {
    Done(Head),
    Elsewhere(String),
}

/// One question, and the address that it went to.
fn one(ask: &Get<'_>, reach: Reach, sink: &mut Sink<'_>) -> Result<(Outcome, IpAddr), HttpError> {
    match ask.url.scheme {
        Scheme::Http => {
            let (stream, server) = connect(ask, reach)?;
            Ok((plain(ask, stream, sink)?, server))
        }
        Scheme::Udp => Err(HttpError::Scheme("a udp URL")),
        #[cfg(feature = "tls")]
        Scheme::Https => {
            // The library chooses among the addresses: none of them may be one too many.
            let all = addresses(ask)?;
            if let Some(inside) = all.iter().find(|address| !reach.allows(address.ip())) {
                return Err(HttpError::Inside(inside.ip()));
            }
            let outside = all.iter().find(|address| !is_local(address.ip()));
            let server = outside.unwrap_or(&all[0]).ip();
            Ok((tls::one(ask, all, sink)?, server))
        }
        #[cfg(not(feature = "tls"))]
        Scheme::Https => Err(HttpError::NoTls),
    }
}

/// The addresses of the host: at least one.
fn addresses(ask: &Get<'_>) -> Result<Vec<SocketAddr>, HttpError> {
    let host = &ask.url.host;
    addresses_of(host, ask.url.port, ask.bind)
        .map_err(|source| HttpError::Name { host: host.clone(), source })
}

fn plain(ask: &Get<'_>, mut stream: TcpStream, sink: &mut Sink<'_>) -> Result<Outcome, HttpError> {
    stream.set_write_timeout(Some(left_until(ask.deadline)?))?;
    stream.write_all(question(ask).as_bytes())?;
    let mut inbox = Inbox::new(stream, ask.deadline);
    loop {
        match read_head(&inbox)? {
            Some((used, head, _)) if head.status / 100 == 1 => {
                inbox.take(used); // "100 Continue" and the like: the answer follows
            }
            Some((used, head, how)) => {
                inbox.take(used);
                if let Some(location) = how.location.filter(|_| is_redirect(head.status)) {
                    return Ok(Outcome::Elsewhere(location));
                }
                if how.compressed {
                    return Err(HttpError::Compressed);
                }
                let empty = matches!(head.status, 204 | 304);
                let body = match (how.chunked, head.length) {
                    _ if empty => Body::Known(0),
                    (true, _) => Body::Chunked,
                    (false, Some(length)) => Body::Known(length),
                    (false, None) => Body::UntilClose,
                };
                inbox.pour(body, ask.limit, &mut |bytes| {
                    sink(&head, bytes).map_err(HttpError::Stopped)
                })?;
                return Ok(Outcome::Done(head));
            }
            None if inbox.bytes().len() >= MAX_HEAD => {
                return Err(HttpError::Nonsense("its head does not end".into()));
            }
            None => {
                if inbox.fill()? == 0 {
                    return Err(HttpError::Cut);
                }
            }
        }
    }
}

fn connect(ask: &Get<'_>, reach: Reach) -> Result<(TcpStream, IpAddr), HttpError> {
    let mut failure = HttpError::Late;
    for address in addresses(ask)? {
        if !reach.allows(address.ip()) {
            failure = HttpError::Inside(address.ip());
            continue;
        }
        let patience = left_until(ask.deadline)?.min(CONNECT_TIME);
        let connected = socket_to(address, ask.bind).and_then(|socket| {
            socket.connect_timeout(&address.into(), patience)?;
            Ok(TcpStream::from(socket))
        });
        match connected {
            Ok(stream) => return Ok((stream, address.ip())),
            Err(error) => failure = error.into(),
        }
    }
    Err(failure)
}

fn question(ask: &Get<'_>) -> String {
    let (target, host) = (&ask.url.target, ask.url.authority());
    let mut text = format!(
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {USER_AGENT}\r\nConnection: close\r\n"
    );
    if let Some((first, last)) = ask.range {
        write!(text, "Range: bytes={first}-{last}\r\n").expect("a String takes all");
    }
    text + "\r\n"
}

/// How a body travels, and where a redirect leads.
#[derive(Debug, Default)]
struct How {
    chunked: bool,
    compressed: bool,
    location: Option<String>,
}

fn read_head(inbox: &Inbox) -> Result<Option<(usize, Head, How)>, HttpError> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(inbox.bytes());
    let status = status.map_err(|error| HttpError::Nonsense(error.to_string()))?;
    let httparse::Status::Complete(used) = status else { return Ok(None) };
    let mut head = Head { status: response.code.unwrap_or_default(), ..Head::default() };
    let mut how = How::default();
    for header in response.headers.iter() {
        let value = String::from_utf8_lossy(header.value);
        understand(header.name, value.trim(), &mut head, &mut how)?;
    }
    Ok(Some((used, head, how)))
}

/// Takes a header to heart.
fn understand(name: &str, value: &str, head: &mut Head, how: &mut How) -> Result<(), HttpError> {
    match name.to_ascii_lowercase().as_str() {
        "content-length" => {
            let length = value.parse().ok().filter(|_| !value.starts_with('+'));
            let length = length.ok_or_else(|| nonsense("a length that is no number"))?;
            if head.length.is_some_and(|other| other != length) {
                return Err(nonsense("two lengths"));
            }
            head.length = Some(length);
        }
        "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => how.chunked = true,
        "transfer-encoding" | "content-encoding" if !value.eq_ignore_ascii_case("identity") => {
            how.compressed = true;
        }
        "content-range" => head.range = content_range(value),
        "retry-after" => head.retry_after = retry_after(value),
        "location" => how.location = Some(value.to_owned()),
        _ => {}
    }
    Ok(())
}

/// `bytes 0-499/1234`.
fn content_range(value: &str) -> Option<(u64, u64)> {
    let (range, _) = value.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    (first <= last).then_some((first, last))
}

/// `120`; a date is passed over.
fn retry_after(value: &str) -> Option<Duration> {
    value.parse().ok().map(Duration::from_secs)
}

fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

fn nonsense(why: &str) -> HttpError {
    HttpError::Nonsense(why.into())
}

/// How long is left.
fn left_until(deadline: Instant) -> Result<Duration, HttpError> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(HttpError::Late),
        left => Ok(left),
    }
}

#[cfg(test)]
mod tests;
