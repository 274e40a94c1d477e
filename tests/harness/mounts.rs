//! File systems of a test's own, and disks that fail when they are told to.

use super::process::Process;
use super::programs::PEER;
use super::scratch::Scratch;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a shell script in a mount namespace of its own; `None` when that is not permitted.
pub fn in_own_mounts(script: &str) -> Option<Process> {
    let probe = "mount -t tmpfs -o size=64k none /mnt && umount /mnt";
    let permitted = Command::new("unshare").args(["-m", "sh", "-c", probe]).output();
    if !permitted.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let args = ["-m", "sh", "-c", script];
    Some(Process::start("in own mounts", "unshare", &args, &std::env::temp_dir()))
}

/// A shell's words that make a disk in a file and mount it at `folder`; they exit with 95 where
/// that cannot be done.
pub fn ext4_at(scratch: &Scratch, folder: &Path, bytes: u64, flags: &str) -> String {
    let image = image(scratch, bytes);
    format!(
        "mkfs.ext4 -q {flags} {0} && mount -o loop {0} {1} || exit 95",
        image.display(),
        folder.display()
    )
}

/// A new file of so many bytes, all of them holes.
fn image(scratch: &Scratch, bytes: u64) -> PathBuf {
    let image = scratch.at("disk.img");
    let made = std::fs::File::create(&image).and_then(|image| image.set_len(bytes));
    made.expect("a hole");
    image
}

/// Whether system calls of a program can be made to fail here.
pub fn may_inject() -> bool {
    let args = ["-f", "--seccomp-bpf", "-qq", "-e", "inject=getppid:error=EIO", "true"];
    Command::new("strace").args(args).output().is_ok_and(|output| output.status.success())
}

/// The words of `strace` that let system calls fail, wait or be counted.
pub fn strace(trace: &str, inject: Option<&str>, log: &Path) -> Vec<String> {
    let log = log.to_str().expect("UTF-8");
    let mut words: Vec<String> =
        ["strace", "-f", "--seccomp-bpf", "-qq", "-o", log, "-e", &format!("trace={trace}")]
            .map(str::to_owned)
            .into();
    words.extend(
        inject.map(|what| ["-e".to_owned(), format!("inject={what}")]).into_iter().flatten(),
    );
    words
}

/// A leecher of `what` into `folder` behind other words: `strace ..`, `prlimit ..`.
pub fn leecher_behind(
    before: &[String],
    tracker: SocketAddr,
    what: &str,
    folder: &Path,
    flags: &str,
) -> Process {
    let mut words = before.to_vec();
    words.extend([PEER, "--leech", what, "--json", "-p", "0", "--tracker"].map(str::to_owned));
    words.extend([tracker.to_string(), "-w".to_owned(), folder.display().to_string()]);
    words.extend(flags.split_whitespace().map(str::to_owned));
    let (program, args) = words.split_first().expect("there is a program");
    Process::start("user", program, args, &std::env::temp_dir())
}

/// The process that a tracer started.
pub fn tracee(tracer: &Process) -> Option<u32> {
    let id = tracer.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}
