# SPDX-License-Identifier: MIT
"""Write a manual page of section 3 in mdoc(7), from what header.py has read."""

import re
import textwrap

# Functions of the system that the headers speak of, and where their pages are.
SYSTEM = {
    "chmod": 2, "chown": 2, "fork": 2, "mremap": 2, "poll": 2, "pthread_atfork": 3, "shm_open": 3, "shmat": 2, "shmdt": 2, "write": 2,
}  # fmt: skip

WORD = re.compile(
    r"(?P<open>\(?)(?:`(?P<quoted>[^`]+)`|(?P<call>\w+)\(\)|(?P<error>-E[A-Z0-9]{2,})"
    r"|(?P<constant>(?:SHMQ|SHM|CAP|RLIMIT|IPC|CLOCK|UINT64)_[A-Z0-9_]+|NULL|SIGBUS)"
    r"|(?P<variable>(?:shmq_\w+\.|\w+->)\w+|\w+_(?:ns|max|limit|len)))(?P<close>[).,:;?!]*)"
)
LABELS = ("Progress", "Threads", "Signals", "On a crash")

# What the header says in a word, because it says it often.
WHOLE = {"any": "Any thread, at any time.", "no": "Not to be called from a signal handler."}


def sentences(text):
    return re.split(r"(?<=[.?!])\s+(?=[A-Z`-])", text)


def as_sentence(text):
    """A fragment such as a parameter's, with a capital and a full stop."""
    if re.match(r"(?!shmq |enum |struct )[a-z][a-z-]*([ ,;:]|$)", text):
        text = text[0].upper() + text[1:]
    return text if not text or text[-1] in ".?!:" else text + "."


def escape(text):
    text = text.replace("\\", "\\e")
    text = re.sub(r"(?<![\w)])-(?=\w)", r"\\-", text)
    return "\\&" + text if text[:1] in (".", "'") else text


def macro(word, own):
    """The macro line for a word, or None: it is text."""
    match = WORD.fullmatch(word)
    if not match:
        return None
    if match["quoted"]:
        name = f'Fa "{match["quoted"]}"' if " " in match["quoted"] else f"Fa {match['quoted']}"
    elif match["call"]:
        name = call(match["call"], own)
    elif match["error"]:
        name = f"Er \\{match['error']}"
    elif match["constant"]:
        name = f"Dv {match['constant']}"
    else:
        name = f"Va {match['variable']}"
    return " ".join(["." + ("Pf ( " if match["open"] else "") + name, *match["close"]])


def call(name, own):
    if name.startswith("shmq_") and name != own:
        return f"Xr {name} 3"
    return f"Xr {name} {SYSTEM[name]}" if name in SYSTEM else f"Fn {name}"


def prose(text, own):
    """The lines of running text: each sentence begins one, and each macro has one."""
    for sentence in sentences(text):
        words = []
        for word in sentence.split():
            line = macro(word, own)
            if line is None:
                words.append(word)
            else:
                yield from wrapped(words)
                yield line
                words = []
        yield from wrapped(words)


def paragraphed(paragraphs, own):
    for number, text in enumerate(paragraphs):
        yield from [".Pp"] * (number > 0)
        yield from prose(text, own)


def wrapped(words):
    for line in textwrap.wrap(" ".join(words), 78, break_on_hyphens=False, break_long_words=False):
        yield escape(line)


def tagged(items, own):
    """A list of (macro line for the tag, text)."""
    if items:
        yield ".Bl -tag -width Ds"
        for tag, text in items:
            yield ".It " + tag
            yield from prose(as_sentence(text), own)
        yield ".El"


def brief(text):
    """What goes beside the name: the first sentence, as far as it is one thought."""
    text = text.replace("`", "").replace("()", "")
    first = re.split(r";|(?<!\bfile):\s| \(|, (?:or|its)\b|\.(?:\s|$)", text)[0]
    return escape(first[0].lower() + first[1:])


def divide(paragraphs):
    """A short comment says in prose what a long one says by @return and Progress: find that."""
    rest, returns, progress = [], [], []
    for paragraph in paragraphs:
        keep = []
        for sentence in sentences(paragraph):
            is_returns = sentence.startswith("Returns")
            is_progress = re.fullmatch(r"(Wait-free|Lock-free)\b.*", sentence)
            (returns if is_returns else progress if is_progress else keep).append(sentence)
        rest.append(" ".join(keep))
    return [text for text in rest if text], " ".join(returns), " ".join(progress)


def synopsis(function):
    yield f".In {function.header}"
    yield f'.Ft "{function.type}"' if " " in function.type else f".Ft {function.type}"
    yield f".Fo {function.name}"
    for parameter in function.parameters:
        yield f'.Fa "{parameter}"' if " " in parameter else f".Fa {parameter}"
    yield ".Fc"


def results(comment, returns, own):
    """RETURN VALUES and ERRORS."""
    text = comment.returns or returns
    if text:
        yield ".Sh RETURN VALUES"
        yield from prose(as_sentence(re.sub(r"[;,] or$", ", or a negated error number", text).removesuffix(", and")), own)
    if comment.errors:
        yield ".Sh ERRORS"
        if text.endswith(", and"):
            yield from prose(as_sentence(text + ":"), own)
        yield from tagged([("Er " + " ".join("\\" + name for name in names), text) for names, text in comment.errors], own)


def struct_section(name, struct, own):
    paragraphs, fields = struct
    yield f".Ss struct {name}"
    yield from paragraphed(paragraphs, own)
    yield from tagged([(f'Vt "{code}"', text) for code, text in fields], own)


def references(pages):
    """SEE ALSO; in the order of sections, then names."""
    yield ".Sh SEE ALSO"
    ordered = sorted(pages, key=lambda page: (page[1], page[0]))
    for name, section in ordered[:-1]:
        yield f".Xr {name} {section} ,"
    yield ".Xr {} {}".format(*ordered[-1])


def page(function, date, structs, constants, see):
    """The lines of a page: `structs` and `constants` are those that it tells about."""
    own, comment = function.name, function.comment
    paragraphs, returns, progress = divide(comment.paragraphs)
    yield '.\\" SPDX-License-Identifier: MIT'
    yield f'.\\" Made from include/{function.header}: change it there.'
    yield from (f".Dd {date}", f".Dt {own.upper()} 3", ".Os", ".Sh NAME", f".Nm {own}", f".Nd {brief(paragraphs[0])}")
    yield from (".Sh LIBRARY", "shmq (libshmq, \\-lshmq)", ".Sh SYNOPSIS", *synopsis(function), ".Sh DESCRIPTION")
    yield from paragraphed(paragraphs, own)
    yield from tagged([(f"Fa {name}", text) for name, text in comment.parameters], own)
    for name, struct in structs:
        yield from struct_section(name, struct, own)
    if constants:
        yield ".Ss Constants"
        yield from tagged([(f"Dv {name}", text) for name, text in constants], own)
    yield from results(comment, returns, own)
    for label in LABELS:
        text = comment.labels.get(label, progress if label == "Progress" else "")
        if text:
            yield f".Sh {label.upper()}"
            yield from prose(as_sentence(WHOLE.get(text, text)), own)
    yield from references(see)
