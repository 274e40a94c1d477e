//! What a peer and a BitTorrent tracker say over HTTP: query strings and bencoded bodies.
//!
//! ```text
//! GET /announce?info_hash=%11%11..&peer_id=-SW0100-..&port=6881&uploaded=0&downloaded=0&left=9..
//! d8:completei1e10:incompletei0e8:intervali120e5:peers6:......e
//! ```
//! The question is an [`AnnounceQuery`] (BEP 3), the answer an [`AnnounceAnswer`]: peers as a
//! compact string (BEP 23), `peers6` (BEP 7), or as dictionaries. A scrape (BEP 48) has
//! [`read_scrape_query`] and [`ScrapeAnswer`]. Each is read and written here; HTTP itself, which
//! carries them, is not. What a stranger left out has a default, and what cannot be is refused
//! with a sentence that can be shown to people.

/// Queries.
pub mod query;

/// Bodies.
pub mod answer;

pub use answer::{
    AnnounceAnswer, BadAnswer, HttpPeer, PeersAs, ScrapeAnswer, failure, read_announce_answer,
    read_retry_in, read_scrape_answer,
};
pub use query::{AnnounceQuery, BadQuery, read_scrape_query, scrape_query, scrape_url};

#[cfg(test)]
mod tests;
