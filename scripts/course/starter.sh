#!/usr/bin/env bash
# Starter code for a checkpoint of the course, made from the reference.
#
#   scripts/course/starter.sh C5 DIR     the project in DIR, with what C5 asks for left out
#   scripts/course/starter.sh all DIR    with what any checkpoint asks for left out
#
# In the sources a solution stands between `// BEGIN SOLUTION C5` and `// END SOLUTION`. It becomes
# a `todo!` that names its handout, or what the first line says that it starts as. The marks of
# other checkpoints go, their code stays. DIR must be new or empty.
set -euo pipefail

usage() {
    sed -n '2,9s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

[ $# = 2 ] || usage
checkpoint=$1
case $checkpoint in
    C[1-7] | all) ;;
    C0 | C8)
        printf 'starter.sh: %s asks for no code: read docs/course/%s.md\n' "$1" "${1,,}" >&2
        exit 2
        ;;
    *) usage ;;
esac
mkdir -p -- "$2"
to=$(cd -- "$2" && pwd)
if [ -n "$(ls -A -- "$to")" ]; then
    printf 'starter.sh: %s is not empty: name a new folder\n' "$2" >&2
    exit 2
fi
cd "$(dirname -- "${BASH_SOURCE[0]}")/../.."

# Everything that is kept in the repository; in a copy without one everything but what was built.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard
else
    find . -type f -not -path './target/*' -print0
fi | tar --null --files-from=- --create | tar --extract --directory "$to"

cd "$to"
grep -rl --include='*.rs' 'BEGIN SOLUTION' src | while IFS= read -r file; do
    awk -v wanted="$checkpoint" '
        /^ *\/\/ BEGIN SOLUTION / {
            match($0, /^ */); indent = substr($0, 1, RLENGTH)
            name = $4; sub(/,$/, "", name)
            if (wanted == "all" || wanted == name) {
                start = "todo!(\"" name ": docs/course/" tolower(name) ".md\")"
                if (match($0, /`[^`]*`/)) start = substr($0, RSTART + 1, RLENGTH - 2)
                print indent start
                skipping = 1
            }
            next
        }
        /^ *\/\/ END SOLUTION/ { skipping = 0; next }
        !skipping { print }
    ' "$file" >"$file.new"
    mv -- "$file.new" "$file"
done
printf 'starter code of %s is in %s\n' "$checkpoint" "$to"
