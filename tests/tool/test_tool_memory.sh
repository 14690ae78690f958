# SPDX-License-Identifier: MIT
# Too little memory: the line says how much was needed, what the limit is, and how to raise it.
. "$(dirname "$0")/tool.sh"

limited() {
	local limit=$1

	shift
	(
		ulimit -l "$limit"
		if [ "$(id -u)" -eq 0 ]; then
			as_nobody "$@"
		else
			"$@"
		fi
	)
}

nobody_ready
tool=$dir/bin/shmq
export LD_LIBRARY_PATH="$dir/bin"
if [ "$(id -u)" -eq 0 ]; then
	trap 'as_nobody "$tool" rm "$addr" >"$dir/rm" 2>&1 || true; clean_up' EXIT
fi

addr=$(queue)
for limit in 0 64; do
	expect 1 limited $limit "$tool" create "$addr" --lock
	error_line "$addr" 'create: .*needs 4\.[0-9] MiB \([0-9]{7} bytes\) of locked memory'
	error_line "$addr" "RLIMIT_MEMLOCK is .* \\($((limit * 1024)) bytes\\)"
	error_line "$addr" 'ulimit -l [0-9]+, LimitMEMLOCK=.*/etc/security/limits.d'
	[ ! -e "/dev/shm/${addr#shm:/}" ] || bad "a failed create left the object"
done

# The figure is right: that much is enough, and the queue can be used.
needed=$(grep -Eo 'ulimit -l [0-9]+' "$err" | grep -Eo '[0-9]+')
expect 0 limited "$needed" "$tool" create "$addr" --lock
printf x >"$dir/x"
expect 0 limited "$((needed + 64))" "$tool" send "$addr" <"$dir/x"
expect 1 limited 64 "$tool" recv "$addr"
error_line "$addr" 'attach as consumer: .*ulimit -l'
expect 0 limited "$((needed + 64))" "$tool" recv "$addr"
same "through the locked queue" x "$(cat "$out")"
expect 0 limited 0 "$tool" rm "$addr"

# lock by address.
expect 0 limited 0 "$tool" create "$addr"
expect 1 limited 0 "$tool" lock "$addr"
error_line "$addr" 'lock: .*needs .*ulimit -l'
same "still not locked" false "$(limited 0 "$tool" stat --json "$addr" | "$JSON_VALUE" locked)"
expect 0 limited 0 "$tool" rm "$addr"

# doctor tells before.
expect 0 limited 0 "$tool" doctor
grep -Eq '^warn  memory locking .*ulimit -l' "$out" || bad "doctor: $(cat "$out")"
good

# A file system that is too small: its size, what is free, and what to do.
namespace() {
	unshare -m sh -c 'mount -t tmpfs -o "$1" tmpfs /dev/shm && shift && exec "$@"' sh "$@"
}
if namespace size=1m true 2>/dev/null; then
	expect 1 namespace size=1m "$SHMQ" create "$addr"
	error_line "$addr" 'create: .*4\.[0-9] MiB wanted, /dev/shm has .* of 1\.0 MiB free.*remount'
	expect 1 namespace size=1m "$SHMQ" send "$addr" <"$dir/x"
	error_line "$addr" 'create with defaults: .*/dev/shm has .* of 1\.0 MiB free'
	expect 0 namespace size=1m "$SHMQ" doctor
	grep -q '^warn  /dev/shm  *only ' "$out" || bad "doctor with a small /dev/shm: $(cat "$out")"
	expect 1 namespace ro "$SHMQ" doctor
	grep -q '^bad   /dev/shm  *mounted read-only; mount' "$out" || bad "doctor: $(cat "$out")"
	expect 1 namespace ro "$SHMQ" doctor --json
	same "verdict" bad "$(json "$out" verdict)"
else
	printf 'no mount namespaces here: small and read-only /dev/shm not checked\n'
fi
finish
