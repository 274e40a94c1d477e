//! Name servers that tests play, and what is made of their answers.

use super::*;
use simple_dns::rdata::TXT;
use simple_dns::{CharacterString, ResourceRecord};
use std::net::TcpListener;
use std::thread::Builder;

/// What a played server does with a question.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// Answers it.
    Answer,
    /// Says by UDP that the answer is too long.
    CutOff,
    /// Sends answers to other questions first.
    Guess,
    /// Says that it cannot.
    Fail,
    /// Says that there is no such name.
    NoSuchName,
}

/// Plays a name server on 127.0.0.1 for as many questions as are asked; its address.
pub fn name_server(play: Play, records: &[&[&str]]) -> SocketAddr {
    let (udp, tcp) = (0..100)
        .find_map(|_| {
            let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
            let udp = UdpSocket::bind(tcp.local_addr().unwrap()).ok()?;
            Some((udp, tcp))
        })
        .expect("a port that is free for both");
    let address = udp.local_addr().unwrap();
    let records: Vec<Vec<String>> =
        records.iter().map(|strings| strings.iter().map(|&s| s.into()).collect()).collect();
    let by_tcp = records.clone();
    thread_of(move || {
        let mut bytes = [0; 1024];
        while let Ok((length, from)) = udp.recv_from(&mut bytes) {
            for answer in answers(play, &bytes[..length], &records) {
                let _ = udp.send_to(&answer, from);
            }
        }
    });
    thread_of(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut question = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut question).unwrap();
            let answer = answer(&question, RCODE::NoError, &by_tcp);
            let length = (answer.len() as u16).to_be_bytes();
            // In two parts, as TCP may.
            stream.write_all(&[&length[..], &answer[..5]].concat()).unwrap();
            stream.write_all(&answer[5..]).unwrap();
        }
    });
    address
}

fn thread_of(play: impl FnOnce() + Send + 'static) {
    Builder::new().name("name-server".into()).spawn(play).expect("a thread");
}

fn answers(play: Play, question: &[u8], records: &[Vec<String>]) -> Vec<Vec<u8>> {
    let right = answer(question, RCODE::NoError, records);
    match play {
        Play::Answer => vec![right],
        Play::CutOff => {
            let mut cut = right[..right.len() - 3].to_vec();
            cut[2] |= 0x02;
            vec![cut]
        }
        Play::Guess => {
            let lie = vec![vec!["BITTORRENT UDP:666".to_owned()]];
            let mut wrong_id = answer(question, RCODE::NoError, &lie);
            wrong_id[0] ^= 1;
            let mut no_answer = answer(question, RCODE::NoError, &lie);
            no_answer[2] &= 0x7f;
            let mut wrong_name = answer(question, RCODE::NoError, &lie);
            wrong_name[13] ^= 1;
            vec![wrong_id, no_answer, wrong_name, b"garbage".to_vec(), right]
        }
        Play::Fail => vec![answer(question, RCODE::ServerFailure, &[])],
        Play::NoSuchName => vec![answer(question, RCODE::NameError, &[])],
    }
}

fn answer(question: &[u8], code: RCODE, records: &[Vec<String>]) -> Vec<u8> {
    let asked = Packet::parse(question).unwrap();
    let mut packet = Packet::new_reply(asked.id());
    *packet.rcode_mut() = code;
    for record in records {
        let mut text = TXT::new();
        for string in record {
            text.add_char_string(CharacterString::new(string.as_bytes()).unwrap());
        }
        let name = asked.questions[0].qname.clone();
        packet.answers.push(ResourceRecord::new(name, CLASS::IN, 60, RData::TXT(text)));
    }
    packet.questions = asked.questions;
    packet.build_bytes_vec_compressed().unwrap()
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

fn ask_of(servers: &[SocketAddr]) -> Result<Vec<String>, String> {
    txt_records("Tracker.Test", servers, soon()).map_err(|error| error.to_string())
}

#[test]
fn the_strings_of_a_record_are_one_text() {
    let long = "x".repeat(255);
    let records: &[&[&str]] = &[&["v=spf1"], &["BITTORRENT UD", "P:1337", " TCP:80"], &[&long]];
    let expected = vec!["v=spf1".to_owned(), "BITTORRENT UDP:1337 TCP:80".into(), long.clone()];
    for play in [Play::Answer, Play::CutOff, Play::Guess] {
        assert_eq!(ask_of(&[name_server(play, records)]), Ok(expected.clone()));
    }
}

#[test]
fn a_name_that_is_not_there_has_no_records_and_a_server_that_fails_is_followed_by_the_next() {
    let good = name_server(Play::Answer, &[&["a"]]);
    let bad = name_server(Play::Fail, &[]);
    assert_eq!(ask_of(&[name_server(Play::NoSuchName, &[])]), Ok(vec![]));
    assert_eq!(ask_of(&[bad, good]), Ok(vec!["a".into()]));
    assert_eq!(ask_of(&[bad]), Err("the name server answered ServerFailure".into()));
    assert_eq!(ask_of(&[]), Err("/etc/resolv.conf names no server".into()));
    let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(ask_of(&[gone]), Err("connection refused".into()));
}

#[test]
fn a_silent_server_is_given_up_in_time() {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let until = Instant::now() + Duration::from_millis(50);
    let late = txt_records("a.test", &[silent.local_addr().unwrap()], until);
    assert!(matches!(late, Err(DnsError::Io(e)) if e.kind() == io::ErrorKind::TimedOut));
}

#[test]
fn what_cannot_be_a_name_is_not_asked_for() {
    for host in ["a..b", &"a".repeat(64), &"a.".repeat(200)] {
        assert!(matches!(txt_records(host, &[], soon()), Err(DnsError::Name)), "{host}");
    }
}

#[test]
fn the_servers_are_those_of_the_systems_file() {
    let text = "# nameserver 1.1.1.1\nsearch x\nnameserver 9.9.9.9 # first\n nameserver ::1\n\
                nameserver x\nnameserverx 2.2.2.2\nnameserver 3.3.3.3\nnameserver 4.4.4.4\n";
    let expected = ["9.9.9.9:53", "[::1]:53", "3.3.3.3:53"].map(|a| a.parse().unwrap());
    assert_eq!(servers_in(text), expected);
    assert_eq!(servers_in(""), []);
}
