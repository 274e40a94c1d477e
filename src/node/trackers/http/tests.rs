//! Servers that do everything a server can do wrong.

use super::*;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::thread::{Builder, JoinHandle};

/// A server on the loopback that gives each connection, in turn, one of its answers and closes.
/// The requests' heads are the result.
fn serve(answers: Vec<Vec<u8>>) -> (u16, JoinHandle<Vec<String>>) {
    serve_with(answers.len(), move |n, stream| {
        // A client may have gone: that is what some tests are about.
        let _ = stream.write_all(&answers[n]);
    })
}

fn serve_with(
    connections: usize,
    answer: impl Fn(usize, &mut TcpStream) + Send + 'static,
) -> (u16, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = Builder::new().name("server".into()).spawn(move || {
        let mut heads = Vec::new();
        for n in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            heads.push(head.join("\n"));
            answer(n, &mut stream);
        }
        heads
    });
    (port, server.unwrap())
}

fn url(port: u16, target: &str) -> Url {
    Url::parse(&format!("http://127.0.0.1:{port}{target}")).unwrap()
}

fn ask(url: &Url) -> Get<'_> {
    let deadline = Instant::now() + Duration::from_secs(20);
    Get { url, bind: None, range: None, limit: 1000, deadline }
}

/// What comes of one answer.
fn outcome(answer: &[u8]) -> Result<(Head, Vec<u8>), HttpError> {
    let (port, server) = serve(vec![answer.to_vec()]);
    let result = fetch(&ask(&url(port, "/announce")));
    server.join().unwrap();
    result
}

fn body_of(answer: &str) -> String {
    let (_, body) = outcome(answer.as_bytes()).expect(answer);
    String::from_utf8(body).unwrap()
}

fn check_fails(answer: &str, expected: &str) {
    let error = outcome(answer.as_bytes()).expect_err(answer);
    assert_eq!(error.to_string(), expected, "{answer:?}");
}

#[test]
fn the_request_is_plain_and_keeps_the_query() {
    let (port, server) = serve(vec![b"HTTP/1.1 200 OK\r\n\r\n".to_vec()]);
    let url = url(port, "/a/announce?passkey=x%20y&info_hash=%00");
    let range = Some((5, 9));
    fetch(&Get { range, ..ask(&url) }).unwrap();
    let expected = format!(
        "GET /a/announce?passkey=x%20y&info_hash=%00 HTTP/1.1\nHost: 127.0.0.1:{port}\n\
         User-Agent: swarmlet/0.1.0\nConnection: close\nRange: bytes=5-9"
    );
    assert_eq!(server.join().unwrap(), [expected]);
}

#[test]
fn a_body_ends_by_its_length_by_an_empty_chunk_or_with_the_connection() {
    assert_eq!(body_of("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef"), "abc");
    assert_eq!(body_of("HTTP/1.0 200 OK\r\n\r\nabc"), "abc");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(body_of(&format!("{chunked}3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")), "abcde");
    assert_eq!(body_of("HTTP/1.1 204 None\r\nContent-Length: 3\r\n\r\n"), "");
    let continued = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na";
    assert_eq!(body_of(continued), "a");
}

#[test]
fn the_head_says_which_part_of_the_whole_the_body_is() {
    let answer =
        b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-7/100\r\nContent-Length: 3\r\n\r\nabc";
    let (head, _) = outcome(answer).unwrap();
    let whole = Head { status: 206, length: Some(3), range: Some((5, 7)), retry_after: None };
    assert_eq!(head, whole);
    let (head, body) = outcome(b"HTTP/1.1 404 Not Found\r\n\r\nno").unwrap();
    assert_eq!((head.status, &body[..]), (404, &b"no"[..]));
}

#[test]
fn a_busy_server_says_for_how_long() {
    let after = |value: &str| {
        let answer = format!("HTTP/1.1 503 Busy\r\nRetry-After: {value}\r\n\r\n");
        outcome(answer.as_bytes()).unwrap().0.retry_after
    };
    assert_eq!(after("120"), Some(Duration::from_mins(2)));
    assert_eq!(after("Fri, 31 Dec 1999 23:59:59 GMT"), None);
    assert_eq!(after("-1"), None);
}

#[test]
fn garbage_is_named() {
    let no_http = |why: &str| format!("what answered does not speak HTTP: {why}");
    check_fails("SSH-2.0-x\r\n\r\n", &no_http("invalid HTTP version"));
    check_fails("", "the answer broke off");
    check_fails("HTTP/1.1 200 OK\r\nContent-Le", "the answer broke off");
    check_fails("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc", "the answer broke off");
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    check_fails(&format!("{chunked}x\r\n"), &no_http("a chunk without a size"));
    check_fails(
        &format!("{chunked}1\r\nabc\r\n"),
        &no_http("a chunk of another size than announced"),
    );
    check_fails(&format!("{chunked}3\r\nabc\r\n"), "the answer broke off");
    check_fails(
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        &no_http("a length that is no number"),
    );
    check_fails(
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        &no_http("two lengths"),
    );
    check_fails(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nx",
        "the answer is compressed, which was not asked for",
    );
}

#[test]
fn a_head_or_a_body_without_end_is_cut_off() {
    let long = "the answer is longer than 1000 bytes";
    check_fails("HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\nx", long);
    check_fails("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nx", long);
    check_fails(&format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(1001)), long);
    let headers = "x: y\r\n".repeat(10_000);
    let error = outcome(format!("HTTP/1.1 200 OK\r\n{headers}").as_bytes()).unwrap_err();
    assert!(matches!(error, HttpError::Nonsense(_)), "{error}");
    let error = outcome(format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(100_000)).as_bytes());
    assert!(matches!(error, Err(HttpError::Nonsense(_) | HttpError::Io(_))), "{error:?}");
    // One that never ends.
    let (port, server) = serve_with(1, |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let error = fetch(&ask(&url(port, "/"))).unwrap_err();
    assert_eq!(error.to_string(), long);
    server.join().unwrap();
}

#[test]
fn who_says_nothing_or_drips_is_given_up_at_the_deadline() {
    let check = |drips: bool| {
        let (done, waits) = crossbeam_channel::bounded::<()>(0);
        let (port, server) = serve_with(1, move |_, stream| {
            while waits.recv_timeout(Duration::from_millis(10))
                == Err(crossbeam_channel::RecvTimeoutError::Timeout)
            {
                let _ = drips.then(|| stream.write_all(b"H"));
            }
        });
        let deadline = Instant::now() + Duration::from_millis(150);
        let error = fetch(&Get { deadline, ..ask(&url(port, "/")) }).unwrap_err();
        drop(done);
        let no_http = drips && matches!(error, HttpError::Nonsense(_));
        assert!(matches!(error, HttpError::Late) || no_http, "{error}");
        server.join().unwrap();
    };
    check(false);
    check(true);
    // A body that drips.
    let (done, waits) = crossbeam_channel::bounded::<()>(0);
    let (port, server) = serve_with(1, move |_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n");
        while waits.recv_timeout(Duration::from_millis(10))
            == Err(crossbeam_channel::RecvTimeoutError::Timeout)
        {
            let _ = stream.write_all(b"x");
        }
    });
    let deadline = Instant::now() + Duration::from_millis(150);
    let error = fetch(&Get { deadline, ..ask(&url(port, "/")) }).unwrap_err();
    drop(done);
    assert!(matches!(error, HttpError::Late), "{error}");
    server.join().unwrap();
}

fn redirect(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into()
}

#[test]
fn redirects_are_followed_five_times_and_never_in_a_circle() {
    let steps = |n: usize| (1..=n).map(|n| redirect(&format!("/{n}"))).collect::<Vec<_>>();
    let mut answers = steps(5);
    answers.push(b"HTTP/1.1 200 OK\r\n\r\nthere".to_vec());
    let (port, server) = serve(answers);
    let (_, body) = fetch(&ask(&url(port, "/announce?x=y"))).unwrap();
    assert_eq!(body, b"there");
    assert!(server.join().unwrap()[5].starts_with("GET /5 "));
    let check = |answers: Vec<Vec<u8>>, expected: &str| {
        let (port, server) = serve(answers);
        let error = fetch(&ask(&url(port, "/announce"))).unwrap_err();
        assert_eq!(error.to_string(), expected);
        server.join().unwrap();
    };
    check(steps(6), "it redirects more than five times");
    check(vec![redirect("/announce")], "it redirects in a circle");
    check(vec![redirect("/b"), redirect("/announce")], "it redirects in a circle");
    let unusable = "the URL is unusable: it is neither an http, an https nor a udp URL";
    check(vec![redirect("file:///etc/passwd")], unusable);
    check(vec![redirect("udp://127.0.0.1:1")], "a udp URL is not fetched by HTTP");
}

#[test]
fn https_never_leads_to_http_and_http_may_lead_to_https() {
    let check = |from: &str, to: &str, expected: bool| {
        let [from, to] = [from, to].map(|url| Url::parse(url).unwrap());
        assert_eq!(is_downgrade(&from, &to), expected, "{from} to {to}");
    };
    check("https://t.example/announce", "http://t.example/announce", true);
    check("https://t.example/announce", "http://other.example/", true);
    check("https://t.example/announce", "https://other.example/", false);
    check("http://t.example/announce", "https://t.example/announce", false);
    check("http://t.example/announce", "http://t.example/a", false);
}

#[test]
fn nobody_outside_sends_us_to_our_own_network() {
    let check = |reach, server: &str, expected| {
        assert_eq!(reach_from(reach, server.parse().unwrap()), expected, "{server}");
    };
    check(Reach::Anywhere, "1.1.1.1", Reach::Outside);
    check(Reach::NotThisMachine, "2001:db8::1", Reach::Outside);
    check(Reach::Anywhere, "127.0.0.1", Reach::Anywhere);
    check(Reach::NotThisMachine, "192.168.0.1", Reach::NotThisMachine);
}

#[test]
fn what_is_called_counts_and_not_how_it_is_written() {
    let spellings =
        ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0.0.0.0", "localhost", "[::1]"];
    let check = |scheme: &str, host: &str| {
        let url = Url::parse(&format!("{scheme}://{host}:1/rpc")).unwrap();
        for reach in [Reach::NotThisMachine, Reach::Outside] {
            let answer = fetch_within(&ask(&url), reach);
            assert!(matches!(answer, Err(HttpError::Inside(_))), "{url}: {answer:?}");
        }
    };
    for host in spellings.into_iter().chain(["[::ffff:127.0.0.1]"]) {
        check("http", host);
        #[cfg(feature = "tls")]
        check("https", host);
    }
    let (port, server) = serve(vec![redirect("/there"), b"HTTP/1.1 200 OK\r\n\r\nabc".to_vec()]);
    let (_, body, from) = fetch_within(&ask(&url(port, "/announce")), Reach::Anywhere).unwrap();
    assert_eq!((&body[..], from), (&b"abc"[..], IpAddr::from([127, 0, 0, 1])));
    server.join().unwrap();
}

#[test]
fn nobody_there_is_said_in_two_words() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = fetch(&ask(&url(port, "/"))).unwrap_err();
    assert_eq!(error.to_string(), "connection refused");
}

#[test]
fn the_sink_may_have_enough() {
    let (port, server) = serve(vec![b"HTTP/1.1 200 OK\r\n\r\nabc".to_vec()]);
    let error =
        get(&ask(&url(port, "/")), Reach::Anywhere, &mut |_, _| Err("enough".into())).unwrap_err();
    assert_eq!(error.to_string(), "enough");
    server.join().unwrap();
}

#[test]
fn the_call_starts_at_the_bound_address() {
    let (sender, caller) = crossbeam_channel::bounded(1);
    let (port, server) = serve_with(1, move |_, stream| {
        let _ = sender.send(stream.peer_addr().unwrap().ip());
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    });
    let bind = Some(IpAddr::from([127, 0, 0, 5]));
    fetch(&Get { bind, ..ask(&url(port, "/")) }).unwrap();
    assert_eq!(caller.recv().ok(), bind);
    server.join().unwrap();
}

#[cfg(feature = "tls")]
#[test]
fn a_server_without_tls_is_no_secure_one() {
    let (port, server) = serve(vec![b"HTTP/1.1 200 OK\r\n\r\nabc".to_vec()]);
    let url = Url::parse(&format!("https://127.0.0.1:{port}/announce")).unwrap();
    let error = fetch(&ask(&url)).unwrap_err();
    assert!(matches!(error, HttpError::Tls(_)), "{error:?}");
    server.join().unwrap();
}
