//! `lab`: the commands of the lab.

/// All peers of a show.
mod cast;

/// One peer of a show, as a process.
mod child;

/// `lab demo`.
pub mod demo;

/// How a show stands, in figures.
mod figures;

/// Where a show keeps its files.
mod folder;

/// Orders of the page, understood.
mod order;

/// Traces on disk.
mod traces;

/// `lab diagram`.
pub mod diagram;

/// `lab pcap`.
pub mod pcap;
