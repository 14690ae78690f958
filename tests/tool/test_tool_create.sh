# SPDX-License-Identifier: MIT
# create, rm, set, lock, unlock: what they change, as stat and the system tell it.
. "$(dirname "$0")/tool.sh"

addr=$(queue)
expect 0 "$SHMQ" create "$addr"
same "the address" "$addr" "$(cat "$out")"
same "standard error" 0 "$(wc -c <"$err")"
same msg_max 4096 "$(field "$addr" msg_max)"
same capacity 1024 "$(field "$addr" capacity)"
same mode 0600 "$(field "$addr" mode)"
same kind spsc "$(field "$addr" kind)"
same "mode of the object" 600 "$(stat -c %a "/dev/shm/${addr#shm:/}")"
expect 1 "$SHMQ" create "$addr"
error_line "$addr" 'create: .*rm'
expect 0 "$SHMQ" rm "$addr"
[ ! -e "/dev/shm/${addr#shm:/}" ] || bad "rm left the object"

# A name without its scheme; sizes with suffixes; permissions that the umask does not cut.
umask 077
expect 0 "$SHMQ" create "/${addr#shm:/}" --msg-max 2K --capacity 4k --mode 0666 --kind spsc
same "the canonical address" "$addr" "$(cat "$out")"
same msg_max 2048 "$(field "$addr" msg_max)"
same capacity 4096 "$(field "$addr" capacity)"
same mode 0666 "$(field "$addr" mode)"
expect 0 "$SHMQ" rm "$addr"
expect 0 "$SHMQ" create "$addr" --msg-max 0 --capacity 1
same msg_max 0 "$(field "$addr" msg_max)"
expect 0 "$SHMQ" rm "$addr"

# Populated and locked.
expect 0 "$SHMQ" create "$addr" --populate --msg-max 64 --capacity 64
[ "$(field "$addr" resident_bytes)" -ge 4096 ] || bad "populated, but not resident"
same locked false "$(field "$addr" locked)"
expect 0 "$SHMQ" rm "$addr"
expect 0 "$SHMQ" create "$addr" --lock --msg-max 64 --capacity 64
same locked true "$(field "$addr" locked)"
expect 0 "$SHMQ" unlock "$addr"
same "locked after unlock" false "$(field "$addr" locked)"
expect 0 "$SHMQ" lock "$addr"
expect 0 "$SHMQ" lock "$addr"
same "locked after lock" true "$(field "$addr" locked)"

# set.
expect 0 "$SHMQ" set "$addr" --mode 0640
same "mode after set" 0640 "$(field "$addr" mode)"
expect 0 "$SHMQ" set "$addr" --owner "$(id -un):$(id -gn)"
same "owner after set" "$(id -u)" "$(field "$addr" uid)"
same "mode after set --owner" 0640 "$(field "$addr" mode)"
if [ "$(id -u)" -eq 0 ]; then
	expect 0 "$SHMQ" set "$addr" --owner 65534
	same uid 65534 "$(field "$addr" uid)"
	same gid "$(id -g)" "$(field "$addr" gid)"
	expect 0 "$SHMQ" set "$addr" --owner :65533 --mode 0600
	same uid 65534 "$(field "$addr" uid)"
	same gid 65533 "$(field "$addr" gid)"
	same mode 0600 "$(field "$addr" mode)"
fi
expect 0 "$SHMQ" rm "$addr"

# The other backends.
addr=file:$dir/queue
expect 0 "$SHMQ" create "$addr"
same "the address" "$addr" "$(cat "$out")"
expect 0 "$SHMQ" rm "$addr"
addr=$(sysv_queue)
expect 0 "$SHMQ" create "$addr" --lock
same "sysv locked" true "$(field "$addr" locked)"
expect 0 "$SHMQ" rm "$addr"
expect 0 "$SHMQ" create sysv:private
addr=$(cat "$out")
printf '%s\n' "$addr" >>"$dir/sysv"
case $addr in
sysv:id/[0-9]*) good ;;
*) bad "sysv:private gave '$addr'" ;;
esac
same "shmid" "${addr#sysv:id/}" "$(field "$addr" id)"
same "key of a private segment" 0 "$(field "$addr" key)"
expect 0 "$SHMQ" rm "$addr"

# What each kind is made with, and what it has by default.
addr=$(queue)
made() {
	local wanted=$1

	shift
	expect 0 "$SHMQ" create "$addr" "$@"
	expect 0 "$SHMQ" stat --json "$addr"
	same "capacity participants max_deliveries slow_limit flags of $*" "$wanted" "$(json "$out" capacity) $(
		json "$out" participants) $(json "$out" max_deliveries) $(json "$out" slow_limit) $(json "$out" flags)"
	expect 0 "$SHMQ" rm "$addr"
}
made "1024 64 0 0 0"
made "1024 64 0 0 0" --kind spsc
made "128 64 0 0 0" --kind mpsc
made "1024 64 0 0 0" --kind mpmc
made "1024 64 0 0 0" --kind broadcast
made "4 64 0 0 0" --kind latest
made "1048576 64 0 0 1" --records
made "65536 5 0 0 1" --kind mpsc --records --participants 5
made "1048576 64 0 0 2" --kind broadcast --records --lossy
made "1024 64 0 0 1" --kind broadcast --lossy
made "1024 64 0 7 0" --kind broadcast --slow-limit 7
made "1024 64 16 0 1" --kind mpmc --redeliver
made "3 1 2 0 1" --kind mpmc --redeliver --max-deliveries 2 --participants 1 --capacity 3
expect 0 "$SHMQ" create "$addr" --kind broadcast --lossy --records
same "first flag" lossy "$("$SHMQ" stat --json "$addr" | "$JSON_VALUE" flags 0)"
same "second flag" records "$("$SHMQ" stat --json "$addr" | "$JSON_VALUE" flags 1)"
expect 0 "$SHMQ" stat "$addr"
grep -q '^kind  *broadcast lossy records$' "$out" || bad "stat: $(cat "$out")"
expect 0 "$SHMQ" rm "$addr"

# Refused, each in one line; nothing is made.
addr=$(queue)
expect 1 "$SHMQ" create memfd:x
error_line memfd:x 'descriptor'
refused() {
	local pattern=$1

	shift
	expect 1 "$SHMQ" create "$addr" "$@"
	error_line "$addr" "create: .*$pattern"
	[ ! -e "/dev/shm/${addr#shm:/}" ] || bad "a refused create left the object: $*"
}
for kind in spsc mpsc mpmc broadcast latest; do
	case $kind in
	mpmc | latest) refused 'choose one of' --kind $kind --records ;;
	esac
	if [ $kind != broadcast ]; then
		refused 'add --kind broadcast, or leave it out' --kind $kind --lossy
		refused 'add --kind broadcast, or leave it out' --kind $kind --slow-limit 5
	fi
	if [ $kind != mpmc ]; then
		refused 'add --kind mpmc, or leave it out' --kind $kind --redeliver
		refused 'add --kind mpmc, or leave it out' --kind $kind --redeliver --max-deliveries 3
	fi
	refused 'with --redeliver; add that' --kind $kind --max-deliveries 3
done
refused 'leave one out' --kind broadcast --lossy --slow-limit 5
refused 'slow-limit 6 is more than the capacity; choose' --kind broadcast --capacity 5 --slow-limit 6
refused 'slow-limit 1025 is more than' --kind broadcast --slow-limit 1025
refused 'choose --capacity 2' --kind latest --capacity 1
for kind in spsc mpsc broadcast "broadcast --lossy"; do
	refused 'a message of 100 takes 112; choose at least that' --kind $kind --records --msg-max 100 --capacity 111
	expect 0 "$SHMQ" create "$addr" --kind $kind --records --msg-max 100 --capacity 112
	expect 0 "$SHMQ" rm "$addr"
done
refused 'smaller --capacity, --msg-max or --participants' --kind mpsc --capacity 1G --participants 4095
expect 1 "$SHMQ" create "$addr" --huge 2M
error_line "$addr" 'create: .*hugetlbfs'
expect 1 "$SHMQ" create "$addr" --msg-max 1G --capacity 1G
error_line "$addr" 'create: '
[ ! -e "/dev/shm/${addr#shm:/}" ] || bad "a refused create left the object"

# rm goes on after a failure.
expect 0 "$SHMQ" create "$(queue a)"
expect 0 "$SHMQ" create "$(queue b)"
expect 1 "$SHMQ" rm "$(queue a)" "$(queue none)" "$(queue b)"
error_line "$(queue none)" 'remove: '
for gone in a b; do
	expect 1 "$SHMQ" stat "$(queue $gone)"
	error_line "$(queue $gone)" 'stat: .*create'
done
finish
