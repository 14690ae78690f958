# SPDX-License-Identifier: MIT
# Sourced by the test scripts: run the command, look at status, output and the one line of an error.
#
#   expect STATUS COMMAND...     run it; its output is in $out and $err (files)
#   error_line ADDR PATTERN      the last command said exactly one line, of the right form
#   same WHAT WANTED GOT         two texts are equal
#   same_files WHAT A B          two files are equal
#   await WHAT COMMAND...        wait until the command succeeds
#   started                      remember the process just started; its id is in $pid
#   ends_with STATUS PID WHAT    wait for that
#   field ADDR NAME              a member of `stat --json`
#   json FILE PATH...            a member of a JSON file
#   queue [SUFFIX]               an address of our own on shm:, removed at the end
#   finish                       say how much was checked
set -eu

SHMQ=$1
JSON_VALUE=$2
checks=0
dir=$(mktemp -d)
out=$dir/out
err=$dir/err
pids=

clean_up() {
	trap '' INT TERM HUP
	for pid in $pids; do
		kill -KILL "$pid" 2>/dev/null || true
	done
	wait
	for object in /dev/shm/tool-$$-*; do
		[ ! -e "$object" ] || "$SHMQ" rm "shm:/${object#/dev/shm/}" >"$dir/rm" 2>&1 || rm -f "$object"
	done
	[ ! -e "$dir/sysv" ] || "$SHMQ" rm $(cat "$dir/sysv") >"$dir/rm" 2>&1 || true
	rm -rf "$dir"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

bad() {
	printf 'FAILED: %s\n' "$*" >&2
	exit 1
}

good() {
	checks=$((checks + 1))
}

expect() {
	local wanted=$1 got=0

	shift
	"$@" >"$out" 2>"$err" || got=$?
	if [ "$got" -ne "$wanted" ]; then
		cat "$err" >&2
		bad "exit status $got, not $wanted: $*"
	fi
	good
}

error_line() {
	[ "$(wc -l <"$err")" -eq 1 ] || { cat "$err" >&2; bad "not one line on standard error"; }
	case "$(cat "$err")" in
	"shmq: $1: "*": "*"; "*) ;;
	*) cat "$err" >&2; bad "not 'shmq: $1: what failed: reason; remedy'" ;;
	esac
	grep -Eq -e "$2" "$err" || { cat "$err" >&2; bad "the line has no '$2'"; }
	good
}

same() {
	[ "$2" = "$3" ] || bad "$1: wanted '$2', got '$3'"
	good
}

same_files() {
	cmp "$2" "$3" >&2 || bad "$1: the files differ"
	good
}

# A minute is patience for a loaded machine, not a time that anything takes.
await_tries=6000
await() {
	local what=$1 try=0

	shift
	while ! "$@" >/dev/null 2>&1; do
		try=$((try + 1))
		[ "$try" -lt "$await_tries" ] || bad "never: $what"
		sleep 0.01
	done
	good
}

json() {
	local file=$1

	shift
	"$JSON_VALUE" "$@" <"$file"
}

field() {
	"$SHMQ" stat --json "$1" >"$dir/stat" && json "$dir/stat" "$2"
}

field_is() {
	[ "$(field "$1" "$2")" = "$3" ]
}

queue() {
	printf 'shm:/tool-%s-%s\n' $$ "${1:-q}"
}

# A SysV key of our own; remembered for the end.
sysv_queue() {
	local addr

	addr=sysv:$(printf '0x%x' $((0x54000000 + $$ % 100000 * 16 + ${1:-0})))
	printf '%s\n' "$addr" >>"$dir/sysv"
	printf '%s\n' "$addr"
}

# Remember a process of ours for the end.
started() {
	pids="$pids $!"
	pid=$!
}

# ends_with STATUS PID WHAT: wait for a process of ours.
ends_with() {
	local status=0

	wait "$2" 2>/dev/null || status=$?
	same "exit status of $3" "$1" "$status"
}

# As another user, with whatever it takes to run the command from a directory that it cannot read.
nobody_ready() {
	mkdir -p "$dir/bin"
	chmod 755 "$dir" "$dir/bin"
	cp "$SHMQ" "$dir/bin/shmq"
	ldd "$SHMQ" | awk '/libshmq/ { print $3 }' | while read -r library; do cp "$library" "$dir/bin/"; done
}

as_nobody() {
	# The suppressions of a sanitizer may lie where nobody cannot read.
	TSAN_OPTIONS=$(printf %s "${TSAN_OPTIONS-}" | sed 's/suppressions=[^:]*//') \
		LD_LIBRARY_PATH=$dir/bin setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
}

finish() {
	printf '%s checks\n' "$checks"
}
