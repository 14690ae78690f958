# SPDX-License-Identifier: MIT
"""The frame of the report: style, figures, tables. One file, no network, no scripts; light and dark by the reader's preference."""

import html

from charts import COLOURS

MARKS = {"o": "\u25cf", "s": "\u25a0", "^": "\u25b2", "D": "\u25c6", "v": "\u25bc", "P": "\u271a", "X": "\u2716", "*": "\u2605", "cell": "\u25a0"}

STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #ffffff; --line: #e0e3e9; --good: #1c7a43; --bad: #b3361b; --near: #8a6100;
	--goodbg: #e3f4e9; --badbg: #fbe7e1; --nearbg: #faf0d5; --font: system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
	LIGHT }
@media (prefers-color-scheme: dark) { :root { --page: #0f1217; --card: #171a21; --line: #2b313c; --good: #7bd69c; --bad: #ff9a7d;
	--near: #e8c263; --goodbg: #15301f; --badbg: #3b1d15; --nearbg: #352a10; DARK } }
* { box-sizing: border-box }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100% }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 var(--font) }
a { color: var(--ours); text-decoration-thickness: 1px; text-underline-offset: 3px }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; font-weight: 650 }
h2 { font-size: 21px; line-height: 1.3; margin: 0 0 6px; font-weight: 650 }
h3 { font-size: 16px; margin: 26px 0 8px; font-weight: 650 }
p { margin: 0 0 12px; max-width: 76ch; overflow-wrap: break-word }
.sub, figcaption, .note { color: var(--muted) }
.sub { max-width: 90ch }
.frame { max-width: 1240px; margin: 0 auto; padding: 36px 24px 80px; display: grid; grid-template: "nav head" auto "nav main" 1fr / 160px minmax(0, 1fr);
	gap: 0 36px }
main { min-width: 0; grid-area: main } header { min-width: 0; grid-area: head }
main > section:first-child { margin-top: 28px }
nav { grid-area: nav; position: sticky; top: 24px; align-self: start; max-height: calc(100vh - 48px); overflow-y: auto; font-size: 14px }
nav a { display: block; padding: 3px 0; color: var(--muted); text-decoration: none }
nav a:hover { color: var(--ink) }
section { margin-top: 52px; scroll-margin-top: 16px }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 20px 0 4px; padding: 0; list-style: none }
.tiles li { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 10px 16px; min-width: 120px }
.tiles b { display: block; font-size: 24px; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums }
.tiles span { color: var(--muted); font-size: 14px }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(420px, 100%), 1fr)); gap: 16px; margin: 16px 0; align-items: start }
figure { margin: 0; min-width: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px 12px }
figure > b { display: block; font-size: 15px; font-weight: 620; margin-bottom: 8px }
figure svg { display: block; width: 100%; height: auto }
figcaption { font-size: 13.5px; line-height: 1.45; margin-top: 8px }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 13px; margin: 8px 0 0; padding: 0; list-style: none }
.legend i { font-style: normal; margin-right: 5px }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin: 12px 0 }
table { border-collapse: collapse; width: 100%; font-size: 14px; line-height: 1.4; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: 7px 10px; vertical-align: top; border-bottom: 1px solid var(--line); white-space: nowrap }
tr:last-child > td { border-bottom: 0 }
th { color: var(--muted); font-weight: 560; font-size: 13px }
td.n, th.n { text-align: right }
td.w { white-space: normal; min-width: 240px; max-width: 60ch }
td small { color: var(--muted); font-size: 12.5px; display: block }
td small.less { white-space: normal; min-width: 22ch; max-width: 34ch }
tr.ask td { background: var(--page); font-weight: 620; padding: 9px 12px }
ul.why { padding-left: 20px; font-size: 14.5px; max-width: 90ch } ul.why li { margin: 4px 0; overflow-wrap: break-word }
.tag { display: inline-block; border-radius: 6px; padding: 1px 8px; font-size: 13px; font-weight: 560 }
.good { color: var(--good); background: var(--goodbg) } .bad { color: var(--bad); background: var(--badbg) }
.near { color: var(--near); background: var(--nearbg) } .none { color: var(--muted); background: var(--page) }
details { margin: 12px 0 } summary { cursor: pointer; color: var(--muted); font-size: 14.5px; padding: 4px 0 }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: 4px 20px; font-size: 14.5px; margin: 12px 0 }
dt { color: var(--muted) } dd { margin: 0; overflow-wrap: anywhere }
@media (max-width: 920px) { .frame { display: block; padding: 22px 14px 60px } section { margin-top: 40px }
	nav { position: static; max-height: none; columns: 2; margin: 18px 0 26px; padding: 10px 14px; background: var(--card);
		border: 1px solid var(--line); border-radius: 10px } h1 { font-size: 25px } figure { padding: 12px 10px 10px }
	th, td { padding: 6px 7px } table { font-size: 13.5px } td:first-child { white-space: normal; min-width: 76px }
	dl { grid-template-columns: minmax(0, 1fr) } dt { margin-top: 6px } .tiles li { min-width: 0; flex: 1 1 40% } }
@media print { nav { display: none } .frame { display: block } }
"""


def escape(text):
    return html.escape(str(text))


def style():
    light, dark = ("".join(f"--{name}: {pair[i]}; " for name, pair in COLOURS.items()) for i in (0, 1))
    return STYLE.replace("LIGHT", light).replace("DARK", dark)


def figure(chart, number):
    legend = "".join(f'<li><i style="color:var(--{colour})">{MARKS.get(mark, MARKS["o"])}</i>{escape(label)}</li>'
                     for colour, label, mark in chart.legend)
    legend = f'<ul class="legend">{legend}</ul>' if len(chart.legend) > 1 or any("exponent" in label for _, label, _ in chart.legend) else ""
    chart.title = escape(chart.title)
    return (f'<figure data-points="{chart.points}"><b>{chart.title}</b>{chart.svg(f"c{number}")}{legend}'
            f"<figcaption>{escape(chart.caption)}</figcaption></figure>")


def table(heads, rows, numeric=(), wide=()):
    """Cells are HTML. numeric, wide: columns of numbers, and of prose that wraps."""
    def classes(i):
        return ' class="n"' if i in numeric else ' class="w"' if i in wide else ""

    head = "".join(f"<th{classes(i) if i in numeric else ''}>{text}</th>" for i, text in enumerate(heads))
    body = "".join(row if isinstance(row, str) else "<tr>" + "".join(f"<td{classes(i)}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>"
                   for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def tag(kind, text):
    return f'<span class="tag {kind}">{escape(text)}</span>'


def details(summary, body):
    return f"<details><summary>{summary}</summary>{body}</details>"


def document(title, header, sections):
    """sections: (id, title, html)."""
    contents = "".join(f'<a href="#{name}">{escape(text)}</a>' for name, text, _ in sections)
    body = "".join(f'<section id="{name}"><h2>{escape(text)}</h2>{inner}</section>' for name, text, inner in sections)
    return ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
            f'<link rel="icon" href="data:,"><title>{escape(title)}</title><style>{style()}</style></head>\n<body><div class="frame">'
            f'<header>{header}</header><nav aria-label="Contents">{contents}</nav><main>{body}</main></div></body></html>\n')
