# SPDX-License-Identifier: MIT
"""Edges: every ordered access has a comment that names its edge and side.

    /* EDGE, side: what this lets us believe. */

with side acquire, release, both or fence. Each edge has both sides (a fence: two sites), and one row in
docs/ordering.md; no row is left over.
"""

import re
from collections import defaultdict
from pathlib import Path

from source import sources

DOCUMENT = "docs/ordering.md"
ATOMIC = "include/shmq/atomic.h"

SITE = re.compile(r"\bshmq_(?:load_acquire|store_release|cas_|add_|sub_|or_|and_|xor_|exchange_|swap_|fence_)\w*")
COMMENT = re.compile(r"\s*/\* ([A-Z][A-Z0-9_]*), (acquire|release|both|fence): \S")
ROW = re.compile(r"\| ([A-Z][A-Z0-9_]*) \|")
REACH = 3


def sides_of(call):
    """The sides that a call can be."""
    if call.startswith("shmq_fence_"):
        return {"fence"}
    if call.startswith("shmq_load_"):
        return {"acquire"}
    if call.startswith("shmq_store_"):
        return {"release"}
    acquire, release = re.search(r"_acq", call), re.search(r"_rel(ease)?(_|$)", call)
    if acquire and not release:
        return {"acquire"}
    if release and not acquire:
        return {"release"}
    return {"acquire", "release", "both"}


def sites(source):
    """(line, name) of each ordered access; relaxed ones carry no edge."""
    for number, line in enumerate(source.code, 1):
        for match in SITE.finditer(line):
            if "_relaxed" not in match.group():
                yield number, match.group()


def comments(source):
    """{last line of the comment: (edge, side)}."""
    found = {}
    for number, line in enumerate(source.lines, 1):
        match = COMMENT.match(line)
        if match:
            end = number
            while "*/" not in source.lines[end - 1] and end < len(source.lines):
                end += 1
            found[end] = (match.group(1), match.group(2))
    return found


def above(found, number):
    """The comments within reach above a line."""
    return [found[line] for line in range(number - REACH, number) if line in found]


def check_sites(source, edges):
    found = comments(source)
    used = set()
    for number, call in sites(source):
        near = above(found, number)
        if not near:
            yield source.path, number, f"{call}: no /* EDGE, side: ... */ above it"
        elif not any(side in sides_of(call) for _, side in near):
            yield source.path, number, f"{call} cannot be this side: {near[-1][1]}"
        used.update(near)
    for number, (edge, side) in found.items():
        edges[edge].append((source.path, number, side))
        if (edge, side) not in used and side != "fence":  # a fence may be a system call
            yield source.path, number, f"{edge}, {side}: no such access below this comment"


def check_pairs(edges):
    for edge, places in sorted(edges.items()):
        path, number, _ = places[0]
        sides = [side for _, _, side in places]
        acquires = sum(side in ("acquire", "both") for side in sides)
        releases = sum(side in ("release", "both") for side in sides)
        if sides.count("fence") >= 2 and not acquires and not releases:
            continue
        if not acquires or not releases:
            missing = "acquire" if not acquires else "release"
            if set(sides) == {"fence"}:
                missing = "second fence"
            yield path, number, f"edge {edge} has no {missing} side"


def check_document(root, edges):
    path = Path(root) / DOCUMENT
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    rows = {}
    for number, line in enumerate(lines, 1):
        match = ROW.match(line)
        if match and match.group(1) in rows:
            yield DOCUMENT, number, f"edge {match.group(1)} has two rows"
        elif match:
            rows[match.group(1)] = number
    for edge in sorted(edges.keys() - rows.keys()):
        yield edges[edge][0][0], edges[edge][0][1], f"edge {edge} has no row in {DOCUMENT}"
    for edge in sorted(rows.keys() - edges.keys()):
        yield DOCUMENT, rows[edge], f"edge {edge} is nowhere in the code"


def check(root):
    edges = defaultdict(list)
    for source in sources(root, ("lib", "include")):
        if source.path != ATOMIC:
            yield from check_sites(source, edges)
    yield from check_pairs(edges)
    yield from check_document(root, edges)
