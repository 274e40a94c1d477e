//! Heads of HTTP requests and answers (RFC 9112), as much of them as a tracker needs.
//!
//! A head is at most [`MAX_HEAD`] bytes and [`MAX_FIELDS`] fields. GET and HEAD are answered;
//! a request with a body is answered too, but the connection ends there, so that its body is
//! never taken for a request. No sockets here.

use std::io::Write;

/// The longest head that is read.
pub const MAX_HEAD: usize = 8 * 1024;

/// The most header fields that are read.
pub const MAX_FIELDS: usize = 64;

/// What an HTTP stream opens with.
const METHODS: [&[u8]; 9] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"TRACE ",
    b"CONNECT ",
];

/// A request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Path and query.
    pub target: &'a str,
    /// What the asker calls us.
    pub host: Option<&'a str>,
    /// Only the head of the answer is wanted.
    pub head_only: bool,
    /// Whether another request may follow.
    pub keep: bool,
    /// Whether a body follows, which nobody reads.
    pub has_body: bool,
}

/// Whether a stream that begins with these bytes may yet be HTTP; `Some(true)` once it is.
pub fn opens(bytes: &[u8]) -> Option<bool> {
    let whole = METHODS.iter().any(|method| bytes.starts_with(method));
    let begun = METHODS.iter().any(|method| method.starts_with(bytes));
    (whole || begun).then_some(whole)
}

/// The first head in `bytes` and its length; none while more bytes are needed. The error is the
/// status to answer with before the connection is closed.
pub fn read(bytes: &[u8]) -> Result<Option<(Request<'_>, usize)>, u16> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(httparse::Error::Version) => return Err(505),
        Err(_) => return Err(400),
    };
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Err(400);
    };
    if !["GET", "HEAD"].contains(&method) {
        return Err(405);
    }
    let has_body = head.headers.iter().any(announces_body);
    let mut hosts = head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    let host = hosts.next().map(|field| str::from_utf8(field.value).unwrap_or_default().trim());
    if hosts.next().is_some() {
        return Err(400); // two would mean different things to different programs on the way
    }
    let request = Request {
        target: origin_form(target).ok_or(400_u16)?,
        host,
        head_only: method == "HEAD",
        keep: !has_body && stays_open(version, head.headers),
        has_body,
    };
    Ok(Some((request, length)))
}

/// Appends the head of an answer and its body. The status is one that this module or
/// [`super::state::State::on_http`] gives.
pub fn put(out: &mut Vec<u8>, status: u16, keep: bool, head_only: bool, body: &[u8]) {
    let connection = if keep { "keep-alive" } else { "close" };
    let allow = if status == 405 { "Allow: GET, HEAD\r\n" } else { "" };
    write!(
        out,
        "HTTP/1.1 {status} {}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         {allow}Connection: {connection}\r\n\r\n",
        reason(status),
        body.len(),
    )
    .expect("a Vec takes all");
    if !head_only {
        out.extend_from_slice(body);
    }
}

/// Appends an answer that is nothing but its status; the connection ends with it.
pub fn put_refusal(out: &mut Vec<u8>, status: u16) {
    put(out, status, false, false, format!("{}\n", reason(status)).as_bytes());
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        413 => "Content Too Large",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Bad Request",
    }
}

/// Path and query; a proxy's request has a whole URL.
fn origin_form(target: &str) -> Option<&str> {
    let rest = match target.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
            rest.find(['/', '?']).map_or("/", |path| &rest[path..])
        }
        _ => target,
    };
    rest.starts_with('/').then_some(rest)
}

/// Whether the connection goes on after the answer: HTTP/1.1 unless it says `close`, HTTP/1.0 if
/// it says `keep-alive`.
fn stays_open(version: u8, fields: &[httparse::Header<'_>]) -> bool {
    let connection = fields.iter().filter(|field| field.name.eq_ignore_ascii_case("connection"));
    let words = connection.flat_map(|field| field.value.split(|&byte| byte == b','));
    let says = |word: &str| {
        words.clone().any(|said| said.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    };
    !says("close") && (version == 1 || says("keep-alive"))
}

fn announces_body(field: &httparse::Header<'_>) -> bool {
    let is = |name: &str| field.name.eq_ignore_ascii_case(name);
    is("transfer-encoding") || (is("content-length") && field.value.trim_ascii() != b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request<'_> {
        match read(text.as_bytes()) {
            Ok(Some((request, length))) if length == text.len() => request,
            other => panic!("{text:?}: {other:?}"),
        }
    }

    #[test]
    fn a_stream_is_http_from_its_method_on() {
        assert_eq!(opens(b"G"), Some(false));
        assert_eq!(opens(b"GET"), Some(false));
        assert_eq!(opens(b"GET /"), Some(true));
        assert_eq!(opens(b"PATCH /"), Some(true));
        for other in [&b"SWT1"[..], b"\x13Bit", b"get /", b"GETS", b"\x16\x03\x01"] {
            assert_eq!(opens(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_head_is_target_method_and_whether_the_connection_stays() {
        let check = |text: &str, target: &str, head_only: bool, keep: bool| {
            let got = request(text);
            assert_eq!(
                (got.target, got.head_only, got.keep),
                (target, head_only, keep),
                "{text:?}"
            );
        };
        check("GET /a?b=%ff HTTP/1.1\r\nHost: x\r\n\r\n", "/a?b=%ff", false, true);
        check("HEAD / HTTP/1.1\r\nConnection: x, CLOSE\r\n\r\n", "/", true, false);
        check("GET / HTTP/1.0\r\n\r\n", "/", false, false);
        check("GET / HTTP/1.0\nConnection: Keep-Alive\n\n", "/", false, true);
        check("GET http://t:1/a?b HTTP/1.1\r\n\r\n", "/a?b", false, true);
        check("GET http://t HTTP/1.1\r\n\r\n", "/", false, true);
        check("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "/", false, true);
        check("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n", "/", false, false);
        check("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", "/", false, false);
        assert!(request("GET / HTTP/1.1\r\nContent-Length: 5\r\n\r\n").has_body);
        assert_eq!(request("GET / HTTP/1.1\r\nhOST:  a:1 \r\n\r\n").host, Some("a:1"));
        assert_eq!(request("GET / HTTP/1.1\r\n\r\n").host, None);
    }

    #[test]
    fn what_is_no_request_we_answer_has_a_status() {
        let check = |text: &str, status: u16| assert_eq!(read(text.as_bytes()), Err(status));
        check("POST /announce HTTP/1.1\r\n\r\n", 405);
        check("GET announce HTTP/1.1\r\n\r\n", 400);
        check("GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.test\r\n\r\n", 400);
        check("GET / HTTP/1.1\r\nno colon\r\n\r\n", 400);
        check("GET /\0 HTTP/1.1\r\n\r\n", 400);
        check("GET / HTTP/2.0\r\n\r\n", 505);
        check(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS + 1)), 431);
        check(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX_HEAD)), 431);
        check(&format!("GET / HTTP/1.1\r\na: {}", "b".repeat(MAX_HEAD)), 431);
    }

    #[test]
    fn a_head_that_is_not_all_there_needs_more() {
        let whole = "GET /announce?a=b HTTP/1.1\r\nHost: x\r\n\r\nGET /";
        for cut in 0..whole.len() - 5 {
            assert_eq!(read(&whole.as_bytes()[..cut]), Ok(None), "cut at {cut}");
        }
        assert_eq!(read(whole.as_bytes()).unwrap().unwrap().1, whole.len() - 5);
    }

    #[test]
    fn an_answer_has_its_length_and_says_whether_more_may_follow() {
        let mut out = Vec::new();
        put(&mut out, 200, true, false, b"de");
        let golden = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\
            Connection: keep-alive\r\n\r\nde";
        assert_eq!(out, golden.as_bytes());
        out.clear();
        put(&mut out, 405, false, true, b"xyz");
        let golden = "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: text/plain\r\n\
            Content-Length: 3\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n";
        assert_eq!(out, golden.as_bytes());
    }
}
