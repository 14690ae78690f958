# SPDX-License-Identifier: MIT
# stat and ls, for people and as JSON: every field of struct shmq_stat, before, during and after.
. "$(dirname "$0")/tool.sh"

fields="address backend kind key id uid gid cuid cgid mode dest locked seq segsz atime dtime ctime cpid
	lpid nattch page_size base resident_bytes locked_bytes lock_needed_bytes capacity msg_max depth sent
	received lost redelivered dead producers consumers flags participants max_deliveries slow_limit rows"

for addr in "$(queue)" "$(sysv_queue)" "file:$dir/queue"; do
	expect 0 "$SHMQ" create "$addr" --msg-max 100 --capacity 10 --mode 0640
	expect 0 "$SHMQ" stat "$addr" --json
	cp "$out" "$dir/json"
	for name in $fields; do
		json "$dir/json" "$name" >/dev/null || bad "$addr: stat --json has no $name"
		good
	done
	same "members" "$(printf '%s\n' $fields | wc -l)" "$(json "$dir/json")"
	same address "$addr" "$(json "$dir/json" address)"
	same backend "${addr%%:*}" "$(json "$dir/json" backend)"
	same kind spsc "$(json "$dir/json" kind)"
	same mode 0640 "$(json "$dir/json" mode)"
	same uid "$(id -u)" "$(json "$dir/json" uid)"
	same dest false "$(json "$dir/json" dest)"
	same locked false "$(json "$dir/json" locked)"
	same base null "$(json "$dir/json" base)"
	same nattch 0 "$(json "$dir/json" nattch)"
	same capacity 10 "$(json "$dir/json" capacity)"
	same msg_max 100 "$(json "$dir/json" msg_max)"
	[ "$(json "$dir/json" lock_needed_bytes)" -gt 1000 ] || bad "lock_needed_bytes"
	[ "$(json "$dir/json" segsz)" -gt 1000 ] || bad "segsz"
	[ "$(json "$dir/json" ctime)" -gt 1600000000 ] || bad "ctime"

	# Two messages wait; then a reader is there; then it has gone.
	printf '%s\n' a b >"$dir/lines"
	expect 0 "$SHMQ" send "$addr" --lines <"$dir/lines"
	same depth 2 "$(field "$addr" depth)"
	same sent 2 "$(field "$addr" sent)"
	same received 0 "$(field "$addr" received)"
	"$SHMQ" recv --follow "$addr" >"$dir/copy" 2>"$dir/recv-err" &
	started
	await "two were received" field_is "$addr" received 2
	same consumers 1 "$(field "$addr" consumers)"
	same producers 0 "$(field "$addr" producers)"
	same nattch 1 "$(field "$addr" nattch)"
	same rows 1 "$(field "$addr" rows)"
	same "pid of the row" "$pid" "$("$SHMQ" stat --json "$addr" | "$JSON_VALUE" rows 0 pid)"
	[ "${addr%%:*}" = sysv ] || same lpid "$pid" "$(field "$addr" lpid)"
	kill -KILL "$pid"
	ends_with 137 "$pid" "killed recv"
	same "nattch after SIGKILL" 0 "$(field "$addr" nattch)"
	same "consumers after SIGKILL" 0 "$(field "$addr" consumers)"
	same "the row of the killed one" false "$("$SHMQ" stat --json "$addr" | "$JSON_VALUE" rows 0 alive)"

	# For people.
	expect 0 "$SHMQ" stat "$addr"
	grep -q "^address  *$addr$" "$out" || bad "stat does not say the address"
	grep -q '^mode  *0640$' "$out" || bad "stat does not say the mode"
	grep -q '^received  *2$' "$out" || bad "stat does not say received"
	good

	# In the list; not in the list. Files are in nobody's list.
	[ "${addr%%:*}" != file ] || { expect 0 "$SHMQ" rm "$addr"; continue; }
	expect 0 "$SHMQ" ls
	grep -q "spsc *0640-- " "$out" || bad "ls does not show $addr: $(cat "$out")"
	expect 0 "$SHMQ" ls --json
	listed=0
	i=0
	while [ $i -lt "$(json "$out" segments)" ]; do
		[ "$(json "$out" segments $i seq)" != "$(json "$dir/json" seq)" ] ||
			[ "$(json "$out" segments $i key)" != "$(json "$dir/json" key)" ] || listed=$((listed + 1))
		i=$((i + 1))
	done
	same "$addr in ls --json" 1 "$listed"
	expect 0 "$SHMQ" rm "$addr"
	expect 1 "$SHMQ" stat "$addr"
	error_line "$addr" 'stat: '
done

# Who is attached to each kind: roles, messages, positions and lag of those who have an entry.
row() {
	json "$dir/json" rows "$@"
}
rows_of() {
	"$SHMQ" stat --json "$1" >"$dir/json" && [ "$(json "$dir/json" rows)" = "$2" ]
}
mkfifo "$dir/feed"
addr=$(queue rows)
for options in spsc "spsc --records" mpsc "mpsc --records" mpmc broadcast "broadcast --records" "broadcast --lossy" \
	latest; do
	expect 0 "$SHMQ" create "$addr" --kind $options --msg-max 100 --participants 4
	case $options in
	*lossy | latest) readers=0 ;;
	*) readers=1 ;;
	esac
	rm -f "$dir/copy"
	"$SHMQ" recv --follow "$addr" >"$dir/copy" 2>"$dir/recv-err" &
	started
	receiver=$pid
	await "recv is attached" field_is "$addr" consumers 1
	exec 3<>"$dir/feed"
	"$SHMQ" send --lines "$addr" <"$dir/feed" >"$dir/send" 2>&1 3>&- &
	started
	sender=$pid
	await "both have rows" rows_of "$addr" $((readers + 1))
	echo a >&3
	await "it has come" grep -q a "$dir/copy"
	await "it is counted" field_is "$addr" sent 1
	if [ $readers -eq 1 ]; then
		await "it is released" field_is "$addr" depth 0
		kill -STOP "$receiver"
	fi
	echo b >&3
	echo c >&3
	await "two more are sent" field_is "$addr" sent 3
	expect 0 rows_of "$addr" $((readers + 1))
	same "$options: role of the sender" producer "$(row $readers roles 0)"
	same "$options: pid of the sender" "$sender" "$(row $readers pid)"
	same "$options: the sender lives" true "$(row $readers alive)"
	same "$options: messages sent" 3 "$(row $readers messages)"
	same "$options: lag of the sender" null "$(row $readers lag)"
	same "$options: generation" 1 "$(row $readers generation)"
	same "$options: lost" 0 "$(row $readers lost)"
	if [ $readers -eq 1 ]; then
		same "$options: role of the receiver" consumer "$(row 0 roles 0)"
		same "$options: pid of the receiver" "$receiver" "$(row 0 pid)"
		same "$options: messages received" 1 "$(row 0 messages)"
		same "$options: lag of the receiver" 2 "$(row 0 lag)"
	fi
	case $options in
	mpmc) same "position" null "$(row 1 position)" ;;
	*) same "$options: position of the sender" 3 "$(row $readers position)" ;;
	esac
	expect 0 "$SHMQ" stat "$addr"
	grep -Eq "^ +$readers  producer +$sender +yes +1 " "$out" || bad "$options: stat: $(cat "$out")"
	grep -q "^INDEX  ROLE  *PID ALIVE GENERATION  *MESSAGES  *POSITION  *LAG  *LOST$" "$out" ||
		bad "$options: stat has no head for the rows"
	kill -CONT "$receiver"
	kill -TERM "$sender"
	ends_with 143 "$sender" "send"
	expect 0 "$SHMQ" rm "$addr"
	ends_with 0 "$receiver" "recv"
	exec 3>&-
done

# Totals and limits.
expect 0 "$SHMQ" ls --json
same "count" "$(json "$out" segments)" "$(json "$out" totals segments)"
for name in bytes resident_bytes; do
	[ "$(json "$out" totals $name)" -ge 0 ] || bad "totals $name"
done
same shmmni "$(cat /proc/sys/kernel/shmmni)" "$(json "$out" sysv_limits shmmni)"
for name in shmmax shmmin shmall used_ids total_pages resident_pages swapped_pages; do
	[ "$(json "$out" sysv_limits $name)" -ge 0 ] || bad "sysv_limits $name"
	good
done
expect 0 "$SHMQ" ls
grep -q '^total: [0-9]* segments, ' "$out" || bad "ls has no totals"
grep -q "^sysv limits: .*(shmmni) $(cat /proc/sys/kernel/shmmni) " "$out" || bad "ls has no limits"

# Marked: on sysv: by id, on shm: through a descriptor, while somebody is attached.
expect 0 "$SHMQ" create sysv:private
addr=$(cat "$out")
printf '%s\n' "$addr" >>"$dir/sysv"
"$SHMQ" recv --follow "$addr" >"$dir/copy" 2>"$dir/recv-err" &
started
await "recv is attached" field_is "$addr" consumers 1
same dest false "$(field "$addr" dest)"
kill -STOP "$pid"
expect 0 "$SHMQ" rm "$addr"
same "dest after rm" true "$(field "$addr" dest)"
same "nattch after rm" 1 "$(field "$addr" nattch)"
expect 0 "$SHMQ" ls
grep -q ' 0600D- ' "$out" || bad "ls does not show D: $(cat "$out")"
kill -CONT "$pid"
ends_with 0 "$pid" "recv after rm"
expect 1 "$SHMQ" stat "$addr"
error_line "$addr" 'stat: '

addr=$(queue marked)
expect 0 "$SHMQ" create "$addr"
"$SHMQ" recv --follow "$addr" >"$dir/copy" 2>"$dir/recv-err" &
started
await "recv is attached" field_is "$addr" consumers 1
exec 5<>"/dev/shm/${addr#shm:/}"
same "dest through fd:5" false "$(field fd:5 dest)"
kill -STOP "$pid"
expect 0 "$SHMQ" rm "$addr"
same "dest after rm" true "$(field fd:5 dest)"
same "nattch after rm" 1 "$(field fd:5 nattch)"
kill -CONT "$pid"
ends_with 0 "$pid" "recv after rm"
expect 1 "$SHMQ" stat fd:5
error_line fd:5 'stat: .*removed'
exec 5>&-

# A plain SysV segment of somebody else: raw memory, what only queues have is null.
if command -v ipcmk >/dev/null; then
	addr=sysv:id/$(ipcmk -M 10000 | grep -Eo '[0-9]+$')
	printf '%s\n' "$addr" >>"$dir/sysv"
	same kind segment "$(field "$addr" kind)"
	same segsz 10000 "$(field "$addr" segsz)"
	same capacity null "$(field "$addr" capacity)"
	same depth null "$(field "$addr" depth)"
	same rows null "$(field "$addr" rows)"
	same flags null "$(field "$addr" flags)"
	expect 1 "$SHMQ" recv "$addr"
	error_line "$addr" 'attach as consumer: '
	expect 0 "$SHMQ" rm "$addr"
fi
finish
