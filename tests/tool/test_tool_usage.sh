# SPDX-License-Identifier: MIT
# Help, version, and usage errors: exit 2, and the library is not asked.
. "$(dirname "$0")/tool.sh"

commands="create ls stat rm set lock unlock gc doctor send recv tap version"

expect 0 "$SHMQ" --help
for command in $commands; do
	grep -q "^ *$command " "$out" || bad "--help does not name $command"
done
for command in $commands; do
	expect 0 "$SHMQ" "$command" --help
	grep -q "^Usage: shmq $command" "$out" || bad "$command --help has no usage"
	same "$command --help: standard error" 0 "$(wc -c <"$err")"
	expect 0 "$SHMQ" "$command" --usage
done
for command in $commands; do
	expect 2 "$SHMQ" "$command" --no-such-option
	[ -s "$err" ] || bad "$command: no word about the usage error"
	same "$command: standard output" 0 "$(wc -c <"$out")"
done

expect 0 "$SHMQ" version
same version "shmq" "$(cut -d ' ' -f 1 "$out")"
grep -Eqx 'shmq [0-9]+\.[0-9]+\.[0-9]+' "$out" || bad "version: $(cat "$out")"
cp "$out" "$dir/version"
expect 0 "$SHMQ" --version
same_files "--version" "$dir/version" "$out"

expect 2 "$SHMQ"
expect 2 "$SHMQ" no-such-command
expect 2 "$SHMQ" version something
for command in ls gc doctor; do
	expect 2 "$SHMQ" "$command" shm:/x
done
for command in create stat rm set lock unlock send recv tap; do
	expect 2 "$SHMQ" "$command"
done
for command in create stat lock unlock send recv tap; do
	expect 2 "$SHMQ" "$command" shm:/a shm:/b
done

addr=$(queue)
expect 2 "$SHMQ" create "$addr" --kind stack
for size in -1 '' x 1x 1KK 2G 99999999999999999999 18446744073709551616 ' 1' +1; do
	expect 2 "$SHMQ" create "$addr" --msg-max "$size"
done
for count in 0 -1 x 2G; do
	expect 2 "$SHMQ" create "$addr" --capacity "$count"
done
for option in --participants --max-deliveries --slow-limit; do
	for count in 0 -1 x 2G ''; do
		expect 2 "$SHMQ" create "$addr" $option "$count"
	done
done
expect 2 "$SHMQ" create "$addr" --participants 4096
expect 2 "$SHMQ" create "$addr" --redeliver --max-deliveries 4096
for mode in 0 9 rw 01000 1777 -1 ''; do
	expect 2 "$SHMQ" create "$addr" --mode "$mode"
done
for huge in 4K 2 1g ''; do
	expect 2 "$SHMQ" create "$addr" --huge "$huge"
done
for mode in 8 x 7777 ''; do
	expect 2 "$SHMQ" set "$addr" --mode "$mode"
done
expect 2 "$SHMQ" set "$addr"
for owner in '' : root: no-such-user-here :no-such-group-here 4294967295; do
	expect 2 "$SHMQ" set "$addr" --owner "$owner"
done
for chunk in 0 x -5 2G; do
	expect 2 "$SHMQ" send "$addr" --chunk "$chunk" </dev/null
done
expect 2 "$SHMQ" send "$addr" --lines --chunk 5 </dev/null
expect 2 "$SHMQ" send "$addr" --chunk 5 --lines </dev/null
for command in recv tap; do
	for count in 0 -1 x; do
		expect 2 "$SHMQ" $command "$addr" --count "$count"
	done
	for seconds in -1 x nan inf '' 1s 1e10; do
		expect 2 "$SHMQ" $command "$addr" --timeout "$seconds"
	done
done
for receivers in -1 x 4096 ''; do
	expect 2 "$SHMQ" send "$addr" --receivers "$receivers" </dev/null
done
[ ! -e "/dev/shm/${addr#shm:/}" ] || bad "a usage error created $addr"
finish
