#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Instructions of one call of each kind of queue, counted by callgrind: the same on every run and under any load.

    instructions.py shmq_count_calls

Prints a Markdown table. The loop around the calls (the call "nothing") is taken off. 56 bytes a message, nobody asleep; no lock is
contended, no line is missed: what a call does, not what it takes.
"""

import re
import subprocess
import sys

KINDS = ("spsc", "spsc_records", "mpsc", "mpsc_records", "mpmc", "mpmc_redeliver", "broadcast", "broadcast_records", "lossy",
         "lossy_records", "latest")
CALLS = (("send", "send"), ("recv", "recv"), ("commit", "reserve + commit"), ("release", "peek + release"), ("empty", "recv, nothing there"))
ROUNDS = 1024  # CALLS of count_calls.c
UNSUPPORTED = 3


def collected(program, kind, call):
    """Instructions of all the calls, or None: the kind does not have it."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no", "--toggle-collect=counted",
               program, kind, call]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode == UNSUPPORTED:
        return None
    found = re.search(r"Collected : (\d+)", run.stderr)
    if run.returncode or not found:
        sys.exit(f"instructions.py: {kind} {call}: {run.stderr.strip().splitlines()[-1] if run.stderr.strip() else run.returncode}")
    return int(found[1])


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    program = sys.argv[1]
    print("| kind | " + " | ".join(title for _, title in CALLS) + " |")
    print("|---|" + "---:|" * len(CALLS))
    for kind in KINDS:
        around = collected(program, kind, "nothing")
        counts = [collected(program, kind, call) for call, _ in CALLS]
        cells = ["" if count is None else f"{(count - around) / ROUNDS:.0f}" for count in counts]
        print(f"| {kind.replace('_', ', ')} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
