# SPDX-License-Identifier: MIT
"""What the lints share: the project's source files, and their text without comments or strings."""

import re
from pathlib import Path

CODE_DIRS = ("lib", "include", "kmod", "sysv", "tools", "bench", "tests", "examples")
CODE_SUFFIXES = (".c", ".h", ".cc", ".hh")
SCRIPT_SUFFIXES = (".py", ".sh", ".cmake")

TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


class Source:
    """One file: its path below the root, its lines, and the same lines as code only."""

    def __init__(self, root, path):
        self.path = path.relative_to(root).as_posix()
        self.text = path.read_text(encoding="utf-8")
        self.lines = self.text.splitlines()
        self.code = without(self.text, comments=True, strings=True).splitlines()
        self.directives = without(self.text, comments=True, strings=False).splitlines()


def without(text, comments, strings):
    """Blank comments and what is inside strings; every line keeps its number."""

    def blank(match):
        token = match.group()
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token) if comments else token
        return token[0] + " " * (len(token) - 2) + token[-1] if strings else token

    return TOKEN.sub(blank, text)


def sources(root, dirs=CODE_DIRS, suffixes=CODE_SUFFIXES):
    """Every source file below these directories, in order."""
    root = Path(root)
    for name in dirs:
        for path in sorted((root / name).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield Source(root, path)
