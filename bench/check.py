#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The guard: have the ratios of the verdict got worse since they were stored?

    check.py FILE BASELINE_DIR            compare; exit status 1: a regression, 0: none, or nothing stored for this class of machine
    check.py FILE BASELINE_DIR --store    keep this run's ratios as BASELINE_DIR/CLASS.json
    check.py FILE BASELINE_DIR --add      the same, pooled with the ratios that are stored

A class is a model of CPU, its number of cores, and how near to each other the two in use are. Guarded are the ratios of the verdict's rows, ours to the best rival of the day they were
stored and ours to the floor, one for each round: never times, which another load or clock of the machine changes. All are turned so that
more is better.

Statistics: for each ratio a one-sided Mann-Whitney U test (this run's rounds tend to be below the stored ones), the p-values of all
ratios corrected by Holm's method. A regression is what is significant at 1 % after the correction AND whose median has fallen by more than
10 %. The test sees what varies between rounds; what varies from run to run is what the 10 %, and runs pooled by --add, are for.
"""

import argparse
import json
import math
import os
import statistics
import sys

from scipy.stats import mannwhitneyu

import results
import verdict

ALPHA = 0.01
DROP = 0.10
RUNS = 3  # from which on what is stored also tells how runs differ
FOOT = ("Ratios (more is better), medians over the rounds. p: one-sided Mann-Whitney U test over the rounds' ratios, by Holm's method for {n} "
        "ratios. Regression: p < 1 % and the median fallen by more than 10 %.")


def guarded(groups):
    """{key: {"ours", "other", "metric", "group", "ratios"}} of every ratio of the verdict that has a value for each round."""
    found = {}
    for row in verdict.rows(groups):
        for against, ratio in (("rival", row["speed"]), ("floor", row["floor_time"] and row["floor_time"].inverse())):
            if ratio and ratio.n > 1 and not row["spec"]["beside"]:
                found.setdefault(f"{row['key']} / {against}", {"group": row["group"].name, "ours": row["ours"].member, "other": row[against].member,
                                                             "metric": row["metric"], "ratios": [float(f"{v:.5g}") for v in ratio.values]})
    return found


def same_now(groups, stored):
    """The same ratio of the same two members in this run, or None."""
    group = groups.get(stored["group"])
    members = {row.member: row for row in group.good} if group else {}
    if stored["ours"] not in members or stored["other"] not in members:
        return None
    ratio = results.speed(members[stored["ours"]], members[stored["other"]], stored["metric"])
    return ratio.values if ratio and ratio.n > 1 else None


def holm(values):
    """p-values corrected for there being so many: Holm's step-down method."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    corrected, highest = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[i]))
        corrected[i] = highest
    return corrected


def compare(stored, groups):
    """A list of dictionaries: key, stored and now (medians), change, p, verdict; and what this run does not have."""
    lines, missing = [], []
    for key, row in stored.items():
        now = same_now(groups, row)
        if now is None:
            missing.append(key)
            continue
        before = statistics.median(row["ratios"])
        # The least p that so many rounds can give: all of this run's below all that are stored.
        least = 1 / math.comb(len(now) + len(row["ratios"]), len(now))
        lines.append({"key": key, "least": least, "what": f"{row['ours']} / {row['other']}", "stored": before, "now": statistics.median(now),
                      "change": statistics.median(now) / before - 1, "raw": mannwhitneyu(now, row["ratios"], alternative="less").pvalue})
    for line, p in zip(lines, holm([line["raw"] for line in lines])):
        fell, sure = line["change"] < -DROP, p < ALPHA
        line["p"] = p
        line["verdict"] = "REGRESSION" if fell and sure else "fell, within the noise" if fell else "better" if line["change"] > DROP else "same"
    return lines, missing


def print_table(lines, missing):
    print(f"{'ratio':44} {'of':34} {'stored':>8} {'now':>8} {'change':>8} {'p':>8}  verdict")
    for line in sorted(lines, key=lambda line: line["change"]):
        print(f"{line['key']:44} {line['what']:34} {line['stored']:8.3f} {line['now']:8.3f} {line['change'] * 100:+7.1f}% {line['p']:8.2g}  {line['verdict']}")
    print("\n" + FOOT.format(n=len(lines)))
    blind = [line["key"] for line in lines if line["least"] * len(lines) >= ALPHA]
    if blind:
        print(f"{len(blind)} of them have too few rounds for any fall to be significant: run with more (--rounds=11).")
    if missing:
        print(f"Stored, but not in this run: {len(missing)} ({', '.join(missing[:4])}{', ...' if len(missing) > 4 else ''}).")


def store(path, context, found, add):
    kept = {"class": context.get("class", "?"), "runs": [], "rows": {}}
    if add and os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
    for key, row in found.items():
        before = kept["rows"].get(key)
        if before and (before["ours"], before["other"]) == (row["ours"], row["other"]):
            row["ratios"] = before["ratios"] + row["ratios"]
        kept["rows"][key] = row
    kept["runs"].append({name: context.get(name, "?") for name in ("date", "cpu", "kernel", "level", "rounds", "shmq")})
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        head = json.dumps({name: value for name, value in kept.items() if name != "rows"}, indent=1)
        rows = ",\n".join(f"  {json.dumps(key)}: {json.dumps(row)}" for key, row in sorted(kept["rows"].items()))
        file.write(head[:-2] + ',\n "rows": {\n' + rows + "\n }\n}\n")
    os.replace(path + ".new", path)
    print(f"{path}: {len(kept['rows'])} ratios of {len(kept['runs'])} run(s)")


def pool_same(groups, path, found):
    """For --add: ratios are pooled with those of the same two members that are stored, whoever is best in this run."""
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            for key, row in json.load(file)["rows"].items():
                now = same_now(groups, row)
                if now:
                    found[key] = row | {"ratios": [float(f"{v:.5g}") for v in now]}
    return found


def check(file, folder, keep, add):
    context, groups = results.load(file)
    path = os.path.join(folder, f"{context.get('class', 'unknown').replace('/', '-')}.json")
    if keep or add:
        store(path, context, pool_same(groups, path, guarded(groups)) if add else guarded(groups), add)
        return 0
    if not os.path.exists(path):
        classes = sorted(name[:-5] for name in os.listdir(folder) if name.endswith(".json")) if os.path.isdir(folder) else []
        print(f"No ratios are stored for this class of machine, {context.get('class', '?')}; there are: {', '.join(classes) or 'none'}. Nothing to compare.")
        return 0
    with open(path, encoding="utf-8") as file:
        stored = json.load(file)
    lines, missing = compare(stored["rows"], groups)
    print_table(lines, missing)
    if len(stored["runs"]) < RUNS:
        print(f"Only {len(stored['runs'])} run(s) stored, {RUNS} wanted: how much runs differ is not known yet (./dev bench --store adds one).")
    bad = [line for line in lines if line["verdict"] == "REGRESSION"]
    print(f"{len(bad)} regression(s)." if bad else "No regression.")
    return 1 if bad else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", help="what shmq_bench wrote with --benchmark_out=FILE")
    parser.add_argument("folder", metavar="BASELINE_DIR")
    parser.add_argument("--store", action="store_true", help="keep this run's ratios")
    parser.add_argument("--add", action="store_true", help="keep this run's ratios beside those that are stored")
    args = parser.parse_args()
    try:
        sys.exit(check(args.file, args.folder, args.store, args.add))
    except (OSError, ValueError) as error:
        print(f"check.py: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
