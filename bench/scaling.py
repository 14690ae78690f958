#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How cost grows: exponents fitted to the figures, beside what is stated.

    scaling.py FILE

cost = c * x^e: a straight line through log cost over log x, by least squares, for each member in each round. Given are the median of
the rounds' exponents and the interval of that median (results.py). Flagged: the lower end of the interval is above what is stated by
more than TOLERANCE. Cost is time per message of a rate, the median of a latency, bytes of a memory.
"""

import argparse
import signal
import sys
from fnmatch import fnmatchcase

import numpy

import results

# An exponent of 0.05 is 1.4 times the cost at 1,000 times the size: less is not growth, whatever its interval says.
TOLERANCE = 0.05

# question, x, members, stated exponent, what is stated. Cells that differ in x only are one series.
STATED = (
    ("rtt", "len", "*", 1, "a message's round trip in its length: at most the copy's"),
    ("oneway", "len", "*", 1, "a message's way in its length: at most the copy's"),
    ("throughput", "len", "*", 1, "time for a message in its length: at most the copy's"),
    ("throughput", "capacity", "*", 0, "time for a message in the capacity: none"),
    ("batch", "batch", "*", 0, "time for a message in the size of a batch: none, or falling"),
    ("batch", "len", "*", 1, "time for a message in its length: at most the copy's"),
    ("crowd", "producers", "*", 0, "time for a message in the number of producers: none"),
    ("crowd", "consumers", "*", 0, "time for a message in the number of consumers: none"),
    ("broadcast", "consumers", "*", 1, "a message's cost in its readers, lossless: linear"),
    ("lossy", "consumers", "*", 0, "a writer's cost in its readers, lossy: none"),
    ("slow_reader", "consumers", "*", 0, "a send in the number of readers beside a slow one: none"),
    ("latest", "consumers", "*", 0, "a look at the latest value in the number of readers: none"),
    ("records", "len", "*", 1, "time for a record in its length: at most the copy's"),
    ("publish", "len", "*", 1, "a send in its length: at most the copy's"),
    ("take", "len", "*", 1, "a receive in its length: at most the copy's"),
    ("lifecycle", "segments", "*", 0, "in the number of other segments: none"),
    ("attach", "participants", "*", 1, "an attach in the number that are attached: linear"),
    ("attach", "capacity", "*", 0, "an attach in the capacity, without populate: none"),
    ("memory", "capacity", "*", 1, "bytes in the capacity: linear"),
    ("memory", "len", "*", 1, "bytes in the length of a message: linear"),
    ("memory", "participants", "*", 1, "bytes in the number of participants: linear"),
    ("recovery", "*", "*", 0, "until the others go on: the same however big the queue"),
)

# What is known of a flag: patterns of "GROUPS MEMBER".
NOTES = (
)


def stated_for(question, x, name):
    """(exponent, text) of the first line that fits a member or its group, or None."""
    for line_question, line_x, members, exponent, text in STATED:
        if line_question == question and fnmatchcase(x, line_x) and fnmatchcase(name, members):
            return exponent, text
    return None


def generic(cell, place, x):
    """A group's cell with the part that is x taken out: the name of its series."""
    if x == "producers" or x == "consumers":
        together = f"{place.get('producers', 0):.0f}p{place.get('consumers', 0):.0f}c"
        star = together.replace(f"{place[x]:.0f}{x[0]}", f"*{x[0]}")
        if together in cell.lower():
            return cell.lower().replace(together, star)
    value = f"{place[x]:.0f}"
    parts = cell.split("/")
    # Of two equal numbers in a cell the place's order says which: len, capacity, then others.
    indexes = [i for i, part in enumerate(parts) if part == value]
    if not indexes:
        return None
    first = results.PLACES.index(x)
    same = [name for name in results.PLACES[:first] if place.get(name) == place[x]]
    parts[indexes[min(len(same), len(indexes) - 1)]] = "*"
    return "/".join(parts)


def collect(groups):
    """{(question, x, series, member): [(value of x, row)]} of all our own members, in three points or more."""
    points = {}
    for group in groups.values():
        for x in group.place:
            if x in ("mixed", "load") or (x == "batch" and group.question != "batch"):
                continue
            series = generic(group.cell, group.place, x)
            if series is None:
                continue
            for row in group.good:
                points.setdefault((group.question, x, series, row.member), []).append((group.place[x], row))
    return {key: sorted(found, key=lambda point: point[0]) for key, found in points.items()
            if len({x for x, _ in found}) >= 3}


def fit(xs, rounds):
    """results.Ratio of the exponents: rounds[i] are the costs at xs[i], one for each round."""
    log_x = numpy.log(numpy.asarray(xs, dtype=float))
    n = min(len(costs) for costs in rounds)
    log_y = numpy.log(numpy.asarray([costs[:n] for costs in rounds], dtype=float))
    away = log_x - log_x.mean()
    return results.Ratio(list((away @ (log_y - log_y.mean(axis=0))) / (away @ away)))


def fits(groups, ours=True):
    """One dictionary for each series: question, x, series, member, xs, ys, exponent (results.Ratio), stated, text, worse, note."""
    made = []
    for (question, x, series, member), points in collect(groups).items():
        rows = [row for _, row in points]
        if rows[0].ours != ours or any(value <= 0 for row in rows for value in row.rounds):
            continue
        stated = stated_for(question, x, f"{series}/{member}")
        exponent = fit([value for value, _ in points], [row.rounds for row in rows])
        worse = bool(stated) and exponent.low > stated[0] + TOLERANCE
        key = f"{question}/{series} {member}"
        made.append({
            "question": question, "x": x, "series": series, "member": member, "xs": [value for value, _ in points],
            "ys": [row.ns for row in rows], "rows": rows, "unit": rows[0].unit, "exponent": exponent,
            "stated": stated[0] if stated else None, "text": stated[1] if stated else "nothing stated", "worse": worse,
            "note": next((text for pattern, text in NOTES if fnmatchcase(key, pattern)), "") if worse else "",
        })
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="what shmq_bench wrote with --benchmark_out=FILE")
    try:
        _, groups = results.load(parser.parse_args().file)
    except (OSError, ValueError) as error:
        sys.exit(f"scaling.py: {error}")
    for one in fits(groups):
        e = one["exponent"]
        stated = "" if one["stated"] is None else f"stated <= {one['stated']}"
        print(f"{one['question'] + '/' + one['series']:36} {one['member']:16} {one['x']:10} {e.median:6.2f} ({e.low:.2f} to {e.high:.2f})  "
              f"{stated:12} {'WORSE ' + one['note'] if one['worse'] else ''}")


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
