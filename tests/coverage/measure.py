# SPDX-License-Identifier: MIT
"""What the counters of a run say: lines, branches and functions of the library's files.

llvm-cov tells the regions of each function of each program; what one program reached is reached.
"""

import json
import re
import subprocess
from pathlib import Path

OF_THE_LIBRARY = ("lib/", "include/")


class File:
    """How often each line ran in whatever program, and each way of each condition was taken.

    A way: (line, column, end line, end column), 0: true, 1: false.
    """

    def __init__(self):
        self.lines = {}
        self.branches = {}
        self.left_out = set()
        self.functions = {}  # (first line, last line): name

    def unreached(self):
        return {line for line, count in self.lines.items() if not count}

    def function_at(self, line):
        for (first, last), name in self.functions.items():
            if first <= line <= last:
                return name
        return None


def within_last(region):
    """Those around come before those within, so the last that holds a place counts there."""
    return region[0], region[1], -region[2], -region[3]


class Instance:
    """A function as one program has it.

    A region: line, column, end line, end column, count, file, file expanded, kind.
    """

    CODE, EXPANSION, SKIPPED, GAP = range(4)

    def __init__(self, function):
        regions = function["regions"]
        self.file = regions[0][5]
        self.first, self.last = regions[0][0], regions[0][2]
        self.regions = sorted((r for r in regions if r[5] == self.file), key=within_last)
        self.conditions = function["branches"]

    def count_at(self, place):
        holding = [r for r in self.regions if tuple(r[0:2]) <= place < tuple(r[2:4])]
        return holding[-1][4] if holding and holding[-1][7] != self.SKIPPED else None

    def lines(self):
        """A line ran as often as what goes on from before, or what begins in it; the greatest."""
        for line in range(self.first, self.last + 1):
            here = (r for r in self.regions if r[0] == line)
            counts = [r[4] for r in here if r[7] in (self.CODE, self.EXPANSION)]
            before = self.count_at((line, 0))
            counts += [before] if before is not None else []
            if counts:
                yield line, max(counts)

    def left_out(self):
        """Lines that the preprocessor drops; of comments, too."""
        for region in self.regions:
            if region[7] == self.SKIPPED:
                yield from range(region[0] + 1, region[2])

    def branches(self):
        """Constants go no way, though they are passed: None."""
        for *place, true, false, file, _, _ in self.conditions:
            passed = file == self.file and self.count_at(tuple(place[:2]))
            constant = passed and not true and not false
            for way, count in enumerate((true, false)):
                yield file, (tuple(place), way), None if constant else count


def has_counters(path):
    with open(path, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return False
    done = subprocess.run(
        ["llvm-objdump", "-h", path], check=False, capture_output=True, text=True
    )
    return "__llvm_covmap" in done.stdout


def objects(build):
    """Every program and library of the build."""
    found = (path for path in sorted(build.rglob("*")) if path.is_file() and not path.is_symlink())
    return [path for path in found if path.stat().st_mode & 0o100 and has_counters(path)]


def export(build):
    counters = sorted((build / "counters").glob("*.profraw"))
    if not counters:
        raise SystemExit(f"coverage: no counters in {build}/counters: no test has run")
    profile = build / "coverage.profdata"
    subprocess.run(["llvm-profdata", "merge", "-sparse", *counters, "-o", profile], check=True)
    first, *others = objects(build)
    command = ["llvm-cov", "export", f"-instr-profile={profile}", first]
    command += [word for path in others for word in ("-object", path)]
    # It warns of programs that did not run: those of --full.
    done = subprocess.run(
        [*command, *OF_THE_LIBRARY],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return json.loads(done.stdout)["data"][0]


def name_of(filename, root):
    path = Path(filename)
    return str(path.relative_to(root)) if path.is_relative_to(root) else filename


def read(data, root):
    """Files of the library by name."""
    names = {name_of(entry["filename"], root) for entry in data["files"]}
    files = {name: File() for name in names if name.startswith(OF_THE_LIBRARY)}
    for function in data["functions"]:
        instance = Instance(function)
        within = [files.get(name_of(filename, root)) for filename in function["filenames"]]
        add(within, instance, function["name"].rpartition(":")[2])
    for name, file in files.items():
        known = sorted(file.branches.items())
        file.branches = {place: count for place, count in known if count is not None}
        drop_no_code(file, (root / name).read_text(encoding="utf-8"))
    return {name: file for name, file in files.items() if file.lines}


def add(within, instance, name):
    file = within[instance.file]
    if file:
        file.functions[instance.first, instance.last] = name
        for line, count in instance.lines():
            file.lines[line] = file.lines.get(line, 0) + count
        file.left_out.update(instance.left_out())
    for number, place, count in instance.branches():
        if within[number]:
            known = within[number].branches
            known[place] = known.get(place) or count


def blank(comment):
    return "\n" * comment[0].count("\n")


def drop_no_code(file, text):
    """Comments, blank lines, and what is for the preprocessor or by it left out."""
    code = re.sub(r"/\*.*?\*/", blank, text, flags=re.DOTALL).split("\n")
    for line in list(file.lines):
        words = code[line - 1].strip()
        if not words or words.startswith("#") or line in file.left_out:
            del file.lines[line]


def measure(build, root):
    return read(export(build), root)
