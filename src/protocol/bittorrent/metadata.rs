//! The `info` dictionary, asked for and given in parts of 16 KiB (BEP 9, `ut_metadata`).
//!
//! ```text
//! ask     d 8:msg_type i0e 5:piece iNe e
//! give    d 8:msg_type i1e 5:piece iNe 10:total_size iTe e  bytes     right behind the dictionary
//! refuse  d 8:msg_type i2e 5:piece iNe e
//! ```

use super::super::Malformed;
use super::super::message::Message;
use super::extension::dictionary;
use crate::metainfo::bencode::{Encoder, Value};

/// Bytes of every part but the last.
pub const PART: usize = 16 * 1024;

/// The longest message behind its two ids: a part and room for the dictionary.
pub const MAX_MESSAGE: usize = PART + 1024;

/// The message's name in BEP 9.
const NAME: &str = "ut_metadata";

const ASK: i64 = 0;
const GIVE: i64 = 1;
const REFUSE: i64 = 2;

/// What a message says; `Ok(None)` is a `msg_type` we do not know, to be passed over by BEP 9.
///
/// `total` is 0 when `total_size` is missing or out of range.
pub fn decode(payload: &[u8]) -> Result<Option<Message<'_>>, Malformed> {
    let document = dictionary(NAME, payload)?;
    let number = |key: &str| document.root().get(key.as_bytes()).as_ref().and_then(Value::as_int);
    let missing = |field| Malformed::Field { message: NAME, field };
    let kind = number("msg_type").ok_or(missing("msg_type"))?;
    let index = || {
        let piece = number("piece").and_then(|n| u32::try_from(n).ok());
        piece.ok_or(missing("piece"))
    };
    Ok(match kind {
        ASK => Some(Message::GetInfo(index()?)),
        GIVE => {
            let data = document.rest();
            if data.len() > PART {
                let length = data.len() as u64;
                return Err(Malformed::TooLong { length, limit: PART as u64 });
            }
            let total = number("total_size").and_then(|n| u32::try_from(n).ok());
            Some(Message::Info { index: index()?, total: total.unwrap_or(0), data })
        }
        REFUSE => Some(Message::InfoReject(index()?)),
        _ => None,
    })
}

/// Asks for a part.
pub(super) fn ask(index: u32) -> Vec<u8> {
    encode(ASK, index, None)
}

/// What stands before the bytes of a part.
pub(super) fn give(index: u32, total: u32) -> Vec<u8> {
    encode(GIVE, index, Some(total))
}

/// Says that a part will not come.
pub(super) fn refuse(index: u32) -> Vec<u8> {
    encode(REFUSE, index, None)
}

fn encode(kind: i64, index: u32, total: Option<u32>) -> Vec<u8> {
    let mut out = Encoder::new();
    out.dict().text("msg_type").int(kind).text("piece").int(index.into());
    if let Some(total) = total {
        out.text("total_size").int(total.into());
    }
    out.end();
    out.finish()
}
