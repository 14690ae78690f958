#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turn the JSON of shmq_bench into a report in Markdown, on stdout.

    report.py FILE

Ratios are medians over the rounds of ratios within a round; in brackets the least and the greatest.
"""

import json
import platform
import sys

BASES = {
    "floor": "raw ping-pong",
    "boost": "boost spsc_queue",
    "ck": "ck_ring",
    "futex": "bare futex",
    "store": "bare store",
    "alone": "alone",
    "kernel": "kernel alone",
    "rival": "best rival",
    "per_producer": "moodycamel",
    "one_reader": "one reader",
    "slots": "slots",
    "quiet": "quiet",
    "eventfd": "bare eventfd",
}

SECTIONS = (
    ("rtt", "Round trip, nanoseconds", "Two processes, each pinned to its core, 1024 slots. send_recv polls with timeout 0, send_recv_wait waits."),
    ("throughput", "Throughput, million messages a second", "One process sends as fast as it can, the other checks every message."),
    ("mpsc", "Many producers, one consumer, million messages a second",
     "Message bytes / capacity / producers, all of them on the first core and the consumer on the second; mixed: some of both on each. "
     "Messages are checked for each producer. moodycamel works between processes here only because they are forked from one, and keeps each producer's order, not one for all."),
    ("mpmc", "Many producers, many consumers, million messages a second",
     "As above. Rivals block for ever when a process is killed in the middle of a call."),
    ("lossy", "Lossy broadcast: what a message costs the writer, nanoseconds",
     "Readers share the other core and follow as fast as they can; missed: the share of the copies that they could not follow."),
    ("broadcast", "Lossless broadcast, million messages a second", "Message bytes / readers; every message to every reader, who share the second core."),
    ("records", "SPSC: records against slots, million messages a second", "Room for the same number of messages."),
    ("latest", "Reading the latest value of 64 bytes, nanoseconds", "Every word of every value is checked; missed: the share of the reads that were -EAGAIN, overtaken by the writer too often."),
    ("epoll", "Round trip of two event loops, nanoseconds", "epoll_wait, take what is there, answer."),
    ("blocking", "Blocking round trip, nanoseconds", "asleep: both sides sleep in the futex when their message comes; tight: answer at once."),
    ("publish", "Cost of a send when nobody sleeps, nanoseconds", "8 bytes, one process, bursts of 512."),
    ("attach", "Attach and detach of what exists, nanoseconds", "among_others: with so many other segments in the system as the context says."),
)


def load(path):
    try:
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        return data["context"], [row for row in data["benchmarks"] if "/" in row["name"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        sys.exit(f"report.py: {path}: not a result of shmq_bench ({error})")


def split(row):
    """(group, member) of a row: rtt/8/send_recv/iterations:7/manual_time is rtt/8 and send_recv."""
    parts = [part for part in row["name"].split("/") if not part.startswith("iterations:") and part != "manual_time"]
    return "/".join(parts[:-1]), parts[-1]


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.machine()


def ratio(row, base):
    """One ratio as text, or an empty cell."""
    if f"vs_{base}" not in row:
        return ""
    least, greatest = row[f"vs_{base}_least"], row[f"vs_{base}_greatest"]
    return f"{row[f'vs_{base}']:.2f} ({least:.2f} - {greatest:.2f})"


def targets(rows):
    """(name, ratio text, wanted text, met) of each ratio that is wanted."""
    for row in rows:
        for base in BASES:
            for kind, sign in (("at_least", ">="), ("at_most", "<=")):
                wanted = row.get(f"{kind}_{base}")
                if wanted is None or f"vs_{base}" not in row:
                    continue
                value = row[f"vs_{base}"]
                met = value >= wanted if kind == "at_least" else value <= wanted
                group, member = split(row)
                yield f"{group} {member} / {BASES[base]}", ratio(row, base), f"{sign} {wanted:g}", met


def figures(row):
    """Header and cells of what a row is about."""
    if "msg_per_s" in row:
        return {"M msg/s": f"{row['msg_per_s'] / 1e6:.1f}", "MB/s": f"{row['MB_per_s']:.0f}"}
    if "p99_ns" not in row:
        return {"mean": f"{row['p50_ns']:.1f}", "missed": f"{row.get('missed', 0) * 100:.1f} %"}
    cells = {"p50": f"{row['p50_ns']:.1f}", "p99": f"{row['p99_ns']:.1f}"}
    if "p999_ns" in row:
        cells["p99.9"] = f"{row['p999_ns']:.1f}"
    if "missed" in row:
        cells["missed"] = f"{row['missed'] * 100:.2g} %"
    if "send_ns" in row:
        cells |= {"send alone": f"{row['send_ns']:.0f}", "sleeps a trip": f"{row['sleeps']:.2f}"}
    return cells


def print_table(rows):
    bases = [base for base in BASES if any(f"vs_{base}" in row for row in rows)]
    heads = None
    every = {head: None for row in rows if not row.get("error_occurred") for head in figures(row)}
    for row in rows:
        group, member = split(row)
        if row.get("error_occurred"):
            print(f"\n{group} {member}: {row['error_message']}\n")
            continue
        cells = figures(row) | {"/ " + BASES[base]: ratio(row, base) for base in bases}
        if heads is None:
            heads = list(every) + ["/ " + BASES[base] for base in bases]
            print("\n| | " + " | ".join(heads) + " |")
            print("|---|" + "---|" * len(heads))
        print(f"| {group} {member} | " + " | ".join(cells.get(head, "") for head in heads) + " |")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: report.py FILE")
    context, rows = load(sys.argv[1])
    print("# shmq: measured\n")
    print(f"- {context.get('date', '?')}, shmq {context.get('shmq', '?')}")
    print(f"- {cpu_model()}, {context.get('num_cpus', '?')} cores, pinned to {context.get('pinned_to', '?')}, {context.get('scheduler', '?')}")
    print(f"- {platform.system()} {platform.release()}, load average {context.get('load_avg', ['?'])[0]}")
    print(f"- {context.get('rounds', '?')} rounds of {context.get('seconds_per_round', '?')} s; attach: {context.get('other_segments', '?')} other segments")

    print("\n## Wanted\n\n| ratio | measured | wanted | verdict |\n|---|---|---|---|")
    for name, value, wanted, met in targets([row for row in rows if not row.get("error_occurred")]):
        print(f"| {name} | {value} | {wanted} | {'met' if met else 'MISSED'} |")

    for prefix, title, explanation in SECTIONS:
        section = [row for row in rows if split(row)[0].startswith(prefix + "/")]
        if section:
            print(f"\n## {title}\n\n{explanation}")
            print_table(section)


if __name__ == "__main__":
    main()
