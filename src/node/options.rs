//! What a node is started with, and why it does not start.

use crate::config::ChokerChoice;
use crate::logic::picker::Policy;
use crate::logic::resolver::Manner;
use crate::node::guard::PanicAt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// Where to listen and where outgoing connections start; `None` is everywhere.
    pub bind: Option<IpAddr>,
    /// The ports to try in turn; 0 is any.
    pub ports: Vec<u16>,
    /// Trackers that speak the native dialect.
    pub trackers: Vec<SocketAddr>,
    /// Whether these are only asked who has authority for a torrent, and how they are asked.
    pub resolve: Option<Manner>,
    /// URLs of BitTorrent trackers that every torrent is announced to.
    pub announce_urls: Vec<String>,
    /// The most connections.
    pub max_peers: usize,
    /// The most connections with one address that is not loopback or private; 0 is no limit.
    pub max_per_ip: usize,
    /// How many peers of a torrent are served at once.
    pub upload_slots: usize,
    /// Bytes per second sent at most.
    pub up_limit: Option<u64>,
    /// Bytes per second received at most.
    pub down_limit: Option<u64>,
    /// How pieces are chosen.
    pub picker: Policy,
    /// How peers to be served are chosen.
    pub choker: ChokerChoice,
    /// Whether the only seeder shows its pieces one by one.
    pub super_seeding: bool,
    /// How many blocks of 16 KiB are kept asked of one peer; `None` adapts.
    pub pipeline: Option<u32>,
    /// Whether copies of what slow peers owe are asked of others at the end.
    pub endgame: bool,
    /// Whether trackers' hosts are called where their name servers say (BEP 34).
    pub dns_prefs: bool,
    /// Strategy timers run so many times faster.
    pub time_scale: f64,
    /// The file that every message and every decision is written to.
    pub trace: Option<PathBuf>,
    /// Whether the same can be looked at while it happens ([`super::Node::log`]).
    pub watchable: bool,
    /// Where to panic on purpose; nowhere but in a build for tests.
    pub panic_at: Option<PanicAt>,
    /// Whether every block that it sends is wrong by one bit: for experiments with liars.
    pub lies: bool,
}

impl NodeOptions {
    /// A node of its own on 127.0.0.1, on any free port, without trackers and without limits.
    pub fn on_loopback() -> Self {
        Self {
            bind: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            ports: vec![0],
            trackers: Vec::new(),
            resolve: None,
            announce_urls: Vec::new(),
            max_peers: 50,
            max_per_ip: 0,
            upload_slots: 4,
            up_limit: None,
            down_limit: None,
            picker: Policy::Rarest,
            choker: ChokerChoice::default(),
            super_seeding: true,
            pipeline: None,
            endgame: true,
            dns_prefs: false,
            time_scale: 1.0,
            trace: None,
            watchable: false,
            panic_at: None,
            lies: false,
        }
    }
}

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// All ports that were to be tried are taken.
    #[error("port {ports} on {address} is in use: choose another with --port, or 0 for any")]
    PortInUse {
        /// The ports that were tried.
        ports: String,
        /// The address.
        address: IpAddr,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The trace cannot be written.
    #[error("cannot write the trace to {}: {source}", path.display())]
    Trace {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The system has no thread, poller or socket for us.
    #[error("cannot start: {0}")]
    Io(#[from] io::Error),
}
