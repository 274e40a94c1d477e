#!/usr/bin/env bash
# Holds `peer create`, `show`, `edit`, `verify` and `magnet` against the tools of others: what
# transmission-create, mktorrent and imdl make, we read with the hashes that transmission-show
# prints; what we make with --v1, they read with ours.
#
#   scripts/check-tools.sh            uses target/release/peer, builds it when it is absent
#   PEER=path scripts/check-tools.sh
#
# Nothing is installed: a tool that is not there is named, and what it would have checked is
# SKIPPED. Ends with 0 only when nothing differs and at least one tool was there.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)

peer=${PEER:-$here/target/release/peer}
if [[ ! -x $peer ]]; then
    echo "building $peer" >&2
    (cd "$here" && cargo build --release --bin peer)
fi
peer=$(realpath "$peer")

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

wrong=0
checked=0

# same WHAT OURS THEIRS
same() {
    checked=$((checked + 1))
    if [[ $2 == "$3" ]]; then
        echo "ok    $1"
    else
        echo "WRONG $1: ours ${2:-nothing}, theirs ${3:-nothing}"
        wrong=$((wrong + 1))
    fi
}

# has TOOL PACKAGE: whether it is there; says so when it is not.
has() {
    command -v "$1" >/dev/null && return
    echo "SKIPPED: no $1 (apt-get install $2)"
    return 1
}

# One value of `peer show --json`; FILE KEY.
ours() {
    "$peer" show --json "$1" | sed -n "s/.*\"$2\":\"\\{0,1\\}\\([^\",}]*\\).*/\\1/p"
}

# One line of transmission-show; FILE LABEL.
theirs() {
    transmission-show "$1" | sed -n "s/^  $2: //p" | head -n 1
}

verified() {
    if "$peer" verify "$1" -w . -q >/dev/null 2>&1; then echo yes; else echo no; fi
}

# Bytes that no two blocks share; LENGTH SEED.
noise() {
    head -c "$1" < <(seq "$2" 7 99999999)
}

mkdir -p folder/sub 'Grüße [1]'
noise 100000 1 >single.bin
noise 70000 2 >folder/a.bin
noise 40001 3 >folder/sub/b.bin
: >folder/empty
noise 33000 4 >'Grüße [1]/ümläut.txt'
noise 5 5 >'Grüße [1]/z'
contents=(single.bin folder 'Grüße [1]')

# What others made: read, checked, linked; FILE LABEL.
read_theirs() {
    local expected
    expected=$(theirs "$1" Hash)
    same "$2: info-hash" "$(ours "$1" info_hash_v1)" "$expected"
    same "$2: pieces" "$(ours "$1" pieces)" "$(theirs "$1" 'Piece Count')"
    same "$2: the data is right" "$(verified "$1")" yes
    same "$2: the link" "$("$peer" magnet "$1" | grep -o 'btih:[0-9a-f]*')" "btih:$expected"
}

with_transmission() {
    local path
    for path in "${contents[@]}"; do
        transmission-create -s 32 -t http://t/announce -c words -o tr.torrent "$path" >/dev/null
        read_theirs tr.torrent "transmission-create $path"
        "$peer" create "$path" --v1 -s 32 -t http://t/announce -t http://u/announce -c words -p \
            -o our.torrent -f -q
        same "peer create $path: info-hash" "$(ours our.torrent info_hash_v1)" \
            "$(theirs our.torrent Hash)"
        same "peer create $path: pieces" "$(ours our.torrent pieces)" \
            "$(theirs our.torrent 'Piece Count')"
        same "peer create $path: comment" words "$(theirs our.torrent Comment)"
        same "peer create $path: private" "Private torrent" "$(theirs our.torrent Privacy)"
        same "peer create $path: trackers" 2 "$(transmission-show our.torrent | grep -c '^  http')"
    done
    # Both edits on a copy of the same file come to the same trackers and keep the info-hash.
    cp tr.torrent edit-ours.torrent
    cp tr.torrent edit-theirs.torrent
    "$peer" edit edit-ours.torrent -q -a http://new/announce -r //t/=//s/
    transmission-edit -a http://new/announce -r //t/ //s/ edit-theirs.torrent >/dev/null
    same "peer edit: trackers" "$(transmission-show edit-ours.torrent | grep '^  http')" \
        "$(transmission-show edit-theirs.torrent | grep '^  http')"
    same "peer edit: info-hash" "$(theirs edit-ours.torrent Hash)" "$(theirs tr.torrent Hash)"
}

with_mktorrent() {
    local path
    for path in "${contents[@]}"; do
        rm -f mk.torrent
        mktorrent -l 15 -a http://t/announce -o mk.torrent "$path" >/dev/null
        if command -v transmission-show >/dev/null; then
            read_theirs mk.torrent "mktorrent $path"
        else
            same "mktorrent $path: the data is right" "$(verified mk.torrent)" yes
        fi
    done
    # The same keys over the same pieces: the very same torrent.
    rm -f mk.torrent
    mktorrent -l 15 -a http://t/announce -o mk.torrent single.bin >/dev/null
    "$peer" create single.bin --v1 -s 32 -o our.torrent -f -q
    same "mktorrent single.bin: the same torrent as ours" "$(ours our.torrent info_hash_v1)" \
        "$(ours mk.torrent info_hash_v1)"
}

with_imdl() {
    local path
    for path in "${contents[@]}"; do
        imdl torrent create -f -p 32KiB --allow small-piece-length -o im.torrent -i "$path" \
            >/dev/null 2>&1
        same "imdl $path: the data is right" "$(verified im.torrent)" yes
        "$peer" create "$path" --v1 -s 32 -o our.torrent -f -q
        same "peer create $path: right by imdl" yes \
            "$(imdl torrent verify -i our.torrent -c "$path" >/dev/null 2>&1 && echo yes)"
    done
}

if has transmission-show transmission-cli; then
    with_transmission
fi
if has mktorrent mktorrent; then
    with_mktorrent
fi
if command -v imdl >/dev/null; then
    with_imdl
else
    echo "SKIPPED: no imdl (cargo install imdl)"
fi

if [[ $checked == 0 ]]; then
    echo "nothing was checked" >&2
    exit 1
fi
if [[ $wrong != 0 ]]; then
    echo "$wrong of $checked differ"
    exit 1
fi
echo "all $checked agree"
