# SPDX-License-Identifier: MIT
"""Read a public header: its functions, structs and constants, each with what its comment says."""

import re
from dataclasses import dataclass, field

COMMENT = re.compile(r"^[ \t]*/\*\*(?!<)(.*?)\*/\n", re.MULTILINE | re.DOTALL)
FUNCTION = re.compile(r"(?:SHMQ_INLINE )?(?P<type>[\w\s]+?[\s*]+)(?P<name>shmq_\w+)\((?P<parameters>.*)\)\s*[;{]?$", re.DOTALL)
STRUCT = re.compile(r"(?:/\*\*(?P<text>(?:(?!\*/).)*)\*/\n)?struct (?P<name>shmq_\w+) \{\n(?P<body>.*?)\n\};", re.DOTALL)
FIELD = re.compile(r"(?P<code>[^;/]*);\s*/\*\*<(?P<text>.*?)\*/|(?P<bare>[^;/]*);|/\*(?P<note>(?!\*<).*?)\*/", re.DOTALL)
DEFINE = re.compile(r"#define (?P<name>SHMQ_\w+)\b[^\n]*?(?:\\\n[^\n]*?)?/\*\*<(?P<text>.*?)\*/", re.DOTALL)
ENUM = re.compile(r"enum (?P<name>shmq_\w+) \{\n(?P<body>.*?)\n\};", re.DOTALL)
ENUMERATOR = re.compile(r"^\t(?P<name>SHMQ_\w+)(?: = -?\d+)?,?[ \t]*/\*\*<(?P<text>.*?)\*/", re.MULTILINE | re.DOTALL)
ERROR = re.compile(r"  (?P<names>-E\w+(?: -E\w+)*)(?:\s+(?P<text>.*))?$")
LABEL = re.compile(r"(?P<names>(?:Progress|Threads|Signals|On a crash)(?:, (?:Progress|Threads|Signals))*):\s*(?P<text>.*)")


@dataclass
class Comment:
    paragraphs: list = field(default_factory=list)
    parameters: list = field(default_factory=list)  # [name, text]
    returns: str = ""
    errors: list = field(default_factory=list)  # [names, text]
    labels: dict = field(default_factory=dict)


@dataclass
class Function:
    name: str
    type: str
    parameters: list
    header: str
    comment: Comment


def one_line(text):
    return " ".join(re.sub(r"^[ \t]*\*(?!/)", "", text, flags=re.MULTILINE).split())


def parse_comment(text):
    """The parts of a doc comment; a line belongs to the part that was begun last."""
    comment = Comment(paragraphs=[""])
    add = None  # how the next line goes on

    for raw in text.splitlines():
        line = re.sub(r"^\s*\* ?", "", raw).rstrip()
        param = re.match(r"@param (\w+)\s+(.*)", line)
        label, error = LABEL.match(line), ERROR.match(line)
        if param:
            comment.parameters.append([param[1], param[2]])
            add = "parameter"
        elif line.startswith("@return"):
            comment.returns = line.removeprefix("@return").strip()
            add = "returns"
        elif error and add in ("returns", "error"):
            comment.errors.append([error["names"].split(), error["text"] or ""])
            add = "error"
        elif label:
            for name in label["names"].split(", "):
                comment.labels[name] = label["text"]
            add = label["names"]
        elif not line:
            add = None
            comment.paragraphs.append("")
        else:
            go_on(comment, add, line.strip())
    comment.paragraphs = [text for text in comment.paragraphs if text]
    return comment


def go_on(comment, add, line):
    if add == "parameter":
        comment.parameters[-1][1] += " " + line
    elif add == "returns":
        comment.returns += " " + line
    elif add == "error":
        comment.errors[-1][1] = f"{comment.errors[-1][1]} {line}".strip()
    elif add:
        for name in add.split(", "):
            comment.labels[name] += " " + line
    else:
        comment.paragraphs[-1] = f"{comment.paragraphs[-1]} {line}".strip()


def split_parameters(text):
    """At the commas that are in no parentheses."""
    parts, depth = [""], 0
    for letter in " ".join(text.split()):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def functions(text, header):
    """Every function with a doc comment directly above it."""
    for match in COMMENT.finditer(text):
        end = re.compile(r"[;{]").search(text, match.end())
        found = FUNCTION.fullmatch(text[match.end() : end.end()].strip()) if end else None
        if found:
            parameters = split_parameters(found["parameters"])
            kind = " ".join(found["type"].replace("*", " *").split())
            yield Function(found["name"], kind, parameters, header, parse_comment(match[1]))


def fields(body):
    """(declaration, text) of each field; a field without a comment shares that of the next one."""
    for match in FIELD.finditer(body):
        code = match["code"] or match["bare"]
        if code:
            yield " ".join(code.split()), one_line(match["text"] or "")


def structs(text):
    """{name: (paragraphs, [(declaration, text)])}"""
    return {
        match["name"]: (parse_comment(match["text"] or "").paragraphs, list(fields(match["body"])))
        for match in STRUCT.finditer(text)
    }


def constants(text):
    """{name: (text, enum or None)}"""
    found = {match["name"]: (one_line(match["text"]), None) for match in DEFINE.finditer(text)}
    for enum in ENUM.finditer(text):
        for match in ENUMERATOR.finditer(enum["body"]):
            found[match["name"]] = (one_line(match["text"]), enum["name"])
    return found
