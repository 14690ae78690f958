# SPDX-License-Identifier: MIT
"""The two pictures of the README: SVG files that stand alone, with a background of their own in light and dark."""

import os
import re

import charts
import results
from charts import COLOURS, SENTINELS


def dress(chart, context_line):
    """Legend, title and source inside the picture: there is no page around it."""
    figure, axes = chart.figure, chart.axes
    legend = axes.legend([line for line in axes.get_lines()], [label for _, label, _ in chart.legend], frameon=False, loc="center left",
                         bbox_to_anchor=(1.01, 0.5), fontsize=10.5, handlelength=2.2, labelspacing=0.7)
    for text, (_, label, _) in zip(legend.get_texts(), chart.legend):
        text.set_fontweight("bold" if label.startswith("shmq") else "normal")
    axes.set_title(chart.title, loc="left", fontsize=13, fontweight="bold", pad=26)
    axes.text(0, 1.03, context_line, transform=axes.transAxes, fontsize=10, color=SENTINELS["muted"], va="bottom")
    figure.set_size_inches(7.6, 3.9)


def standalone(chart, prefix):
    """The SVG with a background, its variables and a margin."""
    text = chart.svg(prefix, standalone=True)
    width, height = (float(part) for part in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text).groups())
    light, dark = ("".join(f"--{name}: {pair[i]}; " for name, pair in COLOURS.items() if f"var(--{name})" in text or name == "surface") for i in (0, 1))
    style = (f"<style>:root {{ --font: system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif; {light} }} "
             f"@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}</style>")
    margin = 16
    back = (f'<rect x="{-margin}" y="{-margin}" width="{width + 2 * margin:.0f}" height="{height + 2 * margin:.0f}" rx="10" '
            'style="fill: var(--surface)"/>')
    text = re.sub(r'viewBox="[^"]*"', f'viewBox="{-margin} {-margin} {width + 2 * margin:.0f} {height + 2 * margin:.0f}"', text, count=1)
    text = re.sub(r' width="[\d.]+" height="[\d.]+"', f' width="{(width + 2 * margin) * 1.35:.0f}" height="{(height + 2 * margin) * 1.35:.0f}"', text, count=1)
    return re.sub(r"(<svg[^>]*>)", lambda m: m[1] + style + back, text, count=1) + "\n"


def rtt(groups):
    """Round trip of 8 bytes: ours, the floor, the best rivals."""
    group = groups.get("rtt/8")
    if not group or not group.members(kind="shmq"):
        return None
    rivals = sorted((row for row in group.members(kind="rival")), key=lambda row: row.ns)[:3]
    floor = group.best(kind="floor")
    rows = group.members(("send_recv", "inline"), "shmq") + ([floor] if floor else []) + rivals
    chart = charts.percentiles("Round trip of 8 bytes between two processes", "", rows)
    names = {"send_recv": "shmq send/recv", "inline": "shmq inline.h"}
    chart.legend = [(colour, names.get(row.member, f"floor: {row.member}" if row.kind == "floor" else row.member), mark)
                    for (colour, _, mark), row in zip(chart.legend, rows)]
    dress(chart, "latency by percentile; lower and flatter is better")
    return standalone(chart, "rtt")


def throughput(groups):
    """Messages a second over length at the capacity that has most lengths."""
    cells = [group for group in groups.values() if group.question == "throughput" and group.members(kind="shmq")]
    capacities = [group.place["capacity"] for group in cells]
    if not cells:
        return None
    capacity = max(sorted(set(capacities)), key=lambda value: (capacities.count(value), value == 1024))
    cells = sorted((group for group in cells if group.place["capacity"] == capacity), key=lambda group: group.place["len"])
    rivals = {}
    for cell in cells:
        for row in cell.members(kind="rival"):
            rivals.setdefault(row.member, []).append(row.ns / cell.best(kind="rival").ns)
    best = sorted(rivals, key=lambda name: (-len(rivals[name]), sum(rivals[name])))[:4]
    names = {"inline": "shmq inline.h", "send_recv": "shmq send/recv", "zero_copy": "shmq zero copy", "stream": "floor: bare copy"}
    series = []
    for member in ["send_recv", "inline", "zero_copy", "stream", *best]:
        found = [(cell.place["len"], row) for cell in cells for row in cell.good if row.member == member]
        if found:
            series.append((found[0][1], names.get(member, member), [x for x, _ in found], [1e9 / row.ns for _, row in found]))
    chart = charts.lines("Throughput between two processes", "", series, "message length, bytes",
                         lambda v: results.rate_text(1e9 / v).replace(".00", "").replace(".0 ", " "))
    dress(chart, f"messages a second, ring of {results.size_text(capacity)} messages; higher is better")
    return standalone(chart, "tp")


def write(groups, folder):
    os.makedirs(folder, exist_ok=True)
    for name, draw in (("rtt", rtt), ("throughput", throughput)):
        text = draw(groups)
        if text:
            with open(os.path.join(folder, f"{name}.svg"), "w", encoding="utf-8") as file:
                file.write(text)
