//! URLs of trackers and web seeds, taken apart: `http://host:port/path?query`, `https://`, `udp://`.
//!
//! What comes from a stranger's .torrent or from a redirect is checked here once: a control
//! character, which could end a header early, makes it no URL. Path and query stay as they were
//! written, because trackers recognise their users by them.

use std::cmp::Reverse;
use std::fmt;
use std::net::IpAddr;

/// The most bytes of a URL. Announces add some hundred.
const MAX_URL: usize = 4096;

/// The shortest value of a query that may be a passkey.
const SECRET_VALUE: usize = 3;

/// The shortest part of a path that may be one: shorter ones are words of a sentence, too.
const SECRET_PART: usize = 8;

/// What a URL is called in logs and sentences: scheme, host and port, because the rest may hold a
/// passkey; what is no URL is not called anything.
pub fn shown(text: &str) -> String {
    Url::parse(text).map_or_else(|_| "what is no URL".to_owned(), |url| url.origin())
}

/// How what the URL names is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP in clear.
    Http,
    /// HTTP over TLS.
    Https,
    /// BEP 15.
    Udp,
}

impl Scheme {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Udp => "udp",
        }
    }

    fn usual_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Udp => None,
        }
    }
}

/// Why something is no URL of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadUrl {
    /// Another scheme, or none.
    #[error("it is neither an http, an https nor a udp URL")]
    Scheme,
    /// No host, or one with forbidden characters.
    #[error("its host is missing or malformed")]
    Host,
    /// No port where one is needed, or no number.
    #[error("its port is missing or no number from 1 to 65535")]
    Port,
    /// A control character.
    #[error("there is a control character in it")]
    Control,
    /// Absurdly long.
    #[error("it is longer than {MAX_URL} bytes")]
    Long,
}

/// A URL, checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Url {
    /// How to speak.
    pub scheme: Scheme,
    /// A DNS name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query as they stand in a request: it starts with `/`, except for a `udp` URL
    /// without a path, where it is empty. Blanks and what is not ASCII are escaped.
    pub target: String,
}

impl Url {
    /// Takes a URL apart. A fragment is dropped.
    pub fn parse(text: &str) -> Result<Self, BadUrl> {
        let text = text.trim_matches(' ');
        if text.len() > MAX_URL {
            return Err(BadUrl::Long);
        }
        if text.chars().any(char::is_control) {
            return Err(BadUrl::Control);
        }
        let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
        let all = [Scheme::Http, Scheme::Https, Scheme::Udp];
        let known = all.into_iter().find(|known| scheme.eq_ignore_ascii_case(known.name()));
        let scheme = known.ok_or(BadUrl::Scheme)?;
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = host_and_port(authority)?;
        let port = port.or(scheme.usual_port()).ok_or(BadUrl::Port)?;
        let slash = if target.starts_with('/') || (target.is_empty() && scheme == Scheme::Udp) {
            ""
        } else {
            "/"
        };
        let target = escaped(&format!("{slash}{target}"));
        Ok(Self { scheme, host: host.to_ascii_lowercase(), port, target })
    }

    /// Where a `Location` header leads from here (RFC 3986, 5.2, without dot segments).
    pub fn join(&self, location: &str) -> Result<Self, BadUrl> {
        let scheme = location.split_once(':').map(|(scheme, _)| scheme);
        let is_scheme = |word: &str| word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
        if scheme.is_some_and(|word| !word.is_empty() && is_scheme(word)) {
            return Self::parse(location);
        }
        if location.starts_with("//") {
            return Self::parse(&format!("{}:{location}", self.scheme.name()));
        }
        let path = self.target.split('?').next().unwrap_or_default();
        let target = match location.chars().next() {
            Some('/') => location.to_owned(),
            Some('?') => format!("{path}{location}"),
            _ => format!("{}/{location}", path.rsplit_once('/').map_or("", |(folder, _)| folder)),
        };
        Self::parse(&format!("{}{target}", self.origin()))
    }

    /// The same with more at the end of the query.
    #[must_use]
    pub fn with_query(&self, more: &str) -> Self {
        let joint = match self.target.find('?') {
            None => "?",
            Some(_) if self.target.ends_with(['?', '&']) => "",
            Some(_) => "&",
        };
        Self { target: format!("{}{joint}{more}", self.target), ..self.clone() }
    }

    /// Scheme, host and port: a name for people that keeps a passkey to itself.
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme.name(), self.authority())
    }

    /// What somebody says who was called by this URL, with `..` for what may be a passkey and was said
    /// back: the whole target, values of the query, and long parts of the path.
    pub fn kept_out_of(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets() {
            text = text.replace(secret, "..");
        }
        text
    }

    /// Parts of the target that name a user, the longest first.
    fn secrets(&self) -> Vec<&str> {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let values = query.split('&').filter_map(|pair| pair.split_once('=')).map(|pair| pair.1);
        let values = values.filter(|value| value.len() >= SECRET_VALUE);
        let parts = path.split('/').filter(|part| part.len() >= SECRET_PART);
        let parts = parts.filter(|part| !part.starts_with("announce"));
        let whole = [self.target.as_str(), query].into_iter().filter(|text| text.len() > 1);
        let mut all: Vec<&str> = whole.chain(values).chain(parts).collect();
        all.sort_by_key(|secret| Reverse(secret.len()));
        all
    }

    /// `host:port`, the port left out where it is the usual one: a `Host` header.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.scheme.usual_port() == Some(self.port) {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// The host, if it is an address and no name; `localhost` counts as one.
    pub fn address(&self) -> Option<IpAddr> {
        if self.host == "localhost" {
            return Some(IpAddr::from([127, 0, 0, 1]));
        }
        self.host.parse().ok()
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.target)
    }
}

fn host_and_port(authority: &str) -> Result<(&str, Option<u16>), BadUrl> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or(BadUrl::Host)?;
        host.parse::<std::net::Ipv6Addr>().map_err(|_| BadUrl::Host)?;
        (host, port)
    } else {
        authority.split_at(authority.find(':').unwrap_or(authority.len()))
    };
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !host.chars().all(is_name) {
        return Err(BadUrl::Host);
    }
    match port.strip_prefix(':') {
        None if port.is_empty() => Ok((host, None)),
        None => Err(BadUrl::Host),
        Some("") => Ok((host, None)),
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            let port = digits.parse().ok().filter(|&port| port != 0);
            Ok((host, Some(port.ok_or(BadUrl::Port)?)))
        }
        Some(_) => Err(BadUrl::Port),
    }
}

/// Blanks and what is not ASCII as `%xx`.
fn escaped(text: &str) -> String {
    use fmt::Write;
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() {
            out.push(byte as char);
        } else {
            write!(out, "%{byte:02X}").expect("a String takes all");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    #[test]
    fn a_url_is_taken_apart_and_put_together() {
        let check = |text: &str, host: &str, port: u16, target: &str, shown: &str| {
            let url = Url::parse(text).expect(text);
            assert_eq!((&*url.host, url.port, &*url.target), (host, port, target), "{text}");
            assert_eq!(url.to_string(), shown);
        };
        check("http://t/announce", "t", 80, "/announce", "http://t/announce");
        check("https://T.org", "t.org", 443, "/", "https://t.org/");
        check("http://t:80/a?passkey=x&", "t", 80, "/a?passkey=x&", "http://t/a?passkey=x&");
        check("http://t:8080?x=%20y#frag", "t", 8080, "/?x=%20y", "http://t:8080/?x=%20y");
        check("HTTP://[::1]:7/a b", "::1", 7, "/a%20b", "http://[::1]:7/a%20b");
        check("udp://t:6969", "t", 6969, "", "udp://t:6969");
        check("udp://t:1/announce?k=v", "t", 1, "/announce?k=v", "udp://t:1/announce?k=v");
    }

    #[test]
    fn what_is_no_url_is_refused_with_the_reason() {
        let check = |text: &str, expected| assert_eq!(Url::parse(text), Err(expected), "{text}");
        check("ftp://t/a", BadUrl::Scheme);
        check("announce", BadUrl::Scheme);
        check("http:///a", BadUrl::Host);
        check("http://user:word@t/a", BadUrl::Port);
        check("http://a@t/a", BadUrl::Host);
        check("http://[t]/a", BadUrl::Host);
        check("http://[::1]7/a", BadUrl::Host);
        check("udp://t/announce", BadUrl::Port);
        check("http://t:0/", BadUrl::Port);
        check("http://t:+8/", BadUrl::Port);
        check("http://t:65536/", BadUrl::Port);
        check("http://t/a\r\nHost: x", BadUrl::Control);
        check(&format!("http://t/{}", "a".repeat(MAX_URL)), BadUrl::Long);
    }

    #[test]
    fn a_redirect_leads_from_where_it_was_given() {
        let from = Url::parse("http://t:8/a/b?k=v").unwrap();
        let check = |location: &str, expected: &str| {
            assert_eq!(from.join(location).unwrap().to_string(), expected, "{location}");
        };
        check("https://u/x", "https://u/x");
        check("//u:9/x", "http://u:9/x");
        check("/x?y", "http://t:8/x?y");
        check("?y", "http://t:8/a/b?y");
        check("c", "http://t:8/a/c");
        assert_eq!(from.join("file:///etc/passwd"), Err(BadUrl::Scheme));
        assert_eq!(from.join("/x\r\ny"), Err(BadUrl::Control));
    }

    #[test]
    fn a_query_grows_at_its_end() {
        let check = |url: &str, expected: &str| {
            assert_eq!(Url::parse(url).unwrap().with_query("x=1").to_string(), expected);
        };
        check("http://t/announce", "http://t/announce?x=1");
        check("http://t/announce?k=v", "http://t/announce?k=v&x=1");
        check("http://t/announce?k=v&", "http://t/announce?k=v&x=1");
        check("http://t/announce?", "http://t/announce?x=1");
    }

    #[test]
    fn a_name_for_people_keeps_the_passkey_to_itself() {
        let url = Url::parse("https://t:8443/secret/announce?passkey=x").unwrap();
        assert_eq!(url.origin(), "https://t:8443");
    }

    proptest! {
        #[test]
        fn whatever_is_taken_for_a_url_is_read_back_the_same(text in "(http|udp)://\\PC{0,60}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(&url.to_string()), Ok(url.clone()));
                prop_assert!(url.target.bytes().all(|b| b.is_ascii_graphic()));
            }
        }
    }

    #[test]
    fn what_may_be_a_passkey_is_kept_out_of_a_sentence() {
        let check = |url: &str, said: &str, expected: &str| {
            assert_eq!(Url::parse(url).unwrap().kept_out_of(said), expected, "{url}");
        };
        let url = "http://t:1/0123456789abcdef/announce?key=k3y&n=1";
        check(url, "no user 0123456789abcdef", "no user ..");
        check(url, "key k3y of 1 is unknown", "key .. of 1 is unknown");
        check(url, "GET /0123456789abcdef/announce?key=k3y&n=1", "GET ..");
        check(url, "?key=k3y&n=1", "?..");
        check("udp://t:1", "no / here", "no / here");
        check("http://t/a/announce", "/a/announce: announce a torrent", "..: announce a torrent");
        assert_eq!(shown("https://t/secret?k=1"), "https://t");
        assert_eq!(shown("http://u:p@t/secret"), "what is no URL");
    }
}
