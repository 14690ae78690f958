# SPDX-License-Identifier: MIT
"""Results of shmq_bench: what its JSON holds, and the ratios that are made of it.

Ratios are made within a round, as what disturbs the machine disturbs all members of a group or one round only. A ratio is given as
the median over the rounds, the least and the greatest, and the distribution-free confidence interval of the median that order
statistics give: the smallest symmetric pair of them that covers the median with at least 95 %; all rounds where no pair does (fewer
than 6). Whatever the unit, `speed` is one direction: how many times as fast (as small) ours is; more than 1: ours is better.
"""

import copy
import json
import math
import statistics
from fnmatch import fnmatchcase

PLACES = ("len", "capacity", "batch", "producers", "consumers", "mixed", "load", "segments", "participants")
QUANTILES = (("p10", 0.1), ("p25", 0.25), ("p50", 0.5), ("p75", 0.75), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p999", 0.999),
             ("p9999", 0.9999), ("p99999", 0.99999), ("max", 1.0))
GOOGLE = {"name", "family_index", "per_family_instance_index", "run_name", "run_type", "repetitions", "repetition_index", "threads",
          "iterations", "real_time", "cpu_time", "time_unit", "label", "error_occurred", "error_message", "skipped", "skip_message"}
OURS = "shmq"

# Adapters that wait in the kernel (BENCH_SLEEPS): rivals of shmq's calls that wait. Others are polled.
SLEEPERS = ("wait", "pipe", "unix_stream", "unix_seqpacket", "mq", "sysv_msg", "eventfd*", "interprocess", "zmq", "nng", "*futex*")


class Row:
    """A member of a group. Times are nanoseconds; of a rate those of one message, of memory bytes."""

    def __init__(self, data):
        parts = [part for part in data["name"].split("/") if not part.startswith("iterations:") and part != "manual_time"]
        label = data.get("label", "").split(maxsplit=2)
        self.group, self.member = "/".join(parts[:-1]), parts[-1]
        self.question = parts[0]
        self.kind, self.unit = label[:2] if len(label) >= 2 else ("?", "cost")
        self.less = label[2] if len(label) == 3 else ""  # of a weaker one: what it does less than is asked in this group
        self.error = data.get("error_message") or data.get("skip_message") or ("failed" if data.get("error_occurred") else None)
        self.place = {name: data[name] for name in PLACES if name in data}
        self.rounds = numbered(data, "r")
        self.tails = numbered(data, "t")
        self.quantiles = {name: data[name] for name, _ in QUANTILES if name in data}
        known = GOOGLE | set(PLACES) | set(self.quantiles) | {"count", "preempted", "taken", "stolen_ms", "rounds", "round_s"}
        self.figures = {name: value for name, value in data.items()
                        if name not in known and not (name[:1] in "rt" and name[1:].isdigit()) and isinstance(value, (int, float))}
        self.count, self.preempted = data.get("count", 0), data.get("preempted", 0)
        self.stolen_ms, self.taken = data.get("stolen_ms", 0), data.get("taken", 0)
        # Said of who has fewer rounds than the others: so few, and what each took from start to end.
        self.cut_short = f"{data['rounds']:.0f} rounds: took {time_text(data['round_s'] * 1e9)} each" if "rounds" in data else ""
        if not self.error and not self.rounds:
            self.error = "no rounds"

    @property
    def ours(self):
        return self.kind == OURS

    @property
    def ns(self):
        """The median over the rounds."""
        return statistics.median(self.rounds) if self.rounds else math.nan

    @property
    def sleeps(self):
        return any(fnmatchcase(self.member, pattern) for pattern in SLEEPERS)

    def values(self, metric="ns"):
        """A value for each round: of "ns", "p999"; a quantile or a figure has but one, the median over the rounds."""
        if metric == "ns":
            return self.rounds
        if metric == "p999" and self.tails:
            return self.tails
        value = self.quantiles.get(metric, self.figures.get(metric))
        return [] if value is None else [value]

    def median(self, metric="ns"):
        values = self.values(metric)
        return statistics.median(values) if values else math.nan


class Group:
    """What is compared with each other."""

    def __init__(self, name, rows):
        self.name, self.rows = name, rows
        self.question, self.cell = rows[0].question, "/".join(name.split("/")[1:])
        self.unit, self.place, self.merged = rows[0].unit, {}, False
        for row in rows:
            self.place.update(row.place)

    @property
    def good(self):
        return [row for row in self.rows if not row.error]

    def members(self, patterns="*", kind=None):
        """Rows that ran, by patterns of their names and by kind."""
        if isinstance(patterns, str):
            patterns = (patterns,)
        return [row for row in self.good if (kind is None or row.kind == kind)
                and any(fnmatchcase(row.member, pattern) for pattern in patterns)]

    def best(self, patterns="*", kind=None, metric="ns"):
        """The one with the least median, or None."""
        rows = [row for row in self.members(patterns, kind) if row.median(metric) >= 0]
        return min(rows, key=lambda row: row.median(metric), default=None)


class Ratio:
    """What the rounds' ratios come to."""

    def __init__(self, values):
        self.values = values
        ordered = sorted(values)
        self.n, self.median = len(ordered), statistics.median(ordered)
        self.least, self.greatest = ordered[0], ordered[-1]
        at, self.coverage = order_statistics(self.n)
        self.low, self.high = ordered[at], ordered[self.n - 1 - at]

    def inverse(self):
        return Ratio([1 / value if value else math.inf for value in self.values])

    def __str__(self):
        return f"{ratio_text(self.median)} ({ratio_text(self.low)}-{ratio_text(self.high)})" if self.n > 1 else ratio_text(self.median)


def numbered(data, letter):
    """Counters letter0, letter1, ... in order."""
    values = []
    while f"{letter}{len(values)}" in data:
        values.append(data[f"{letter}{len(values)}"])
    return values


def order_statistics(n, wanted=0.95):
    """(i, coverage): the median lies between the values i and n - 1 - i of n in order with that probability."""
    best = (0, 1 - 2 * 0.5**n if n else 0)
    below = 0.0
    for i in range(n // 2):
        below += math.comb(n, i) * 0.5**n
        if 1 - 2 * below < wanted:
            break
        best = (i, 1 - 2 * below)
    return best


def load(path):
    """(context, groups by name in the order of the file). ValueError: not a result of shmq_bench."""
    with open(path, encoding="utf-8") as file:
        data = json.load(file)
    if not isinstance(data, dict) or "benchmarks" not in data or "context" not in data:
        raise ValueError(f"{path}: not a result of shmq_bench")
    rows = {}
    for entry in data["benchmarks"]:
        if "/" in entry["name"] and entry.get("run_type", "iteration") == "iteration":
            row = Row(entry)
            rows.setdefault(row.group, []).append(row)
    return data["context"], {name: Group(name, members) for name, members in rows.items()}


def speed(ours, theirs, metric="ns"):
    """How many times as fast ours is, round by round, whatever the unit; None: nothing to compare."""
    pairs = [(one, other) for one, other in zip(ours.values(metric), theirs.values(metric)) if one > 0 and other > 0]
    return Ratio([other / one for one, other in pairs]) if pairs else None


def best_rival(group, metric="ns", sleepers=None, not_these=(), kind="rival"):
    """The rival with the best median. sleepers: True: of those that wait in the kernel, False: of those that are polled."""
    names = [row.member for row in group.members(kind=kind) if (sleepers is None or row.sleeps == sleepers)
             and not any(fnmatchcase(row.member, pattern) for pattern in not_these)]
    return group.best(names, kind, metric) if names else None


def best_floor(group, patterns="*"):
    return group.best(patterns, "floor")


def merged(groups, text):
    """Groups of few members each as one, in their order; members are called by text(group) and their name."""
    rows = []
    for group in groups:
        for row in group.rows:
            one = copy.copy(row)
            one.member = f"{text(group)} {row.member}"
            rows.append(one)
    made = Group(groups[0].question, rows)
    made.merged = True
    return made


# Text -------------------------------------------------------------------------------------------

def digits(value, n=3):
    """A number with n digits that mean something, without an exponent."""
    if not math.isfinite(value):
        return "-"
    if value == 0:
        return "0"
    places = max(0, n - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(places, 4)}f}"


def exponent_text(value):
    return f"{round(value, 2) + 0.0:.2f}"  # no -0.00


def ratio_text(value):
    return f"{value:.2f}" if value < 9.95 else digits(value, 3)


def scaled(value, steps, unit_space=" "):
    for limit, unit in steps:
        if abs(value) < limit * 999.5 or (limit, unit) == steps[-1]:
            return f"{digits(value / limit)}{unit_space}{unit}"
    return digits(value)


def time_text(ns):
    return scaled(ns, ((1, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s")))


def rate_text(ns):
    """Messages a second, of the time of one."""
    return scaled(1e9 / ns, ((1, "/s"), (1e3, "k/s"), (1e6, "M/s"), (1e9, "G/s"))) if ns > 0 else "-"


def bytes_text(value):
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if value >= 1 << shift:
            return f"{digits(value / (1 << shift))} {unit}"
    return f"{digits(value, 4)} B"


def value_text(value, unit):
    return {"rate": rate_text, "bytes": bytes_text}.get(unit, time_text)(value)


def size_text(n):
    """64, 1 Ki, 1 Mi: of a place in the grid."""
    n = int(n)
    for shift, unit in ((20, "Mi"), (10, "Ki")):
        if n >= 1 << shift and n % (1 << shift) == 0:
            return f"{n >> shift} {unit}"
    return f"{n:,}"
