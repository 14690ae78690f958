#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The report: one HTML page of what shmq_bench measured, and the two pictures of the README.

    report.py FILE OUT.html [--svg DIR]
"""

import argparse
import base64
import gzip
import json
import os
import sys
from collections import Counter

import charts
import page
import pictures
import results
import scaling
import verdict
from page import details, escape, table, tag
from results import best_rival, digits, size_text, speed, value_text

# id, title, the questions that belong to it, what is measured.
SECTIONS = (
    ("rtt", "Round trip", ("rtt",), "Two processes, each pinned to its own core: send, wait for the answer, send again. The floor is a line of memory "
     "that goes to and fro with nothing around it."),
    ("oneway", "One way, and under load", ("oneway", "open"), "From before the send to after the receive. Closed loop: the next message goes when the "
     "last was answered. Open loop: a message is due when the clock says so, at a share of what this very queue carried right before, and is timed from "
     "when it was due, so that a stall is charged for everything it holds up (no coordinated omission)."),
    ("throughput", "Throughput", ("throughput", "batch"), "One process sends as fast as it can, the other takes and checks every message."),
    ("crowd", "Many producers, many consumers", ("crowd",), "Producers on the first core, consumers on the second; mixed: some of each on both. With more than "
     "two processes the two cores are oversubscribed, and a rival that waits for a preempted one shows it."),
    ("broadcast", "Broadcast", ("broadcast", "lossy", "slow_reader"), "One writer, every message to each reader. Readers share the second core."),
    ("latest", "Latest value", ("latest",), "A reader looks at the newest value while a writer replaces it at different paces; every word is checked."),
    ("records", "Records", ("records",), "Messages of any length back to back, beside slots of one size."),
    ("sleep", "Sleep and wake", ("sleep", "wake"), "Both sides sleep in the kernel until their message comes; and what waiting costs in CPU time."),
    ("events", "Event loops", ("events",), "A queue's descriptor in epoll, beside a bare eventfd."),
    ("publish", "Send when nobody sleeps", ("publish", "take"), "One process, one core: what a send costs when nobody sleeps, and a receive when all is there."),
    ("lifecycle", "Life cycle", ("lifecycle", "attach"), "Create, attach, detach, stat and remove, among other segments in the system, beside the bare kernel calls; "
     "and attach over the capacity of a queue and over how many are attached already."),
    ("recovery", "Recovery after SIGKILL", ("recovery",), "From the kill to the first success of who was held up."),
    ("memory", "Memory", ("memory",), "Bytes of a whole queue, beside the payload alone."),
    ("jitter", "Jitter at 1 kHz", ("jitter",), "A SCHED_FIFO loop that sends and takes once a period; timed is the queue's part alone. Faults are page faults "
     "of both processes after the start."),
    ("huge", "Huge pages", ("huge",), "The same ring on 4 KiB and 2 MiB pages."),
    ("first", "First message after attach", ("first",), "What the first message pays, with and without populate and lock."),
    ("floors", "What the hardware gives", ("floors",), "The least that any of this can cost here."),
)

CELLS_MAX, WORST = 8, 4  # of a question in the verdict
BEHIND_MAX = 15
PICTURES_MAX = 8  # strips in a section; the rest is in its table


# Charts of a section ----------------------------------------------------------------------------

def few(group, rivals=3):
    """Our calls, the best floor and the best rivals: what a chart of lines has room for."""
    polled = sorted(group.members(kind="rival"), key=lambda row: row.ns)
    ours = [row for row in group.members(("send_recv", "inline", "zero_copy"), "shmq")][:2] or sorted(
        group.members(kind="shmq"), key=lambda row: row.ns)[:2]
    floor = group.best(kind="floor")
    return ours + ([floor] if floor else []) + polled[:rivals]


def title_of(group):
    return verdict.place_text(group)


def percentile_charts(groups):
    for group in groups:
        rows = [row for row in few(group) if row.quantiles.get("p50", 0) > 0]
        if rows:
            yield charts.percentiles(f"{title_of(group)}: latency by percentile", "Lower and flatter is better. The right half is one message in a "
                                     "hundred and rarer; max is the slowest of all rounds. Dashed: the floor.", rows)


def together(groups):
    """Groups of few members, as few groups of many: one for each unit, and for each first part of the cell where there are many."""
    parts = {}
    for group in groups:
        parts.setdefault((group.question, group.unit), []).append(group)
    for (question, unit), members in parts.items():
        split = {}
        for group in members:
            split.setdefault(group.cell.split("/")[0] if sum(len(one.good) for one in members) > 22 else "", []).append(group)
        for first, cells in split.items():
            one = results.merged(cells, lambda group: title_of(group).replace(" / ", " "))
            one.name, one.cell = f"{question}/{first}", first or {"rate": "rates", "bytes": "bytes"}.get(unit, "times")
            one.place = {}
            yield one


def strips(groups, caption=None):
    unit = {"latency": "Median, and a line to the p99.9. Further left is better.", "rate": "Median, and the range of the rounds. Further right is better.",
            "bytes": "Further left is better.", "cost": "Median, and the range of the rounds. Further left is better."}
    chosen = [group for group in groups if any(row.ns > 0 for row in group.good)]
    if len(chosen) > 3 and sum(len(group.good) for group in chosen) <= 3.5 * len(chosen):
        chosen = list(together(chosen))
    for group in chosen[:PICTURES_MAX]:
        yield charts.strip(f"{group.question.replace('_', ' ')}: {title_of(group)}", caption or unit.get(group.unit, ""), group)


def load_charts(groups):
    """Open loop: percentiles over load, for each length."""
    by_len = {}
    for group in groups:
        by_len.setdefault(group.place.get("len"), []).append(group)
    for length, cells in by_len.items():
        loads = [cell.place.get("load", 0) * (100 if cell.place.get("load", 0) <= 1 else 1) for cell in cells]
        if len(cells) < 2:
            continue
        names = [row.member for row in few(cells[-1])]
        for metric, text in (("p50", "median"), ("p99", "p99"), ("p999", "p99.9")):
            series = []
            for name in names:
                found = [(load, row) for load, cell in zip(loads, cells) for row in cell.good if row.member == name]
                if found:
                    series.append((found[0][1], name, [x for x, _ in found], [row.median(metric) for _, row in found]))
            yield charts.lines(f"{size_text(length)} B: {text} under load", "Lower is better; where a line turns up, the queue is no longer keeping up.", series,
                               "load, % of the queue's own capacity", charts.short, x_sizes=False)


def heat_charts(groups, x, y, patterns, what, labels, names=size_text):
    """Ours beside the best rival over a grid, one chart for each value of the other places."""
    grids = {}
    for group in groups:
        ours, rival = group.best(patterns, "shmq"), best_rival(group)
        ratio = ours and rival and speed(ours, rival)
        if ratio and x in group.place and y in group.place:
            rest = tuple((place, group.place[place]) for place in results.PLACES if place in group.place and place not in (x, y))
            grids.setdefault(rest, {})[group.place[x], group.place[y]] = ratio.median
    for rest, cells in grids.items():
        rest = dict(rest)
        text = [f"{size_text(rest[place])} {unit}" for place, unit in (("len", "B"), ("capacity", "messages")) if place in rest]
        text += ["mixed"] * ("mixed" in rest)
        if len(cells) > 1:
            yield charts.heat(", ".join([what, *text]), "How many times the rate of the best rival of each cell. Blue: shmq is ahead; orange: behind; "
                              "grey: within 5 %.", cells, *labels, names)


def throughput_lines(groups, capacity):
    """MB/s or messages over length at one capacity: the best of ours, the floor, the best rivals."""
    cells = sorted((group for group in groups if group.place.get("capacity") == capacity), key=lambda group: group.place["len"])
    if len(cells) < 2:
        return
    wins = Counter(row.member for cell in cells for row in sorted(cell.members(kind="rival"), key=lambda row: row.ns)[:2])
    names = ["send_recv", "inline", "zero_copy", *(row.member for row in cells[-1].members(kind="floor")), *(name for name, _ in wins.most_common(4))]
    series = []
    for name in dict.fromkeys(names):
        found = [(cell.place["len"], row) for cell in cells for row in cell.good if row.member == name]
        if found:
            series.append((found[0][1], name, [x for x, _ in found], [x / row.ns * 1e9 for x, row in found]))
    yield charts.lines(f"{size_text(capacity)} messages: bytes a second", "Payload a second over message length. Higher is better. Dashed: a bare copy between "
                       "the cores.", series, "message length, bytes", charts.per_second)


WORDS = {"len": "message length", "consumers": "consumers", "segments": "other segments", "batch": "messages in a call",
         "participants": "participants"}


def scaling_charts(fits, questions):
    """One chart for each x of a question: the series that has most points."""
    chosen = {}
    for one in fits:
        if one["question"] in questions and one["rows"][0].ours:
            chosen.setdefault((one["question"], one["x"], one["series"]), []).append(one)
    per_x = Counter()
    for (question, x, series), members in sorted(chosen.items(), key=lambda item: -len(item[1][0]["xs"])):
        per_x[question, x] += 1
        if per_x[question, x] > 2:
            continue
        unit = members[0]["unit"]
        label = {"rate": "time for a message", "bytes": "bytes"}.get(unit, "time")
        drawn = [(one["rows"][0], f"{one['member']}: exponent {results.exponent_text(one['exponent'].median)}", one["xs"], one["ys"]) for one in members[:3]]
        word = WORDS.get(x, x)
        yield charts.lines(f"{question.replace('_', ' ')} {series.replace('/', ' / ')}: {label} over {word}", "Flat is constant, a slope of one decade for a decade is linear; the fitted "
                           "exponent is in the legend. Lower is better.", drawn, word, results.bytes_text if unit == "bytes" else charts.short)


def charts_of(name, groups, fits):
    """All charts of a section."""
    of = {question: [group for group in groups if group.question == question] for question in {group.question for group in groups}}
    if name == "rtt":
        yield from percentile_charts(groups)
        yield from strips(groups[:2])
    elif name == "oneway":
        yield from percentile_charts(of.get("oneway", []))
        yield from load_charts(of.get("open", []))
        yield from strips(of.get("oneway", [])[:1])
    elif name == "throughput":
        cells = of.get("throughput", [])
        yield from heat_charts(cells, "len", "capacity", ("send_recv", "inline", "zero_copy"), "shmq / best rival", ("message length, bytes", "capacity"))
        for capacity in sorted({group.place.get("capacity", 0) for group in cells}):
            yield from throughput_lines(cells, capacity)
        yield from scaling_charts(fits, ("throughput", "batch"))
    elif name == "crowd":
        yield from heat_charts(groups, "producers", "consumers", ("mpsc*", "mpmc*"), "shmq / best rival", ("producers", "consumers"), lambda n: f"{n:.0f}")
        yield from strips([group for group in groups if group.place.get("producers") == 4][:2])
    else:
        yield from scaling_charts(fits, {group.question for group in groups})
        yield from strips(groups)
    for group in [group for group in groups if any("cpu_first" in row.figures for row in group.good)][:PICTURES_MAX]:
        yield charts.shares(f"{group.name.replace('/', ' / ')}: CPU", "What waiting costs: who spins uses all of its core, who sleeps none.", group.good)


# Tables -----------------------------------------------------------------------------------------

def verdict_cells(row):
    kind = {True: "good", None: "none"}.get(row["met"], "near" if row["unsure"] else "bad")
    mark = {"good": "met", "none": "measured", "near": "within noise", "bad": "behind"}[kind]
    rival, floor = row["rival"], row["floor"]

    def member(one):
        cut = f"<small>{escape(one.cut_short)}</small>" if one and one.cut_short else ""
        return f"{escape(one.member)}<small>{verdict.figure_text(row, one)}</small>{cut}" if one else ""

    weaker = f'<small class="less">not judged: {escape(verdict.weaker_text(row))}</small>' if row["weaker"] else ""

    def ratio(value, unit):
        if not value:
            return ""
        interval = f"<small>{results.ratio_text(value.low)}\u2013{results.ratio_text(value.high)}</small>" if value.n > 1 else ""
        return f"<b>{results.ratio_text(value.median)}</b>{unit}{interval}"

    beside = row["floor_time"]
    share = beside and row["ours"].unit == "rate"
    wanted = row["spec"]["share"] if share else row["spec"]["at_most"]
    sign = "\u2265" if share else "\u2264"
    limit = f"<small>wanted {sign} {wanted:g}</small>" if wanted and beside else ""
    return (escape(row["place"]), tag(kind, mark), ratio(row["speed"], "\u2009\u00d7"),
            ratio(beside.inverse() if share else beside, "\u2009\u00d7 rate" if share else "\u2009\u00d7") + limit, member(row["ours"]), member(rival) + weaker,
            member(floor))


def verdict_lines(made, cells_max):
    """A head for each question; of those with more cells than cells_max, the worst, and how many are left out."""
    by_title = {}
    for row in made:
        by_title.setdefault(row["title"], []).append(row)
    for title, rows in by_title.items():
        shown, text = rows, ""
        if len(rows) > cells_max:
            met = sum(row["met"] is True for row in rows)
            ratios = [row["speed"].median for row in rows if row["speed"]]
            shown = sorted(rows, key=lambda row: (row["met"] is not False, row["speed"].median if row["speed"] else 1))[:WORST]
            text = f"{len(rows)} cells, {met} met" + (f", {results.ratio_text(min(ratios))} to {results.ratio_text(max(ratios))} times as fast" if ratios else "")
            text = f" <small>{text}; here the {len(shown)} worst</small>"
        yield f'<tr class="ask"><td colspan="7">{escape(title)}{text}</td></tr>'
        yield from (verdict_cells(row) for row in shown)


def verdict_table(made):
    heads = ("", "verdict", "as fast as rival", "of the floor", "shmq", "best rival", "floor")
    short, whole = list(verdict_lines(made, CELLS_MAX)), list(verdict_lines(made, len(made)))
    body = table(heads, short, numeric=(2, 3)).replace('<div class="scroll">', '<div class="scroll" id="verdict-table">', 1)
    if len(whole) > len(short):
        body += details(f"All {len(made)} rows", table(heads, whole, numeric=(2, 3)))
    behind = [f"<li><b>{escape(row['title'])}, {escape(row['place'])}, {escape(row['ours'].member)}</b>: {escape(row['verdict'])}. {escape(row['reason'])}</li>"
              for row in made if row["met"] is False]
    if not behind:
        return body
    return body + f'<h3>Where it is behind, and why</h3><ul class="why">{"".join(behind[:BEHIND_MAX])}</ul>' + (
        details(f"{len(behind) - BEHIND_MAX} more", f'<ul class="why">{"".join(behind[BEHIND_MAX:])}</ul>') if len(behind) > BEHIND_MAX else "")


def figures_table(groups):
    """Every member of every group: the figures behind the charts."""
    lines = []
    for group in groups:
        latency = group.unit == "latency"
        for row in group.rows:
            if row.error:
                continue
            q = row.quantiles
            tail = [value_text(q[n], "latency") if latency and n in q else "" for n in ("p99", "p999", "p9999", "max")]
            others = ", ".join([row.cut_short] * bool(row.cut_short) + [f"{name} {digits(value)}" for name, value in row.figures.items()])
            spread = f"{value_text(min(row.rounds), row.unit)} \u2013 {value_text(max(row.rounds), row.unit)}"
            lines.append((escape(group.name), escape(row.member), escape(row.kind) + (f"<small>{escape(row.less)}</small>" if row.less else ""), value_text(row.ns, row.unit), spread, *tail, escape(others)))
    heads = ("group", "member", "", "median", "least \u2013 greatest round", "p99", "p99.9", "p99.99", "max", "besides")
    return details(f"All figures ({len(lines)} rows)", table(heads, lines, numeric=(3, 4, 5, 6, 7, 8)))


def scaling_table(fits):
    lines = []
    for one in sorted(fits, key=lambda one: not one["worse"]):
        e = one["exponent"]
        verdict_tag = tag("none", "nothing stated") if one["stated"] is None else tag("bad", "worse") if one["worse"] else tag("good", "as stated")
        lines.append((escape(f"{one['question']} {one['series'].replace('/', ' / ')}"), escape(one["member"]), escape(one["x"]),
                      f"{size_text(one['xs'][0])} \u2013 {size_text(one['xs'][-1])}", f"<b>{results.exponent_text(e.median)}</b>", f"{results.exponent_text(e.low)} to {results.exponent_text(e.high)}",
                      "" if one["stated"] is None else f"\u2264 {one['stated']:g}",
                      verdict_tag + f"<small>{escape(one['text'])}{': ' + escape(one['note']) if one['note'] else ''}</small>"))
    heads = ("series", "call", "over", "range", "exponent", "interval", "stated", "")
    flagged = sum(one["worse"] for one in fits)
    intro = f"<p>{len(fits)} series of three points or more; {flagged or 'none'} {'is' if flagged == 1 else 'are'} worse than stated.</p>"
    body = table(heads, lines, numeric=(4, 5, 6), wide=(7,))
    return intro + (body if len(lines) <= 20 else table(heads, lines[:max(flagged, 10)], numeric=(4, 5, 6), wide=(7,)) + details("All series", body))


def adapters_table(context, groups):
    rows = [row for group in groups.values() for row in group.rows]
    kinds, ran, failed, weaker = {}, Counter(), {}, {}
    for row in rows:
        if row.kind == "weaker" and row.less:
            weaker.setdefault(row.member, []).append(row)
        else:
            kinds.setdefault(row.member, row.kind)
        ran[row.member] += not row.error
        if row.error and row.member not in failed:
            failed[row.member] = (row.error, row.group)
    notes = {name[len("adapter_"):]: text for name, text in context.items() if name.startswith("adapter_")}
    kind_names = {"shmq": "shmq", "rival": "rival", "floor": "floor", "weaker": "another job"}
    lines = []
    for name in sorted(notes, key=lambda name: (list(kind_names).index(kinds[name]) if kinds.get(name) in kind_names else 9, name)):
        kind, less = kind_names.get(kinds.get(name), kinds.get(name, "")), weaker.get(name, [])
        if less:
            kind = f"{kind}; another job in {len(less)} groups" if kind else "another job"
        text = notes[name] + (f"; in {less[0].group}: {less[0].less}" if less else "")
        lines.append((escape(name), escape(kind), str(ran[name]), escape(text)))
    absent = [(escape(name), escape(why), escape(group) + (" and others" if sum(row.member == name and bool(row.error) for row in rows) > 1 else ""),
               tag("near", "in part") if ran[name] else tag("none", "not at all")) for name, (why, group) in sorted(failed.items())]
    body = table(("adapter", "", "groups it ran in", "what it is"), lines, numeric=(2,), wide=(3,))
    body += "<h3>What could not run</h3>"
    return body + (table(("member", "why", "where", "ran"), absent, wide=(1,)) if absent else "<p>Everything ran.</p>")


def machine_list(context):
    first = ("date", "cpu", "class", "num_cpus", "pinned_to", "pair", "kernel", "governor", "smt", "huge_pages", "transparent_huge_pages", "shmem_huge_pages",
             "steal", "load_avg", "scheduler", "level", "rounds", "seconds_per_round", "shmq", "mitigations", "cmdline")
    names = [name for name in first if name in context]
    names += sorted(name for name in context if name not in first and not name.startswith("adapter_") and name not in
                    ("executable", "caches", "library_build_type", "host_name"))
    rows = [(name.replace("_", " "), ", ".join(map(str, context[name])) if isinstance(context[name], list) else context[name]) for name in names]
    return "<dl>" + "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows) + "</dl>"


METHOD = """<p>Each member of a group is measured in processes of its own, started afresh and pinned to two cores. The members of a group take turns, round by round, each round
beginning with another one; ratios are made within a round, so that what disturbs the machine hits all of them or one round only. A figure is the median over the rounds.
The interval of a ratio is the distribution-free confidence interval of the median that order statistics give (at least 95 % from six rounds on; with 11 rounds the second
least to the second greatest, 98.8 %). "As fast" is one direction everywhere: more than 1 means that shmq is ahead.</p>
<p>Every message that is measured is also checked: a member that loses, repeats or reorders one, or tears its first from its last word, fails. Rivals get the variant, the flags and the polling that suit them
best; those that do another job in a group (fewer places than asked, a weaker order, bytes without boundaries) are marked weaker there, with the reason, and are no rivals in it. The allocator is the same for all (jemalloc where it is installed). A polled rival is measured with and without a pause in the loop (+pause), and its better way counts. A measurement in which the kernel took a core away too often, or of a crowd
in which others had a tenth of a core, is made again, once. A member whose rounds take seconds each has fewer of them, at least three, and says so; its ratios are those of the rounds that it has.</p>
<p>Caveats: two cores of one machine, mostly virtual ones that share a host with others. Absolute times say something about this machine and this hour only; ratios travel better, but
not from one CPU to another. A percentile beyond the number of messages in a round is that round's slowest. Intervals cover what varies between the rounds of this run,
not what a reboot, another layout of pages or another compiler would change.</p>"""


def significant(value):
    return float(f"{value:.7g}") if isinstance(value, float) else value


def raw_link(path):
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    kept = [{name: significant(value) for name, value in row.items()
             if name not in ("family_index", "per_family_instance_index", "run_name", "repetitions", "repetition_index", "threads")} for row in data["benchmarks"]]
    text = json.dumps({"context": data["context"], "benchmarks": kept}, separators=(",", ":")).encode()
    packed = base64.b64encode(gzip.compress(text, 9, mtime=0)).decode()
    return (f'<p>Every round of every row is in here: <a download="shmq-bench.json.gz" href="data:application/gzip;base64,{packed}">shmq-bench.json.gz</a> '
            f"({len(packed) * 3 // 4 // 1024} KiB; {len(kept)} rows, numbers to 7 digits). Times in ns; of a rate those of one message; r0, r1, ... are the rounds, t0, t1, ... "
            "their p99.9.</p>")


# The page ---------------------------------------------------------------------------------------

def header(context, made):
    met, near, behind, unjudged = verdict.summary(made)
    tiles = [(met, "met"), (behind, "behind"), (near, "behind, within noise"), (unjudged, "without a target")]
    tiles = "".join(f"<li><b>{n}</b><span>{text}</span></li>" for n, text in tiles)
    date = context.get("date", "?")[:10]
    return (f'<h1>shmq, measured</h1><p class="sub">{escape(context.get("cpu", "?"))}, cores {escape(context.get("pinned_to", "?"))}, '
            f'{escape(context.get("kernel", "?"))}; {escape(date)}, shmq {escape(context.get("shmq", "?"))}, {escape(context.get("level", "?"))} run of '
            f'{escape(context.get("rounds", "?"))} rounds. Every figure beside whatever else could do the job, and beside what the hardware gives, in one run.</p>'
            f'<ul class="tiles">{tiles}</ul>')


def sections(path, context, groups):
    made, fits, number, left_out = verdict.rows(groups), scaling.fits(groups), 0, []
    yield ("verdict", "Verdict", "<p>Rows are questions; the rival is the best of all that do the same job, by its median. \u201cAs fast as the rival\u201d: more than 1 "
           "is shmq ahead. \u201cOf the floor\u201d: of a time less is better, of a rate more. Small: the interval of the median.</p>" +
           (verdict_table(made) if made else "<p>Nothing in this run is part of the verdict.</p>"))
    known = {question for _, _, questions, _ in SECTIONS for question in questions}
    others = tuple((name, name.replace("_", " ").capitalize(), (name,), "") for name in dict.fromkeys(
        group.question for group in groups.values() if group.question not in known))
    for name, title, questions, intro in SECTIONS + others:
        mine = [group for group in groups.values() if group.question in questions]
        if not any(group.good for group in mine):
            left_out.append(title)
            continue
        drawn = []
        for chart in charts_of(name, mine, fits):
            number += 1
            drawn.append(page.figure(chart, number))
        yield name, title, f"<p>{escape(intro)}</p>" + f'<div class="charts">{"".join(drawn)}</div>' * bool(drawn) + figures_table(mine)
    yield ("scaling", "Scaling", "<p>cost = c \u00b7 x<sup>e</sup>, by least squares through the logarithms, in each round; given are the median exponent and its interval. "
           "Worse: the whole interval is above what is stated.</p>" + scaling_table(fits))
    yield "adapters", "What is compared", adapters_table(context, groups)
    if left_out:
        yield "absent", "Not in this run", f"<p>No figures in this file, so no charts: {escape(', '.join(left_out))}. A full run has them all.</p>"
    yield "method", "Method and caveats", METHOD
    yield "machine", "Machine", machine_list(context)
    yield "raw", "Raw data", raw_link(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="what shmq_bench wrote with --benchmark_out=FILE")
    parser.add_argument("out", help="the page")
    parser.add_argument("--svg", metavar="DIR", help="also write rtt.svg and throughput.svg, the pictures of the README, there")
    args = parser.parse_args()
    try:
        context, groups = results.load(args.file)
    except (OSError, ValueError) as error:
        sys.exit(f"report.py: {error}")
    text = page.document("shmq, measured", header(context, verdict.rows(groups)), list(sections(args.file, context, groups)))
    with open(args.out + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(args.out + ".new", args.out)
    if args.svg:
        pictures.write(groups, args.svg)


if __name__ == "__main__":
    main()
