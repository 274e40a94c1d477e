//! `--resolve`: from a name or a hash to the tracker that has authority for it.
//!
//! A name is asked for first, which leads to an info-hash, and then the hash, which leads to a
//! tracker; the .torrent is fetched there like from any other.

use super::exit::{CliError, Exit};
use super::prepare::Context;
use super::resolve::{Sought, choose};
use super::what::What;
use crate::ids::InfoHashV2;
use crate::logic::resolver::zone::Key;
use crate::logic::resolver::{Outcome, Question};
use crate::node::metadata::Wanted;
use crate::node::trackers::resolve::Stub;
use crate::protocol::tracker_native::{Op, Rcode, Records};
use std::net::SocketAddr;

/// How many peers are asked for.
const WANTED: u16 = 8;

/// The hierarchy that the trackers of the command line are.
pub(super) struct Hierarchy {
    stub: Stub,
    first: SocketAddr,
}

impl Hierarchy {
    /// None without `--resolve` or without trackers.
    pub fn of(context: &Context) -> Result<Option<Self>, CliError> {
        let (Some(mode), Some(&first)) = (context.config.resolve, context.trackers.first()) else {
            return Ok(None);
        };
        let stub = Stub::new(context.bind, mode.manner(), &context.trackers);
        let failed = |e| CliError::new(Exit::Failed, format!("cannot ask {first}: {e}"));
        Ok(Some(Self { stub: stub.map_err(failed)?, first }))
    }

    /// The same with its hash and the trackers that have authority for it; nothing but troubles if
    /// they cannot be found.
    pub fn locate<'a>(
        &mut self,
        sought: &Sought<'a>,
        troubles: &mut Vec<CliError>,
    ) -> Result<Option<Sought<'a>>, CliError> {
        // Whoever is only asked who knows does not know itself.
        let mut located = Sought { trackers: Vec::new(), ..sought.clone() };
        let hash = match (sought.wanted.and_then(|wanted| wanted.v2), sought.what) {
            (Some(hash), _) => Some(hash),
            (None, What::Name { name, hash_prefix }) => {
                self.hash_of(name, hash_prefix, troubles)?
            }
            (None, _) => None,
        };
        let Some(hash) = hash else { return Ok(Some(located)) };
        located.wanted = located.wanted.or(Some(Wanted { v1: None, v2: Some(hash) }));
        let question = Question { op: Op::Peers, key: Key::Hash(hash) };
        if let Some(outcome) = self.ask(&question, troubles) {
            located.trackers = outcome.ns.iter().map(|ns| ns.addr).collect();
        }
        Ok(Some(located))
    }

    fn hash_of(
        &mut self,
        name: &str,
        prefix: &str,
        troubles: &mut Vec<CliError>,
    ) -> Result<Option<InfoHashV2>, CliError> {
        let Ok(key @ Key::Name(_)) = name.parse::<Key>() else {
            let why = format!("{name} is no name that a hierarchy of trackers could know");
            return Err(CliError::new(Exit::NotFound, why));
        };
        let found = self.ask(&Question { op: Op::Name, key }, troubles);
        match found.map(|outcome| outcome.records) {
            Some(Records::Contents(contents)) => {
                Ok(choose(contents, name, prefix)?.map(|content| content.info_hash))
            }
            _ => Ok(None),
        }
    }

    /// An answer that says where; that there is no such swarm yet says it too.
    fn ask(&mut self, question: &Question, troubles: &mut Vec<CliError>) -> Option<Outcome> {
        let Question { op, key } = question;
        let first = self.first;
        let mut trouble = |exit, why: String| {
            troubles.push(CliError::new(exit, why));
            None
        };
        match self.stub.ask(question, WANTED, &mut |_| ()) {
            Ok(outcome) if outcome.rcode == Rcode::NoError => Some(outcome),
            Ok(outcome) if outcome.rcode == Rcode::NxSwarm => {
                trouble(Exit::NotFound, format!("{key} is not known in the hierarchy of {first}"))
            }
            Ok(outcome) => {
                let rcode = outcome.rcode;
                let why =
                    format!("{first} found no answer to {op} {key} ({rcode}): try tracker dig");
                trouble(Exit::NoAnswer, why)
            }
            Err(e) => trouble(Exit::NoAnswer, format!("cannot ask {first}: {e}")),
        }
    }
}
