# SPDX-License-Identifier: MIT
"""Layers: a file includes only from its own layer or lower ones.

A new file gets its layer here, by the longest pattern that fits; a file that no pattern fits is an error.
"""

import posixpath
import re
from fnmatch import fnmatchcase

from source import sources

LAYERS = (
    ("include/shmq/shmq.h", 0),  # the contract: structs and constants that every layer speaks of
    ("include/shmq/atomic.h", 0),
    ("lib/os*", 0),
    ("lib/format*", 1),
    ("lib/seg*", 2),
    ("lib/addr*", 2),
    ("lib/backend*", 2),
    ("lib/lock*", 2),
    ("lib/table*", 2),
    ("include/shmq/ring*.h", 3),
    ("lib/ring*.h", 3),
    ("lib/racy*", 3),
    ("lib/wait*", 4),
    ("lib/bell*", 4),
    ("lib/peer*", 4),
    ("include/shmq/inline.h", 5),
    ("lib/queue*", 5),
    ("lib/api*", 5),
    ("lib/version*", 5),
    ("sysv/*", 5),
    ("tools/*", 6),
    ("bench/*", 6),
    ("examples/*", 6),
)

RING_LAYER = 3
RING_MAY = ("include/shmq/shmq.h", "include/shmq/atomic.h", "lib/format*", "include/shmq/ring*.h", "lib/ring*.h", "lib/racy*")
RING_MAY_SYSTEM = ("assert", "errno", "limits", "stdbool", "stddef", "stdint", "string")

PUBLIC_LAYER = 6

INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)')


def layer_of(path):
    """The layer of a file, or None."""
    fits = [(len(pattern), layer) for pattern, layer in LAYERS if fnmatchcase(path, pattern)]
    return max(fits)[1] if fits else None


def includes(source):
    """(line, quoted name or None, angled name or None) of each #include."""
    for number, line in enumerate(source.directives, 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def resolve(path, quoted, angled, known):
    """The project file that is meant, or None for a system header."""
    if angled:
        candidates = ["include/" + angled]
    else:
        directory = posixpath.dirname(path)
        candidates = [posixpath.normpath(directory + "/" + quoted), "lib/" + quoted, "sysv/" + quoted, "include/" + quoted]
    return next((name for name in candidates if name in known), None)


def fault(path, layer, target, angled):
    """What is wrong with this include, or None."""
    if target is None:
        if angled is None:
            return "is not a file of the project"
        if layer == RING_LAYER and angled.removesuffix(".h") not in RING_MAY_SYSTEM:
            return "a ring needs nothing of the system"
        return None
    if layer == PUBLIC_LAYER and target.startswith("lib/"):
        return "only public headers here"
    if layer == RING_LAYER and not any(fnmatchcase(target, name) for name in RING_MAY):
        return "a ring knows only format and atomic"
    above = layer_of(target)
    if above is not None and above > layer:
        return f"is layer {above}, this file is layer {layer}"
    return None


def check(root):
    files = list(sources(root, ("lib", "include", "sysv", "tools", "bench", "examples")))
    known = {source.path for source in files}
    for source in files:
        layer = layer_of(source.path)
        if layer is None:
            yield source.path, 1, "has no layer: give it one in tools/lint/layers.py"
            continue
        for number, quoted, angled in includes(source):
            if quoted and quoted.endswith(".inc"):  # a list that CMake makes
                continue
            target = resolve(source.path, quoted, angled, known)
            wrong = fault(source.path, layer, target, angled)
            if wrong:
                yield source.path, number, f"includes {quoted or angled}: {wrong}"
