//! Transmission's RPC: a request's bytes in, an answer's bytes out. No socket here.
//!
//! ```text
//! {"method":"torrent-get","arguments":{"fields":["id"]},"tag":1}                  up to 4.0
//!     -> {"result":"success","arguments":{"torrents":[{"id":1}]},"tag":1}
//! {"jsonrpc":"2.0","method":"torrent_get","params":{"fields":["id"]},"id":1}      from 4.1 on
//!     -> {"jsonrpc":"2.0","result":{"torrents":[{"id":1}]},"id":1}
//! ```
//! Both envelopes lead to the same methods and the same tables; how names are spelled is
//! [`names`]' business alone. What a method needs of the program it orders at the [`Desk`].

/// Reading arguments.
pub mod args;

/// Settings of a torrent.
pub mod change;

/// The fields of `torrent-get`.
pub mod fields;

/// Settings without effect.
pub mod kept;

/// Two spellings.
pub mod names;

/// Files, peers and trackers.
pub mod rows;

/// The program's settings.
pub mod session;

mod torrents;

use super::order::{Order, Place, Refusal, Reply, Which};
use super::{Desk, rpc::kept::Kept};
use args::{Args, Fault};
use names::{Spelling, snake};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

/// The most values in a request. A body of the largest size could otherwise hold ten million, which
/// take thirty times as much memory as their text.
const MAX_VALUES: usize = 100_000;

/// The most requests in a batch of JSON-RPC.
const MAX_BATCH: usize = 100;

/// The RPC of one program.
#[derive(Debug)]
pub struct Rpc {
    desk: Desk,
    kept: Mutex<Kept>,
    session_id: String,
}

/// What a request comes to: an answer, or silence where none is wanted.
pub type Answer = Option<Vec<u8>>;

impl Rpc {
    /// The RPC of whoever reads this desk's letters; the session id is shown by `session-get`.
    pub fn new(desk: Desk, session_id: impl Into<String>) -> Self {
        Self { desk, kept: Mutex::new(Kept::default()), session_id: session_id.into() }
    }

    /// Answers a request, whatever its bytes are; none for notifications of JSON-RPC.
    pub fn answer(&self, body: &[u8]) -> Answer {
        let answer = match parse(body) {
            Ok(request) => self.answer_value(&request)?,
            Err(why) if is_json_rpc(body) => error(&Value::Null, -32700, &why),
            Err(why) => json!({ "result": why }),
        };
        Some(serde_json::to_vec(&answer).expect("a JSON value has text keys only"))
    }

    fn answer_value(&self, request: &Value) -> Option<Value> {
        match request {
            Value::Array(requests) => self.batch(requests),
            Value::Object(map) if map.contains_key("jsonrpc") => self.json_rpc(request),
            Value::Object(map) => Some(self.legacy(map)),
            _ => Some(json!({ "result": "the request is no JSON object" })),
        }
    }

    /// A request of Transmission up to 4.0.
    fn legacy(&self, request: &Map<String, Value>) -> Value {
        let (result, arguments) = match self.legacy_call(request) {
            Ok(arguments) => ("success".to_owned(), arguments),
            Err(fault) => (fault.to_string(), Map::new()),
        };
        let mut answer = json!({ "result": result, "arguments": arguments });
        if let Some(tag) = request.get("tag").filter(|tag| tag.is_number()) {
            answer["tag"] = tag.clone();
        }
        answer
    }

    fn legacy_call(&self, request: &Map<String, Value>) -> Result<Map<String, Value>, Fault> {
        if request.get("tag").is_some_and(|tag| !tag.is_number()) {
            return Err(Fault::argument("tag", "a number"));
        }
        let method = request.get("method").ok_or(Fault::NoMethod)?;
        let method = method.as_str().ok_or_else(|| Fault::argument("method", "a text"))?;
        let arguments = match request.get("arguments") {
            None => None,
            Some(Value::Object(map)) => Some(map),
            Some(_) => return Err(Fault::argument("arguments", "an object")),
        };
        self.call(method, &Args::new(arguments), Spelling::Mixed)
    }

    /// Several requests of JSON-RPC; the answers stand in their order.
    fn batch(&self, requests: &[Value]) -> Option<Value> {
        if requests.is_empty() {
            return Some(error(&Value::Null, -32600, "an empty batch"));
        }
        if requests.len() > MAX_BATCH {
            let why = format!("more than {MAX_BATCH} requests in a batch");
            return Some(error(&Value::Null, -32600, &why));
        }
        let answers: Vec<Value> = requests.iter().filter_map(|one| self.json_rpc(one)).collect();
        (!answers.is_empty()).then_some(Value::Array(answers))
    }

    /// A request of JSON-RPC 2.0; a notification, which has no id, is carried out in silence.
    fn json_rpc(&self, request: &Value) -> Option<Value> {
        let id = request.get("id");
        let is_id = |id: &Value| id.is_null() || id.is_string() || id.is_number();
        let shown = id.filter(|id| is_id(id)).cloned().unwrap_or(Value::Null);
        let method = request.get("method").and_then(Value::as_str);
        let (Some("2.0"), Some(method), true) =
            (request.get("jsonrpc").and_then(Value::as_str), method, id.is_none_or(is_id))
        else {
            let why = "expected jsonrpc \"2.0\", a method, and an id that is a text or a number";
            return Some(error(&shown, -32600, why));
        };
        let went = match request.get("params") {
            None => self.call(method, &Args::new(None), Spelling::Snake),
            Some(Value::Object(map)) => self.call(method, &Args::new(Some(map)), Spelling::Snake),
            Some(_) => Err(Fault::argument("params", "an object")),
        };
        id?;
        Some(match went {
            Ok(result) => {
                let result = Spelling::Snake.of_keys(result);
                json!({ "jsonrpc": "2.0", "id": shown, "result": result })
            }
            Err(fault) => error(&shown, code(&fault), &fault.to_string()),
        })
    }

    /// Carries a method out; its name is taken in either spelling.
    fn call(
        &self,
        method: &str,
        args: &Args<'_>,
        spelling: Spelling,
    ) -> Result<Map<String, Value>, Fault> {
        let nothing = |()| Map::new();
        match snake(method).as_str() {
            "torrent_get" => torrents::get(self, args, spelling),
            "torrent_set" => torrents::set(self, args).map(nothing),
            "torrent_add" => torrents::add(self, args),
            "torrent_remove" => torrents::remove(self, args).map(nothing),
            "torrent_start" | "torrent_start_now" => self.each(args, Order::Start),
            "torrent_stop" => self.each(args, Order::Stop),
            "torrent_verify" => self.each(args, Order::Verify),
            "torrent_reannounce" => self.each(args, Order::Announce),
            "torrent_set_location" => torrents::locate(self, args).map(nothing),
            "torrent_rename_path" => torrents::rename(args).map(nothing),
            "queue_move_top" => self.queue(args, Place::Top),
            "queue_move_up" => self.queue(args, Place::Up),
            "queue_move_down" => self.queue(args, Place::Down),
            "queue_move_bottom" => self.queue(args, Place::Bottom),
            "session_get" => session::get(self, args, spelling),
            "session_set" => session::set(self, args).map(nothing),
            "session_stats" => session::stats(self),
            "session_close" => self.done(Order::Close).map(nothing),
            "free_space" => torrents::free_space(self, args),
            "catalogue" => torrents::catalogue(self),
            "blocklist_update" => Ok(one("blocklist-size", 0.into())),
            "port_test" => Ok(one("port-is-open", false.into())),
            "group_get" => self.kept.lock().groups(args),
            "group_set" => self.kept.lock().set_group(args).map(nothing),
            _ => Err(Fault::UnknownMethod),
        }
    }

    fn each(
        &self,
        args: &Args<'_>,
        order: impl FnOnce(Which) -> Order,
    ) -> Result<Map<String, Value>, Fault> {
        self.done(order(args.which()?)).map(|()| Map::new())
    }

    fn queue(&self, args: &Args<'_>, to: Place) -> Result<Map<String, Value>, Fault> {
        self.each(args, |which| Order::Queue { which, to })
    }

    /// Gives an order and waits for what it brings.
    fn ask(&self, order: Order) -> Result<Reply, Fault> {
        self.desk.order(order).map_err(|refusal| match refusal {
            Refusal::No(why) => Fault::Refused(why),
            Refusal::Gone => Fault::Gone,
        })
    }

    /// Gives an order that brings nothing.
    fn done(&self, order: Order) -> Result<(), Fault> {
        self.ask(order).map(drop)
    }
}

fn one(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

/// Reads JSON with bounds: its depth is serde_json's to bound, the number of its values ours.
fn parse(body: &[u8]) -> Result<Value, String> {
    if values_in(body) > MAX_VALUES {
        return Err(format!("the request has more than {MAX_VALUES} values"));
    }
    serde_json::from_slice(body).map_err(|why| format!("the request is no JSON: {why}"))
}

/// At least how many values some JSON has: one more than what separates them.
fn values_in(body: &[u8]) -> usize {
    let (mut count, mut quoted, mut escaped) = (1, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' | b'[' | b'{' if !quoted => count += 1,
            _ => {}
        }
    }
    count
}

/// Whether a body that cannot be read was meant as JSON-RPC.
fn is_json_rpc(body: &[u8]) -> bool {
    let word = b"\"jsonrpc\"";
    let start = &body[..body.len().min(4096)];
    start.windows(word.len()).any(|window| window == word)
}

/// An answer that is an error.
fn error(id: &Value, code: i64, message: &str) -> Value {
    let error = json!({ "code": code, "message": message });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

/// JSON-RPC's codes, and those of Transmission 4.1 from 1 on.
fn code(fault: &Fault) -> i64 {
    match fault {
        Fault::NoMethod => -32600,
        Fault::UnknownMethod => -32601,
        Fault::Argument(_) => -32602,
        Fault::Gone => -32603,
        Fault::NotAbsolute(_) => 3,
        Fault::Refused(_) => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nobody() -> Rpc {
        let (desk, letters) = Desk::open();
        drop(letters);
        Rpc::new(desk, "id")
    }

    #[test]
    fn values_are_counted_outside_of_texts() {
        assert_eq!(values_in(br#"{"a":[1,2],"b":"[,{\",["}"#), 5);
        let many = format!("[{}1]", "1,".repeat(MAX_VALUES));
        assert!(parse(many.as_bytes()).unwrap_err().starts_with("the request has more than"));
        assert!(parse("[".repeat(1000).as_bytes()).unwrap_err().contains("recursion limit"));
    }

    #[test]
    fn whoever_asks_a_program_that_is_gone_is_told_so() {
        let answer = nobody().answer(br#"{"method":"torrent-stop","tag":3}"#).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let expected = json!({
            "result": "the program is stopping", "arguments": {}, "tag": 3,
        });
        assert_eq!(answer, expected);
    }

    proptest! {
        #[test]
        fn garbage_is_answered_and_never_panics(body: Vec<u8>) {
            prop_assert!(nobody().answer(&body).is_some());
        }

        #[test]
        fn odd_json_never_panics(text in r#"[\[\]{}",:a-c0-9.\\-]{0,40}"#, method in "[a-z-]{0,12}") {
            let body = format!(r#"{{"method":"torrent-set","arguments":{text}}}"#);
            let _ = nobody().answer(body.as_bytes());
            let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{text}}}"#);
            let _ = nobody().answer(body.as_bytes());
        }
    }
}
