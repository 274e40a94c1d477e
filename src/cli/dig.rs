//! `tracker dig`: one question to a hierarchy of trackers, printed as dig prints it.
//!
//! Without `+trace` one tracker is asked, and its answer shown as it came. With it the question
//! walks from there, each step is shown, and what was not believed with its reason.

use super::args::hierarchy::{Dig, DigArgs};
use super::env::Env;
use super::exit::{CliError, Exit};
use super::prepare::tracker_address;
use super::style::printable;
use crate::logic::resolver::{Manner, Outcome, Question};
use crate::node::trackers::resolve::{Step, Stub, ask_server};
use crate::protocol::tracker_native::hierarchy::HOPS;
use crate::protocol::tracker_native::{Answer, NameServer, Op, Query, Rcode, Records};
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

/// How many peers are asked for.
const WANTED: u16 = 200;

/// `tracker dig`: exit 4 when there is no such content, 3 when nobody answers.
pub fn dig(args: &DigArgs, env: &Env) -> Result<(), CliError> {
    let dig = args.dig()?;
    let server = tracker_address(&dig.server, None)?;
    let mut text =
        format!("; tracker dig {} {} @{server}\n", printable(&dig.key.to_string()), dig.op);
    let began = env.clock.now();
    let mut messages = 0_u32;
    let mut count = |step: &Step| match step {
        Step::Asked(..) | Step::Heard(..) => messages += 1,
    };
    let rcode = if dig.trace {
        let outcome = walk(&dig, server, &mut text, &mut count)?;
        put_records(&mut text, &dig, outcome.ttl, &outcome.records);
        outcome.rcode
    } else {
        let query = Query {
            id: fastrand::u64(..),
            op: dig.op,
            key: dig.key.to_string(),
            rd: dig.recurse,
            hops: HOPS,
            max: WANTED,
            origin: None,
            cookie: None,
        };
        let asked = ask_server(server, None, &query, &mut |step| count(&step));
        let (answer, records) =
            asked.map_err(|error| CliError::new(Exit::NoAnswer, error.to_string()))?;
        put_answer(&mut text, &dig, &answer, &records);
        answer.rcode
    };
    let took = env.clock.now().since(began).as_secs_f64() * 1e3;
    let _ = writeln!(text, ";; {rcode} from {server}: {messages} messages, {took:.1} ms");
    let mut out = env.out.clone();
    // A reader that has seen enough is no error.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    end(rcode, &dig, server)
}

/// Asks step by step from `server` on.
fn walk(
    dig: &Dig,
    server: SocketAddr,
    text: &mut String,
    count: &mut dyn FnMut(&Step),
) -> Result<Outcome, CliError> {
    let failed = |e| CliError::new(Exit::Failed, format!("cannot ask {server}: {e}"));
    let mut stub = Stub::new(None, Manner::Iterative, &[server]).map_err(failed)?;
    let question = Question { op: dig.op, key: dig.key.clone() };
    let mut watch = |step: Step| {
        count(&step);
        put_step(text, &step);
    };
    stub.ask(&question, WANTED, &mut watch).map_err(failed)
}

fn end(rcode: Rcode, dig: &Dig, server: SocketAddr) -> Result<(), CliError> {
    let key = printable(&dig.key.to_string());
    let (exit, why) = match rcode {
        Rcode::NoError => return Ok(()),
        Rcode::NxSwarm => (Exit::NotFound, "there is no such content: is it shared anywhere?"),
        Rcode::ServFail => {
            (Exit::NoAnswer, "nobody who should know has answered: +trace shows who was asked")
        }
        Rcode::Refused => (Exit::Failed, "the tracker is not the right one to ask: try the root"),
        Rcode::Loop => {
            (Exit::Failed, "the question goes round: a zone is delegated to the wrong tracker")
        }
        Rcode::FormErr => (Exit::Failed, "a hash has PEERS, META, ANNOUNCE, and a name has NAME"),
        Rcode::Other(_) => (Exit::Failed, "a newer tracker says something we do not know"),
    };
    Err(CliError::new(exit, format!("{rcode} for {key} at {server}: {why}")))
}

fn put_step(text: &mut String, step: &Step) {
    let _ = match step {
        Step::Asked(to, query, length) => {
            writeln!(text, ";; -> {to}  {} {length} bytes", query.op)
        }
        Step::Heard(from, answer, records, length, useless) => {
            let _ = write!(text, ";; <- {from}  {}", answer.rcode);
            let _ = match useless {
                Some(why) => write!(text, " not believed: {why},"),
                None if answer.aa => write!(text, " aa, {} records,", records.len()),
                None if records.is_empty() => write!(text, " referral,"),
                None => write!(text, " {} records,", records.len()),
            };
            let _ = writeln!(text, " {length} bytes");
            put_servers(text, &answer.ns);
            Ok(())
        }
    };
}

fn put_answer(text: &mut String, dig: &Dig, answer: &Answer, records: &Records) {
    let flags: String = [(answer.aa, " aa"), (answer.ra, " ra"), (dig.recurse, " rd")]
        .iter()
        .filter_map(|(is, flag)| is.then_some(*flag))
        .collect();
    let _ = writeln!(text, ";; id {:016x}, {}, flags:{flags}", answer.id, answer.rcode);
    put_records(text, dig, Duration::from_millis(answer.ttl_ms.into()), records);
    if !answer.ns.is_empty() {
        text.push_str(";; AUTHORITY\n");
        put_servers(text, &answer.ns);
    }
    if !answer.path.is_empty() {
        let path: Vec<String> = answer.path.iter().map(|end| end.0.to_string()).collect();
        let _ = writeln!(text, ";; PATH {}", path.join(" "));
    }
}

fn put_servers(text: &mut String, servers: &[NameServer]) {
    for NameServer { zone, addr, ttl_ms } in servers {
        let _ = writeln!(text, "{:<20} {:>7.1} NS    {}", printable(zone), secs(*ttl_ms), addr.0);
    }
}

fn put_records(text: &mut String, dig: &Dig, ttl: Duration, records: &Records) {
    if records.is_empty() {
        return;
    }
    text.push_str(";; ANSWER\n");
    let head = format!("{} {:>7.1}", printable(&dig.key.to_string()), ttl.as_secs_f64());
    match records {
        Records::None => {}
        Records::Peers(peers) => {
            for peer in peers {
                let seed = if peer.seed { " seed" } else { "" };
                let _ = writeln!(text, "{head} {}  {}{seed}", Op::Peers, peer.addr);
            }
        }
        Records::Contents(contents) => {
            for content in contents {
                let name = printable(&content.name);
                let hash = content.info_hash;
                let _ = writeln!(text, "{head} {}  {hash} {} {name}", dig.op, content.size);
            }
        }
    }
}

fn secs(ms: u32) -> f64 {
    f64::from(ms) / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrackerAddr;
    use crate::protocol::tracker_native::{Endpoint, PeerEntry};

    fn dig(rcode: Rcode) -> (Dig, Answer, Records) {
        let server = TrackerAddr { host: "127.0.0.53".into(), port: 7053 };
        let key = "3f".repeat(32).parse().unwrap();
        let dig = Dig { op: Op::Peers, key, server, trace: false, recurse: true };
        let at = |last| Endpoint(([127, 0, 0, last], 7053).into());
        let ns = vec![NameServer { zone: "3f".into(), addr: at(21), ttl_ms: 3_600_000 }];
        let (id, op, path) = (0xab, Op::Peers, vec![at(10), at(21)]);
        let (aa, ra, tc, ttl_ms) = (false, true, false, 29_500);
        let answer = Answer { id, op, rcode, aa, ra, tc, ttl_ms, ns, path };
        let addr = ([127, 0, 0, 1], 6881).into();
        let peer = PeerEntry { addr, seed: true, native: true, bittorrent: true };
        (dig, answer, Records::Peers(vec![peer]))
    }

    #[test]
    fn an_answer_is_printed_as_dig_prints_it() {
        let (dig, answer, records) = dig(Rcode::NoError);
        let mut text = String::new();
        put_answer(&mut text, &dig, &answer, &records);
        let expected = format!(
            ";; id 00000000000000ab, NOERROR, flags: ra rd\n;; ANSWER\n{}    29.5 PEERS  \
             127.0.0.1:6881 seed\n;; AUTHORITY\n3f                    3600.0 NS    \
             127.0.0.21:7053\n;; PATH 127.0.0.10:7053 127.0.0.21:7053\n",
            dig.key
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_step_says_who_said_what_and_why_it_is_not_believed() {
        let (_, answer, records) = dig(Rcode::NoError);
        let step = |records, why| {
            let mut text = String::new();
            let from = ([127, 0, 0, 11], 7053).into();
            put_step(&mut text, &Step::Heard(from, &answer, records, 90, why));
            text.lines().next().unwrap_or_default().to_owned()
        };
        let none = Records::None;
        assert_eq!(step(&none, None), ";; <- 127.0.0.11:7053  NOERROR referral, 90 bytes");
        assert_eq!(step(&records, None), ";; <- 127.0.0.11:7053  NOERROR 1 records, 90 bytes");
        assert_eq!(
            step(&none, Some("because")),
            ";; <- 127.0.0.11:7053  NOERROR not believed: because, 90 bytes"
        );
    }

    #[test]
    fn the_exit_code_says_how_it_went() {
        let check = |rcode, expected: Option<u8>| {
            let (dig, ..) = dig(rcode);
            let code = end(rcode, &dig, ([127, 0, 0, 53], 7053).into());
            assert_eq!(code.err().map(|error| error.exit.code()), expected, "{rcode}");
        };
        check(Rcode::NoError, None);
        check(Rcode::NxSwarm, Some(4));
        check(Rcode::ServFail, Some(3));
        for other in [Rcode::Refused, Rcode::Loop, Rcode::FormErr, Rcode::Other(77)] {
            check(other, Some(1));
        }
    }
}
