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

# Transfers beside libtorrent, then decisions, hashing and storage.
bench:
    scripts/bench.sh
    cargo bench

# Transfers to and from other BitTorrent clients, which are installed when they are missing.
interop *flags:
    scripts/interop.sh {{flags}}

# Everything that must be green before a change is taken.
ci:
    .ci/run
