#!/usr/bin/env bash
# A long run: one seeder, some leechers that come, are killed, come back, and leave. Every file that
# they get is held against the original; memory, descriptors and threads of tracker and seeder are
# looked at all the time, and must not grow.
#
#   MINUTES=30 GIGABYTES=20 scripts/soak.sh        until both are over (default: 3 minutes, 1 GB)
#   HOURS=8 scripts/soak.sh                        the same in hours
#
#   LEECHERS=4      how many at the same time
#   MEGABYTES=64    the size of the file, in MiB
#   KILLS=3         one start in so many ends with kill -9, and is gone on with
#   RATE=           bytes per second that the seeder sends at most (for instance 20M); no limit
#   SLOPE=2         MiB an hour that memory may grow, beyond what the run cannot tell from noise
#   ROOM=4          MiB that lists with a bound may fill on the way: 3,000 addresses take two
#   BIN_DIR=DIR     programs that are built already; default: a release build
#   NICE=0          how far the others on this machine go first
#   OUT=FILE        keeps the samples, as tab-separated text
#
# It ends with 1 if an output was wrong, if descriptors or threads are more at the end than before
# the first leecher came, or if memory grows by more than such lists take.
set -euo pipefail
cd "$(dirname -- "${BASH_SOURCE[0]}")/.."

minutes=${MINUTES:-$((${HOURS:-0} * 60))}
if ((minutes == 0)); then minutes=3; fi
gigabytes=${GIGABYTES:-1} leechers=${LEECHERS:-4} megabytes=${MEGABYTES:-64} kills=${KILLS:-3}
slope=${SLOPE:-2} room=${ROOM:-4} nice=${NICE:-0}
# shellcheck source=scripts/faults/lib/programs.sh
. scripts/faults/lib/programs.sh
find_programs

work=$(mktemp -d)
slots=() seeder='' tracker=''
# shellcheck disable=SC2317,SC2329  # the trap calls it
finish() {
    touch "$work/stop"
    end "${slots[@]}" "$seeder" "$tracker"
    rm -rf -- "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

now() { date +%s; }

# field NAME ID: a number of /proc/ID/status.
field() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$2/status"; }

# sample WHO ID: time, RSS, memory of its own (both KiB), descriptors, threads.
sample() {
    local open=(/proc/"$2"/fd/*)
    printf '%s\t%s\t%s\t%s\t%s\t%s\n' "$1" "$(($(now) - begun))" "$(field VmRSS "$2")" \
        "$(field RssAnon "$2")" "${#open[@]}" "$(field Threads "$2")" >>"$work/samples"
}

# One leecher after the other in a place of its own.
slot() {
    local child='' round=0 out code
    trap 'kill -9 $child 2>/dev/null; exit 0' TERM
    while [[ ! -e $work/stop ]]; do
        out=$work/out-$1-$round
        mkdir "$out"
        while :; do
            "$bin/peer" --leech film.bin -t "127.0.0.1:$at" --bind 127.0.0.1 -p 0 -w "$out" \
                --seed-time 2 -q 2>>"$work/leechers.log" &
            child=$!
            if ((RANDOM % kills == 0)); then
                pause "$((RANDOM % 3)).$((RANDOM % 10))"
                kill -9 "$child" 2>/dev/null && echo . >>"$work/killed"
            fi
            code=0
            wait "$child" || code=$?
            ((code == 137)) || break
        done
        child=''
        if ((code != 0)) || [[ $(sha256sum <"$out/film.bin") != "$right" ]]; then
            echo "slot $1, round $round: exit $code, or other bytes" >>"$work/wrong"
        fi
        echo . >>"$work/done"
        rm -rf -- "$out"
        round=$((round + 1))
    done
}

count() { if [[ -e $1 ]]; then wc -l <"$1"; else echo 0; fi; }

mkdir "$work/src"
head -c "$((megabytes << 20))" /dev/urandom >"$work/src/film.bin"
right=$(sha256sum <"$work/src/film.bin")
begun=$(now)
limit=()
if [[ -n ${RATE:-} ]]; then limit=(--uplimit "$RATE"); fi
nice -n "$nice" "$bin/tracker" --listen 127.0.0.1:0 --json --keepalive 5s --expire 15s \
    >"$work/tracker.json" 2>"$work/tracker.log" &
tracker=$!
port "$work/tracker.json"
at=$found
nice -n "$nice" "$bin/peer" --seed "$work/src/film.bin" -t "127.0.0.1:$at" --bind 127.0.0.1 -p 0 \
    --json "${limit[@]}" >"$work/seeder.json" 2>"$work/seeder.log" &
seeder=$!
port "$work/seeder.json"
await "$work/seeder.json" '"event":"registered"' "$seeder"
# What each program needs only once is there when its first leechers have come and gone.
renice -n "$nice" "$BASHPID" >/dev/null
pause 2
sample before-tracker "$tracker"
sample before-seeder "$seeder"
echo "soak      $minutes min and $gigabytes GB, $leechers leechers of $megabytes MiB, one start in $kills killed"
for n in $(seq "$leechers"); do
    slot "$n" 2>>"$work/slots.log" &
    slots+=($!)
done
ended=''
while [[ -z $ended ]]; do
    pause 5
    for id in "$tracker" "$seeder"; do
        kill -0 "$id" 2>/dev/null || { echo "a program ended by itself" >&2; tail "$work"/*.log >&2; exit 1; }
    done
    sample tracker "$tracker"
    sample seeder "$seeder"
    got=$(($(count "$work/done") * megabytes << 20))
    # Lines are kept no longer than they are of use.
    : >"$work/seeder.json"
    if (($(now) - begun >= minutes * 60 && got >= gigabytes * 1000000000)); then ended=yes; fi
done
touch "$work/stop"
for id in "${slots[@]}"; do wait "$id" || true; done
slots=()
# Connections of those who were killed last end when the other side is not heard; names that
# nobody keeps alive fall out after 15 s.
for _ in $(seq 60); do
    pause 1
    [[ $(field Threads "$seeder") != $(awk '$1 == "before-seeder" { print $6 }' "$work/samples") ]] || break
done
pause 16
sample after-tracker "$tracker"
sample after-seeder "$seeder"
if [[ -n ${OUT:-} ]]; then cp "$work/samples" "$OUT"; fi

awk -F'\t' -v bound="$slope" -v room="$room" -v wrong="$(count "$work/wrong")" -v done="$(count "$work/done")" \
    -v killed="$(count "$work/killed")" -v size="$((megabytes << 20))" '
    # Least squares over what was seen after the first quarter, with the error of the slope: what a
    # short run cannot tell from noise is not growth.
    function slope_of(who, column,    n, i, first, x, y, sx, sy, sxx, sxy, d, rest) {
        first = last * 0.25; n = sx = sy = sxx = sxy = rest = 0
        for (i = 1; i <= rows[who]; i++) if (value[who, i, 2] >= first) {
            x = value[who, i, 2]; y = value[who, i, column]
            n++; sx += x; sy += y; sxx += x * x; sxy += x * y
        }
        d = n * sxx - sx * sx
        if (n < 3 || d == 0) { slope = error = 0; return }
        slope = (n * sxy - sx * sy) / d
        for (i = 1; i <= rows[who]; i++) if (value[who, i, 2] >= first) {
            y = value[who, i, column] - (sy - slope * sx) / n - slope * value[who, i, 2]
            rest += y * y
        }
        error = sqrt(rest / (n - 2) * n / d)
    }
    { n = ++rows[$1]; for (i = 2; i <= NF; i++) value[$1, n, i] = $i; if ($2 > last) last = $2 }
    END {
        printf "fetched   %d files, %.1f GB, %d kills, %d wrong outputs, %d s\n", \
            done, done * size / 1e9, killed, wrong, last
        print "| program | what | before | most | after | slope an hour |"
        print "|---|---|---|---|---|---|"
        name[3] = "RSS, MiB"; name[4] = "own memory, MiB"; name[5] = "descriptors"; name[6] = "threads"
        failed = wrong > 0 || done == 0
        split("tracker seeder", who, " ")
        for (w = 1; w <= 2; w++) for (c = 3; c <= 6; c++) {
            most = 0; unit = c <= 4 ? 1024 : 1
            for (i = 1; i <= rows[who[w]]; i++)
                if (value[who[w], i, c] > most) most = value[who[w], i, c]
            slope_of(who[w], c)
            before = value["before-" who[w], 1, c]; after = value["after-" who[w], 1, c]
            printf "| %s | %s | %.4g | %.4g | %.4g | %+.2f ± %.2f |\n", who[w], name[c], \
                before / unit, most / unit, after / unit, slope * 3600 / unit, error * 3600 / unit
            grows = (slope - 3 * error) * 3600 / unit > bound
            if (c == 4 && grows && (after - before) / unit > room) {
                print "FAILED: memory of the " who[w] " grows"; failed = 1
            }
            if (c >= 5 && after > before) {
                print "FAILED: " name[c] " of the " who[w] " stay"; failed = 1
            }
        }
        exit failed
    }' "$work/samples" && result=0 || result=1
if [[ -e $work/wrong ]]; then cat "$work/wrong"; tail "$work/leechers.log"; fi
if grep -l 'panicked' "$work"/*.log; then result=1; fi
exit "$result"
