# What the project's commands are; `just` alone lists them.

default:
    @just --list

# Formatting, lints and documentation, with warnings denied.
check:
    cargo fmt --check
    cargo clippy --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings -A rustdoc::broken_intra_doc_links" cargo doc --no-deps --quiet

# The tests.
test:
    cargo test

# One tracker, one seeder and three leechers on this machine.
demo *file:
    scripts/demo.sh {{file}}

# Everything beside other clients, with goals; then decisions, hashing and storage.
bench *flags:
    scripts/bench.sh {{flags}}
    cargo bench

# How the cost grows with size, pieces, peers and torrents, into benches/results.
bench-curves *flags:
    scripts/bench.sh --curves {{flags}}

# Transfers to and from other BitTorrent clients, which are installed when they are missing.
interop *flags:
    scripts/interop.sh {{flags}}

# The pages of peers and trackers in Chromium, which is installed when it is missing.
dashboard *flags:
    scripts/dashboard.sh {{flags}}

# The programs with manual pages, completions, desktop files and services, into PREFIX (~/.local).
install *flags:
    scripts/install.sh {{flags}}

# Completions in the shells that are there, and manual pages through groff and mandoc.
check-shell:
    scripts/check-shell.sh

# Everything that must be green before a change is taken.
ci:
    .ci/run
