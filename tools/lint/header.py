# SPDX-License-Identifier: MIT
"""Header: every function of the public header has its documentation directly above it."""

import re
from pathlib import Path

from source import Source

HEADER = "include/shmq/shmq.h"
FUNCTION = re.compile(r"^[a-z_][^;{}#=\n]*?\b(shmq_\w+)\s*\([^;{}]*\)[^;{}]*;", re.MULTILINE)


def documented(lines, number):
    """Does a whole /** */ comment end on the line before this one?"""
    end = number - 2
    if end < 0 or not lines[end].rstrip().endswith("*/"):
        return False
    first = end
    while first > 0 and "/*" not in lines[first]:
        first -= 1
    return re.match(r"\s*/\*\*(?!<)", lines[first]) is not None


def check(root):
    path = Path(root) / HEADER
    if not path.is_file():
        yield HEADER, 1, "is not there"
        return
    source = Source(Path(root), path)
    code = "\n".join(source.code)
    found = list(FUNCTION.finditer(code))
    if not found:
        yield HEADER, 1, "declares no function"
    for match in found:
        number = code.count("\n", 0, match.start()) + 1
        if not documented(source.lines, number):
            yield HEADER, number, f"{match.group(1)}: no /** */ directly above it"
