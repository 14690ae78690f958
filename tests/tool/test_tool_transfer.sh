# SPDX-License-Identifier: MIT
# recv > copy & send < original: equal, on every backend with a name, whatever comes first.
. "$(dirname "$0")/tool.sh"

head -c 5000000 /dev/urandom >"$dir/random"
base64 "$dir/random" | head -c 1999999 >"$dir/text"

# through ADDR FILE OPTION...: both ends at once.
through() {
	local addr=$1 original=$2 receiver

	shift 2
	rm -f "$dir/copy"
	"$SHMQ" recv "$addr" >"$dir/copy" 2>"$dir/recv-err" &
	started
	receiver=$pid
	expect 0 "$SHMQ" send "$addr" "$@" <"$original"
	same "send says nothing" 0 "$(cat "$out" "$err" | wc -c)"
	ends_with 0 "$receiver" "recv on $addr"
	same "recv says nothing" 0 "$(wc -c <"$dir/recv-err")"
	same_files "$addr $*" "$original" "$dir/copy"
}

for addr in "$(queue)" "file:$dir/queue" "$(sysv_queue)"; do
	# The queue is created by whoever comes first, and used again and again.
	for bytes in 0 1 4095 4096 4097 5000000; do
		head -c $bytes "$dir/random" >"$dir/original"
		through "$addr" "$dir/original"
	done
	same "msg_max of the default queue" 4096 "$(field "$addr" msg_max)"
	through "$addr" "$dir/random" --chunk 1000
	for bytes in 0 1 76 77 78 1999999; do
		head -c $bytes "$dir/text" >"$dir/original"
		through "$addr" "$dir/original" --lines
	done
	same "left over" 0 "$(field "$addr" depth)"
	same "attached" 0 "$(field "$addr" nattch)"

	# The sender has gone before recv comes, with nothing, with something, and with a full queue.
	for bytes in 0 1 10000 4194304; do
		head -c $bytes "$dir/random" >"$dir/original"
		expect 0 "$SHMQ" send "$addr" <"$dir/original"
		same "waiting" $(((bytes + 4095) / 4096)) "$(field "$addr" depth)"
		expect 0 "$SHMQ" recv "$addr"
		same_files "$addr, sender first" "$dir/original" "$out"
	done

	# Two senders, one after the other, one receiver.
	expect 0 "$SHMQ" send "$addr" <"$dir/original" --chunk 4K
	expect 0 "$SHMQ" recv "$addr"
	same_files "$addr, once more" "$dir/original" "$out"
	expect 0 "$SHMQ" rm "$addr"
done

# Through a descriptor that both inherit.
addr=$(queue inherited)
expect 0 "$SHMQ" create "$addr"
exec 5<>"/dev/shm/${addr#shm:/}"
through fd:5 "$dir/random"
exec 5>&-

# Lines at the limit: 15 and the newline fit in 16; 16 and the newline do not.
addr=$(queue lines)
expect 0 "$SHMQ" create "$addr" --msg-max 16 --capacity 100
printf '%s\n' 123456789012345 '' a >"$dir/original"
expect 0 "$SHMQ" send "$addr" --lines <"$dir/original"
same "messages" 3 "$(field "$addr" depth)"
expect 0 "$SHMQ" recv "$addr"
same_files "lines" "$dir/original" "$out"
printf '%s\n' a b 1234567890123456 c >"$dir/original"
expect 1 "$SHMQ" send "$addr" --lines <"$dir/original"
error_line "$addr" 'line 3 .*16 bytes'
expect 0 "$SHMQ" recv "$addr"
same "lines before the long one" "a b" "$(paste -s -d ' ' "$out")"
head -c 2000000 /dev/zero >"$dir/original"
expect 1 "$SHMQ" send "$addr" --lines <"$dir/original"
error_line "$addr" 'line 1 '
expect 1 "$SHMQ" send "$addr" --chunk 17 <"$dir/original"
error_line "$addr" 'chunk 17 .*16'
expect 0 "$SHMQ" recv "$addr"

# Messages of no bytes: only nothing fits.
addr=$(queue zero)
expect 0 "$SHMQ" create "$addr" --msg-max 0 --capacity 2
expect 0 "$SHMQ" send "$addr" </dev/null
expect 1 "$SHMQ" send "$addr" <"$dir/text"
error_line "$addr" 'msg_max is 0'

# Large messages, a queue of one.
addr=$(queue large)
expect 0 "$SHMQ" create "$addr" --msg-max 1M --capacity 1
through "$addr" "$dir/random"
through "$addr" "$dir/text" --lines

# From and to pipes.
cat "$dir/random" | "$SHMQ" send "$addr" &
started
expect 0 sh -c '"$1" recv "$2" | cat >"$3"' sh "$SHMQ" "$addr" "$dir/copy"
ends_with 0 "$pid" "send from a pipe"
same_files "through pipes" "$dir/random" "$dir/copy"
finish
