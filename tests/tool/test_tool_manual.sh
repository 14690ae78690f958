# SPDX-License-Identifier: MIT
# The manual page and the command say the same: every subcommand, option and member of the JSON output.
. "$(dirname "$0")/tool.sh"

pages=$(dirname "$0")/../../docs/man
page=$pages/shmq.1

for command in create ls stat rm set lock unlock gc doctor send recv tap version; do
	grep -Eq "^\.(Cm|Ss) .*\b$command\b" "$page" || bad "shmq.1 does not have $command"
	expect 0 "$SHMQ" "$command" --help
	for option in $(grep -Eo -e '--[a-z-]+' "$out" | sort -u); do
		grep -q "Fl Fl ${option#--}" "$page" || bad "shmq.1 does not have $option of $command"
		good
	done
done

# And nothing that the command does not know.
for option in $(grep -Eo 'Fl Fl [a-z-]+' "$page" | cut -d ' ' -f 3 | sort -u); do
	known=no
	for command in create ls stat set gc doctor send recv tap; do
		"$SHMQ" $command --help >"$out"
		! grep -Eq -e "--$option([ =]|\$)" "$out" || known=yes
	done
	same "--$option of shmq.1 is known" yes $known
done

addr=$(queue)
expect 0 "$SHMQ" create "$addr"
"$SHMQ" recv --follow "$addr" >"$dir/copy" 2>"$dir/recv-err" &
started
await "recv is attached" field_is "$addr" consumers 1
expect 0 "$SHMQ" stat --json "$addr"
for member in $(grep -Eo '^ *"[a-z_]+":' "$out" | tr -d ' ":'); do
	grep -Eq "^\.(It Cm|Ql) .*\b$member\b" "$page" || bad "shmq.1 does not have $member of stat --json"
	good
done
expect 0 "$SHMQ" ls --json
for member in $(grep -Eo '^ {2,4}"[a-z_]+"' "$out" | tr -d ' "'); do
	grep -q "^\.Ql .*\b$member\b" "$page" || bad "shmq.1 does not have $member of ls --json"
	good
done

addr=$(queue tap)
expect 0 "$SHMQ" create "$addr"
for text in 'text\n' '\377'; do
	printf "$text" >"$dir/text"
	expect 0 "$SHMQ" send "$addr" <"$dir/text"
done
expect 0 "$SHMQ" tap "$addr" --oldest --count 2 --json
for member in $(grep -Eo '"[a-z_]+":' "$out" | tr -d '":' | sort -u); do
	grep -q "^\.Ql $member\b" "$page" || bad "shmq.1 does not have $member of tap --json"
	good
done

if command -v mandoc >/dev/null; then
	for file in "$pages"/shmq.[17] "$pages"/libshmq-sysv.7; do
		expect 0 mandoc -Tlint -W warning "$file"
	done
fi
finish
