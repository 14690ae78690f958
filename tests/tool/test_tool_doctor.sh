# SPDX-License-Identifier: MIT
# doctor and gc.
. "$(dirname "$0")/tool.sh"

expect 0 "$SHMQ" doctor
lines=$(wc -l <"$out")
[ "$lines" -ge 15 ] || bad "doctor has only $lines lines"
same "lines without a verdict" 0 "$(grep -Evc '^(ok|warn|bad) +[^ ]' "$out")"
for name in 'shm queue' 'sysv queue' /dev/shm 'sysv limits' 'memory locking' 'huge pages 2M' 'huge pages 1G' \
	compaction membarrier 'cpu governor' 'isolated cpus' nohz_full 'real-time priority' 'rt throttling' cpus swap \
	'shmem huge pages' namespaces 'systemd RemoveIPC' 'stale things'; do
	grep -Eq "^(ok|warn|bad) +$name  " "$out" || bad "doctor says nothing about $name"
	good
done
grep -q '^ok    shm queue ' "$out" || bad "doctor: a shm: queue does not work"
grep -q '^ok    sysv queue ' "$out" || bad "doctor: a sysv: queue does not work"
same "what doctor left" 0 "$(ls /dev/shm | grep -c "shmq-doctor" || true)"

expect 0 "$SHMQ" doctor --json
same "checks" "$lines" "$(json "$out" checks)"
case $(json "$out" verdict) in
ok | warn) good ;;
*) bad "verdict $(json "$out" verdict)" ;;
esac
for member in name verdict found advice; do
	json "$out" checks 0 $member >/dev/null || bad "a check has no $member"
	good
done

# A complete, unmarked queue is not for gc.
addr=$(queue kept)
expect 0 "$SHMQ" create "$addr"
expect 0 "$SHMQ" gc
tail -n 1 "$out" | grep -Eqx '[0-9]+ cleared' || bad "gc does not count: $(cat "$out")"
expect 0 "$SHMQ" stat "$addr"
expect 0 "$SHMQ" rm "$addr"

# The side file of a sysv: queue whose segment went behind our back. Others may leave things at the same
# time, so only ours is looked for.
addr=$(sysv_queue)
expect 0 "$SHMQ" create "$addr"
id=$(field "$addr" id)
side=$(ls /dev/shm/.shmq-"$id"-*)
ipcrm -m "$id"
expect 0 "$SHMQ" gc --dry-run
grep -q "^would clear .*$(basename "$side")" "$out" || bad "gc --dry-run does not see $side: $(cat "$out")"
tail -n 1 "$out" | grep -Eqx '[1-9][0-9]* to clear' || bad "gc --dry-run does not count"
[ -e "$side" ] || bad "gc --dry-run cleared $side"
expect 0 "$SHMQ" doctor
grep -q '^warn  stale things .*shmq gc' "$out" || bad "doctor does not see $side"
expect 0 "$SHMQ" gc
grep -q "^cleared .*$(basename "$side")" "$out" || bad "gc does not tell: $(cat "$out")"
[ ! -e "$side" ] || bad "gc left $side"
good
finish
