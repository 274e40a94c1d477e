//! `lab pcap FILE .. --out F.pcapng`: traces as a capture, written as it is made.
//!
//! The capture appears under its name when it is whole: until then it is `F.pcapng.part`.

use super::super::args::PcapArgs;
use super::super::env::Env;
use super::super::exit::CliError;
use super::traces::{Traces, say};
use crate::lab::capture::{Capture, Counts};
use crate::lab::pcapng;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 20;

/// Runs `lab pcap`.
pub fn pcap(args: &PcapArgs, env: &Env) -> Result<(), CliError> {
    let out = args.out.as_deref().expect("it was checked that there is one");
    let counts = make(&args.file, out, env)?;
    say(env, &format!("{} packets of {} messages", counts.packets, counts.messages));
    if counts.added > 0 {
        say(
            env,
            &format!("{} first words were added, which no simulated world says", counts.added),
        );
    }
    if counts.left_out > 0 {
        say(
            env,
            &format!(
                "{} messages are left out, because the protocol does not allow their numbers",
                counts.left_out
            ),
        );
    }
    Ok(())
}

/// Makes a capture of traces.
pub fn make(traces: &[PathBuf], out: &Path, env: &Env) -> Result<Counts, CliError> {
    let traces = Traces::read(traces, env)?;
    let part = beside(out);
    let failed = |why: &io::Error| CliError::disk("write", out, why, "choose another --out");
    let written = write(&traces, &part, &failed).and_then(|counts| {
        fs::rename(&part, out).map_err(|why| failed(&why))?;
        Ok(counts)
    });
    if written.is_err() {
        // What is half is of no use; that it stays is not worth a second sentence.
        let _ = fs::remove_file(&part);
    }
    written
}

fn beside(out: &Path) -> PathBuf {
    let mut name = out.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn write(
    traces: &Traces,
    part: &Path,
    failed: &dyn Fn(&io::Error) -> CliError,
) -> Result<Counts, CliError> {
    let file = File::create(part).map_err(|why| failed(&why))?;
    let mut file = BufWriter::with_capacity(BUFFER, file);
    file.write_all(&pcapng::header()).map_err(|why| failed(&why))?;
    let (mut capture, mut packets) = (Capture::new(&traces.cast), Vec::new());
    traces.each(|timed, names| {
        packets.clear();
        capture.on_event(timed, names, &mut packets);
        file.write_all(&packets).map_err(|why| failed(&why))
    })?;
    file.flush().map_err(|why| failed(&why))?;
    Ok(capture.counts().clone())
}
