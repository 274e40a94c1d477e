#!/usr/bin/env bash
# The dissector of scripts/wireshark/ in tshark: captures made of traces, every message of
# PROTOCOL.md, the question sheets of the course, and messages with faults.
#
#   scripts/check-wireshark.sh
#
#   BINARIES=DIR                take the programs from DIR instead of building them
#   SEED=1 VARIANTS=200         how faults are drawn, and how many conversations have some
#
# Nothing is installed; without tshark it says so and checks nothing. It leaves no process and no
# file behind, also when it is interrupted.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

readonly seed=${SEED:-1} variants=${VARIANTS:-200} deadline=60
readonly lua=scripts/wireshark/swarmlet.lua

if ! command -v tshark >/dev/null; then
    echo "check-wireshark: SKIPPED: tshark is missing (package tshark)"
    exit 0
fi

if [ -n "${BINARIES:-}" ]; then
    bin=$BINARIES
else
    cargo build --release --quiet --bins
    bin=${CARGO_TARGET_DIR:-target}/release
fi

pids=()
dir=

clean_up() {
    local pid
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null || true
    done
    for pid in "${pids[@]}"; do
        wait "$pid" 2>/dev/null || true
    done
    if [ -n "$dir" ]; then
        rm -rf -- "$dir"
    fi
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

dir=$(mktemp -d "${TMPDIR:-/tmp}/swarmlet-wireshark.XXXXXX")

checked=0
failed=

complain() {
    printf 'FAILED: %s\n' "$*" >&2
    failed=yes
}

# same WHAT EXPECTED GOT
same() {
    checked=$((checked + 1))
    [ "$2" = "$3" ] || complain "$1: expected $2, got $3"
}

# dissect CAPTURE WORDS..: tshark with our dissector, in two passes so that questions know their
# answers. An error of Lua's is a failure wherever it is said.
dissect() {
    local capture=$1
    shift
    tshark -X "lua_script:$lua" -2 -r "$capture" "$@" 2>"$dir/stderr" >"$dir/stdout" ||
        complain "tshark ended with an error on $capture"
    if grep -qi 'lua' "$dir/stderr" || grep -q 'Lua Error' "$dir/stdout"; then
        complain "Lua complains about $capture"
        grep -hi 'lua' "$dir/stderr" "$dir/stdout" | head -n 3 >&2
    fi
    cat "$dir/stdout"
}

# count CAPTURE FILTER: how many packets a filter shows.
count() {
    dissect "$1" -Y "$2" -T fields -e frame.number | wc -l
}

# words CAPTURE FIELD: how often each message is in it, as `COUNT TYPE` by number.
words() {
    dissect "$1" -Y "$2" -T fields -e "$2" | tr ',' '\n' | sort | uniq -c | sed 's/^ *//'
}

# sent TRACE..: how often each native message was said, as above.
sent() {
    cat "$@" | grep '"ev":"send"' | grep -o '"msg":"[A-Z_]*"' | cut -d'"' -f4 |
        while IFS= read -r word; do printf '%s\n' "${type[$word]}"; done |
        sort | uniq -c | sed 's/^ *//'
}

# The number of each message between peers, from the table of PROTOCOL.md.
declare -A type=([OTHER]=0x3f)
while IFS='|' read -r _ number name _; do
    name=${name#*[}
    type[${name%%]*}]=$(tr -d ' `' <<<"$number")
done < <(sed -n '/^### The messages$/,/^### HELLO/p' PROTOCOL.md | grep '^| `0x')

# capture_of NAME TRACE..: makes a capture, and checks that everything is in it.
capture_of() {
    local name=$1 out=$dir/$1.pcapng
    shift
    "$bin/lab" pcap "$@" --out "$out" 2>"$dir/said" || complain "lab pcap: $(cat "$dir/said")"
    same "$name: malformed frames" 0 "$(count "$out" 'swarmlet.malformed || _ws.malformed')"
    same "$name: wrong checksums" 0 "$(dissect "$out" -o tcp.check_checksum:TRUE \
        -o ip.check_checksum:TRUE -Y 'tcp.checksum.status==0 || ip.checksum.status==0' \
        -T fields -e frame.number | wc -l)"
    same "$name: what TCP's own analysis finds" 0 "$(count "$out" \
        'tcp.analysis.lost_segment || tcp.analysis.retransmission || tcp.analysis.ack_lost_segment || tcp.analysis.out_of_order')"
}

# Every message that PROTOCOL.md shows.
python3 scripts/wireshark/packets.py examples PROTOCOL.md "$dir/examples.pcapng" >"$dir/names"
same "examples: malformed frames" 0 \
    "$(count "$dir/examples.pcapng" 'swarmlet.malformed || swarmlet_tracker.malformed || _ws.malformed')"
same "examples: their names" "$(sort "$dir/names")" "$(dissect "$dir/examples.pcapng" -V |
    sed -n 's/^ *\(Frame\|swarmlet, between a peer and a tracker\), \([A-Z_]*\)$/\2/p' | sort)"

# A simulated swarm; one of both dialects.
capture_of world tests/traces/world.jsonl
added=$(sed -n 's/^lab: \([0-9]*\) first words.*/\1/p' "$dir/said")
same "world: its messages" "$(sent tests/traces/world.jsonl)" \
    "$(words "$dir/world.pcapng" swarmlet.type | grep -v -e '0x10$' -e '0x30$')"
same "world: first words" "$added" "$(count "$dir/world.pcapng" 'swarmlet.type in {0x10, 0x30}')"
gets=$(count "$dir/world.pcapng" 'swarmlet.type == 0x16')
chunks=$(count "$dir/world.pcapng" 'swarmlet.type == 0x20')
same "world: questions with an answer" "$gets" \
    "$(count "$dir/world.pcapng" 'swarmlet.type == 0x16 && swarmlet.response_in && swarmlet.time')"
same "world: answers with a question" "$chunks" \
    "$(count "$dir/world.pcapng" 'swarmlet.type == 0x20 && swarmlet.request_in && swarmlet.time')"
same "world: warnings" 0 \
    "$(count "$dir/world.pcapng" 'swarmlet.get_while_choked || swarmlet.after_bye || swarmlet.have_again || swarmlet.unasked')"
capture_of dialects tests/traces/dialects.jsonl
same "dialects: blocks in BitTorrent" \
    "$(grep '"ev":"send"' tests/traces/dialects.jsonl | grep -c '"msg":"PIECE"')" \
    "$(dissect "$dir/dialects.pcapng" -Y 'bittorrent.msg.type == 7' -T fields -e bittorrent.msg.type |
        tr ',' '\n' | grep -c -x 7)"

# What a peer should not say.
capture_of faults tests/traces/faults.jsonl
same "faults: as it was" "$(cat tests/traces/faults.txt)" \
    "$(dissect "$dir/faults.pcapng" -Y swarmlet -T fields -E separator='|' -e ip.src -e swarmlet.type \
        -e swarmlet.piece -e swarmlet.body_length -e swarmlet.time -e _ws.expert.message)"

# A real transfer on loopback.
start() {
    local name=$1
    shift
    "$@" --json >"$dir/$name.out" 2>"$dir/$name.err" &
    pids+=($!)
}
wait_for() {
    while ! grep -q "\"event\":\"$2\"" "$dir/$1.out" 2>/dev/null; do
        if ((SECONDS > deadline)) || ! kill -0 "${pids[-1]}" 2>/dev/null; then
            complain "$1 did not come to $2: $(tail -n 2 "$dir/$1.err")"
            exit 1
        fi
        sleep 0.05
    done
}
SECONDS=0
mkdir "$dir/shared" "$dir/traces"
head -c 3000000 /dev/urandom >"$dir/shared/file.bin"
start tracker "$bin/tracker" --listen 127.0.0.1:0
wait_for tracker start
at=127.0.0.1:$(grep -o '"port":[0-9]*' "$dir/tracker.out" | head -n 1 | cut -d: -f2)
start seed "$bin/peer" --seed "$dir/shared/file.bin" --tracker "$at" --port 0 --trace "$dir/traces/seed.jsonl"
start leech "$bin/peer" --leech file.bin --tracker "$at" --port 0 --download-dir "$dir/got" \
    --trace "$dir/traces/leech.jsonl"
wait_for leech "done"
for pid in "${pids[2]}" "${pids[1]}" "${pids[0]}"; do
    kill -TERM "$pid"
    wait "$pid" || complain "process $pid did not end well"
done
pids=()
capture_of transfer "$dir/traces"
same "transfer: its messages" "$(sent "$dir"/traces/*.jsonl)" \
    "$(words "$dir/transfer.pcapng" swarmlet.type)"
same "transfer: chunks without a question" 0 \
    "$(count "$dir/transfer.pcapng" 'swarmlet.type == 0x20 && !swarmlet.request_in')"
same "transfer: warnings" 0 \
    "$(count "$dir/transfer.pcapng" 'swarmlet.get_while_choked || swarmlet.after_bye || swarmlet.have_again')"

# The question sheets: the captures of two students, and the answers to every question.
readonly sheets='s1 s2 s3 s4 s5 s6' students='ann ben'

# answers_of STUDENT: captures in $dir/STUDENT, and their answers beside them.
answers_of() {
    local sheet
    BINARIES=$bin scripts/course/captures.sh all "$1" "$dir/$1" >/dev/null
    for sheet in $sheets; do
        python3 scripts/course/captures "$sheet" "$dir/$1/$sheet.pcapng" >"$dir/$1/$sheet.txt"
    done
}

# joined FILE: one line for each answer.
joined() {
    awk '/^[0-9]+\. ./ { if (said) print said; said = $0; next } { said = said $0 } END { print said }' "$1"
}

for student in $students; do
    answers_of "$student" 2>"$dir/$student.err" &
    pids+=($!)
done
for student in $students; do
    wait "${pids[0]}" || complain "the sheets of $student: $(cat "$dir/$student.err")"
    pids=("${pids[@]:1}")
done
if [ -n "$failed" ]; then
    exit 1
fi
for sheet in $sheets; do
    questions=$(sed -n '/^## Answer$/,$p' "docs/course/captures/$sheet.md" | grep -o '^[0-9]*\.')
    for student in $students; do
        same "$sheet of $student: malformed frames" 0 "$(count "$dir/$student/$sheet.pcapng" \
            'swarmlet.malformed || swarmlet_tracker.malformed || _ws.malformed')"
        joined "$dir/$student/$sheet.txt" >"$dir/$student/$sheet.lines"
        same "$sheet of $student: questions with an answer" "$questions" \
            "$(grep -o '^[0-9]*\.' "$dir/$student/$sheet.lines")"
    done
    # An answer with numbers is one student's own; a few, such as the length of a header, are all's.
    read -r numeric own < <(paste -d '\n' "$dir"/{ann,ben}/"$sheet.lines" | sed 's/^[0-9]*\. //' |
        awk 'NR % 2 { mine = $0; next }
            mine ~ /[0-9]/ { numeric++; own += mine != $0 } END { print numeric + 0, own + 0 }')
    checked=$((checked + 1))
    ((numeric > 0 && 2 * own >= numeric)) ||
        complain "$sheet: only $own of $numeric answers with numbers differ between two students"
done
BINARIES=$bin scripts/course/captures.sh --answers s3 ann "$dir/archive" >/dev/null ||
    complain "no archive of answers is made"
same "archive: its answers" "$(cat "$dir/ann/s3.txt")" "$(tail -n +3 "$dir/archive/answers-s3.txt")"
same "archive: nothing but answers" answers-s3.txt "$(ls "$dir/archive")"

# The messages again, with lengths that lie, bytes that differ, ends that are missing.
python3 scripts/wireshark/packets.py faults PROTOCOL.md "$dir/wrong.pcapng" "$seed" "$variants"
dissect "$dir/wrong.pcapng" -V >"$dir/wrong.txt"
checked=$((checked + variants))
grep -q 'Malformed' "$dir/wrong.txt" || complain "no fault was found among $variants conversations"

if [ -n "$failed" ]; then
    exit 1
fi
printf 'check-wireshark: %s checks with %s, none failed\n' "$checked" "$(tshark --version 2>/dev/null | head -n 1)"
