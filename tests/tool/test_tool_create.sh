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

# Refused, each in one line; nothing is made.
addr=$(queue)
expect 1 "$SHMQ" create memfd:x
error_line memfd:x 'descriptor'
for kind in mpsc mpmc broadcast latest; do
	expect 1 "$SHMQ" create "$addr" --kind $kind
	error_line "$addr" "create: kind $kind .*spsc"
done
for flag in --lossy --records --redeliver; do
	expect 1 "$SHMQ" create "$addr" $flag
	error_line "$addr" 'create: '
done
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
