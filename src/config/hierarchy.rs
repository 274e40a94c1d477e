//! A tracker's part in a hierarchy of trackers, and how a peer asks one.

use crate::logic::resolver::zone::Zone;
use crate::logic::resolver::{Manner, Params};
use std::net::SocketAddr;
use std::path::PathBuf;

/// How a peer asks a hierarchy of trackers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResolveMode {
    /// From the root on, tracker by tracker, itself.
    Iterative,
    /// One question to a resolver.
    Recursive,
    /// One question to the root, where trackers pass questions on.
    Chain,
}

impl ResolveMode {
    /// Whether the next tracker is asked for, or the answer.
    pub fn manner(self) -> Manner {
        match self {
            Self::Iterative => Manner::Iterative,
            Self::Recursive | Self::Chain => Manner::Recursive,
        }
    }
}

/// What a tracker has authority for, whom it delegates to, and whether it resolves for others.
#[derive(Debug, Clone, PartialEq)]
pub struct HierarchyConfig {
    /// What the tracker has authority for, as far as it does not delegate it (`--zone`).
    /// Default: everything; a resolver has authority for nothing.
    pub zones: Vec<Zone>,

    /// Who has authority for longer zones (`--delegate ZONE=ADDR:PORT`); for a resolver, whom it
    /// asks first. Default: none.
    pub delegations: Vec<(Zone, SocketAddr)>,

    /// Whether it finds answers for everybody, keeps them, and has no swarms of its own
    /// (`--resolver`). Default: no.
    pub resolver: bool,

    /// Whether questions that desire recursion are passed on with that desire (`--chain`), instead
    /// of being answered by a referral, or walked by a resolver. Default: no.
    pub chain: bool,

    /// The other trackers of its zones, kept in step (`--replica`). Default: none.
    pub replicas: Vec<SocketAddr>,

    /// Divides how long answers hold and are kept (`--time-scale`). Default: 1. Zero is refused.
    pub time_scale: f64,

    /// What a question may cost.
    pub limits: Params,

    /// File that every message of the hierarchy is written to, as JSON lines (`--trace`); what it
    /// held is lost. Default: none.
    pub trace: Option<PathBuf>,
}

impl Default for HierarchyConfig {
    fn default() -> Self {
        Self {
            zones: vec![Zone::ROOT],
            delegations: Vec::new(),
            resolver: false,
            chain: false,
            replicas: Vec::new(),
            time_scale: 1.0,
            limits: Params::default(),
            trace: None,
        }
    }
}
