//! The lab: its backends, its strategies, and what students and instructors run.

#[path = "../harness/mod.rs"]
mod harness;

mod bands;
mod demo;
mod exec_choker;
mod grade;
mod nc;
mod net;
mod proc;
mod run;
mod strategy;
mod trace;
