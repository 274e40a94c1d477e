//! What manual pages say that no flag declares: descriptions of the programs, files, variables.

/// What a page has besides its flags.
pub struct Extra {
    /// `peer-create`.
    pub page: &'static str,
    /// How the program is called, instead of what its words and flags come to.
    pub synopsis: &'static [&'static str],
    /// Paragraphs, after the sentence that it declares itself.
    pub description: &'static [&'static str],
    /// Command lines and what each does, before those that it declares itself.
    pub examples: &'static [(&'static str, &'static str)],
    /// Files and what is in each.
    pub files: &'static [(&'static str, &'static str)],
}

/// By page.
pub const EXTRAS: [Extra; 7] = [
    Extra {
        page: "peer",
        synopsis: &[
            "peer --seed PATH .. [options]",
            "peer --leech WHAT .. [options]",
            "peer COMMAND [options]",
        ],
        description: &[
            "A peer hashes what it seeds, tells the tracker, and serves it until it is stopped. \
             What it leeches it asks the tracker for, fetches from all who have pieces of it, \
             checks piece by piece, and then serves too. One process seeds and leeches any number \
             of torrents on one port.",
            "A value may be attached or not: --port=6881, --port 6881, -p6881. Words behind \
             --seed and --leech belong to these up to the next flag.",
            "Data goes to standard output; progress, the log and errors to standard error.",
            "Ctrl-C, SIGTERM or a closed terminal ends it within three seconds, after it has said \
             goodbye to its trackers; the same command later goes on where it stopped. A second \
             one ends it at once.",
        ],
        examples: &[
            ("peer --seed big.zip", "Hash a file, publish it and serve it until Ctrl-C."),
            ("peer --leech big.zip", "Find a file by its name, fetch it, then serve it too."),
            (
                "peer --leech ubuntu.torrent -w /tmp --seed-time 0",
                "Fetch from a BitTorrent swarm, and end when it is whole.",
            ),
        ],
        files: &[
            ("./downloads", "where downloads go unless --download-dir names another folder"),
            ("NAME.part", "a file that is not whole yet"),
        ],
    },
    Extra {
        page: "peer-create",
        synopsis: &[],
        description: &[],
        examples: &[],
        files: &[("NAME.torrent", "what is made, in the current folder unless -o names another")],
    },
    Extra {
        page: "peer-daemon",
        synopsis: &[],
        description: &[
            "A daemon keeps its torrents over restarts and goes on where it was. It is told what \
             to do by peer remote or by any program that speaks Transmission's RPC, at \
             127.0.0.1:9091 unless it is told otherwise.",
        ],
        examples: &[],
        files: &[
            ("~/.config/swarmlet/config.toml", "its settings; --dump-settings prints the defaults"),
            ("~/.local/state/swarmlet/", "its torrents, and what it knows of each"),
            ("~/Downloads", "where downloads go unless the desktop or a flag says otherwise"),
        ],
    },
    Extra {
        page: "peer-man",
        synopsis: &[],
        description: &[],
        examples: &[(
            "peer man --dir /usr/local/share/man/man1",
            "Install the pages of all programs and commands.",
        )],
        files: &[],
    },
    Extra {
        page: "tracker",
        synopsis: &["tracker [options]", "tracker COMMAND [options]"],
        description: &[
            "A tracker tells peers of each other and keeps the catalogue of what they share; no \
             content passes through it. BitTorrent clients are answered on the same port, at \
             http://HOST:PORT/announce and udp://HOST:PORT/announce. A browser is shown the swarms \
             at http://HOST:PORT/.",
            "SIGHUP reads the file of --allow again. Ctrl-C or SIGTERM ends it.",
        ],
        examples: &[
            ("tracker", "Serve peers on this machine."),
            ("tracker --listen 0.0.0.0:6969", "Serve peers on other machines too."),
        ],
        files: &[],
    },
    Extra {
        page: "lab",
        synopsis: &["lab COMMAND [options]"],
        description: &["A lab runs swarms for people to watch."],
        examples: &[("lab demo", "A swarm on this machine, at http://127.0.0.1:6969/swarm-view.")],
        files: &[],
    },
    Extra {
        page: "lab-demo",
        synopsis: &[],
        description: &[
            "One tracker, one seeder and a few peers share a made-up file, each peer a process of \
             its own; the program peer must lie beside lab. The page of the tracker shows who has \
             what and who serves whom, and has buttons to kill a peer, add one, limit what one \
             sends, and make one a free rider. They work in browsers on this machine only.",
            "Ctrl-C, SIGTERM or a closed terminal ends all processes, and removes the temporary \
             folder.",
        ],
        examples: &[],
        files: &[("DIR/peer-1/", "what a peer has, what it keeps, and its log, under --dir")],
    },
];

/// What a page has besides its flags, if there is anything.
pub fn extra(page: &str) -> Option<&'static Extra> {
    EXTRAS.iter().find(|extra| extra.page == page)
}

/// A variable that programs read.
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub about: &'static str,
    /// The pages that it stands on; all of them if none is named.
    pages: &'static [&'static str],
}

impl Variable {
    const fn new(name: &'static str, pages: &'static [&'static str], about: &'static str) -> Self {
        Self { name, about, pages }
    }

    /// Whether it stands on a page.
    pub fn is_on(&self, page: &str) -> bool {
        self.pages.is_empty() || self.pages.contains(&page)
    }
}

/// All of them, by how many pages they stand on.
pub const ENVIRONMENT: [Variable; 10] = [
    Variable::new("RUST_LOG", &[], "which messages are logged, before -q, -v and --log-level"),
    Variable::new("NO_COLOR", &[], "if set, nothing is coloured unless --color always says so"),
    Variable::new("TERM", &[], "dumb: progress is printed line by line, and nothing is drawn over"),
    Variable::new(
        "PEER_AUTH",
        REMOTE,
        "--auth of a remote control, which a command line would show",
    ),
    Variable::new("PEER_LIES", NODES, "if set, every block that is sent is wrong: for experiments"),
    Variable::new("PEER_HOME", NODES, "the folder of the settings and of the torrents"),
    Variable::new("XDG_CONFIG_HOME", NODES, "where the folder of the settings lies (~/.config)"),
    Variable::new("XDG_STATE_HOME", DAEMON, "where that of the torrents lies (~/.local/state)"),
    Variable::new("XDG_DOWNLOAD_DIR", DAEMON, "where downloads go"),
    Variable::new("TRANSMISSION_WEB_HOME", DAEMON, "a web page of Transmission's to be shown"),
];

const NODES: &[&str] = &["peer", "peer-console", "peer-daemon"];

const DAEMON: &[&str] = &["peer-daemon"];

const REMOTE: &[&str] = &["peer", "peer-console", "peer-daemon", "peer-remote"];

#[cfg(test)]
mod tests {
    use super::super::super::args;
    use super::super::super::vocabulary::{Command, pages};
    use super::*;

    #[test]
    fn every_page_with_words_of_its_own_is_there() {
        let pages: Vec<_> = pages().iter().map(Command::page).collect();
        let of_variables = ENVIRONMENT.iter().flat_map(|variable| variable.pages).copied();
        for named in EXTRAS.iter().map(|extra| extra.page).chain(of_variables) {
            assert!(pages.iter().any(|page| page == named), "{named}");
        }
    }

    /// In a pipe the program sees its own part only.
    #[test]
    fn every_example_is_a_line_that_the_program_takes() {
        let mut seen = 0;
        for command in pages() {
            let own = extra(&command.page()).map_or(&[][..], |extra| extra.examples);
            let own = own.iter().map(|(line, _)| (*line).to_owned());
            for example in own.chain(command.examples) {
                let bare = example.trim_start_matches("eval \"$(").trim_end_matches(")\"");
                let mut parts =
                    bare.split('|').map(|part| part.trim().split('>').next().unwrap_or(""));
                let ours = |part: &&str| {
                    ["peer", "tracker", "lab"].iter().any(|own| part.starts_with(own))
                };
                let part = parts.find(ours).unwrap_or_else(|| panic!("{example}"));
                let words: Vec<String> = part.split_whitespace().map(str::to_owned).collect();
                let refused = match words[0].as_str() {
                    "peer" => args::peer(&words[1..]).err(),
                    "tracker" => args::tracker(&words[1..]).err(),
                    "lab" => args::lab(&words[1..]).err(),
                    other => panic!("{other}: {example}"),
                };
                assert_eq!(refused, None, "{example}");
                seen += 1;
            }
        }
        assert!(seen > 10, "{seen}");
    }

    #[test]
    fn the_variables_are_those_that_the_program_reads() {
        let tests = "#[cfg(test)]";
        let shipped = |source: &'static str| source.split(tests).next().unwrap_or_default();
        let source =
            [include_str!("../env.rs"), include_str!("../places.rs")].map(shipped).concat();
        let names = |call: &str| -> Vec<&str> {
            source.split(call).skip(1).filter_map(|rest| rest.split('"').next()).collect()
        };
        let read = ["set(\"", "absolute(\"", "below(\""].map(names).concat();
        // That a program knows where its user is at home needs no words, and what only tests set none.
        for name in read.into_iter().filter(|name| !["HOME", "PANIC_AT"].contains(name)) {
            assert!(ENVIRONMENT.iter().any(|known| known.name == name), "{name}");
        }
    }
}
