//! Heads of requests (RFC 9112), as much of them as a remote control needs. No sockets here.

/// The longest head that is read.
pub const MAX_HEAD: usize = 16 * 1024;

/// The most fields of a head.
const MAX_FIELDS: usize = 64;

/// What a request wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To be shown something.
    Get,
    /// The same without the body.
    Head,
    /// To say something.
    Post,
    /// Anything else.
    Other,
}

/// What follows a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Nothing was announced.
    None,
    /// So many bytes.
    Known(u64),
    /// Chunks, up to an empty one.
    Chunked,
}

/// A request's head.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    /// What is to be done.
    pub method: Method,
    /// To what: the path without its query.
    pub path: String,
    /// What follows the path behind a `?`.
    pub query: String,
    /// What the caller calls us.
    pub host: Option<String>,
    /// Whose page calls.
    pub origin: Option<String>,
    /// How far that page is from us.
    pub fetch_site: Option<String>,
    /// Name and password.
    pub authorization: Option<String>,
    /// The session that the caller believes in.
    pub session: Option<String>,
    /// What follows.
    pub length: Length,
    /// Whether the caller waits for a word before it sends the body.
    pub waits: bool,
    /// Whether another request may follow.
    pub keep: bool,
}

/// The first head in `bytes` and its length; none while more bytes are needed. The error is the
/// status to answer with before the connection is closed.
pub fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>, u16> {
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
    let fields = Fields(head.headers);
    let end = target.find(['?', '#']).unwrap_or(target.len());
    let (path, rest) = target.split_at(end);
    let query = rest.strip_prefix('?').unwrap_or_default();
    let head = Head {
        method: match method {
            "GET" => Method::Get,
            "HEAD" => Method::Head,
            "POST" => Method::Post,
            _ => Method::Other,
        },
        path: path.to_owned(),
        query: query.split('#').next().unwrap_or_default().to_owned(),
        host: fields.only("host")?,
        origin: fields.only("origin")?,
        fetch_site: fields.only("sec-fetch-site")?,
        authorization: fields.only("authorization")?,
        session: fields.only("x-transmission-session-id")?,
        length: fields.length()?,
        waits: version == 1 && fields.says("expect", "100-continue"),
        keep: !fields.says("connection", "close")
            && (version == 1 || fields.says("connection", "keep-alive")),
    };
    Ok(Some((head, length)))
}

struct Fields<'a>(&'a [httparse::Header<'a>]);

impl Fields<'_> {
    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + 'a {
        let named = self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name));
        named.map(|field| field.value.trim_ascii())
    }

    /// A field that may stand there once: two of them would mean different things to different
    /// programs on the way.
    fn only(&self, name: &str) -> Result<Option<String>, u16> {
        let mut all = self.all(name);
        match (all.next(), all.next()) {
            (None, _) => Ok(None),
            (Some(value), None) => {
                std::str::from_utf8(value).map(|text| Some(text.to_owned())).map_err(|_| 400)
            }
            _ => Err(400),
        }
    }

    fn says(&self, name: &str, word: &str) -> bool {
        let words = self.all(name).flat_map(|value| value.split(|&byte| byte == b','));
        words.into_iter().any(|said| said.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }

    fn length(&self) -> Result<Length, u16> {
        let chunked = self.only("transfer-encoding")?;
        let known = self.only("content-length")?;
        match (chunked, known) {
            (None, None) => Ok(Length::None),
            (None, Some(digits)) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().map(Length::Known).map_err(|_| 400)
            }
            (Some(word), None) if word.eq_ignore_ascii_case("chunked") => Ok(Length::Chunked),
            (Some(_), None) => Err(501),
            _ => Err(400),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head(text: &str) -> Head {
        match read(text.as_bytes()) {
            Ok(Some((head, length))) if length == text.len() => head,
            Ok(_) => panic!("{text:?} is not one whole head"),
            Err(status) => panic!("{text:?}: {status}"),
        }
    }

    #[test]
    fn a_head_is_method_path_and_the_fields_that_count() {
        let text = "POST /transmission/rpc?x=secret HTTP/1.1\r\nHost: localhost:9091\r\n\
            origin: http://localhost:9091\r\nSec-Fetch-Site: same-origin\r\n\
            Authorization: Basic eDp5\r\nX-Transmission-Session-Id: abc\r\n\
            Content-Length: 12\r\nExpect: 100-Continue\r\n\r\n";
        let some = |text: &str| Some(text.to_owned());
        let expected = Head {
            method: Method::Post,
            path: "/transmission/rpc".into(),
            query: "x=secret".into(),
            host: some("localhost:9091"),
            origin: some("http://localhost:9091"),
            fetch_site: some("same-origin"),
            authorization: some("Basic eDp5"),
            session: some("abc"),
            length: Length::Known(12),
            waits: true,
            keep: true,
        };
        assert!(head(text) == expected);
    }

    #[test]
    fn a_connection_stays_as_its_version_and_its_words_say() {
        let check = |text: &str, keep| assert_eq!(head(text).keep, keep, "{text:?}");
        check("GET / HTTP/1.1\r\n\r\n", true);
        check("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n", false);
        check("GET / HTTP/1.0\r\n\r\n", false);
        check("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true);
        assert!(!head("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").waits);
    }

    #[test]
    fn a_body_is_measured_in_one_way_only() {
        let check = |fields: &str, expected: Result<Length, u16>| {
            let text = format!("POST / HTTP/1.1\r\n{fields}\r\n");
            let got = read(text.as_bytes()).map(|head| head.unwrap().0.length);
            assert_eq!(got, expected, "{fields:?}");
        };
        check("", Ok(Length::None));
        check("Content-Length: 0\r\n", Ok(Length::Known(0)));
        check("Transfer-Encoding: Chunked\r\n", Ok(Length::Chunked));
        check("Transfer-Encoding: gzip, chunked\r\n", Err(501));
        check("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", Err(400));
        check("Content-Length: 3\r\nContent-Length: 3\r\n", Err(400));
        for odd in ["-1", "+1", "0x10", "1,1", "", "99999999999999999999"] {
            check(&format!("Content-Length: {odd}\r\n"), Err(400));
        }
    }

    #[test]
    fn what_is_no_request_has_a_status() {
        let check = |text: &str, status| {
            assert_eq!(read(text.as_bytes()).err(), Some(status), "{text:?}");
        };
        check("GET /\0 HTTP/1.1\r\n\r\n", 400);
        check("\x16\x03\x01\x02\x00\x01", 400);
        check("GET / HTTP/2.0\r\n\r\n", 505);
        check("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
        check("GET / HTTP/1.1\r\nHost: \u{ff}\r\n x\r\n\r\n", 400);
        check(&format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_FIELDS + 1)), 431);
        check(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(MAX_HEAD)), 431);
        check(&format!("GET / HTTP/1.1\r\na: {}", "b".repeat(MAX_HEAD)), 431);
    }

    #[test]
    fn a_head_that_is_not_all_there_needs_more() {
        let whole = "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}POST";
        for cut in 0..whole.len() - 6 {
            assert!(
                read(&whole.as_bytes()[..cut]).is_ok_and(|head| head.is_none()),
                "cut at {cut}"
            );
        }
        assert_eq!(read(whole.as_bytes()).unwrap().unwrap().1, whole.len() - 6);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }

        #[test]
        fn odd_fields_never_panic(name in "[A-Za-z-]{1,30}", value in "[ -~]{0,40}") {
            let _ = read(format!("POST / HTTP/1.1\r\n{name}: {value}\r\n\r\n").as_bytes());
        }
    }
}
