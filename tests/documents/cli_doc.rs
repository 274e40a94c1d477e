//! docs/cli.md as a test: its flags exist, its tests exist, no option of Transmission is left out.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use swarmlet::cli::exit::Exit;
use swarmlet::cli::vocabulary::{self, Command};

const PAGE: &str = "docs/cli.md";

/// The options of Transmission's programs: those of 3.00, and of 4.x those that are new there.
/// Each program with the command of ours whose flags stand in its table.
const OPTIONS: [(&str, &str, &str); 6] = [
    (
        "transmission-cli",
        "",
        "FILE URL MAGNET -h --help -V --version -w --download-dir -p --port -d --downlimit \
         -D --no-downlimit -u --uplimit -U --no-uplimit -f --finish -v --verify -g --config-dir \
         -b --blocklist -B --no-blocklist -er --encryption-required -ep --encryption-preferred \
         -et --encryption-tolerated -m --portmap -M --no-portmap -t --tos \
         -seq --sequential-download",
    ),
    (
        "transmission-create",
        "create",
        "FILE FOLDER -o --outfile -p --private -s --piecesize -c --comment -t --tracker \
         -w --webseed -r --source -x --anonymize -h --help -V --version",
    ),
    (
        "transmission-show",
        "show",
        "FILE -m --magnet -s --scrape -u --unsorted -b --bytes -d --header -i --info \
         -t --trackers -f --files -D --no-header -I --no-info -T --no-trackers -F --no-files",
    ),
    ("transmission-edit", "edit", "FILE -a --add -d --delete -r --replace -s --source"),
    (
        "transmission-daemon",
        "daemon",
        "-f --foreground -x --pid-file -e --logfile --paused -d --dump-settings -g --config-dir \
         -h --help -V --version --log-level --log-error --log-info --log-debug -p --port \
         -r --rpc-bind-address -a --allowed -t --auth -T --no-auth -u --username -v --password \
         -c --watch-dir -C --no-watch-dir --incomplete-dir --no-incomplete-dir -w --download-dir \
         -o --dht -O --no-dht -y --lpd -Y --no-lpd --utp --no-utp --preferred-transports \
         --default-trackers -m --portmap -M --no-portmap -P --peerport -i --bind-address-ipv4 \
         -I --bind-address-ipv6 -L --peerlimit-global -l --peerlimit-torrent \
         -er --encryption-required -ep --encryption-preferred -et --encryption-tolerated \
         -gsr --global-seedratio -GSR --no-global-seedratio -seq --sequential-download \
         -SEQ --no-sequential-download -b --blocklist -B --no-blocklist",
    ),
    (
        "transmission-remote",
        "remote",
        "HOST PORT HOST:PORT URL -h --help -V --version -n --auth -ne --authenv -N --netrc --ssl \
         --unix-socket -b --debug -j --json -t --torrent -F --filter -ids -a --add \
         -w --download-dir --start-paused --no-start-paused --trash-torrent --no-trash-torrent \
         -r --remove -rad --remove-and-delete -s --start -S --stop -v --verify --reannounce --exit \
         -l --list -i --info -f --files -if --info-files -ip --info-peers -pi --peer-info \
         -ic --info-pieces -it --info-trackers -si --session-info -st --session-stats -lg \
         --list-groups -d --downlimit -D --no-downlimit -u --uplimit -U --no-uplimit \
         -hl --honor-session -HL --no-honor-session -as --alt-speed -AS --no-alt-speed \
         -asd --alt-speed-downlimit -asu --alt-speed-uplimit -asc --alt-speed-scheduler \
         -ASC --no-alt-speed-scheduler --alt-speed-time-begin --alt-speed-time-end \
         --alt-speed-days -g --get -G --no-get -ph --priority-high -pn --priority-normal \
         -pl --priority-low -Bh --bandwidth-high -Bn --bandwidth-normal -Bl --bandwidth-low \
         -bwg --bandwidth-group -nwg --no-bandwidth-group -sr --seedratio -srd --seedratio-default \
         -SR --no-seedratio -gsr --global-seedratio -GSR --no-global-seedratio \
         -isl --idle-seeding-limit -isld --default-idle-seeding-limit -ISL --no-idle-seeding-limit \
         -gisl --global-idle-seeding-limit -GISL --no-global-idle-seeding-limit \
         -td --tracker-add -tr --tracker-remove -pr --peers --move --find --rename --path \
         -o --dht -O --no-dht -x --pex -X --no-pex -y --lpd -Y --no-lpd --utp --no-utp \
         -er --encryption-required -ep --encryption-preferred -et --encryption-tolerated \
         -m --portmap -M --no-portmap -p --port -P --random-port -pt --port-test \
         --torrent-done-script --no-torrent-done-script --torrent-done-seeding-script \
         -c --incomplete-dir -C --no-incomplete-dir -e --cache --blocklist-update -L --labels \
         -seq --sequential-download -SEQ --no-sequential-download",
    ),
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The part of the page below a heading, up to the next one.
fn section(heading: &str) -> String {
    let page = read(PAGE);
    let (_, rest) =
        page.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("{heading}"));
    let end = rest.lines().take_while(|line| !line.starts_with('#'));
    end.collect::<Vec<_>>().join("\n")
}

/// The rows of the tables in a text, without their headings.
fn rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with('|')).collect();
    let is_heading = |at: usize| lines.get(at + 1).is_some_and(|next| next.starts_with("|-"));
    let data = (0..lines.len()).filter(|&at| !is_heading(at) && !lines[at].starts_with("|-"));
    let cells = data.map(|at| {
        let row = lines[at].trim_matches('|').split('|');
        row.map(|cell| cell.trim().to_owned()).collect()
    });
    cells.collect()
}

/// What stands between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The rows below the heading of a program of Transmission's: five cells each.
fn table(program: &str) -> Vec<Vec<String>> {
    let rows = rows(&section(&format!("### {program}")));
    assert!(rows.iter().all(|row| row.len() == 5), "{program}: {rows:#?}");
    rows
}

#[test]
fn every_option_of_transmission_has_a_row_and_no_other_has_one() {
    for (program, _, options) in OPTIONS {
        let table = table(program);
        let cells = table.iter().map(|row| row[0].as_str()).collect::<Vec<_>>().join(" ");
        let named: Vec<String> = quoted(&cells).iter().flat_map(|part| words(part)).collect();
        let distinct: BTreeSet<&str> = named.iter().map(String::as_str).collect();
        let expected: BTreeSet<&str> = options.split_whitespace().collect();
        assert_eq!(distinct, expected, "{program}");
        assert_eq!(named.len(), distinct.len(), "{program}: an option has two rows");
    }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// A command of `peer`, or the peer in the foreground.
fn command(peer: &Command, word: &str) -> Option<Command> {
    match word {
        "" => Some(peer.clone()),
        word => peer.commands.iter().find(|command| command.word() == word).cloned(),
    }
}

#[test]
fn every_flag_of_ours_that_the_page_names_exists() {
    let peer = vocabulary::peer();
    for (program, usual, _) in OPTIONS {
        for row in table(program) {
            for part in quoted(&row[1]) {
                let words = words(&part);
                let named = words.iter().position(|word| word == "peer").and_then(|_| words.get(1));
                let word = named.filter(|word| !word.starts_with('-')).map(String::as_str);
                let word = word.unwrap_or(if words[0] == "peer" { "" } else { usual });
                let command =
                    command(&peer, word).unwrap_or_else(|| panic!("{program}: there is no {part}"));
                let known: Vec<String> =
                    command.flags.iter().flat_map(vocabulary::Flag::spellings).collect();
                for flag in words.iter().filter(|word| word.starts_with('-')) {
                    let is_there = known.contains(flag)
                        || ["-h", "--help", "-V", "--version"].contains(&flag.as_str());
                    assert!(is_there, "{program}: {part}: peer {word} has no {flag}");
                }
            }
        }
    }
}

#[test]
fn every_row_says_whether_it_works_and_what_shows_it() {
    for (program, _, _) in OPTIONS {
        for row in table(program) {
            let (judgement, works, tests) = (&row[2], &row[3], &row[4]);
            let is_judged = ["must", "should", "skip"].contains(&judgement.as_str());
            assert!(is_judged, "{program}: {row:?}");
            let why = ["yes, ", "in part: ", "no: "];
            let is_said = works == "yes" || why.iter().any(|word| works.starts_with(word));
            assert!(is_said, "{program}: {row:?}");
            assert!(!works.starts_with("yes") || !quoted(tests).is_empty(), "{program}: {row:?}");
            assert!(tests == "—" || !quoted(tests).is_empty(), "{program}: {row:?}");
            for test in quoted(tests) {
                let (file, name) = test.split_once("::").unwrap_or((&test, ""));
                let text = read(file);
                let is_test = name.is_empty() && file.starts_with("scripts/")
                    || text.contains(&format!("#[test]\nfn {name}()"))
                    || text.contains(&format!("    #[test]\n    fn {name}()"));
                assert!(is_test, "{program}: there is no test {test}");
            }
        }
    }
}

#[test]
fn the_exit_codes_of_the_page_are_those_of_the_code() {
    let found = rows(&section("## Exit codes"));
    let found = found.into_iter().map(|row| (row[0].clone(), row[1].replace('`', "")));
    let expected = Exit::ALL.map(|exit| (exit.code().to_string(), exit.meaning().to_owned()));
    assert_eq!(found.collect::<Vec<_>>(), expected);
}

#[test]
fn the_variables_of_the_page_are_those_of_the_code() {
    let code = read("src/cli/session/on_done.rs");
    let code = code.split("\npub fn run(").next().expect("what comes before");
    let set = code.split("(\"TR_").skip(1).filter_map(|rest| rest.split('"').next());
    let set: Vec<String> = set.map(|name| format!("TR_{name}")).collect();
    let told = rows(&section("### A command at the end"));
    assert_eq!(told.iter().flat_map(|row| quoted(&row[0])).collect::<Vec<_>>(), set);
    let sources =
        ["src/cli/env.rs", "src/cli/places.rs", "src/cli/man/words.rs"].map(read).concat();
    for name in rows(&section("## Environment")).iter().flat_map(|row| quoted(&row[0])) {
        assert!(sources.contains(&format!("\"{name}\"")), "{name} is read nowhere");
    }
}

#[test]
fn the_family_has_every_command() {
    let family = rows(&section("## The family"));
    let named: Vec<String> = family.iter().flat_map(|row| quoted(&row[0])).collect();
    for command in vocabulary::peer().commands {
        let line = format!("peer {}", command.word());
        assert!(named.contains(&line), "{line} is not among {named:?}");
    }
    let words =
        ["demo", "run", "check", "theory", "compare", "quiz", "grade", "nc", "diagram", "pcap"];
    for line in words.map(|word| format!("lab {word}")) {
        assert!(named.contains(&line), "{line} is not among {named:?}");
    }
}

#[test]
fn every_flag_of_the_lab_has_a_row_with_its_words() {
    let sections = [
        ("demo", "## A swarm to be shown"),
        ("run", "### `lab run`"),
        ("check", "### `lab check`"),
        ("theory", "### `lab theory`"),
        ("compare", "### `lab compare`"),
        ("quiz", "## Questions on the theory"),
        ("grade", "## A peer to be graded"),
        ("nc", "## Messages typed by hand"),
        ("diagram", "## What a trace shows"),
    ];
    let lab = vocabulary::lab();
    for (word, heading) in sections {
        let command = lab.commands.iter().find(|command| command.word() == word).expect(word);
        let own = command.flags.iter().filter(|flag| !["--help", "--version"].contains(&flag.long));
        let expected: Vec<_> = own.map(|flag| flag.long.to_owned()).collect();
        let flag = |cell: &str| {
            let words = quoted(cell).join(" ");
            words.split([' ', ',']).find(|word| word.starts_with("--")).map(str::to_owned)
        };
        let rows = rows(&section(heading));
        let named: Vec<_> = rows.iter().filter_map(|row| flag(&row[0])).collect();
        assert_eq!(named, expected, "{heading}");
    }
}
