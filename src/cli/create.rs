//! `peer create PATH`: hashes a file or folder and writes its .torrent.
//!
//! ```text
//! flags -> Content::find -> hash -> build -> NAME.torrent, whole or not at all
//!              |                      |
//!          --dry-run stops here    --show, --link, --json: what was made, on stdout
//! ```
//! Only here a new torrent gets the date, and none under `--anonymize`: then the same content gives
//! the same bytes on any machine, whenever it is hashed.

use super::args::CreateArgs;
use super::date;
use super::env::Env;
use super::exit::{CliError, Exit, cause};
use super::job::Job;
use super::style::printable;
use super::torrent_file::{self, Existing};
use super::{print, show, units};
use crate::metainfo::build::{BuildOptions, announce_tier, build};
use crate::metainfo::draft::Version;
use crate::metainfo::{Metainfo, path};
use crate::storage::content::{Content, Source};
use crate::storage::create::{HashOptions, hash_content, pieces_of};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What `created by` says.
pub(super) const CREATED_BY: &str = concat!("peer/", env!("CARGO_PKG_VERSION"));

/// Where the torrent goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Output {
    /// Standard output (`-o -`).
    Stdout,
    /// A file.
    File(PathBuf),
}

/// `peer create`.
pub fn create(args: &CreateArgs, env: &Env) -> Result<(), CliError> {
    let version = args.version()?;
    check(args)?;
    let content = find(args)?;
    let options = HashOptions { piece_length: args.piece_length.map(|p| p.0), version };
    if args.dry_run {
        return dry_run(&content, &options, args, env);
    }
    let output = output(args, &content);
    refuse_to_replace(&output, args.force)?;
    tell_left_out(&content, args, env);
    let metainfo = make(&content, &options, args, env)?;
    write(&output, &metainfo.to_torrent(), args.force, env)?;
    if !args.quiet {
        // The torrent is written: a closed stderr does not undo it.
        let _ = env.screen.line(&summary(&metainfo, &output));
    }
    print(env, &wanted(&metainfo, &output, args))
}

/// stdout has room for one thing.
fn check(args: &CreateArgs) -> Result<(), CliError> {
    let to_stdout = args.output.as_deref().is_some_and(torrent_file::is_dash) && !args.dry_run;
    let flags = [("--link", args.link), ("--show", args.show), ("--json", args.json)];
    let flag = flags.iter().find(|(_, given)| *given && to_stdout);
    flag.map_or(Ok(()), |(flag, _)| {
        Err(CliError::usage(format!(
            "{flag} and the .torrent cannot both go to stdout: give --output a file"
        )))
    })
}

/// What is at the path, under the name that it is to have.
fn find(args: &CreateArgs) -> Result<Content, CliError> {
    let mut content = Content::find(&args.path, &args.choice())?;
    if let Some(name) = &args.name {
        content.rename(name.clone());
    }
    if content.files.is_empty() {
        let left_out = content.left_out_in_words();
        let but = left_out.map_or(String::new(), |words| format!(" but {words}"));
        return Err(impossible(&args.path, &format!("there is no file in it{but}")));
    }
    Ok(content)
}

fn impossible(path: &Path, why: &str) -> CliError {
    let path = path.display();
    CliError::new(Exit::BadTorrent, format!("no torrent can be made of {path}: {why}"))
}

fn make(
    content: &Content,
    options: &HashOptions,
    args: &CreateArgs,
    env: &Env,
) -> Result<Metainfo, CliError> {
    let mode = env.mode(args.quiet);
    let job = Job::new(mode, env.screen.clone(), "hashing", &content.name, content.total());
    let draft = hash_content(content, options, &mut |done, total| job.at(done, total))?;
    drop(job);
    build(&draft, &build_options(args)).map_err(|why| impossible(&args.path, &why.to_string()))
}

fn build_options(args: &CreateArgs) -> BuildOptions {
    let is_url = |word: &str| word.contains("://");
    let urls = |word: &String| if is_url(word) { vec![word.clone()] } else { announce_tier(word) };
    let tiers = args.tracker.iter().map(|tier| tier.iter().flat_map(urls).collect());
    let native = args.tracker.iter().flatten().filter(|word| !is_url(word));
    BuildOptions {
        trackers: tiers.collect(),
        native_trackers: native.cloned().collect(),
        comment: args.comment.clone(),
        created_by: (!args.anonymize).then(|| CREATED_BY.to_owned()),
        creation_date: (!args.anonymize).then(date::now),
        private: args.private,
        web_seeds: args.webseed.clone(),
        source: args.source.clone(),
    }
}

fn output(args: &CreateArgs, content: &Content) -> Output {
    match &args.output {
        Some(path) if torrent_file::is_dash(path) => Output::Stdout,
        Some(path) => Output::File(path.clone()),
        // The name as a reader of the .torrent will see it, which is safe as a file's name.
        None => {
            let name = path::component(content.name.as_bytes());
            Output::File(format!("{}.torrent", name.as_deref().unwrap_or("new")).into())
        }
    }
}

/// Before anything is hashed, which may take minutes.
fn refuse_to_replace(output: &Output, force: bool) -> Result<(), CliError> {
    match output {
        Output::File(path) if !force && path.is_file() => Err(already_there(path)),
        _ => Ok(()),
    }
}

fn already_there(path: &Path) -> CliError {
    let path = path.display();
    CliError::new(
        Exit::Disk,
        format!("{path} is there already: --force replaces it, -o FILE writes another"),
    )
}

fn write(output: &Output, bytes: &[u8], force: bool, env: &Env) -> Result<(), CliError> {
    let (path, written) = match output {
        Output::Stdout => {
            let mut out = env.out.clone();
            (Path::new("stdout"), out.write_all(bytes).and_then(|()| out.flush()))
        }
        Output::File(path) => {
            let existing = if force { Existing::Replace } else { Existing::Keep };
            (path.as_path(), torrent_file::write(path, bytes, existing))
        }
    };
    written.map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => already_there(path),
        _ => unwritable(path, &why),
    })
}

/// A .torrent that could not be written.
pub(super) fn unwritable(path: &Path, why: &io::Error) -> CliError {
    let (path, why) = (path.display(), cause(why));
    CliError::new(
        Exit::Disk,
        format!("cannot write {path} ({why}): check its folder and the room on its disk"),
    )
}

fn tell_left_out(content: &Content, args: &CreateArgs, env: &Env) {
    let Some(words) = content.left_out_in_words().filter(|_| !args.quiet) else { return };
    let path = printable(&args.path.display().to_string());
    let _ = env.screen.line(&format!("{path}: {words}; --dry-run names them"));
}

fn summary(metainfo: &Metainfo, output: &Output) -> String {
    let target = match output {
        Output::Stdout => torrent_file::DASH.to_owned(),
        Output::File(path) => printable(&path.display().to_string()),
    };
    let files = metainfo.data_files().count() as u64;
    let pieces = u64::from(metainfo.geometry().pieces());
    let size = units::bytes(metainfo.total_size());
    let each = units::piece_length(metainfo.piece_length);
    format!("{target}: {}, {size}, {} of {each}", count(files, "file"), count(pieces, "piece"))
}

/// `1 file`, `2 files`.
fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

/// What is asked for on stdout.
fn wanted(metainfo: &Metainfo, output: &Output, args: &CreateArgs) -> String {
    if args.json {
        return show::as_json(metainfo, false, args.link);
    }
    let mut text = String::new();
    if let (true, Output::File(path)) = (args.show, output) {
        text += &show::as_text(metainfo, path, show::Looks::default());
    }
    if args.link {
        let _ = writeln!(text, "{}", metainfo.magnet());
    }
    text
}

/// Says what would be hashed, and what not.
fn dry_run(
    content: &Content,
    options: &HashOptions,
    args: &CreateArgs,
    env: &Env,
) -> Result<(), CliError> {
    let (piece_length, pieces) = pieces_of(content, options)?;
    if args.json {
        return print(env, &format!("{}\n", plan_json(content, options, piece_length, pieces)));
    }
    let mut text = String::new();
    for Source { path, length, .. } in &content.files {
        let _ = writeln!(text, "{:>10}  {}", units::bytes(*length), printable(&path.join("/")));
    }
    for out in &content.left_out {
        let why = out.why.word();
        let _ = writeln!(text, "{why:>10}  {} (left out)", printable(&out.path.join("/")));
    }
    let (files, size) = (count(content.files.len() as u64, "file"), units::bytes(content.total()));
    let (pieces, each) = (count(pieces.into(), "piece"), units::piece_length(piece_length));
    let _ = writeln!(text, "{}: {files}, {size}, {pieces} of {each}", printable(&content.name));
    print(env, &text)
}

fn plan_json(content: &Content, options: &HashOptions, piece_length: u32, pieces: u32) -> Value {
    let file = |file: &Source| json!({ "path": file.path.join("/"), "length": file.length });
    let left_out = content
        .left_out
        .iter()
        .map(|out| json!({ "path": out.path.join("/"), "why": out.why.word() }));
    json!({
        "name": content.name,
        "version": match options.version {
            Version::V1 => "v1",
            Version::Hybrid => "hybrid",
            Version::V2 => "v2",
        },
        "piece_length": piece_length,
        "pieces": pieces,
        "total_size": content.total(),
        "files": content.files.iter().map(file).collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
    })
}
