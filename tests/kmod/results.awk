# SPDX-License-Identifier: MIT
# results.awk DIFFERS RESULTS: what came over the serial line, as one line for each check, and their sum. Nothing seen is a failure, too.
FNR == NR {
	if ($0 !~ /^#/ && split($0, known, ": "))
		reason[known[1]] = substr($0, length(known[1]) + 3)
	next
}
{ sub(/\r$/, "") }
$1 == "@kernel" { print "# Linux " $2 ", " $3 " CPUs" }
$1 == "@begin" { name = $2; seen = bad = 0 }
/^(not )?ok / {
	text = $0
	verdict = "pass"
	if (sub(/^not ok - /, "", text)) {
		verdict = "FAIL"
		bad++ # one that is listed, too: the program says so with status 1, and with no other
	}
	sub(/^ok - /, "", text)
	if (text ~ /# SKIP/)
		verdict = "skip"
	sub(/ +\([0-9.]+s\)$/, "", text)
	id = name " " text
	if (id in reason) {
		if (verdict == "FAIL")
			verdict = "differs"
		else
			text = text ": is listed as different, but holds"
		verdict = verdict == "differs" ? verdict : "FAIL"
		text = text (verdict == "differs" ? ": " reason[id] : "")
	}
	count[verdict]++
	seen++
	print verdict " " name " " text
}
/^# / || /^\| / { print }
$1 == "@end" {
	if (seen == 0 || ($3 != 0 && !bad) || $3 > 1) {
		count["FAIL"]++
		print "FAIL " $2 ": " seen " checks, then status " $3
	}
	print "# " $2 " ended with " $3 " at " $4 " s"
}
$1 == "@done" { done = 1 }
END {
	if (!done) {
		count["FAIL"]++
		print "FAIL the kernel did not come to its end (in " (name ? name : "its start") ")"
	}
	printf "%d passed, %d failed", count["pass"], count["FAIL"]
	printf " (%d skipped, %d differ on this kernel)\n", count["skip"], count["differs"]
	exit count["FAIL"] > 0 || count["pass"] == 0
}
