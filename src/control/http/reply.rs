//! Answers as bytes, with the fields that keep a browser from doing more with them than it should.

use std::borrow::Cow;
use std::fmt::Write;

/// What our own pages may load: what is ours.
const STRICT: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What Transmission's page needs besides: it writes styles into its elements, and has small
/// pictures in its style sheets.
const LENIENT: &str = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; \
                       frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply<'a> {
    /// Its status.
    pub status: u16,
    /// What kind its body is.
    kind: &'static str,
    /// Its body.
    body: Cow<'a, [u8]>,
    /// More fields.
    fields: Vec<(&'static str, Cow<'a, str>)>,
    /// Whether it is Transmission's page, or belongs to it.
    is_foreign: bool,
    /// Whether what follows has no end that could be told.
    is_stream: bool,
}

impl<'a> Reply<'a> {
    /// A body of some kind.
    pub fn new(status: u16, kind: &'static str, body: impl Into<Cow<'a, [u8]>>) -> Self {
        Self {
            status,
            kind,
            body: body.into(),
            fields: Vec::new(),
            is_foreign: false,
            is_stream: false,
        }
    }

    /// Nothing but a status and a sentence.
    pub fn plain(status: u16, why: &str) -> Self {
        let text = format!("{status} {}: {why}\n", reason(status));
        Self::new(status, "text/plain; charset=utf-8", text.into_bytes())
    }

    /// The same of a status that needs no sentence.
    pub fn status(status: u16) -> Self {
        let text = format!("{status} {}\n", reason(status));
        Self::new(status, "text/plain; charset=utf-8", text.into_bytes())
    }

    /// The head of a stream of events (WHATWG HTML, 9.2), which ends with its connection.
    pub fn stream() -> Self {
        Self { is_stream: true, ..Self::new(200, "text/event-stream", &b""[..]) }
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// As a part of Transmission's page.
    #[must_use]
    pub fn foreign(mut self) -> Self {
        self.is_foreign = true;
        self
    }

    /// The bytes to send.
    pub fn bytes(&self, head_only: bool, keep: bool) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        let mut field = |name: &str, value: &str| {
            // A line's end in a value would begin another field.
            let value: String = value.chars().filter(|c| !c.is_control()).collect();
            write!(head, "{name}: {value}\r\n").expect("a String takes all");
        };
        if self.status != 204 {
            field("Content-Type", self.kind);
        }
        if self.status != 204 && !self.is_stream {
            field("Content-Length", &self.body.len().to_string());
        }
        field("Connection", if keep { "keep-alive" } else { "close" });
        field("Cache-Control", "no-store");
        field("Content-Security-Policy", if self.is_foreign { LENIENT } else { STRICT });
        field("Referrer-Policy", "no-referrer");
        field("X-Content-Type-Options", "nosniff");
        field("X-Frame-Options", "DENY");
        for (name, value) in &self.fields {
            field(name, value);
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !head_only && self.status != 204 {
            bytes.extend_from_slice(&self.body);
        }
        bytes
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        301 => "Moved Permanently",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_its_length_and_the_fields_of_safety() {
        let reply = Reply::new(200, "application/json", b"{}".to_vec());
        let golden = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\
            Connection: keep-alive\r\nCache-Control: no-store\r\n\
            Content-Security-Policy: default-src 'self'; frame-ancestors 'none'; base-uri 'none'\r\n\
            Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
            X-Frame-Options: DENY\r\n\r\n";
        assert_eq!(reply.bytes(false, true), [golden.as_bytes(), b"{}"].concat());
        assert_eq!(reply.bytes(true, true), golden.as_bytes());
    }

    #[test]
    fn silence_has_no_length_and_no_body() {
        let bytes = Reply::new(204, "", Vec::new()).bytes(false, false);
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.starts_with("HTTP/1.1 204 No Content\r\nConnection: close\r\n"), "{text}");
        assert!(!text.contains("Content-Length") && text.ends_with("\r\n\r\n"));
    }

    #[test]
    fn a_value_begins_no_other_field_and_cors_is_never_spoken() {
        let reply = Reply::plain(301, "elsewhere").with("Location", "/x\r\nSet-Cookie: a=b");
        let text = String::from_utf8(reply.foreign().bytes(false, true)).unwrap();
        assert!(text.contains("Location: /xSet-Cookie: a=b\r\n"));
        assert!(!text.contains("Access-Control") && text.contains("style-src 'self' 'unsafe-in"));
        assert!(text.ends_with("301 Moved Permanently: elsewhere\n"));
    }
}
