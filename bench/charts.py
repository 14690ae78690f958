# SPDX-License-Identifier: MIT
"""Charts as inline SVG: drawn by matplotlib in colours that stand for CSS variables, so that the page decides what they look like.

What is data is drawn in groups with ids that begin with "data-"; Chart.points is how many marks there are in them, and the test counts.
"""

import io
import math
import re

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator  # noqa: E402

import results  # noqa: E402
from results import time_text, value_text  # noqa: E402

# name: (light, dark)
COLOURS = {
    "ink": ("#1f2430", "#e4e7ec"), "muted": ("#5d6472", "#9aa2b1"), "grid": ("#e3e6eb", "#2c323d"), "surface": ("#ffffff", "#171a21"),
    "ours": ("#1d5fd1", "#6ea8ff"), "ours2": ("#0b8a86", "#4ccac3"), "ours3": ("#7646cf", "#b79bff"), "floor": ("#6c7483", "#98a1b0"),
    "r1": ("#d4600a", "#ff9d52"), "r2": ("#bd2f7a", "#f584bb"), "r3": ("#857400", "#d6c650"), "r4": ("#2b853a", "#74d183"),
    "r5": ("#8a573a", "#cd9f82"), "r6": ("#c3312b", "#ff8982"), "r7": ("#2f7f9e", "#79c4e2"), "r8": ("#6b5f8f", "#aea3d6"),
    "h0": ("#bf5314", "#e07b35"), "h1": ("#e38c55", "#9c5929"), "h2": ("#f5cdab", "#5c3c28"), "h3": ("#eceef1", "#2b3039"),
    "h4": ("#d3e2fa", "#22385a"), "h5": ("#a3c4f4", "#2a5290"), "h6": ("#5e94e4", "#3f78d0"), "h7": ("#1f5fca", "#7db0ff"),
    "k0": ("#ffffff", "#14161b"), "k1": ("#1f2430", "#ffffff"), "k2": ("#1f2430", "#f4e6db"), "k3": ("#1f2430", "#e4e7ec"),
    "k4": ("#1f2430", "#dbe7fb"), "k5": ("#1f2430", "#ffffff"), "k6": ("#10151f", "#ffffff"), "k7": ("#ffffff", "#10151f"),
}
SENTINELS = {name: f"#a7{i:02x}e3" for i, name in enumerate(COLOURS)}

# Ratio to the best rival: where one class of a heat map ends. The middle one is within 5 % of even.
HEAT = (0.5, 0.8, 0.95, 1.05, 1.5, 2.5, 5)

OUR_COLOURS = {"send_recv": "ours", "inline": "ours2", "zero_copy": "ours3"}
RIVALS = tuple(name for name in COLOURS if re.fullmatch(r"r\d", name))
MARKERS = "os^DvPX*"

matplotlib.rcParams.update({
    "svg.fonttype": "none", "font.size": 10.5, "font.family": "DejaVu Sans", "axes.spines.top": False, "axes.spines.right": False,
    "axes.spines.left": False, "axes.linewidth": 0.8, "axes.axisbelow": True, "axes.grid": True, "grid.linewidth": 0.8,
    "xtick.major.size": 0, "ytick.major.size": 0, "xtick.minor.size": 0, "ytick.minor.size": 0, "path.simplify": False,
    "text.color": SENTINELS["ink"], "axes.labelcolor": SENTINELS["muted"], "xtick.color": SENTINELS["muted"],
    "ytick.color": SENTINELS["muted"], "axes.edgecolor": SENTINELS["grid"], "grid.color": SENTINELS["grid"],
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none", "lines.solid_capstyle": "round",
})

given = {}


def colour_of(row, used):
    """A colour for a member, the same in each chart as far as the others in it leave it free."""
    if row.kind == "floor":
        return "floor"
    if row.ours:
        wanted, others = OUR_COLOURS.get(row.member, "ours"), ("ours", "ours2", "ours3")
    else:
        wanted, others = given.setdefault(row.member, RIVALS[len(given) % len(RIVALS)]), RIVALS
    free = [name for name in (wanted, *others) if name not in used]
    return free[0] if free else wanted


WIDTH = 4.6  # inches; wider where long names leave no room


class Chart:
    """One <figure>: a picture, its legend in HTML below it, and a caption."""

    def __init__(self, title, caption, width=WIDTH, height=2.9, left=0.78, right=0.12, bottom=0.5, top=0.08):
        self.title, self.caption = title, caption
        self.points, self.legend, self.marks = 0, [], 0
        self.figure = pyplot.figure(figsize=(width, height))
        self.axes = self.figure.add_axes([left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height])

    def mark(self, artists, points):
        """These are data."""
        for artist in artists:
            artist.set_gid(f"data-{self.marks}")
            self.marks += 1
        self.points += points

    def series(self, xs, ys, colour, label, dashed=False, bold=False):
        """A line with a mark at each point; what is not a finite number above 0 is left out."""
        pairs = [(x, y) for x, y in zip(xs, ys) if math.isfinite(x) and math.isfinite(y) and y > 0]
        if not pairs:
            return
        marker = MARKERS[len(self.legend) % len(MARKERS)]
        line = self.axes.plot(*zip(*pairs), color=SENTINELS[colour], linewidth=2.2 if bold else 1.5, marker=marker,
                              markersize=5 if bold else 4.5, markeredgewidth=0, linestyle=(0, (4, 2)) if dashed else "-",
                              zorder=4 if bold else 3)
        self.mark(line, len(pairs))
        self.legend.append((colour, label, marker))

    def svg(self, prefix, standalone=False):
        """The picture, ids made unique by `prefix`, colours made variables."""
        out = io.StringIO()
        self.figure.savefig(out, format="svg", **({"bbox_inches": "tight", "pad_inches": 0.04} if standalone else {}), metadata={"Date": None, "Creator": None})
        pyplot.close(self.figure)
        text = out.getvalue()
        text = text[text.index("<svg"):]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
        text = re.sub(r"<style type=\"text/css\">.*?</style>", "", text, flags=re.S)
        text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
        text = re.sub(r'\bid="([^"]*)"', rf'id="{prefix}-\1"', text)
        text = re.sub(r'href="#', f'href="#{prefix}-', text).replace("url(#", f"url(#{prefix}-")
        text = re.sub(r"font: (?:(\w+) )?([\d.]+)px [^;\"]+", lambda m: f"font: {m[1] + ' ' if m[1] else ''}{m[2]}px var(--font)", text)
        for name, sentinel in SENTINELS.items():
            text = text.replace(sentinel, f"var(--{name})")
        text = re.sub(r"(\d+\.\d{2})\d{3,}", r"\1", text)
        text = re.sub(r"\s*\n\s*", "\n", text)
        box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', text)
        head = f'<svg viewBox="0 0 {box[1]} {box[2]}" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        head += f'role="img" aria-label="{self.title}" ' + (f'width="{box[1]}" height="{box[2]}"' if standalone else
                                                          f'style="max-width:{float(box[1]) * 1.4:.0f}px"')
        return re.sub(r"<svg[^>]*>", head + ">", text, count=1).strip()


# Axes -------------------------------------------------------------------------------------------

def log_axis(axes, which, text, low=None, high=None, narrow=False):
    """A logarithmic axis with ticks that say what they are: decades, and 2 and 5 of them where there are few."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    if low and high and high / low < 4:
        middle = math.sqrt(low * high)
        (axes.set_xlim if which == "x" else axes.set_ylim)(min(low / 1.15, middle / 2.2), max(high * 1.15, middle * 2.2))
    first, last = axes.get_xlim() if which == "x" else axes.get_ylim()
    decades = math.log10(last / first)
    if narrow:
        subs = (1, 2, 5) if decades < 1.1 else (1, 3) if decades < 1.8 else (1,)
    else:
        subs = (1, 2, 5) if decades < 2.2 else (1,)
    axis.set_major_locator(LogLocator(subs=subs, numticks=5 if narrow and subs == (1,) else 12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
    axis.set_minor_formatter(NullFormatter())
    axis.set_minor_locator(NullLocator())


def size_axis(axes, xs):
    """Sizes that are powers of two, each with its name."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(xs))))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: results.size_text(round(value))))
    axes.xaxis.set_minor_locator(NullLocator())


def short(value):
    """A tick: 100 ns, 1 us."""
    return time_text(value).replace(".00", "").replace(".0 ", " ")


def per_second(value):
    """A tick: 100 MB/s."""
    return results.scaled(value, ((1, "B/s"), (1e3, "kB/s"), (1e6, "MB/s"), (1e9, "GB/s"))).replace(".00", "").replace(".0 ", " ")


# Kinds of charts --------------------------------------------------------------------------------

def percentiles(title, caption, rows):
    """Latency over percentile, both logarithmic: the tail has half of the picture."""
    chart = Chart(title, caption)
    used = set()
    for row in rows:
        colour = colour_of(row, used)
        used.add(colour)
        points = [(-math.log10(1 - q) if q < 1 else 6, row.quantiles[name]) for name, q in results.QUANTILES
                  if name in row.quantiles and q >= 0.1]
        chart.series([x for x, _ in points], [y for _, y in points], colour, row.member, row.kind == "floor", row.ours)
    ticks = {0.301: "50", 1: "90", 2: "99", 3: "99.9", 4: "99.99", 5: "99.999", 6: "max"}
    chart.axes.xaxis.set_major_locator(FixedLocator(list(ticks)))
    chart.axes.set_xticklabels(list(ticks.values()))
    chart.axes.set_xlabel("percentile")
    ys = [y for row in rows for y in row.quantiles.values() if y > 0]
    log_axis(chart.axes, "y", short, min(ys), max(ys))
    return chart


def label_inches(rows):
    """Room for the names of members; the longest decides."""
    return 0.25 + 0.088 * max(len(row.member) for row in rows)


def strip(title, caption, group, limit=24):
    """Every member of a group on a line of its own, the best at the top: the median, and the tail or the rounds' range."""
    rows = group.good if group.merged else sorted(group.good, key=lambda row: row.ns)
    rows = [row for row in rows if row.ns > 0][:limit]
    latency = group.unit == "latency"
    notes = [name for name in ("faults", "missed", "torn") if any(name in row.figures for row in rows)]
    left, right = label_inches(rows), 0.85 + 0.9 * len(notes)
    chart = Chart(title, caption, width=max(WIDTH, left + 1.6 + right), height=0.4 + 0.24 * len(rows), left=left, right=right, bottom=0.32)
    colours = {"shmq": "ours", "floor": "floor", "rival": "r1"}
    seen = []
    for i, row in enumerate(rows):
        colour = SENTINELS[colours.get(row.kind, "ours3")]
        end = row.quantiles.get("p999", row.ns) if latency else max(row.rounds)
        begin = row.ns if latency else min(row.rounds)
        values = [1e9 / v for v in (begin, row.ns, end)] if group.unit == "rate" else [begin, row.ns, end]
        seen += values
        chart.axes.hlines(i, min(values), max(values), color=colour, linewidth=2)
        chart.mark(chart.axes.plot(values[1], i, "o", color=colour, markersize=7, markeredgewidth=0), 1)
        if latency:
            chart.mark(chart.axes.plot(end, i, "|", color=colour, markersize=9, markeredgewidth=2), 1)
        chart.axes.text(1.02, i, ", ".join([value_text(row.ns, group.unit), *(f"{results.digits(row.figures[name])} {name}" for name in notes if name in row.figures)]), transform=chart.axes.get_yaxis_transform(),
                        va="center", ha="left", fontsize=9.5)
    chart.axes.set_ylim(len(rows) - 0.4, -0.6)
    chart.axes.set_yticks(range(len(rows)), [row.member for row in rows])
    for label, row in zip(chart.axes.get_yticklabels(), rows):
        label.set_color(SENTINELS["ink" if row.ours else "muted"])
        label.set_fontweight("bold" if row.ours else "normal")
    chart.axes.yaxis.grid(False)
    text = {"rate": lambda v: results.rate_text(1e9 / v).replace(".00", "").replace(".0 ", " "), "bytes": results.bytes_text}
    log_axis(chart.axes, "x", text.get(group.unit, short), min(seen), max(seen), narrow=True)
    chart.legend = [(colours.get(kind, "ours3"), "shmq" if kind == "shmq" else kind, "o")
                    for kind in dict.fromkeys(row.kind for row in rows)]
    return chart


def lines(title, caption, series, x_label, y_text, x_sizes=True):
    """series: (row, label, xs, ys)."""
    chart = Chart(title, caption)
    used = set()
    for row, label, xs, ys in series:
        colour = colour_of(row, used)
        used.add(colour)
        chart.series(xs, ys, colour, label, row.kind == "floor", row.ours)
    all_x = [x for _, _, xs, _ in series for x in xs]
    all_y = [y for _, _, _, ys in series for y in ys if y > 0]
    if x_sizes:
        size_axis(chart.axes, all_x)
    else:
        chart.axes.set_xticks(sorted(set(all_x)))
    chart.axes.set_xlabel(x_label)
    log_axis(chart.axes, "y", y_text, min(all_y), max(all_y))
    return chart


def heat(title, caption, cells, x_label, y_label, names=results.size_text):
    """cells: {(x, y): ratio to the best rival}. Blue: ahead; orange: behind; grey: within 5 %."""
    xs, ys = sorted({x for x, _ in cells}), sorted({y for _, y in cells})
    chart = Chart(title, caption, width=max(2.2, 0.9 + 0.52 * len(xs)), height=0.7 + 0.4 * len(ys), left=0.8)
    for (x, y), value in cells.items():
        at = sum(value >= limit for limit in HEAT)
        i, j = xs.index(x), ys.index(y)
        box = pyplot.Rectangle((i + 0.03, j + 0.03), 0.94, 0.94, facecolor=SENTINELS[f"h{at}"], edgecolor="none")
        chart.axes.add_patch(box)
        chart.mark([box], 1)
        chart.axes.text(i + 0.5, j + 0.5, results.ratio_text(value), ha="center", va="center", color=SENTINELS[f"k{at}"], fontsize=10)
    chart.axes.set_xlim(0, len(xs))
    chart.axes.set_ylim(0, len(ys))
    chart.axes.set_xticks([i + 0.5 for i in range(len(xs))], [names(x) for x in xs])
    chart.axes.set_yticks([i + 0.5 for i in range(len(ys))], [names(y) for y in ys])
    chart.axes.set_xlabel(x_label)
    chart.axes.set_ylabel(y_label)
    chart.axes.grid(False)
    chart.axes.spines["bottom"].set_visible(False)
    bounds = ("", *(f"{limit:g}" for limit in HEAT), "")
    chart.legend = [(f"h{i}", f"< {bounds[i + 1]}" if i == 0 else f"> {bounds[i]}" if i == len(HEAT) else f"{bounds[i]}-{bounds[i + 1]}",
                     "cell") for i in range(len(HEAT) + 1)]
    return chart


def shares(title, caption, rows):
    """Which share of its core each of the two processes used."""
    rows = sorted((row for row in rows if "cpu_first" in row.figures), key=lambda row: row.figures.get("cpu_second", 0))
    chart = Chart(title, caption, height=0.6 + 0.24 * len(rows), left=label_inches(rows), right=1.15)
    for i, row in enumerate(rows):
        for name, marker, colour in (("cpu_first", "o", "ours3"), ("cpu_second", "s", "r3")):
            if name in row.figures:
                chart.mark(chart.axes.plot(min(row.figures[name] * 100, 100), i, marker, color=SENTINELS[colour], markersize=7, markeredgewidth=0), 1)
        both = "{:.0f} %, {:.0f} %".format(*(row.figures.get(n, 0) * 100 for n in ("cpu_first", "cpu_second")))
        chart.axes.text(1.03, i, both, transform=chart.axes.get_yaxis_transform(), va="center", fontsize=9.5)
    chart.axes.set_xlim(-3, 103)
    chart.axes.set_ylim(len(rows) - 0.4, -0.6)
    chart.axes.set_yticks(range(len(rows)), [row.member for row in rows])
    chart.axes.set_xlabel("% of its core")
    chart.axes.yaxis.grid(False)
    chart.legend = [("ours3", "first process", "o"), ("r3", "second process", "s")]
    return chart
