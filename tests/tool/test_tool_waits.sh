# SPDX-License-Identifier: MIT
# Who waits for whom, kind by kind, when a receiver is stopped; what comes again, is lost or is counted when one
# is killed; where receivers begin; and what the kinds without a memory of their receivers tell instead.
# Descriptors 3 and 4 hold pipes open for this script alone, so they are closed for what it starts.
. "$(dirname "$0")/tool.sh"

head -c 300000 /dev/urandom >"$dir/random"
head -c 100000 "$dir/random" >"$dir/large"
printf '%s\n' 1 2 3 4 5 6 7 8 9 >"$dir/nine"
mkfifo "$dir/pipe"

recv_to() {
	local file=$1

	shift
	[ -p "$file" ] || rm -f "$file"
	"$SHMQ" recv "$@" >"$file" 2>"$dir/recv.err" 3>&- 4>&- &
	started
}

send_from() {
	local file=$1

	shift
	"$SHMQ" send "$@" <"$file" >"$dir/send" 2>"$dir/send.err" 3>&- 4>&- &
	started
}

# A recv that holds the one message of ADDR for ever: more than a pipe takes, and nobody reads it.
holder() {
	exec 4<>"$dir/pipe"
	recv_to "$dir/pipe" "$1" --follow
	head -c 1 <&4 >"$dir/began"
}

# Of mpmc, what a killed recv held is lost, and counted; nothing else is.
addr=$(queue mpmc)
expect 0 "$SHMQ" create "$addr" --kind mpmc --msg-max 100K --capacity 4
expect 0 "$SHMQ" send "$addr" <"$dir/large"
holder "$addr"
kill -KILL "$pid"
ends_with 137 "$pid" "killed recv"
exec 4>&-
printf x >"$dir/x"
expect 0 "$SHMQ" send "$addr" <"$dir/x"
expect 0 "$SHMQ" recv "$addr" --count 1
same_files "what came after it" "$dir/x" "$out"
same lost 1 "$(field "$addr" lost)"
same received 1 "$(field "$addr" received)"
same dead 0 "$(field "$addr" dead)"
expect 0 "$SHMQ" rm "$addr"

# With --redeliver it comes again; not more often than --max-deliveries.
expect 0 "$SHMQ" create "$addr" --kind mpmc --msg-max 100K --capacity 4 --redeliver --max-deliveries 2
same max_deliveries 2 "$(field "$addr" max_deliveries)"
expect 0 "$SHMQ" send "$addr" <"$dir/large"
holder "$addr"
kill -KILL "$pid"
ends_with 137 "$pid" "killed recv"
exec 4>&-
expect 0 "$SHMQ" recv "$addr" --count 1
same_files "redelivered" "$dir/large" "$out"
same redelivered 1 "$(field "$addr" redelivered)"
same lost 0 "$(field "$addr" lost)"
expect 0 "$SHMQ" send "$addr" <"$dir/large"
for death in 1 2; do
	holder "$addr"
	kill -KILL "$pid"
	ends_with 137 "$pid" "killed recv"
	exec 4>&-
done
expect 1 "$SHMQ" recv "$addr" --follow --timeout 0.1
error_line "$addr" 'receive: no message'
same dead 1 "$(field "$addr" dead)"
same depth 0 "$(field "$addr" depth)"
same received 1 "$(field "$addr" received)"
expect 0 "$SHMQ" rm "$addr"

# A stopped mpmc receiver that holds a message stalls nobody, however often the queue goes round.
expect 0 "$SHMQ" create "$addr" --kind mpmc --msg-max 100K --capacity 4
expect 0 "$SHMQ" send "$addr" <"$dir/large"
holder "$addr"
held=$pid
kill -STOP "$held"
recv_to "$dir/copy" "$addr" --follow --count 100
receiver=$pid
expect 0 "$SHMQ" send "$addr" --chunk 3000 <"$dir/random"
ends_with 0 "$receiver" "recv beside the stopped one"
same_files "beside the stopped one" "$dir/random" "$dir/copy"
same "still held" 1 "$(field "$addr" depth)"
kill -CONT "$held"
head -c 99999 <&4 >"$dir/rest"
cat "$dir/began" "$dir/rest" >"$dir/copy"
same_files "what the stopped one held" "$dir/large" "$dir/copy"
expect 0 "$SHMQ" rm "$addr"
ends_with 0 "$held" "the one that was stopped"
exec 4>&-

# Lossless broadcast waits for a stopped receiver, and not for a killed one.
addr=$(queue broadcast)
expect 0 "$SHMQ" create "$addr" --kind broadcast --msg-max 100 --capacity 64
recv_to "$dir/copy" "$addr" --follow
stopped=$pid
await "it is there" field_is "$addr" consumers 1
kill -STOP "$stopped"
recv_to "$dir/copy2" "$addr"
receiver=$pid
await "both are there" field_is "$addr" consumers 2
send_from "$dir/random" "$addr"
sender=$pid
await "the queue is full" field_is "$addr" sent 64
same depth 64 "$(field "$addr" depth)"
kill -KILL "$stopped"
ends_with 0 "$sender" "send after the stopped one was killed"
ends_with 0 "$receiver" "the other receiver"
ends_with 137 "$stopped" "the stopped one"
same_files "the other receiver" "$dir/random" "$dir/copy2"
expect 0 "$SHMQ" rm "$addr"

# With a slow limit it does not wait: the stopped one is ejected, and what it has is no lie.
expect 0 "$SHMQ" create "$addr" --kind broadcast --msg-max 100 --capacity 64 --slow-limit 20
same slow_limit 20 "$(field "$addr" slow_limit)"
recv_to "$dir/copy" "$addr"
stopped=$pid
await "it is there" field_is "$addr" consumers 1
kill -STOP "$stopped"
expect 0 "$SHMQ" send "$addr" <"$dir/random"
kill -CONT "$stopped"
ends_with 1 "$stopped" "the slow one"
cp "$dir/recv.err" "$err"
error_line "$addr" 'receive: .*ejected; .*--slow-limit'
cmp -n "$(stat -c %s "$dir/copy")" "$dir/copy" "$dir/random" || bad "the slow one got something else"
expect 0 "$SHMQ" rm "$addr"

# Lossy broadcast waits for nobody; who was stopped is told how much it missed, to the message.
expect 0 "$SHMQ" create "$addr" --kind broadcast --lossy --msg-max 100 --capacity 64
recv_to "$dir/copy" "$addr" --follow
stopped=$pid
await "it is there" field_is "$addr" consumers 1
expect 0 "$SHMQ" send "$addr" <"$dir/nine"
await "the first one came" test -s "$dir/copy"
kill -STOP "$stopped"
expect 0 "$SHMQ" send "$addr" --receivers 0 <"$dir/random"
kill -CONT "$stopped"
tail -c 100 "$dir/random" >"$dir/last"
caught_up() {
	tail -c 100 "$dir/copy" | cmp -s - "$dir/last"
}
await "it has caught up" caught_up
expect 0 "$SHMQ" rm "$addr"
ends_with 0 "$stopped" "the one that missed some"
got=$(($(stat -c %s "$dir/copy") - 18))
tail -c $got "$dir/random" | cmp - "$dir/copy" -i 0:18 || bad "lossy: not the end of what was sent"
cp "$dir/recv.err" "$err"
error_line "$addr" "receive: $((3000 - got / 100)) of 3001 messages were missed; .*--capacity"
expect 0 "$SHMQ" create "$addr" --kind broadcast --lossy
expect 0 "$SHMQ" send "$addr" --receivers 0 <"$dir/nine"
expect 0 "$SHMQ" recv "$addr" --oldest --verbose
grep -q "received 1 messages, 18 B in .*, 0 missed$" "$err" || bad "recv --verbose: $(cat "$err")"
expect 0 "$SHMQ" rm "$addr"

# Where a receiver of broadcast begins: with what is sent next, or the oldest still there.
for options in "" --records --lossy "--lossy --records"; do
	expect 0 "$SHMQ" create "$addr" --kind broadcast --msg-max 100 $options
	expect 0 "$SHMQ" send "$addr" --lines --receivers 0 <"$dir/nine"
	expect 1 "$SHMQ" recv "$addr" --timeout 0
	error_line "$addr" 'receive: no message for 0 s'
	for time in first second; do
		expect 0 "$SHMQ" recv "$addr" --oldest
		same_files "recv --oldest for the $time time" "$dir/nine" "$out"
	done
	expect 0 "$SHMQ" recv "$addr" --oldest --follow --count 2
	same "the oldest two" "1 2" "$(paste -s -d ' ' "$out")"
	exec 3<>"$dir/pipe"
	send_from "$dir/pipe" "$addr" --lines
	sender=$pid
	recv_to "$dir/copy" "$addr"
	early=$pid
	await "one is there" field_is "$addr" consumers 1
	printf 'early\n' >&3
	await "it has come" test -s "$dir/copy"
	recv_to "$dir/copy2" "$addr"
	late=$pid
	await "two are there" field_is "$addr" consumers 2
	printf 'late\n' >&3
	await "it has come" test -s "$dir/copy2"
	kill -TERM "$sender"
	ends_with 143 "$sender" "send"
	ends_with 0 "$early" "the first to come"
	ends_with 0 "$late" "the last to come"
	same "what the first got" "early late" "$(paste -s -d ' ' "$dir/copy")"
	same "what the last got" late "$(cat "$dir/copy2")"
	exec 3>&-
	expect 0 "$SHMQ" rm "$addr"
done

# Latest: the newest value, as often as it is asked for; with --follow or --count each new one.
addr=$(queue latest)
expect 0 "$SHMQ" create "$addr" --kind latest --msg-max 300K
expect 1 "$SHMQ" recv "$addr" --timeout 0
error_line "$addr" 'receive: no message'
recv_to "$dir/copy" "$addr"
await "it waits" field_is "$addr" consumers 1
expect 0 "$SHMQ" send "$addr" <"$dir/random"
ends_with 0 "$pid" "recv that waited"
same_files "the first value" "$dir/random" "$dir/copy"
for time in first second; do
	expect 0 "$SHMQ" recv "$addr"
	same_files "for the $time time" "$dir/random" "$out"
done
expect 0 "$SHMQ" send "$addr" --lines <"$dir/nine"
expect 0 "$SHMQ" recv "$addr" --timeout 0
same "the newest" 9 "$(cat "$out")"
expect 1 "$SHMQ" recv "$addr" --follow --count 2 --timeout 0
error_line "$addr" 'receive: no message'
same "before that" 9 "$(cat "$out")"
expect 0 "$SHMQ" recv "$addr" --count 2
same "the producers have gone, so there is no second" 9 "$(cat "$out")"
recv_to "$dir/copy" "$addr" --follow --verbose
receiver=$pid
await "the newest is there" test -s "$dir/copy"
kill -STOP "$receiver"
expect 0 "$SHMQ" send "$addr" --lines <"$dir/nine"
printf 'last\n' >"$dir/last"
expect 0 "$SHMQ" send "$addr" <"$dir/last"
kill -CONT "$receiver"
await "and the last one" grep -q last "$dir/copy"
expect 0 "$SHMQ" rm "$addr"
ends_with 0 "$receiver" "recv --follow of latest"
same "what it got" "9 last" "$(paste -s -d ' ' "$dir/copy")"
grep -q "received 2 messages, 7 B in .*, 9 missed$" "$dir/recv.err" || bad "$(cat "$dir/recv.err")"
good
finish
