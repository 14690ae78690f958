# SPDX-License-Identifier: MIT
# Every failure is one line with the address, what failed, the reason and a remedy; exit 1.
. "$(dirname "$0")/tool.sh"

addr=$(queue)
object=/dev/shm/${addr#shm:/}
printf 'some bytes' >"$dir/input"

# Nothing there.
for command in stat lock unlock rm "set --mode 0600"; do
	expect 1 "$SHMQ" $command "$addr"
	error_line "$addr" 'shmq ls'
done

# Malformed addresses.
for wrong in '' shm: shm:/ shm:/a/b nonsense sysv: sysv:id/ sysv:id/x file: memfd:x fd: fd:x fd:99 dev:/dev/x; do
	expect 1 "$SHMQ" stat "$wrong"
	error_line "${wrong:-(empty address)}" 'stat: '
	expect 1 "$SHMQ" recv "$wrong"
	error_line "${wrong:-(empty address)}" ': '
	expect 1 "$SHMQ" rm "$wrong"
	error_line "${wrong:-(empty address)}" 'remove: '
done
expect 1 "$SHMQ" stat "shm:/two
lines"
error_line 'shm:/two\x0alines' 'stat: '
expect 1 "$SHMQ" create fd:0
error_line fd:0 'create: '
expect 1 "$SHMQ" create "file:$dir/no/such/directory"
error_line "file:$dir/no/such/directory" 'create: .*directory'
expect 1 "$SHMQ" recv "file:$dir/no/such/directory"
error_line "file:$dir/no/such/directory" 'create with defaults: .*directory'
expect 1 "$SHMQ" create "sysv:$dir/no-such-file"
error_line "sysv:$dir/no-such-file" 'create: '
expect 1 "$SHMQ" recv sysv:private
error_line sysv:private 'attach as consumer: '

# Not ours; ours but damaged.
head -c 20000 /dev/zero >"$object"
expect 1 "$SHMQ" stat "$addr"
error_line "$addr" 'stat: .*leave it'
expect 1 "$SHMQ" recv "$addr"
error_line "$addr" 'attach as consumer: .*leave it'
rm "$object"
expect 0 "$SHMQ" create "$addr"
truncate -s 20000 "$object"
expect 1 "$SHMQ" send "$addr" <"$dir/input"
error_line "$addr" 'attach as producer: .*damaged'
expect 0 "$SHMQ" rm "$addr"

# The role is taken, by a live process.
expect 0 "$SHMQ" create "$addr"
"$SHMQ" recv --follow "$addr" >"$dir/copy" 2>"$dir/recv-err" &
started
receiver=$pid
await "recv is attached" field_is "$addr" consumers 1
expect 1 "$SHMQ" recv "$addr"
error_line "$addr" 'attach as consumer: .*wait'
expect 0 "$SHMQ" rm "$addr"
ends_with 0 "$receiver" "recv --follow after rm"

# No entry is free; flags that a kind does not have.
expect 0 "$SHMQ" create "$addr" --participants 1
"$SHMQ" recv --follow "$addr" >"$dir/copy" 2>"$dir/recv-err" &
started
receiver=$pid
await "recv is attached" field_is "$addr" consumers 1
expect 1 "$SHMQ" send "$addr" <"$dir/input"
error_line "$addr" 'attach as producer: .*--participants'
expect 0 "$SHMQ" rm "$addr"
ends_with 0 "$receiver" "recv --follow after rm"
for kind in spsc mpsc mpmc latest; do
	expect 0 "$SHMQ" create "$addr" --kind $kind
	expect 1 "$SHMQ" recv "$addr" --oldest
	error_line "$addr" 'attach as consumer: --oldest is for broadcast; leave it out'
	expect 0 "$SHMQ" rm "$addr"
done
for kind in latest "broadcast --lossy"; do
	expect 0 "$SHMQ" create "$addr" --kind $kind
	expect 1 "$SHMQ" send "$addr" --hangup <"$dir/input"
	error_line "$addr" 'attach as producer: --hangup is not for lossy broadcast and latest'
	expect 0 "$SHMQ" rm "$addr"
done

# One producer, many producers; of broadcast and latest, too, there is one.
for kind in spsc mpsc mpmc broadcast latest; do
	expect 0 "$SHMQ" create "$addr" --kind $kind --capacity 2
	mkfifo "$dir/$kind"
	exec 3<>"$dir/$kind"
	"$SHMQ" send "$addr" --receivers 0 <"$dir/$kind" 2>"$dir/send-err" 3>&- &
	started
	await "send is attached" field_is "$addr" producers 1
	case $kind in
	mpsc | mpmc)
		expect 0 "$SHMQ" send "$addr" <"$dir/input"
		;;
	*)
		expect 1 "$SHMQ" send "$addr" --receivers 0 <"$dir/input"
		error_line "$addr" 'attach as producer: .*live process.*wait'
		;;
	esac
	kill -TERM "$pid"
	ends_with 143 "$pid" "send on $kind"
	exec 3>&-
	expect 0 "$SHMQ" rm "$addr"
done

# A send that waits for its first receiver ends with its queue, and with a signal.
for end in rm TERM; do
	expect 0 "$SHMQ" create "$addr" --kind broadcast
	"$SHMQ" send "$addr" <"$dir/input" 2>"$dir/send-err" &
	started
	await "send is attached" field_is "$addr" producers 1
	same "sent" 0 "$(field "$addr" sent)"
	[ $end = rm ] || kill -TERM "$pid"
	[ $end = rm ] || ends_with 143 "$pid" "send that waits for a receiver"
	expect 0 "$SHMQ" rm "$addr"
	[ $end = TERM ] || ends_with 1 "$pid" "send that waits for a receiver"
	cp "$dir/send-err" "$err"
	[ $end = TERM ] || error_line "$addr" 'send: .*shmq create'
done

# A queue on sysv: whose side file is another one.
addr=$(sysv_queue)
expect 0 "$SHMQ" create "$addr"
side=$(ls /dev/shm/.shmq-"$(field "$addr" id)"-*)
cp "$side" "$side.copy"
mv "$side.copy" "$side"
expect 1 "$SHMQ" send "$addr" <"$dir/input"
error_line "$addr" 'attach as producer: .*/dev/shm'
expect 0 "$SHMQ" rm "$addr"
rm -f "$side"

# Output that cannot be written: nothing is lost.
addr=$(queue full)
expect 0 "$SHMQ" send "$addr" <"$dir/input"
full() {
	"$@" >/dev/full
}
expect 1 full "$SHMQ" recv "$addr"
error_line "$addr" 'write standard output: .*stays in the queue'
same "still there" 1 "$(field "$addr" depth)"
for command in ls "ls --json" "stat $addr" doctor version "--help" "create --help"; do
	expect 1 full "$SHMQ" $command
	error_line "standard output" 'write: '
done
{ "$SHMQ" recv "$addr" 2>"$err" || printf '%s\n' $? >"$dir/status"; } | true
if [ -e "$dir/status" ]; then
	same "recv into a closed pipe" 1 "$(cat "$dir/status")"
	error_line "$addr" 'write standard output: '
	expect 0 "$SHMQ" recv "$addr"
	same_files "what was in the queue" "$dir/input" "$out"
fi
expect 1 "$SHMQ" send "$addr" <"$dir"
error_line "$addr" 'read standard input: '

# Descriptors that are closed are not mistaken for others.
closed() {
	"$@" <&- >&-
}
expect 1 closed "$SHMQ" send "$addr"
error_line "$addr" 'read standard input: '
before=$(field "$addr" depth)
expect 0 "$SHMQ" send "$addr" <"$dir/input"
expect 1 closed "$SHMQ" recv "$addr"
error_line "$addr" 'write standard output: '
same "still there" $((before + 1)) "$(field "$addr" depth)"
expect 1 closed "$SHMQ" stat "$addr"
error_line "standard output" 'write: '

# Another user.
if [ "$(id -u)" -eq 0 ]; then
	nobody_ready
	expect 0 "$SHMQ" create "$(queue private)"
	for command in stat recv lock "set --mode 0666" rm; do
		expect 1 as_nobody "$dir/bin/shmq" $command "$(queue private)"
		error_line "$(queue private)" ': .*owner'
	done
	expect 1 as_nobody "$dir/bin/shmq" create "file:/root-only-$$"
	error_line "file:/root-only-$$" 'create: .*directory'
fi
finish
