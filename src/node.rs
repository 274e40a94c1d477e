//! A peer: its threads and what they share.
