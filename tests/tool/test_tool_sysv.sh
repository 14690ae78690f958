# SPDX-License-Identifier: MIT
# --sysv-dir: a namespace of libshmq-sysv, filled by ipcmk and emptied by ipcrm under LD_PRELOAD, seen by ls, stat, rm and gc.
. "$(dirname "$0")/tool.sh"

# A sanitizer must come first among the libraries: ipcmk cannot have ours.
[ -n "${3:-}" ] || { echo "no library to preload"; exit 0; }
library=$3
name=$dir/sysv-names
mkdir "$name"

with() {
	SHMQ_SYSV_DIR=$name LD_PRELOAD=$library "$@"
}

# An empty directory, one that is not there, a file, a strange index.
expect 0 "$SHMQ" ls --sysv-dir "$name"
same "nothing" "total: 0 segments, 0 B, 0 B resident" "$(tail -1 "$out")"
expect 1 "$SHMQ" ls --sysv-dir "$dir/none"
error_line "$dir/none" "No such file"
expect 1 "$SHMQ" ls --sysv-dir "$SHMQ"
error_line "$SHMQ" "not a directory"

with ipcmk -M 5000 -p 0640 >"$dir/made"
id=$(sed 's/.*: //' "$dir/made")
with ipcmk -M 100 -p 0600 >"$dir/made"
second=$(sed 's/.*: //' "$dir/made")

expect 0 "$SHMQ" ls --sysv-dir "$name"
same "lines" 4 "$(wc -l <"$out")"
same "columns" "KEY SHMID OWNER PERMS BYTES NATTCH STATUS" "$(head -1 "$out" | tr -s ' ')"
key=$(awk -v id="$id" '$2 == id { print $1 }' "$out")
same "the first" "640 5000 0" "$(awk -v id="$id" '$2 == id { print $4, $5, $6 }' "$out")"

expect 0 "$SHMQ" ls --sysv-dir "$name" --json
cp "$out" "$dir/json"
same "segments" 2 "$(json "$dir/json" totals segments)"
same "pages" 3 "$(json "$dir/json" totals pages)"
same "size" 5000 "$(json "$dir/json" segments 0 segsz)"

expect 0 "$SHMQ" stat --sysv-dir "$name" "$id"
same "mode" 0640 "$(awk '$1 == "mode" { print $2 }' "$out")"
expect 0 "$SHMQ" stat --sysv-dir "$name" "$key" --json
same "by key" "$id" "$(json "$out" id)"
expect 1 "$SHMQ" stat --sysv-dir "$name" 31000
error_line 31000 "Invalid argument"
expect 1 "$SHMQ" stat --sysv-dir "$name" nonsense
error_line nonsense "Invalid argument"

# A file without an entry, an entry without a file; the rest is left alone.
: >"$name/shmid-77777"
rm "$name/shmid-$second"
expect 0 "$SHMQ" gc --sysv-dir "$name" --dry-run
same "would clear" "2 to clear" "$(tail -1 "$out")"
[ -e "$name/shmid-77777" ] || bad "a dry run has removed it"
expect 0 "$SHMQ" gc --sysv-dir "$name"
same "cleared" "2 cleared" "$(tail -1 "$out")"
[ ! -e "$name/shmid-77777" ] || bad "gc has left it"
expect 0 "$SHMQ" gc --sysv-dir "$name"
same "nothing to clear" "0 cleared" "$(tail -1 "$out")"

with ipcmk -M 100 -p 0600 >"$dir/made"
expect 0 with ipcrm -m "$(sed 's/.*: //' "$dir/made")"
expect 0 "$SHMQ" rm --sysv-dir "$name" "$key"
expect 1 "$SHMQ" rm --sysv-dir "$name" "$id"
error_line "$id" "Invalid argument"
expect 0 "$SHMQ" ls --sysv-dir "$name" --json
same "left" 0 "$(json "$out" totals segments)"

printf 'SOMEBODY ELSE' | dd of="$name/index" conv=notrunc status=none
expect 1 "$SHMQ" ls --sysv-dir "$name"
error_line "$name" "the index is of something else"
expect 1 "$SHMQ" gc --sysv-dir "$name"
finish
