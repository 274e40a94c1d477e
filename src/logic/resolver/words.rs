//! From this machine's values to messages and back.

use super::{Ask, Delegation, Outcome, Reply};
use crate::protocol::Malformed;
use crate::protocol::tracker_native::{Answer, Endpoint, NameServer, Op, Query, Records, millis};
use std::time::Duration;

impl Ask {
    /// The question as a message, for `max` peers at most.
    pub fn query(self, max: u16) -> Query {
        Query {
            id: self.id,
            op: self.question.op,
            key: self.question.key.to_string(),
            rd: self.rd,
            hops: self.hops,
            max,
            origin: Some(self.origin),
            cookie: None,
        }
    }
}

impl Reply {
    /// An answer, understood; name servers of what is no zone are left out.
    pub fn read(answer: &Answer, body: &[u8]) -> Result<Self, Malformed> {
        let server = |ns: &NameServer| {
            let (zone, ttl) = (ns.zone.parse().ok()?, Duration::from_millis(ns.ttl_ms.into()));
            Some(Delegation { zone, addr: ns.addr.0, ttl })
        };
        Ok(Self {
            id: answer.id,
            rcode: answer.rcode,
            aa: answer.aa,
            ra: answer.ra,
            ttl: Duration::from_millis(answer.ttl_ms.into()),
            records: Records::read(answer.op, body)?,
            ns: answer.ns.iter().filter_map(server).collect(),
            path: answer.path.iter().map(|endpoint| endpoint.0).collect(),
        })
    }
}

impl Outcome {
    /// What was found, as an answer without authority to the question of that number.
    pub fn answer(&self, (id, op): (u64, Op), ra: bool) -> Answer {
        let server = |server: &Delegation| NameServer {
            zone: server.zone.to_string(),
            addr: Endpoint(server.addr),
            ttl_ms: millis(server.ttl),
        };
        Answer {
            id,
            op,
            rcode: self.rcode,
            aa: false,
            ra,
            tc: false,
            ttl_ms: millis(self.ttl),
            ns: self.ns.iter().map(server).collect(),
            path: self.path.iter().copied().map(Endpoint).collect(),
        }
    }
}
