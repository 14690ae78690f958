# SPDX-License-Identifier: MIT
# How send and recv end, and what they lose when they are killed: nothing.
# Descriptors 3 and 4 hold pipes open for this script alone, so they are closed for what it starts.
. "$(dirname "$0")/tool.sh"

head -c 3000000 /dev/urandom >"$dir/random"
bytes_of() {
	stat -c %s "$1"
}
has_bytes() {
	[ "$(bytes_of "$1")" -ge "$2" ]
}

has_received() {
	[ "$(field "$1" received)" -ge "$2" ]
}

# A recv that is killed while it waits: the next one goes on where it was.
addr=$(queue idle)
mkfifo "$dir/feed"
"$SHMQ" send "$addr" <"$dir/feed" 3>&- 4>&- &
started
sender=$pid
exec 3>"$dir/feed"
"$SHMQ" recv "$addr" >"$dir/first" 3>&- 4>&- &
started
receiver=$pid
head -c 1000000 "$dir/random" >&3
await "the first million arrives" has_bytes "$dir/first" 1000000
kill -KILL "$receiver"
ends_with 137 "$receiver" "killed recv"
"$SHMQ" recv "$addr" >"$dir/second" 3>&- 4>&- &
started
receiver=$pid
tail -c +1000001 "$dir/random" >&3
exec 3>&-
ends_with 0 "$sender" "send"
ends_with 0 "$receiver" "second recv"
cat "$dir/first" "$dir/second" >"$dir/copy"
same_files "killed while idle" "$dir/random" "$dir/copy"

# A recv that is killed in the middle of writing a message: that one comes again, and no other.
addr=$(queue busy)
expect 0 "$SHMQ" create "$addr" --msg-max 5000 --capacity 16
mkfifo "$dir/pipe"
exec 4<>"$dir/pipe"
"$SHMQ" recv "$addr" >"$dir/pipe" 3>&- 4>&- &
started
receiver=$pid
"$SHMQ" send "$addr" <"$dir/random" 3>&- 4>&- &
started
sender=$pid
await "some is written" has_received "$addr" 5
await "the pipe and the queue are full" field_is "$addr" depth 16
kill -KILL "$receiver"
ends_with 137 "$receiver" "killed recv"
cat <"$dir/pipe" >"$dir/first" 4>&- &
started
reader=$pid
exec 4>&-
ends_with 0 "$reader" "reader"
expect 0 "$SHMQ" recv "$addr"
ends_with 0 "$sender" "send"
first=$(bytes_of "$dir/first")
second=$(bytes_of "$out")
[ "$first" -gt 0 ] || bad "nothing was written before the kill"
again=$((first + second - 3000000))
[ "$again" -ge 0 ] && [ "$again" -le 5000 ] || bad "$again bytes came twice; one message has 5000"
cmp -n "$first" "$dir/first" "$dir/random" || bad "the first part differs"
tail -c "$second" "$dir/random" | cmp - "$out" || bad "the second part differs"
good

# A send that is killed: recv gets every message that was sent, and says that there may be more.
addr=$(queue killed)
expect 0 "$SHMQ" create "$addr" --msg-max 1000
mkfifo "$dir/feed2"
"$SHMQ" send "$addr" <"$dir/feed2" 3>&- 4>&- &
started
sender=$pid
"$SHMQ" recv "$addr" >"$dir/copy" 2>"$err" 3>&- 4>&- &
started
receiver=$pid
exec 3>"$dir/feed2"
head -c 500000 "$dir/random" >&3
await "everything arrives" has_bytes "$dir/copy" 500000
kill -KILL "$sender"
ends_with 137 "$sender" "killed send"
ends_with 1 "$receiver" "recv after that"
grep -q "a sender was killed" "$err" || bad "killed send: recv says nothing of it"
head -c 500000 "$dir/random" | cmp - "$dir/copy" || bad "killed send: the copy differs"
exec 3>&-

# Signals end both in order: detached, nothing on standard error, 128 + the signal.
addr=$(queue signals)
expect 0 "$SHMQ" create "$addr" --msg-max 100 --capacity 4
for signal in TERM INT HUP; do
	number=$((128 + $(env kill -l $signal)))
	env --default-signal=$signal "$SHMQ" recv "$addr" >"$out" 2>"$err" 3>&- 4>&- &
	started
	await "recv is attached" field_is "$addr" consumers 1
	kill -$signal "$pid"
	ends_with "$number" "$pid" "recv after $signal"
	same "and its standard error" 0 "$(wc -c <"$err")"
	same "attached" 0 "$(field "$addr" nattch)"

	env --default-signal=$signal "$SHMQ" send "$addr" <"$dir/random" >"$out" 2>"$err" 3>&- 4>&- &
	started
	await "the queue is full" field_is "$addr" depth 4
	kill -$signal "$pid"
	ends_with "$number" "$pid" "send after $signal"
	same "and its standard error" 0 "$(wc -c <"$err")"
	same "attached" 0 "$(field "$addr" nattch)"
	expect 0 "$SHMQ" recv "$addr"
	head -c 400 "$dir/random" | cmp - "$out" || bad "what was sent before the signal"
done

# A signal while output is stuck: the message stays.
exec 4<>"$dir/pipe"
"$SHMQ" send "$addr" --chunk 100 <"$dir/random" 3>&- 4>&- &
started
sender=$pid
"$SHMQ" recv "$addr" >"$dir/pipe" 2>"$err" 3>&- 4>&- &
started
receiver=$pid
await "the pipe is full" field_is "$addr" depth 4
kill -TERM "$receiver"
ends_with 143 "$receiver" "recv with stuck output"
exec 4>&-
kill -KILL "$sender"
ends_with 137 "$sender" "killed send"
expect 0 "$SHMQ" rm "$addr"

# --count, --timeout, --follow.
addr=$(queue limits)
expect 0 "$SHMQ" create "$addr" --msg-max 16
printf '%s\n' a b c >"$dir/lines"
expect 0 "$SHMQ" send "$addr" --lines <"$dir/lines"
expect 0 "$SHMQ" recv "$addr" --count 2
same "--count 2" "a b" "$(paste -s -d ' ' "$out")"
same "still there" 1 "$(field "$addr" depth)"
expect 0 "$SHMQ" recv "$addr" --count 1 --timeout 0
same "--count 1" c "$(cat "$out")"
for seconds in 0 0.05; do
	expect 1 "$SHMQ" recv "$addr" --follow --timeout $seconds
	error_line "$addr" "no message for $seconds s"
done
"$SHMQ" recv "$addr" --follow >"$dir/copy" 2>"$dir/recv-err" 3>&- 4>&- &
started
receiver=$pid
expect 0 "$SHMQ" send "$addr" --lines <"$dir/lines"
expect 0 "$SHMQ" send "$addr" --lines <"$dir/lines"
await "both arrive" has_bytes "$dir/copy" 12
expect 0 "$SHMQ" rm "$addr"
ends_with 0 "$receiver" "recv --follow after rm"
same "its standard error" 0 "$(wc -c <"$dir/recv-err")"
same "--follow" "a b c a b c" "$(paste -s -d ' ' "$dir/copy")"

# rm while send waits for room.
expect 0 "$SHMQ" create "$addr" --msg-max 16 --capacity 2
"$SHMQ" send "$addr" --lines <"$dir/lines" 2>"$err" 3>&- 4>&- &
started
await "the queue is full" field_is "$addr" depth 2
expect 0 "$SHMQ" rm "$addr"
ends_with 1 "$pid" "send after rm"
error_line "$addr" 'send: .*shmq create'

# --hangup: the consumer has come and gone.
expect 0 "$SHMQ" create "$addr" --msg-max 16 --capacity 2
"$SHMQ" send "$addr" --hangup <"$dir/random" 2>"$dir/send-err" 3>&- 4>&- &
started
expect 0 "$SHMQ" recv "$addr" --count 5
ends_with 1 "$pid" "send --hangup"
cp "$dir/send-err" "$err"
error_line "$addr" 'send: .*recv'
expect 0 "$SHMQ" rm "$addr"

# What an interactive writer has given so far goes out at once.
mkfifo "$dir/feed3"
"$SHMQ" send "$addr" <"$dir/feed3" 3>&- 4>&- &
started
sender=$pid
"$SHMQ" recv "$addr" >"$dir/copy" 3>&- 4>&- &
started
receiver=$pid
exec 3>"$dir/feed3"
printf abc >&3
await "three bytes arrive" has_bytes "$dir/copy" 3
printf def >&3
exec 3>&-
ends_with 0 "$sender" "send"
ends_with 0 "$receiver" "recv"
same "in two pieces" abcdef "$(cat "$dir/copy")"

# --verbose: one line at the end.
expect 0 "$SHMQ" send "$addr" --verbose <"$dir/lines"
grep -q "^shmq: $addr: sent 1 messages, 6 B in " "$err" || bad "send --verbose: $(cat "$err")"
expect 0 "$SHMQ" recv "$addr" --verbose
grep -q "^shmq: $addr: received 1 messages, 6 B in " "$err" || bad "recv --verbose: $(cat "$err")"
good

# On a terminal: bytes, messages and rate while it waits, erased for the line at the end.
if command -v script >/dev/null; then
	expect 0 "$SHMQ" create "$(queue tty)" --msg-max 100 --capacity 4
	head -c 500 "$dir/random" >"$dir/input"
	script -qefc "'$SHMQ' send '$(queue tty)' <'$dir/input'" "$dir/typescript" >"$dir/tty" </dev/null &
	started
	await "progress is shown" grep -q 'sent 4 messages, 400 B in ' "$dir/typescript"
	expect 0 "$SHMQ" recv "$(queue tty)"
	same_files "what was sent from a terminal" "$dir/input" "$out"
	ends_with 0 "$pid" "send on a terminal"
	same "lines" 1 "$(grep -c "sent 5 messages, 500 B in .*/s" "$dir/typescript")"
	grep -q "$(printf '\r\033\[K')shmq: .*sent 5 messages" "$dir/typescript" || bad "progress is not erased"
	good
fi
finish
