//! swarmlet: a BitTorrent-like file-sharing system to run, read and take apart.
//!
//! The modules stand in reading order; a module may use those above it, never those below
//! (`tests/documents/architecture.rs` enforces it, ARCHITECTURE.md explains it).

// -- foundations: no I/O

/// Names for numbers: info-hashes, peer ids, piece indices.
pub mod ids;

/// The only place that divides by a piece or block length.
pub mod geometry;

/// Which pieces someone has.
pub mod bitfield;

/// Time as a value, and the one clock that makes it.
pub mod clock;

/// "Did you mean": the known word that a mistyped one is nearest to.
pub mod nearest;

// -- formats: bytes <-> meaning

/// What a .torrent or a magnet link says.
pub mod metainfo;

/// What is said on the wire.
pub mod protocol;

// -- decisions: pure state machines

/// Whom to ask for what, and whom to serve.
pub mod logic;

/// What happened and why, as JSON lines.
pub mod trace;

// -- the world

/// Pieces on disk.
pub mod storage;

/// A fixed set of workers over a bounded channel.
pub mod threadpool;

/// Which sockets can be read or written now.
pub mod readiness;

/// Every knob, with its default and its unit.
pub mod config;

/// A choker strategy that is somebody's program.
pub mod exec_choker;

// -- the programs' bodies

/// A peer: its threads and what they share.
pub mod node;

/// The tracker: one thread, one loop.
pub mod tracker;

/// A door into a running peer: orders, views, and how they travel.
pub mod control;

/// Experiments: swarms in virtual time, and theory.
pub mod lab;

/// Command lines, progress, exit codes.
pub mod cli;
