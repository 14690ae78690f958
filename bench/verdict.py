#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The verdict: what a latency engineer asks, shmq beside the best rival and beside the floor.

    verdict.py FILE

Each row is one of our calls (or the best of several) in one group. A rival is whatever does the same job in that group; who does a weaker
one is shown where it is ahead of the rivals or alone, with what it does less, and is not judged by. The best is the one with the
best median. Ratios are medians over the rounds of ratios within a round, in brackets the interval of that median (results.py).
"""

import argparse
import math
import signal
import sys
from fnmatch import fnmatchcase

import results
from results import best_rival, digits, ratio_text, size_text, speed

# Who reads in place is held against our zero copy.
IN_PLACE = ("iceoryx*",)

# Zero copy saves the copy out: it does another job than those who copy twice, and has rows of its own.
SPSC = ["send_recv", "inline"]

# Why a row that is behind is behind: the first pattern that fits "GROUP MEMBER" (MEMBER p999 for the p99.9 of a latency).
REASONS = (
    ("rtt/* p999", "the tail of a ring whose lines march, beside one line that stays; no preemption is in it"),
    ("rtt/8 *", "messages march through the ring's lines, of which the CPU takes the next ones ahead: a bare marching ring without any check takes 98 ns where the one line takes 80"),
    ("rtt/56 *", "a message and its number are a line of its own each time: a bare marching ring without any check takes 135 ns where the one line takes 60-80"),
    ("rtt/65536 *", "a free list, or a pool of blocks, gives back the buffer used last, still in the cache; a ring goes through all its memory"),
    ("rtt/*", "the copies in and out, and lines that march"),
    ("oneway/*", "the copies in and out, and lines that march"),
    ("open/* p99", "rounds of 20 ms on a shared machine: p99 is a preemption here, for everybody (p50: 80-130 ns, see the chart)"),
    ("throughput/8/65536 *", "two exported calls a message, or 16 bytes of ring for 8; the receiver runs on the sender's heels (what cured that cost 2 us of latency at half load)"),
    ("throughput/56/* *", "as the bare stream without long pauses: the receiver on the sender's heels takes each line while it is written (what cured that cost 2 us of latency at half load)"),
    ("throughput/4096/65536 *", "256 MiB of ring: more than any cache, and a bare stream has two gaits there, 1 and 6.5 M/s, as ours has"),
    ("throughput/1048576/*", "a free list gives back the buffer used last, still in the cache; a ring goes through all its memory, 64 MiB, as the bare stream does"),
    ("throughput/4096/64 *", "a free list gives back the buffer used last, still in the cache; a ring goes through all its memory, as the bare stream does"),
    ("throughput/*", "two gaits: on the sender's heels, or streaming behind it; a shared machine's cores change from one to the other"),
    ("batch/*", "each message carries its own word and is visible by itself (one that is killed in mid-batch loses nothing); theirs are arrays with one index for all"),
    ("crowd/56/1024/*", "both lines of a slot change cores twice; a receiver that lets senders get ahead is faster here and makes messages wait at half load"),
    ("crowd/*", "more processes than cores: whoever holds the core when the ring runs dry decides"),
    ("latest/* latest", "theirs looks whether there is a newer chunk and reads the one it keeps, in place; ours copies the value out and checks it"),
    ("events/*", "a FIFO inside an epoll set, and one membarrier a hop, so that no send has a fence"),
    ("sleep/*", "the futex wake-up itself, which both pay"),
    ("lifecycle/*/sysv/4000 *", "the kernel's own list, and 4,000 side files in one directory"),
    ("lifecycle/stat/sysv*", "the resident bytes of a SysV segment are only in the kernel's list of all segments"),
    ("lifecycle/*", "our side file, the lock that shows who lives, and the checks of what is attached"),
)


def ask(title, groups, ours, **wanted):
    """One line of the table below.

    groups      pattern of the groups' names
    ours        lists of our members (patterns): a row for each list, of the best in it; "*": of all
    rivals      "all", "polled", "sleeping", patterns, or None: no rival does this
    floor       patterns of floors to show; `base`: of another kind of member
    at_most     wanted: ours takes at most this many times the floor's time (or bytes)
    share       wanted: ours has at least this share of the floor's rate
    metric      "ns", "p999", "p99"
    figure      (name, greatest value wanted): a figure in place of the time
    where       of the group's place: which groups
    beside      the floor is the same call in the group whose name has this as its last part; rounds are not side by side then
    alone       show it even when there is nothing to compare it with
    """
    spec = {"title": title, "groups": groups, "ours": ours, "rivals": "all", "floor": "*", "base": "floor", "at_most": None,
            "share": None, "metric": "ns", "figure": None, "where": None, "beside": None, "alone": False}
    assert not set(wanted) - set(spec)
    return spec | wanted


SPECS = (
    ask("Round trip", "rtt/8", [["send_recv"], ["inline"]], rivals="polled", at_most=1.10),
    ask("Round trip", "rtt/56", [["send_recv"], ["inline"]], rivals="polled", at_most=1.10),
    ask("Round trip", "rtt/*", [SPSC], rivals="polled"),
    ask("Round trip, p99.9", "rtt/8", [["send_recv"], ["inline"]], rivals=None, at_most=1.5, metric="p999"),
    ask("Round trip, p99.9", "rtt/56", [["send_recv"], ["inline"]], rivals=None, at_most=1.5, metric="p999"),
    ask("Round trip, may sleep", "rtt/*", [["wait"]], rivals="sleeping", floor=()),
    ask("One way", "oneway/*", [SPSC], rivals="polled"),
    ask("Open loop, p99", "open/*/80", [SPSC], rivals="polled", metric="p99"),
    ask("Throughput", "throughput/*", [SPSC], where=lambda place: place.get("len", 0) >= 4096, floor="stream*", share=0.8),
    ask("Throughput", "throughput/*", [SPSC], floor="stream*"),
    ask("Throughput, in place", "throughput/*", [["zero_copy"]], rivals=IN_PLACE, floor="stream*", alone=True),
    ask("Throughput, one call", "throughput/8/65536", [["inline"], ["send_recv"]], floor=()),
    ask("Batches", "batch/*", [["*"]], floor=()),
    ask("Crowd, one consumer", "crowd/*c", [["mpsc*"]], where=lambda place: place.get("consumers") == 1, floor=()),
    ask("Crowd", "crowd/*", [["mpmc*"]], where=lambda place: place.get("consumers") != 1, floor=()),
    ask("Broadcast, lossless", "broadcast/*/256", [["slots"]], rivals=("*",), floor=()),
    ask("Broadcast, lossless", "broadcast/*", [["slots"], ["records"]], alone=True),
    ask("Broadcast, lossy: the writer's cost", "lossy/*/256", [["slots"]], rivals=("*",), floor=()),
    ask("Broadcast, lossy: the writer's cost", "lossy/*", [["slots"], ["records"]], alone=True),
    ask("The same, beside one reader", "lossy/*", [["slots"], ["records"]], rivals=None, beside="1", at_most=1.10,
        where=lambda place: place.get("consumers", 0) > 1),
    ask("Broadcast with a slow reader: a send", "slow_reader/*", [["slow_limit"], ["lossy"]], base="no_slow", alone=True),
    ask("Latest value", "latest*", [["*"]], alone=True),
    ask("Latest value, beside one read in place", "latest*", [["latest"]], rivals=IN_PLACE, floor=()),
    ask("Records beside slots", "records/*", [["records"]], floor="slots", base="slots", alone=True),
    ask("Wake-up", "sleep/asleep", [["wait"]], floor="*futex*", at_most=1.10),
    ask("Wake-up", "sleep/*", [["wait"]], floor="*futex*"),
    ask("Event loop", "events/*", [["shmq_fd"]], floor="eventfd", at_most=1.20),
    ask("Send, nobody sleeps", "publish/*", [["inline"], ["spsc"]], alone=True),
    ask("Receive, all is there", "take/*", [["inline"], ["spsc"]], alone=True),
    ask("Life cycle", "lifecycle/*", [["shmq"]], alone=True),
    ask("The same, beside no other segments", "lifecycle/*", [["shmq"]], rivals=None, beside="1", at_most=1.10),
    ask("Recovery after SIGKILL", "recovery/*", [["shmq"]], alone=True),
    ask("Memory", "memory/*", [["shmq"]], rivals=None, alone=True,
        where=lambda place: place.get("capacity") == 1024 and place.get("participants", 8) == 8),
    ask("Huge pages beside small ones", "huge/*", [["huge_pages"]], base="small_pages", alone=True),
    ask("First message after attach, populated", "first/*", [["populate"]], base="untouched", alone=True),
    ask("Jitter, locked: page faults", "jitter/*", [["lock_populate"]], rivals=None, floor=(), figure=("faults", 0)),
)


# Rows -------------------------------------------------------------------------------------------

def place_text(group):
    """The cell of the grid a group is, for people."""
    place, question = group.place, group.question
    length = f"{size_text(place.get('len', 0))} B"
    if question in ("rtt", "oneway") and group.cell == f"{place.get('len', 0):.0f}":
        return length
    if question == "open" and "load" in place:
        return f"{length} at {place['load'] * (100 if place['load'] <= 1 else 1):.0f} %"
    if question in ("throughput", "batch") and "capacity" in place:
        return f"{length} x {size_text(place['capacity'])}" + (f", {place['batch']:.0f} a call" if "batch" in place else "")
    if question == "crowd" and "capacity" in place:
        who = f"{place.get('producers', 1):.0f}P{place.get('consumers', 1):.0f}C" + (" mixed" if place.get("mixed") else "")
        return f"{length} x {size_text(place['capacity'])}, {who}"
    if question in ("broadcast", "lossy", "slow_reader"):
        readers = place.get("consumers", 0)
        text = f"{length}, {readers:.0f} reader{'s' * (readers != 1)}"
        return text + (f", {place['capacity']:.0f} places" if group.cell.count("/") > 1 and "capacity" in place else "")
    return group.cell.replace("/", " / ")


def rival_of(group, spec, kind="rival"):
    if spec["rivals"] is None:
        return None
    if spec["rivals"] in ("all", "polled", "sleeping"):
        sleepers = {"all": None, "polled": False, "sleeping": True}[spec["rivals"]]
        return best_rival(group, spec["metric"], sleepers, not_these=IN_PLACE, kind=kind)
    return group.best(spec["rivals"], kind, spec["metric"])


def weaker_of(group, spec, rival):
    """The best of those that do a weaker job, where it is ahead of all rivals."""
    weaker, metric = rival_of(group, spec, "weaker"), spec["metric"]
    return weaker if weaker and (rival is None or weaker.median(metric) < rival.median(metric)) else None


def reason_for(key):
    return next((text for pattern, text in REASONS if fnmatchcase(key, pattern)), f"no reason recorded ({key})")


def above(share):
    return f"{digits(share + 1)} times what is wanted of" if share >= 1 else f"{percent(share)} above what is wanted of"


def percent(share):
    return f"{share * 100:.{0 if share >= 0.02 else 1}f} %"


def judge(row):
    """Fill in met (None: nothing is wanted), the verdict and the reason."""
    spec, faults, unsure = row["spec"], [], False
    if row["speed"] and row["speed"].median < 1:
        faults.append(f"behind {row['rival'].member} by {percent(1 - row['speed'].median)}")
        unsure |= row["speed"].n > 1 and row["speed"].high >= 1
    wanted = row["time_wanted"]
    if wanted and row["floor_time"] and row["floor_time"].median > wanted:
        over = row["floor_time"].median / wanted - 1
        faults.append(f"{above(over)} {row['floor'].member}" if spec["share"] is None else
                      f"{percent(1 - wanted / row['floor_time'].median)} below what is wanted of {row['floor'].member}")
        unsure |= row["floor_time"].n > 1 and row["floor_time"].low <= wanted
    if spec["figure"] and row["figure"] > spec["figure"][1]:
        faults.append(f"{digits(row['figure'])} {spec['figure'][0]}, {digits(spec['figure'][1])} wanted")
    judged = row["speed"] or (wanted and row["floor_time"]) or spec["figure"]
    row["met"] = None if not judged else not faults
    row["verdict"] = "not judged" if not judged else "met" if not faults else "; ".join(faults)
    row["unsure"] = bool(faults) and unsure
    row["reason"] = "" if not faults else reason_for(row["key"])
    if row["unsure"]:
        row["verdict"] += " (within the noise)"


def floor_of(groups, group, spec, ours):
    """The fastest floor at the median, also where its p99.9 is asked."""
    if spec["beside"]:
        name = "/".join(group.name.split("/")[:-1] + [spec["beside"]])
        return groups[name].best(ours.member, results.OURS) if name in groups and name != group.name else None
    return group.best(spec["floor"], spec["base"]) if spec["floor"] else None


def make_row(groups, group, spec, names):
    """One row, or None: we are not in this group."""
    metric = "ns" if spec["figure"] else spec["metric"]
    ours = group.best(names, results.OURS, metric)
    if ours is None or (spec["figure"] and spec["figure"][0] not in ours.figures):
        return None
    rival = rival_of(group, spec)
    weaker = weaker_of(group, spec, rival)
    floor = floor_of(groups, group, spec, ours)
    against = floor and speed(ours, floor, metric)
    single = len(names) == 1 and not any(mark in names[0] for mark in "*?[")
    key = f"{group.name} {names[0] if single else 'best'}" + (f" {metric}" if metric != "ns" else "")
    key += " beside" if spec["beside"] else ""
    row = {
        "key": key, "spec": spec, "group": group, "metric": metric, "title": spec["title"], "place": place_text(group),
        "ours": ours, "rival": rival, "floor": floor if against else None,
        "speed": speed(ours, rival, metric) if rival else None,
        "weaker": weaker, "weaker_speed": speed(ours, weaker, metric) if weaker else None,
        "floor_time": against.inverse() if against else None,
        "time_wanted": 1 / spec["share"] if spec["share"] else spec["at_most"],
        "figure": ours.figures.get(spec["figure"][0]) if spec["figure"] else None,
    }
    judge(row)
    return row


def rows(groups):
    """All rows, question by question. Of lines with the same title, the first that fits a group is the one it has."""
    made, seen = [], set()
    for spec in SPECS:
        fitting = [group for group in groups.values() if fnmatchcase(group.name, spec["groups"])
                   and (not spec["where"] or spec["where"](group.place)) and (group.name, spec["title"]) not in seen]
        for group in fitting:
            seen.add((group.name, spec["title"]))
            made += filter(None, [make_row(groups, group, spec, names) for names in spec["ours"]])
    return [row for row in made if row["met"] is not None or row["spec"]["alone"]]


# Text -------------------------------------------------------------------------------------------

def figure_text(row, member):
    """A member's figure in the row's metric."""
    if member is None:
        return ""
    if row["spec"]["figure"]:
        return f"{digits(member.figures.get(row['spec']['figure'][0], math.nan))} {row['spec']['figure'][0]}"
    return results.value_text(member.median(row["metric"]), member.unit)


def floor_text(row):
    """Ours beside the floor: of a rate its share, else how many times its time."""
    if not row["floor_time"]:
        return ""
    if row["ours"].unit == "rate":
        return f"{row['floor_time'].inverse()} of its rate"
    return f"{row['floor_time']} x its {'bytes' if row['ours'].unit == 'bytes' else 'time'}"


def speed_text(row):
    what = "small" if row["ours"].unit == "bytes" else "fast"
    return f"{row['speed']} x as {what}" if row["speed"] else ""


def weaker_text(row):
    """Who is faster than all rivals because it does less: shown, and not judged by."""
    weaker = row["weaker"]
    if not weaker:
        return ""
    ours = f"; ours is {row['weaker_speed']} x as fast" if row["weaker_speed"] else ""
    return f"{weaker.member} ({weaker.less or 'another job'}): {figure_text(row, weaker)}{ours}"


def wanted_text(row):
    spec, parts = row["spec"], []
    if row["speed"]:
        parts.append("every rival")
    if row["time_wanted"] and row["floor_time"]:
        parts.append(f">= {spec['share']:g} of the floor" if spec["share"] else f"<= {spec['at_most']:.2f} x floor")
    if spec["figure"]:
        parts.append(f"<= {spec['figure'][1]}")
    return ", ".join(parts)


def summary(made):
    """(met, behind within the noise, behind, not judged)."""
    return (sum(row["met"] is True for row in made), sum(row["met"] is False and row["unsure"] for row in made),
            sum(row["met"] is False and not row["unsure"] for row in made), sum(row["met"] is None for row in made))


def print_table(made):
    heads = ("", "shmq", "", "best rival", "", "ours is", "floor", "", "ours is", "verdict")
    lines = [heads]
    for row in made:
        rival, floor = row["rival"], row["floor"]
        lines.append((f"{row['title']} {row['place']}", row["ours"].member, figure_text(row, row["ours"]), rival.member if rival else "",
                      figure_text(row, rival), speed_text(row), floor.member if floor else "", figure_text(row, floor),
                      floor_text(row), row["verdict"]))
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads) - 1)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)) + "  " + line[-1])
    met, near, behind, unjudged = summary(made)
    print(f"\n{met} met, {near} behind within the noise, {behind} behind, {unjudged} with nothing to be compared with.")
    print("x as fast: more than 1 is ours ahead of the best rival. Medians over the rounds; in brackets the interval of the median.")
    for row in made:
        if row["met"] is False:
            print(f"- {row['title']} {row['place']}, {row['ours'].member}: {row['verdict']}: {row['reason']}")
    weaker = dict.fromkeys(f"- {row['title']} {row['place']}, {row['ours'].member}: {weaker_text(row)}" for row in made if row["weaker"])
    print("With another job, ahead of the rivals or the only ones, not judged:" * bool(weaker), *weaker, sep="\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="what shmq_bench wrote with --benchmark_out=FILE")
    try:
        _, groups = results.load(parser.parse_args().file)
    except (OSError, ValueError) as error:
        print(f"verdict.py: {error}", file=sys.stderr)
        return
    print_table(rows(groups))


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    main()
