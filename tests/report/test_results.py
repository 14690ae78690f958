#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What reads the results, on made-up ones: ratios, verdict, exponents, the guard. A planted regression must be found; noise must not."""

import contextlib
import io
import json
import os
import random
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "bench")]

try:
    import numpy  # noqa: F401
    import scipy  # noqa: F401
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

import check  # noqa: E402
import made_up  # noqa: E402
import results  # noqa: E402
import scaling  # noqa: E402
import verdict  # noqa: E402
from made_up import row  # noqa: E402


def groups_of(rows, context=None):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(made_up.document(rows, context), file)
        file.flush()
        return results.load(file.name)[1]


class Results(unittest.TestCase):
    def test_row_is_taken_apart(self):
        groups = groups_of([row("crowd/8/1024/2p1c", "mpsc", None, "rate", [2, 1, 3], place={"len": 8, "producers": 2}, figures={"MB_per_s": 7})])
        one = groups["crowd/8/1024/2p1c"].rows[0]
        self.assertEqual((one.question, one.member, one.kind, one.unit), ("crowd", "mpsc", "shmq", "rate"))
        self.assertEqual((one.rounds, one.ns, one.place, one.figures), ([2, 1, 3], 2, {"len": 8, "producers": 2}, {"MB_per_s": 7}))

    def test_weaker_says_what_it_does_less(self):
        one = groups_of([row("rtt/8", "jack", "weaker: a stream of bytes, latency unknown", "rate", [1.0] * 3)])["rtt/8"].rows[0]
        self.assertEqual((one.kind, one.unit, one.less), ("weaker", "rate", "a stream of bytes, latency unknown"))

    def test_ratio_is_the_median_of_ratios_within_the_rounds(self):
        group = groups_of([row("rtt/8", "ours", None, "latency", [1, 10, 100]), row("rtt/8", "theirs", "rival", "latency", [2, 30, 100])])["rtt/8"]
        ratio = results.speed(group.rows[0], group.rows[1])
        self.assertEqual((ratio.median, ratio.least, ratio.greatest, ratio.values), (2, 1, 3, [2, 3, 1]))

    def test_more_than_one_is_ours_ahead_in_every_unit(self):
        for unit in ("latency", "rate", "cost", "bytes"):
            group = groups_of([row("q/1", "ours", None, unit, [5.0] * 3), row("q/1", "theirs", "rival", unit, [10.0] * 3)])["q/1"]
            self.assertEqual(results.speed(*group.rows).median, 2)

    def test_interval_covers_the_median_as_often_as_it_says(self):
        at, coverage = results.order_statistics(11)
        self.assertEqual((at, round(coverage, 4)), (1, 0.9883))
        self.assertEqual(results.order_statistics(5), (0, 0.9375))
        chance, inside = random.Random(1), 0
        for _ in range(2000):
            ratio = results.Ratio([chance.lognormvariate(0, 1) for _ in range(11)])
            inside += ratio.low <= 1 <= ratio.high
        self.assertAlmostEqual(inside / 2000, coverage, delta=0.01)

    def test_best_rival_is_neither_floor_nor_weaker_nor_one_that_failed(self):
        rows = [row("rtt/8", name, base, "latency", [ns] * 3) for name, base, ns in (("line", "floor", 1), ("wf", "weaker", 2), ("slow", "rival", 9),
                                                                                     ("quick", "rival", 5), ("pipe", "rival", 4), ("ours", None, 3))]
        group = groups_of(rows + [made_up.error("rtt/8", "gone", "rival", "latency", "not installed")])["rtt/8"]
        self.assertEqual(results.best_rival(group).member, "pipe")
        self.assertEqual(results.best_rival(group, sleepers=False).member, "quick")
        self.assertEqual(results.best_floor(group).member, "line")
        self.assertEqual(group.rows[-1].error, "not installed")

    def test_who_has_fewer_rounds_is_compared_within_those(self):
        cut = {"rounds": 3.0, "round_s": 6.0}
        group = groups_of([row("crowd/8/1024/8p8c", "mpmc", None, "rate", [1, 2, 3, 100, 100]),
                           row("crowd/8/1024/8p8c", "ck_mpmc", "rival", "rate", [2, 6, 12], figures=cut)])["crowd/8/1024/8p8c"]
        self.assertEqual(results.speed(*group.rows).values, [2, 3, 4])
        self.assertEqual([one.cut_short for one in group.rows], ["", "3 rounds: took 6.00 s each"])
        self.assertEqual(group.rows[1].figures, {})

    def test_not_a_result_is_said_so(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("[1]")
            file.flush()
            self.assertRaises(ValueError, results.load, file.name)


class Verdict(unittest.TestCase):
    def judged(self, ours, rival, floor):
        rows = [row("rtt/8", "send_recv", None, "latency", ours), row("rtt/8", "boost", "rival", "latency", rival), row("rtt/8", "line", "floor", "latency", floor)]
        return next(one for one in verdict.rows(groups_of(rows)) if one["key"] == "rtt/8 send_recv")

    def test_met(self):
        one = self.judged([100.0] * 7, [150.0] * 7, [95.0] * 7)
        self.assertEqual((one["met"], one["verdict"], one["reason"]), (True, "met", ""))

    def test_behind_a_rival_says_by_how_much_and_why(self):
        one = self.judged([100.0] * 7, [80.0] * 7, [95.0] * 7)
        self.assertEqual((one["met"], one["verdict"]), (False, "behind boost by 20 %"))
        self.assertEqual(one["reason"], verdict.reason_for(one["key"]))
        self.assertIn("no reason recorded", verdict.reason_for("unheard/of member"))

    def test_a_weaker_one_is_shown_and_not_judged_by(self):
        for rivals, speed in ((["boost"], 1.5), ([], None)):
            rows = [row("rtt/8", "send_recv", None, "latency", [100.0] * 7), row("rtt/8", "jack", "weaker: a stream of bytes", "latency", [50.0] * 7),
                    row("rtt/8", "line", "floor", "latency", [95.0] * 7), *(row("rtt/8", name, "rival", "latency", [150.0] * 7) for name in rivals)]
            one = next(one for one in verdict.rows(groups_of(rows)) if one["key"] == "rtt/8 send_recv")
            self.assertEqual((one["met"], one["weaker"].member, one["weaker_speed"].median), (True, "jack", 0.5))
            self.assertEqual(one["speed"] and one["speed"].median, speed)
            self.assertEqual(verdict.weaker_text(one), "jack (a stream of bytes): 50.0 ns; ours is 0.50 (0.50-0.50) x as fast")

    def test_a_weaker_one_behind_a_rival_is_not_shown(self):
        rows = [row("rtt/8", "send_recv", None, "latency", [100.0] * 7), row("rtt/8", "jack", "weaker", "latency", [170.0] * 7),
                row("rtt/8", "boost", "rival", "latency", [150.0] * 7)]
        self.assertEqual([one["weaker"] for one in verdict.rows(groups_of(rows))], [None] * len(verdict.rows(groups_of(rows))))

    def test_who_reads_in_place_is_judged_apart(self):
        rows = [row("latest/64/full/1", "latest", None, "latency", [100.0] * 7), row("latest/64/full/1", "iceoryx_latest", "rival", "latency", [80.0] * 7)]
        self.assertEqual([(one["title"], one["met"]) for one in verdict.rows(groups_of(rows))],
                         [("Latest value", None), ("Latest value, beside one read in place", False)])

    def test_too_far_from_the_floor_is_not_met(self):
        one = self.judged([100.0] * 7, [150.0] * 7, [80.0] * 7)
        self.assertEqual((one["met"], one["verdict"]), (False, "14 % above what is wanted of line"))

    def test_what_the_interval_does_not_decide_is_marked(self):
        one = self.judged([100.0] * 7, [90.0, 91, 92, 93, 110, 120, 130], [95.0] * 7)
        self.assertEqual((one["met"], one["unsure"]), (False, True))

    def test_share_of_the_floor_of_a_rate(self):
        for floor, met in ((85.0, True), (75.0, False)):
            rows = [row("throughput/4096/1024", "inline", None, "rate", [100.0] * 7, place={"len": 4096, "capacity": 1024}),
                    row("throughput/4096/1024", "stream", "floor", "rate", [floor] * 7)]
            self.assertEqual([one["met"] for one in verdict.rows(groups_of(rows))], [met])

    def test_faults(self):
        for faults in (0, 1):
            rows = [row("jitter/quiet", "lock_populate", None, "latency", [1.0] * 3, figures={"faults": faults})]
            self.assertEqual([one["met"] for one in verdict.rows(groups_of(rows))], [faults == 0])

    def test_everything_prints(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file, contextlib.redirect_stdout(io.StringIO()) as out:
            json.dump(made_up.everything(3), file)
            file.flush()
            verdict.print_table(verdict.rows(results.load(file.name)[1]))
        self.assertIn("Round trip 8 B", out.getvalue())
        self.assertIn("zmq_pub (loses the newest <of all>)", out.getvalue())


class Scaling(unittest.TestCase):
    def fitted(self, exponent, noise=0.02, seed=""):
        rows = [row(f"lifecycle/attach/shm/{n}", "shmq", None, "cost", 1e4 * n**exponent, place={"segments": n}, noise=noise, seed=f"{seed}{n}") for n in (1, 100, 10000)]
        return scaling.fits(groups_of(rows))

    def test_exponent_is_found(self):
        for exponent in (0, 0.5, 1, 2):
            one, = self.fitted(exponent)
            self.assertAlmostEqual(one["exponent"].median, exponent, delta=0.02)
            self.assertEqual((one["series"], one["xs"], one["stated"]), ("attach/shm/*", [1, 100, 10000], 0))

    def test_worse_than_stated_is_flagged_and_noise_is_not(self):
        self.assertTrue(self.fitted(0.3)[0]["worse"])
        self.assertEqual([self.fitted(0, noise=0.5, seed=seed)[0]["worse"] for seed in range(8)], [False] * 8)

    def test_two_points_are_no_curve(self):
        rows = [row(f"lifecycle/attach/shm/{n}", "shmq", None, "cost", 1e4, place={"segments": n}) for n in (1, 100)]
        self.assertEqual(scaling.fits(groups_of(rows)), [])

    def test_equal_numbers_in_a_cell_are_told_apart(self):
        rows = [row(f"throughput/{n}/64", "inline", None, "rate", float(n), place={"len": n, "capacity": 64}) for n in (8, 64, 512)]
        rows += [row(f"throughput/64/{n}", "inline", None, "rate", 5.0, place={"len": 64, "capacity": n}) for n in (8, 512)]
        found = {(one["x"], one["series"]): round(one["exponent"].median, 1) for one in scaling.fits(groups_of(rows))}
        self.assertEqual(found[("len", "*/64")], 1.0)
        self.assertIn(("capacity", "64/*"), found)


class Check(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.base = os.path.join(self.folder.name, "baseline")

    def run_check(self, seed, slower=None, factor=1.0, keep=False, add=False, context=None):
        """(exit status, output) of the guard over 20 groups in which `slower` is a group whose ours takes `factor` of the time."""
        rows = []
        for length in range(8, 168, 8):
            place, name = {"len": length, "capacity": 64}, f"throughput/{length}/64"
            rows.append(row(name, "inline", None, "rate", 10 * (factor if name == slower else 1), seed=f"{seed}{name}", noise=0.08, place=place))
            rows.append(row(name, "boost", "rival", "rate", 15, seed=f"{seed}{name}b", noise=0.08, place=place))
        path = os.path.join(self.folder.name, "run.json")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(made_up.document(rows, context), file)
        with contextlib.redirect_stdout(io.StringIO()) as out:
            status = check.check(path, self.base, keep, add)
        return status, out.getvalue()

    def test_planted_regression_is_found(self):
        self.run_check("a", keep=True)
        status, text = self.run_check("b", slower="throughput/56/64", factor=1.3)
        self.assertEqual(status, 1)
        lines = [line for line in text.splitlines() if "REGRESSION" in line]
        self.assertEqual([line.split()[0] for line in lines], ["throughput/56/64"])

    def test_noise_is_not(self):
        self.run_check("a", keep=True)
        self.assertEqual([self.run_check(seed)[0] for seed in range(8)], [0] * 8)

    def test_less_than_ten_percent_is_not(self):
        self.run_check("a", keep=True)
        self.assertEqual(self.run_check("b", slower="throughput/56/64", factor=1.05)[0], 0)

    def test_both_slower_is_the_machine(self):
        self.run_check("a", keep=True)
        rows = [row("throughput/8/64", "inline", None, "rate", 20.0, place={"len": 8, "capacity": 64}),
                row("throughput/8/64", "boost", "rival", "rate", 30.0, place={"len": 8, "capacity": 64})]
        with open(os.path.join(self.base, "MadeUp-1-2-2c.json"), encoding="utf-8") as file:
            lines, missing = check.compare(json.load(file)["rows"], groups_of(rows))
        self.assertEqual(([line["verdict"] for line in lines], len(missing)), (["same"], 19))

    def test_another_class_has_nothing_to_compare(self):
        self.run_check("a", keep=True)
        status, text = self.run_check("a", slower="throughput/56/64", factor=3, context={"class": "Other-1"})
        self.assertEqual(status, 0)
        self.assertIn("MadeUp-1-2-2c", text)

    def test_runs_are_pooled(self):
        self.run_check("a", keep=True)
        self.run_check("b", add=True)
        with open(os.path.join(self.base, "MadeUp-1-2-2c.json"), encoding="utf-8") as file:
            stored = json.load(file)
        self.assertEqual((len(stored["runs"]), {len(one["ratios"]) for one in stored["rows"].values()}), (2, {22}))

    def test_too_few_stored_runs_are_said_so(self):
        self.run_check("a", keep=True)
        self.run_check("b", add=True)
        self.assertIn("Only 2 run(s) stored", self.run_check("d")[1])
        self.run_check("c", add=True)
        self.assertNotIn("stored, 3 wanted", self.run_check("d")[1])

    def test_who_has_fewer_rounds_now_is_compared(self):
        self.run_check("a", keep=True)
        with open(os.path.join(self.base, "MadeUp-1-2-2c.json"), encoding="utf-8") as file:
            stored = json.load(file)["rows"]
        for factor, wanted in ((1, "same"), (3, "REGRESSION")):
            rows = [row("throughput/8/64", "inline", None, "rate", 10.0 * factor, place={"len": 8, "capacity": 64}),
                    row("throughput/8/64", "boost", "rival", "rate", [15.0] * 3, figures={"rounds": 3.0, "round_s": 6.0})]
            line, = check.compare({key: one for key, one in stored.items() if key.startswith("throughput/8/64 ")}, groups_of(rows))[0]
            self.assertEqual((line["least"], line["verdict"]), (1 / 364, wanted))

    def test_holm(self):
        self.assertEqual([round(p, 6) for p in check.holm([0.01, 0.04, 0.03, 0.005])], [0.03, 0.06, 0.06, 0.02])


if __name__ == "__main__":
    unittest.main()
