# SPDX-License-Identifier: MIT
# send and recv on every kind: recv > copy & send < original, whatever comes first, again and again; several of
# both; who waits for whom when one is stopped, and what comes again when one is killed.
# Descriptors 3 and 4 hold pipes open for this script alone, so they are closed for what it starts.
. "$(dirname "$0")/tool.sh"

head -c 300000 /dev/urandom >"$dir/random"
seq 1 5000 >"$dir/lines"

# Start a recv in the background: its output and standard error are in $dir/NAME and $dir/NAME.err.
recv_to() {
	local name=$1

	shift
	"$SHMQ" recv "$@" >"$dir/$name" 2>"$dir/$name.err" 3>&- 4>&- &
	started
}

send_from() {
	local file=$1

	shift
	"$SHMQ" send "$@" <"$file" >"$dir/send" 2>"$dir/send.err" 3>&- 4>&- &
	started
}

# through ADDR FILE OPTION...: both ends at once, then the receiver first, then the sender first.
through() {
	local addr=$1 original=$2 receiver sender

	shift 2
	for first in both receiver sender; do
		case $first$addr in
		senderfile:*) continue ;; # which ls does not show
		esac
		if [ $first = sender ]; then
			send_from "$original" "$addr" "$@"
			sender=$pid
			await "send on $addr is at work" sent_or_there "$addr"
			recv_to copy "$addr"
			receiver=$pid
		else
			recv_to copy "$addr"
			receiver=$pid
			[ $first = both ] || await "recv on $addr is attached" field_is "$addr" consumers 1
			send_from "$original" "$addr" "$@"
			sender=$pid
		fi
		ends_with 0 "$sender" "send on $addr, $first first"
		ends_with 0 "$receiver" "recv on $addr, $first first"
		same "standard error of both" "" "$(cat "$dir/send.err" "$dir/copy.err")"
		same_files "$addr, $first first" "$original" "$dir/copy"
	done
}

# The sender waits for us, or has left what it sent. While stat looks at a lossy queue it counts as a receiver, so
# there, and before three are there, ls is asked, which does not attach.
sent_or_there() {
	"$SHMQ" ls >"$dir/ls"
	awk -v addr="$1" '$1 == addr { attached = $(NF - 1); depth = $NF }
		END { exit attached == 0 && depth == 0 }' "$dir/ls"
}

attached_are() {
	[ "$("$SHMQ" ls | awk -v addr="$1" '$1 == addr { print $(NF - 1) }')" = "$2" ]
}

for options in "spsc" "spsc --records" "mpsc" "mpsc --records --capacity 512K" "mpmc --capacity 100" \
	"mpmc --redeliver" "broadcast" "broadcast --records" "broadcast --capacity 5" \
	"broadcast --capacity 300 --slow-limit 300" "broadcast --lossy" "broadcast --lossy --records"; do
	addr=$(queue "$(printf %s "$options" | tr -d ' -')")
	expect 0 "$SHMQ" create "$addr" --kind $options --participants 8
	through "$addr" "$dir/random"
	through "$addr" "$dir/random" --chunk 3001
	head -n 300 "$dir/lines" >"$dir/few"
	through "$addr" "$dir/few" --lines
	same "attached" 0 "$(field "$addr" nattch)"
	same "kind of $addr" "${options%% *}" "$(field "$addr" kind)"
	expect 0 "$SHMQ" rm "$addr"
done

# Nothing is something, too; and other backends.
: >"$dir/nothing"
for kind in spsc mpsc mpmc broadcast "broadcast --lossy"; do
	for addr in "$(sysv_queue)" "file:$dir/queue"; do
		expect 0 "$SHMQ" create "$addr" --kind $kind --participants 8
		recv_to copy "$addr"
		receiver=$pid
		await "recv on $addr is attached" field_is "$addr" consumers 1
		expect 0 "$SHMQ" send "$addr" <"$dir/nothing"
		ends_with 0 "$receiver" "recv of nothing on $addr"
		same "what came" "" "$(cat "$dir/copy" "$dir/copy.err")"
		through "$addr" "$dir/random"
		expect 0 "$SHMQ" rm "$addr"
	done
done

# Several senders, one receiver; then several of both. Each line comes once, those of one sender in order.
numbered() {
	sed "s/^/$1 /" "$dir/lines"
}
for sender in 1 2 3 4; do
	numbered $sender >"$dir/from$sender"
done
cat "$dir"/from? | sort >"$dir/all"
in_order() {
	awk '$2 <= last[$1] { exit 1 } { last[$1] = $2 }' "$1" || bad "$1: a sender's lines are not in order"
	good
}
for options in "mpsc" "mpsc --records --capacity 4K" "mpmc --capacity 7" "mpmc --redeliver"; do
	addr=$(queue several)
	expect 0 "$SHMQ" create "$addr" --kind $options --msg-max 64 --participants 8
	recv_to copy1 "$addr" --follow --count 20000
	receiver=$pid
	senders=
	for sender in 1 2 3 4; do
		send_from "$dir/from$sender" "$addr" --lines
		senders="$senders $pid"
	done
	for pid in $senders; do
		ends_with 0 "$pid" "one of four senders"
	done
	ends_with 0 "$receiver" "recv of all"
	in_order "$dir/copy1"
	sort "$dir/copy1" | cmp - "$dir/all" || bad "$options: not the same lines"
	expect 0 "$SHMQ" rm "$addr"
done
expect 0 "$SHMQ" create "$addr" --kind mpmc --msg-max 64 --capacity 16 --participants 8
receivers=
senders=
for receiver in 1 2 3; do
	recv_to copy$receiver "$addr" --follow
	receivers="$receivers $pid"
done
await "three receivers" field_is "$addr" consumers 3
for sender in 1 2 3 4; do
	send_from "$dir/from$sender" "$addr" --lines
	senders="$senders $pid"
done
for pid in $senders; do
	ends_with 0 "$pid" "one of four senders to three"
done
await "all is received" field_is "$addr" received 20000
expect 0 "$SHMQ" rm "$addr"
for pid in $receivers; do
	ends_with 0 "$pid" "one of three receivers"
done
sort "$dir/copy1" "$dir/copy2" "$dir/copy3" | cmp - "$dir/all" || bad "mpmc: not the same lines"
for receiver in 1 2 3; do
	in_order "$dir/copy$receiver"
done

# Broadcast: each of three gets everything; send waits for as many as it is told.
addr=$(queue each)
for options in "" "--records" "--lossy"; do
	expect 0 "$SHMQ" create "$addr" --kind broadcast --capacity 4K $options --msg-max 100
	send_from "$dir/random" "$addr" --receivers 3 --chunk 97
	sender=$pid
	receivers=
	for receiver in 1 2 3; do
		# And the sender; with the third one everything may be over at once.
		await "the sender and $((receiver - 1)) are there" attached_are "$addr" $receiver
		[ "$options" = --lossy ] || same "sent to $((receiver - 1)) receivers" 0 "$(field "$addr" sent)"
		recv_to copy$receiver "$addr"
		receivers="$receivers $pid"
	done
	ends_with 0 "$sender" "send to three"
	for pid in $receivers; do
		ends_with 0 "$pid" "one of three receivers"
	done
	for receiver in 1 2 3; do
		same_files "broadcast to $receiver" "$dir/random" "$dir/copy$receiver"
	done
	expect 0 "$SHMQ" rm "$addr"
done
finish
