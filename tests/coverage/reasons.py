# SPDX-License-Identifier: MIT
"""The list of lines that no test reaches, and whether it is what a run has shown."""

import re

# What a reason may be; of `chance` a run may reach the lines or not.
KINDS = ("kernel", "machine", "twice", "chance")


class Entry:
    """A block of a function: lines that are not reached, and those around that tell where."""

    def __init__(self, number, file, function):
        self.number, self.file, self.function = number, file, function
        self.reason, self.text = "", []  # text: whether it is reached, the line

    def kind(self):
        return self.reason.partition(":")[0]

    def missed(self):
        """Of the block's lines, counted from 0."""
        return [index for index, (reached, _) in enumerate(self.text) if not reached]


def parse(text):
    """Entries, and what is wrong with the list itself: (its line, what)."""
    entries, wrong, entry = [], [], None
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#") or not line.strip():
            entry = None
        elif entry is None:
            head = re.fullmatch(r"(\S+) (\w+)", line)
            if not head:
                wrong.append((number, "not FILE FUNCTION"))
            entry = Entry(number, *(head.groups() if head else ("", "")))
            entries.append(entry)
        elif line[0] in "-\t ":
            entry.text.append((line[0] != "-", line[1:].strip()))
        elif entry.text:
            wrong.append((number, "neither a line of code nor the head of an entry"))
        else:
            entry.reason = f"{entry.reason} {line}".strip()
    for entry in entries:
        if entry.kind() not in KINDS or not entry.reason.partition(":")[2].strip():
            wrong.append((entry.number, f"no reason of a kind: {', '.join(KINDS)}"))
        if not entry.missed():
            wrong.append((entry.number, "no line that is not reached"))
    return entries, wrong


def places(entry, source, file):
    """Numbers of the lines at which the entry's block begins."""
    want = [text for _, text in entry.text]
    lines = [line.strip() for line in source]
    for at in range(len(lines) - len(want) + 1):
        missed = at + 1 + entry.missed()[0]
        if lines[at : at + len(want)] == want and file.function_at(missed) == entry.function:
            yield at + 1


def stale(entry, file, line):
    """What the line is instead of not reached; None: that is what it is."""
    count = file.lines.get(line)
    if count is None:
        return "is no code"
    return "is reached" if count and entry.kind() != "chance" else None


def check_entry(entry, file, source):
    """(lines that it gives a reason for, what is wrong with it or None)."""
    found = list(places(entry, source, file))
    if len(found) != 1:
        what = "these lines are there more than once" if found else "no such lines"
        return set(), f"{entry.file} {entry.function}: {what}"
    given = {found[0] + index for index in entry.missed()}
    for line in sorted(given):
        what = stale(entry, file, line)
        if what:
            text = source[line - 1].strip()
            return given, f"{entry.file}:{line} {what}, and is listed: {text}"
    return given, None


def check(entries, files, sources):
    """(what is wrong, the number of lines that have a reason and are not reached)."""
    wrong, given = [], {name: set() for name in files}
    for entry in entries:
        if not entry.missed():
            continue  # parse() has told
        if entry.file not in files:
            wrong.append(f"{entry.file}: no such file of the library")
            continue
        lines, what = check_entry(entry, files[entry.file], sources[entry.file])
        given[entry.file] |= lines
        wrong += [what] if what else []
    count = 0
    for name, file in files.items():
        for line in sorted(file.unreached()):
            count += line in given[name]
            if line not in given[name]:
                text = sources[name][line - 1].strip()
                where = f"{name}:{line} ({file.function_at(line)})"
                wrong.append(f"{where} is not reached, and has no reason: {text}")
    return wrong, count
