# SPDX-License-Identifier: MIT
# tap: what it shows, what it counts as missed, how it ends; and that it changes nothing and holds nobody up.
. "$(dirname "$0")/tool.sh"

printf '%s\n' a b c >"$dir/abc"
head -c 300000 /dev/urandom >"$dir/random"

tap_to() {
	local name=$1

	shift
	rm -f "$dir/$name"
	"$SHMQ" tap "$@" >"$dir/$name" 2>"$dir/$name.err" &
	started
}

# What tap says at the end: so many seen, so many missed.
said() {
	grep -Eqx "shmq: $addr: seen $1 messages, .* in .*/s, $2 missed" "$3" || bad "tap said: $(cat "$3")"
	good
}

attached_is() {
	[ "$(field "$1" nattch)" = "$2" ]
}

kinds="spsc|spsc --records|mpsc|mpsc --records|mpmc|mpmc --redeliver|broadcast|broadcast --records|broadcast --lossy
	|broadcast --lossy --records|broadcast --slow-limit 100"

# Every kind: the oldest, what is sent next, and not a byte of the queue changes, its times included.
IFS='|'
for options in $kinds; do
	unset IFS
	addr=$(queue)
	object=/dev/shm/${addr#shm:/}
	expect 0 "$SHMQ" create "$addr" --kind $options --msg-max 64 --capacity 1K --participants 4 --mode 0644
	expect 0 "$SHMQ" send "$addr" --lines --receivers 0 <"$dir/abc"
	cp "$object" "$dir/before"
	for time in first second; do
		expect 0 "$SHMQ" tap "$addr" --oldest --timeout 0
		same_files "$options: tap for the $time time" "$dir/abc" "$out"
		said 3 0 "$err"
	done
	expect 0 "$SHMQ" tap "$addr" --oldest --count 2
	same "$options: --count 2" "a b" "$(paste -s -d ' ' "$out")"
	expect 0 "$SHMQ" tap "$addr" --oldest --json --count 1
	same_files "$options: the queue" "$dir/before" "$object"
	same "$options: sequence" 0 "$(json "$out" sequence)"
	same "$options: text" a "$(json "$out" text)"
	same "$options: length" 2 "$(json "$out" length)"
	same "$options: lost" 0 "$(json "$out" lost)"
	same "$options: deliveries" 1 "$(json "$out" deliveries)"
	json "$out" sender >"$dir/sender" || bad "no sender"
	expect 0 "$SHMQ" tap "$addr" --timeout 0
	same "$options: what is sent next is nothing" "" "$(cat "$out")"
	said 0 0 "$err"
	expect 1 "$SHMQ" tap "$addr" --oldest --count 4 --timeout 0
	grep -q "look: no message for 0 s; start a producer" "$err" || bad "tap --count 4: $(cat "$err")"
	same_files "$options: the queue, still" "$dir/before" "$object"

	# Those who may only read may look.
	if [ "$(id -u)" -eq 0 ]; then
		[ -e "$dir/bin/shmq" ] || nobody_ready
		expect 0 as_nobody "$dir/bin/shmq" tap "$addr" --oldest --timeout 0
		same_files "$options: tap as nobody" "$dir/abc" "$out"
	fi

	# Two look at what is sent while they are there; it is received all the same; rm ends them.
	tap_to one "$addr"
	one=$pid
	tap_to two "$addr" --json
	two=$pid
	await "both look" attached_is "$addr" 2
	expect 0 "$SHMQ" send "$addr" --lines --receivers 0 <"$dir/abc"
	await "the first has seen it" grep -q c "$dir/one"
	await "the second has seen it" grep -q 'c\\n' "$dir/two"
	case $options in
	broadcast*) expect 0 "$SHMQ" recv "$addr" --oldest ;;
	*) expect 0 "$SHMQ" recv "$addr" ;;
	esac
	cat "$dir/abc" "$dir/abc" >"$dir/both"
	same_files "$options: recv after tap" "$dir/both" "$out"
	expect 0 "$SHMQ" rm "$addr"
	ends_with 0 "$one" "$options: tap after rm"
	ends_with 0 "$two" "$options: tap --json after rm"
	same_files "$options: what passed" "$dir/abc" "$dir/one"
	said 3 0 "$dir/one.err"
	said 3 0 "$dir/two.err"
	same "$options: objects" 3 "$(wc -l <"$dir/two")"
	IFS='|'
done
unset IFS

# beside COUNT FILE: send it, and receive so many messages; 0: nobody is needed to make room.
beside() {
	if [ $1 -eq 0 ]; then
		expect 0 "$SHMQ" send "$addr" --receivers 0 <"$2"
		return
	fi
	"$SHMQ" recv "$addr" --follow --count $1 >"$dir/copy" 2>"$dir/copy.err" &
	started
	expect 0 "$SHMQ" send "$addr" <"$2"
	ends_with 0 "$pid" "recv beside tap"
}

# Send what the tap is to see, and another every two seconds: a tap that was overtaken goes on with what is sent after it has
# noticed. $lasts: how many it took.
until_seen() {
	local try=0

	lasts=0
	until [ $lasts -gt 0 ] && grep -qa "last $lasts\$" "$dir/one"; do
		if [ $((try % 200)) -eq 0 ]; then
			lasts=$((lasts + 1))
			printf 'last %s\n' $lasts >"$dir/last"
			beside $1 "$dir/last"
		fi
		try=$((try + 1))
		[ $try -lt $await_tries ] || bad "never: the last is seen"
		sleep 0.01
	done
}

# A tap that is stopped holds nobody up, and says exactly how much it missed: seen and missed make all.
for options in spsc "spsc --records" mpsc mpmc broadcast "broadcast --records" "broadcast --lossy"; do
	expect 0 "$SHMQ" create "$addr" --kind $options --msg-max 100 --capacity 1K --participants 4
	tap_to one "$addr"
	tap=$pid
	await "tap is there" attached_is "$addr" 1
	expect 0 "$SHMQ" send "$addr" --receivers 0 <"$dir/abc"
	await "the first is seen" test -s "$dir/one"
	kill -STOP "$tap"
	case $options in
	*lossy) count=0 ;;
	broadcast*) count=3000 ;;
	*) count=3001 ;;
	esac
	beside $count "$dir/random"
	kill -CONT "$tap"
	until_seen $((count > 0))
	kill -INT "$tap" || true
	expect 0 "$SHMQ" rm "$addr"
	wait "$tap" || true
	seen=$(grep -Eo 'seen [0-9]+' "$dir/one.err" | cut -d ' ' -f 2)
	missed=$(grep -Eo '[0-9]+ missed' "$dir/one.err" | cut -d ' ' -f 1)
	same "$options: seen and missed" $((3001 + lasts)) $((seen + missed))
	[ "$missed" -gt 0 ] || bad "$options: nothing was missed, so this tested nothing"
done

# Latest: the newest value, then each new one; signals end it in order.
expect 0 "$SHMQ" create "$addr" --kind latest
expect 0 "$SHMQ" send "$addr" --lines <"$dir/abc"
cp "/dev/shm/${addr#shm:/}" "$dir/before"
expect 0 "$SHMQ" tap "$addr" --count 1 --json
same "the newest" c "$(json "$out" text)"
same "its number" 2 "$(json "$out" sequence)"
same_files "latest: the queue" "$dir/before" "/dev/shm/${addr#shm:/}"
for signal in TERM INT HUP; do
	rm -f "$dir/one"
	env --default-signal=$signal "$SHMQ" tap "$addr" >"$dir/one" 2>"$dir/one.err" &
	started
	await "the newest is seen" test -s "$dir/one"
	kill -$signal "$pid"
	ends_with $((128 + $(env kill -l $signal))) "$pid" "tap after $signal"
	grep -q "seen 1 messages, 2 B" "$dir/one.err" || bad "tap after $signal said $(cat "$dir/one.err")"
done
expect 0 "$SHMQ" rm "$addr"

# Bytes that are no text, and none at all.
expect 0 "$SHMQ" create "$addr" --kind mpmc
printf '\377\000\001' >"$dir/bytes"
expect 0 "$SHMQ" send "$addr" <"$dir/bytes"
expect 0 "$SHMQ" tap "$addr" --oldest --count 1 --json
same hex ff0001 "$(json "$out" hex)"
same length 3 "$(json "$out" length)"
expect 1 json "$out" text
expect 0 "$SHMQ" tap "$addr" --oldest --count 1
same_files "bytes" "$dir/bytes" "$out"
expect 1 sh -c '"$0" tap "$1" --oldest --count 1 >/dev/full' "$SHMQ" "$addr"
grep -q 'write standard output: .*; nothing in the queue has changed' "$err" || bad "$(cat "$err")"
expect 0 "$SHMQ" rm "$addr"

# Nothing there: nothing is made. On other backends.
expect 1 "$SHMQ" tap "$addr"
error_line "$addr" 'attach as observer: .*shmq ls'
[ ! -e "/dev/shm/${addr#shm:/}" ] || bad "tap made a queue"
for addr in "$(sysv_queue)" "file:$dir/queue"; do
	expect 0 "$SHMQ" create "$addr" --kind mpmc
	expect 0 "$SHMQ" send "$addr" --lines <"$dir/abc"
	expect 0 "$SHMQ" tap "$addr" --oldest --timeout 0
	same_files "$addr" "$dir/abc" "$out"
	same "depth of $addr" 3 "$(field "$addr" depth)"
	expect 0 "$SHMQ" rm "$addr"
done
finish
