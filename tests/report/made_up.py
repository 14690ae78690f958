#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Made-up results in the form of shmq_bench's, for the tests of what reads them.

    made_up.py [--rounds=N] >FILE     something in every question
"""

import itertools
import json
import random
import sys

ROUNDS = 11
QUANTILES = {"p10": 0.92, "p25": 0.96, "p50": 1, "p75": 1.05, "p90": 1.15, "p95": 1.3, "p99": 1.7, "p999": 3.5, "p9999": 12, "p99999": 30, "max": 60}
# name: (base, factor of the time of ours)
PAIR = {"send_recv": (None, 1.06), "inline": (None, 1.0), "wait": (None, 1.1), "zero_copy": (None, 1.12), "boost_spsc": ("rival", 1.9), "ck_spsc": ("rival", 2.6),
        "rte_spsc": ("rival", 1.4), "readerwriter": ("rival", 1.7), "jack": ("weaker: a stream of bytes", 0.9), "pipe": ("rival", 60), "unix_stream": ("rival", 80),
        "zmq": ("rival", 400), "wfcqueue": ("weaker", 1.3)}
CROWD = {"mpsc": (None, 1.0), "mpmc": (None, 1.5), "ck_mpmc": ("rival", 2.4), "rte_mpmc": ("rival", 1.9), "moodycamel": ("rival", 1.2)}


def row(group, member, base, unit, ns, rounds=ROUNDS, seed=None, noise=0.03, place=None, figures=None):
    """A row of the JSON: `ns` with some noise, or a list of the rounds. `base` of a weaker one can go on with what it does less: "weaker: TEXT"."""
    base, _, less = (base or "shmq").partition(": ")
    chance = random.Random(seed if seed is not None else f"{group}/{member}")
    values = ns if isinstance(ns, list) else [ns * chance.lognormvariate(0, noise) for _ in range(rounds)]
    middle = sorted(values)[len(values) // 2]
    made = {"name": f"{group}/{member}/iterations:{len(values)}/manual_time", "run_type": "iteration", "iterations": len(values), "real_time": middle,
            "cpu_time": middle, "time_unit": "ns", "label": f"{base} {unit} {less}".strip(), "count": 1e5, "preempted": 0.0, "stolen_ms": 0.0}
    made.update({f"r{i}": value for i, value in enumerate(values)})
    if unit == "latency":
        made.update({name: middle * factor * chance.lognormvariate(0, 0.02) for name, factor in QUANTILES.items()})
        made.update({f"t{i}": value * 3.5 * chance.lognormvariate(0, 0.1) for i, value in enumerate(values)})
    made.update(place or {})
    made.update(figures or {})
    return made


def error(group, member, base, unit, why):
    return {"name": f"{group}/{member}/iterations:1/manual_time", "run_type": "iteration", "label": f"{base} {unit}", "error_occurred": True, "error_message": why}


def document(rows, context=None):
    told = {"date": "2026-01-02T03:04:05+00:00", "num_cpus": 2, "load_avg": [0.1, 0.2, 0.3], "class": "MadeUp-1-2-2c", "cpu": "Made Up 9000", "kernel": "Linux 6.1",
            "level": "full", "rounds": str(ROUNDS), "pinned_to": "0,1", "shmq": "0.0.0", "governor": "performance", "mitigations": "none"}
    told.update({f"adapter_{name}": f"made up: {name}" for name in {**PAIR, **CROWD}})
    return {"context": told | (context or {}), "benchmarks": rows}


def members(group, unit, table, ns, place, rounds, floors=None, figures=None):
    for name, (base, factor) in {**(floors or {}), **table}.items():
        yield row(group, name, base, unit, ns * factor, rounds, place=place, figures=figures(name) if figures else None)


def pairs(rounds):
    lines = {"line_spin": ("floor", 0.97), "line_pause": ("floor", 0.95)}
    for length in (8, 56, 1024, 65536):
        place = {"len": length, "capacity": 1024}
        yield from members(f"rtt/{length}", "latency", PAIR, 200 + length / 8, place, rounds, lines)
        yield from members(f"oneway/{length}", "latency", PAIR, 100 + length / 16, place, rounds, lines)
        yield error(f"rtt/{length}", "iceoryx", "rival", "latency", "iox-roudi did not start <within 5 s>")
        for load in (10, 50, 80, 90):
            yield from members(f"open/{length}/{load}", "latency", PAIR, 150 / (1.02 - load / 100), place | {"load": load / 100}, rounds)
        for capacity in (64, 1024, 65536):
            place["capacity"] = capacity
            yield from members(f"throughput/{length}/{capacity}", "rate", PAIR, 4 + length / 10, place, rounds, {"stream": ("floor", 0.9)})
    for batch in (1, 8, 32, 256):
        yield from members(f"batch/8/1024/{batch}", "rate", {"send_recv": (None, 1), "batch": (None, 0.5)}, 4, {"len": 8, "batch": batch}, rounds)


def crowds(rounds):
    for p in (1, 2, 4, 8):
        for c in (1, 2, 4, 8):
            yield from members(f"crowd/8/1024/{p}p{c}c", "rate", CROWD, 30 * (p + c) ** 0.5, {"len": 8, "capacity": 1024, "producers": p, "consumers": c}, rounds)
    for readers in (1, 2, 4, 8, 32):
        place = {"len": 8, "producers": 1, "consumers": readers}
        table = {"slots": (None, 1), "records": (None, 1.2), "bare_ring": ("floor", 0.9)}
        beside = {"slots": (None, 1), "iceoryx": ("rival", 3), "zmq_pub": ("weaker: loses the newest <of all>", 0.5)}
        yield from members(f"broadcast/8/{readers}", "rate", table, 20 * readers, place, rounds)
        yield from members(f"lossy/8/{readers}", "cost", table, 9, place, rounds)
        yield from members(f"lossy/8/{readers}/256", "cost", beside, 9, place | {"capacity": 256}, rounds)
    # Long names and figures beside them: the strips of these groups are drawn together.
    for pace, readers in itertools.product(("quiet", "every_us", "full"), (1, 2, 4, 8)):
        yield from members(f"latest/64/{pace}/{readers}", "latency", {"latest": (None, 1), "seqlock": ("floor", 0.95), "iceoryx_latest": ("rival", 0.9)}, 60,
                           {"len": 64, "consumers": readers}, rounds, figures=lambda _: {"missed": 0.01, "faults": 0})


def others(rounds):
    yield from members("sleep/asleep", "latency", {"wait": (None, 1), "futex": ("floor", 0.98), "eventfd": ("rival", 1.4)}, 3e4, {"len": 8}, rounds,
                       figures=lambda name: {"cpu_first": 0.02, "cpu_second": 0.9 if name == "wait" else 0.03})
    for segments in (1, 100, 10000):
        for op in ("create", "attach"):
            yield from members(f"lifecycle/{op}/shm/{segments}", "cost", {"shmq": (None, 1), "bare": ("floor", 0.6)}, 3e4, {"segments": segments}, rounds)
    yield from members("recovery/spsc", "latency", {"takeover": (None, 1)}, 1.5e6, {}, rounds)
    for capacity in (64, 1024, 65536):
        yield from members(f"memory/spsc/{capacity}", "bytes", {"shmq": (None, 1), "payload": ("floor", 0.8)}, 64 * capacity, {"capacity": capacity, "len": 56}, rounds)
    yield from members("jitter/pressure", "latency", {"lock_populate": (None, 1), "neither": ("untouched", 30)}, 400, {}, rounds,
                       figures=lambda name: {"faults": 0 if name == "lock_populate" else 900})
    yield from members("something_new/1", "cost", {"one": (None, 1), "other": ("rival", 2)}, 10, {}, rounds)


def everything(rounds=ROUNDS):
    return document([*pairs(rounds), *crowds(rounds), *others(rounds)], {"rounds": str(rounds)})


if __name__ == "__main__":
    chosen = [int(arg[9:]) for arg in sys.argv[1:] if arg.startswith("--rounds=")]
    json.dump(everything(*chosen), sys.stdout)
