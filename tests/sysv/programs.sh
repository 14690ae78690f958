#!/bin/bash
# SPDX-License-Identifier: MIT
# programs.sh LIBRARY stress|postgres|x [SECONDS]: programs of other people do their work on libshmq-sysv, are killed, and begin
# again. Exits with 77 where the program is not installed.
set -eu
library=$(realpath "$1")
what=$2
seconds=${3:-5}

work=$(mktemp -d /var/tmp/shmq-sysv-XXXXXX)
space=$(mktemp -d /dev/shm/shmq-sysv-programs-XXXXXX)
cp "$library" "$work/library.so"	# other users must be able to read it
chmod 755 "$work" "$work/library.so"
export SHMQ_SYSV_DIR=$space
started=()

clean_up() {
	for pid in "${started[@]}"; do
		kill -KILL "$pid" 2>"$work/kill" || true
	done
	wait
	rm -rf "$work" "$space"
}
trap clean_up EXIT

bad() {
	printf 'FAILED: %s\n' "$*" >&2
	exit 1
}

need() {
	for program in "$@"; do
		command -v "$program" >"$work/which" || { echo "$program is not installed"; exit 77; }
	done
}

with() {
	LD_PRELOAD=$work/library.so "$@"
}

segments() {
	find "$space" -name 'shmid-*' | wc -l
}

await() {
	local try
	for try in $(seq 600); do
		! "$@" >"$work/await" 2>&1 || return 0
		sleep 0.1
	done
	bad "never: $*"
}

nothing_left() {
	[ "$(segments)" -eq 0 ] || { ls -la "$space" >&2; bad "$(segments) segments are left"; }
	echo "nothing is left"
}

uses_ours() {
	grep -q "$space/shmid-" "/proc/$1/maps" || return 1
	! grep -q '/SYSV' "/proc/$1/maps" || bad "process $1 has a segment of the kernel's"
}

stress() {
	need stress-ng
	with stress-ng --shm-sysv 4 --verify --timeout "$seconds" --metrics-brief 2>&1 | tee "$work/log" &
	started+=($!)
	await test -e "$space/index"
	await some_seen
	wait "${started[0]}" || bad "stress-ng failed"
	grep -q 'successful run completed' "$work/log" || bad "stress-ng does not say that it has succeeded"
	! grep -Eq 'fail:|error:' "$work/log" || bad "stress-ng found a fault"
	nothing_left
}

some_seen() {
	[ "$(segments)" -gt 0 ]
}

# PostgreSQL: its buffers, and the memory of its parallel workers.
as_postgres() {
	setpriv --reuid postgres --regid postgres --init-groups env LD_PRELOAD="$work/library.so" "$@"
}

sql() {
	as_postgres "$bin/psql" -h "$work/db" -Atq -c "$1" postgres
}

pgbench() {
	as_postgres "$bin/pgbench" -h "$work/db" "$@" postgres
}

start_postgres() {
	as_postgres "$bin/pg_ctl" -D "$work/db/data" -l "$work/db/log" -w -t 120 start >"$work/start" 2>&1
}

postgres() {
	local killed sums

	bin=$(ls -d /usr/lib/postgresql/*/bin 2>"$work/ls" | tail -1)
	[ -x "$bin/postgres" ] && [ -x "$bin/pgbench" ] || { echo "postgresql is not installed"; exit 77; }
	need setpriv
	mkdir "$work/db"
	chown postgres "$work/db" "$space"
	as_postgres "$bin/initdb" -D "$work/db/data" -A trust >"$work/initdb"
	cat >>"$work/db/data/postgresql.conf" <<-END
		shared_memory_type = sysv
		dynamic_shared_memory_type = sysv
		unix_socket_directories = '$work/db'
		listen_addresses = ''
		shared_buffers = 64MB
		max_connections = 30
	END
	start_postgres || { cat "$work/db/log" >&2; bad "it does not start"; }
	killed=$(head -1 "$work/db/data/postmaster.pid")
	started+=("$killed")
	uses_ours "$killed" || bad "its memory is not ours"
	echo "started, with $(segments) segments"

	pgbench -i -s 2 -q 2>&1 | tail -1
	pgbench -n -c 4 -j 2 -T "$seconds" | grep -E 'processed|failed'
	sql "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
		explain (analyze, costs off, timing off, summary off) select count(*) from pgbench_accounts" >"$work/plan"
	grep -q 'Workers Launched: [1-9]' "$work/plan" || bad "no parallel workers, and so no dynamic segments"

	pgbench -n -c 4 -j 2 -T 60 >"$work/killed" 2>&1 &
	started+=($!)
	sleep "$seconds"
	kill -KILL "$killed"
	echo "the postmaster is killed, with $(segments) segments"
	await start_postgres
	echo "started again, with $(segments) segments"
	sums=$(sql "select (select sum(abalance) from pgbench_accounts) = (select sum(delta) from pgbench_history),
		(select sum(bbalance) from pgbench_branches) = (select sum(delta) from pgbench_history)")
	[ "$sums" = 't|t' ] || bad "the sums do not agree: $sums"
	pgbench -n -c 4 -j 2 -T "$seconds" | grep -E 'processed|failed'
	as_postgres "$bin/pg_ctl" -D "$work/db/data" -m fast -w -t 120 stop >"$work/stop"
	nothing_left
}

# An X server and its clients share images.
start_x() {
	rm -f "/tmp/.X$display-lock" "/tmp/.X11-unix/X$display"
	(exec env LD_PRELOAD="$work/library.so" Xvfb ":$display" -screen 0 800x600x24 -nolisten tcp) >"$work/x.log" 2>&1 &
	server=$!
	started+=($server)
	await test -S "/tmp/.X11-unix/X$display"
}

draw() {
	with x11perf -display ":$display" -repeat 1 -time "$seconds" "$@"
}

draw_for_long() {
	(exec env LD_PRELOAD="$work/library.so" x11perf -display ":$display" -repeat 1 -time 60 -shmput500) >"$work/client" 2>&1 &
	client=$!
	started+=($client)
	await client_is_attached
}

client_is_attached() {
	uses_ours "$client" && uses_ours "$server"
}

server_has_let_go() {
	! grep -q "$space/shmid-" "/proc/$server/maps"
}

# x11perf removes what it shares at its own end: who kills it has to, as of the kernel.
remove_what_is_left() {
	local file

	[ "$(segments)" -eq 1 ] || bad "$(segments) segments, not that of the killed client"
	for file in "$space"/shmid-*; do
		with ipcrm -m "${file##*-}"
	done
}

x() {
	need Xvfb x11perf ipcrm
	display=$((100 + $$ % 400))
	start_x
	draw -shmput100 -shmget100 2>&1 | grep reps
	draw_for_long
	kill -KILL "$client"
	await server_has_let_go
	remove_what_is_left
	echo "a client is killed: the server lets go of what they shared"
	draw -shmput100 2>&1 | grep reps
	draw_for_long
	kill -KILL "$server" "$client"
	wait "$server" "$client" || true
	remove_what_is_left
	echo "both are killed"
	start_x
	draw -shmput100 2>&1 | grep reps
	kill "$server"
	wait "$server" || true
	nothing_left
	rm -f "/tmp/.X$display-lock" "/tmp/.X11-unix/X$display"
}

"$what"
