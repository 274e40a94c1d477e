//! The words of `lab nc`.

use super::super::super::exit::CliError;
use super::super::super::units::TimeSpan;
use super::super::peer_address;
use argh::{ArgsInfo, FromArgs};
use std::time::Duration;

/// Type messages of the native dialect by hand, to a peer or to a tracker.
#[derive(FromArgs, ArgsInfo, Debug, PartialEq)]
#[argh(help_triggers("--help"), example = "{command_name} 127.0.0.1:6969 --udp")]
pub struct NcArgs {
    /// where the other side listens, HOST:PORT
    #[argh(positional, from_str_fn(peer_address))]
    pub at: String,

    /// it is a tracker: "SWT1" opens the stream
    #[argh(switch)]
    pub tracker: bool,

    /// it is a tracker, and each message is a datagram
    #[argh(switch)]
    pub udp: bool,

    /// do not send the magic that opens a stream
    #[argh(switch)]
    pub no_magic: bool,

    /// how long to wait for answers once stdin has ended (1s)
    #[argh(option, arg_name = "time")]
    pub wait: Option<TimeSpan>,
}

impl NcArgs {
    pub(in super::super) fn check(&self) -> Result<(), CliError> {
        if self.udp && self.no_magic {
            return Err(CliError::usage(
                "--no-magic is for streams: a datagram without its magic is typed as raw",
            ));
        }
        Ok(())
    }

    /// How long to wait at the end.
    pub fn wait(&self) -> Duration {
        self.wait.map_or(Duration::from_secs(1), |TimeSpan(time)| time)
    }
}
