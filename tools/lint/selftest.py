# SPDX-License-Identifier: MIT
"""The lints' own tests: small trees, each with what the lint must say about it, or nothing."""

import tempfile
from pathlib import Path

import atomics
import edges
import form
import header
import layers

SPDX = "/* SPDX-License-Identifier: MIT */\n"
ROW = "| edge | release side | acquire side | carries |\n|---|---|---|---|\n| PUBLISH | a | b | c |\n"
ACQUIRE = "\t/* PUBLISH, acquire: the message. */\n\tx = shmq_load_acquire_u32(p);\n"
RELEASE = "\t/* PUBLISH, release: the message. */\n\tshmq_store_release_u32(p, 1);\n"
FENCES = "\t/* SLEEP, fence: a. */\n\tshmq_fence_seq_cst();\n\tgap();\n\tgap();\n\tgap();\n\t/* SLEEP, fence: b. */\n\tsleep();\n"


def function(lines, parameters="void"):
    return f"int\nf({parameters})\n{{\n" + "\tg();\n" * lines + "}\n"


# (lint, files, what one finding must contain; None: there must be no finding)
CASES = (
    (layers, {"lib/queue.c": '#include "ring_a.h"\n#include <stdio.h>\n', "lib/ring_a.h": "#include <stdint.h>\n"}, None),
    (layers, {"lib/format.c": '#include "wait.h"\n', "lib/wait.h": ""}, "includes wait.h: is layer 4, this file is layer 1"),
    (layers, {"lib/format.c": "#include <shmq/inline.h>\n", "include/shmq/inline.h": ""}, "is layer 5"),
    (layers, {"include/shmq/atomic.h": '#include "../../lib/seg.h"\n', "lib/seg.h": ""}, "is layer 2"),
    (layers, {"lib/ring_a.h": '#include "os.h"\n', "lib/os.h": ""}, "a ring knows only format and atomic"),
    (layers, {"lib/ring_a.h": "#include <unistd.h>\n"}, "a ring needs nothing of the system"),
    (layers, {"lib/misc.c": ""}, "has no layer"),
    (layers, {"lib/arch/x.c": ""}, "has no layer"),
    (layers, {"lib/os.c": '#include "gone.h"\n'}, "is not a file of the project"),
    (layers, {"tools/shmq/main.c": '#include "../../lib/seg.h"\n', "lib/seg.h": ""}, "only public headers here"),
    (layers, {"bench/b.c": '#include "seg.h"\n', "lib/seg.h": ""}, "only public headers here"),
    (layers, {"examples/eg_a.c": "#include <shmq/shmq.h>\n", "include/shmq/shmq.h": ""}, None),
    (edges, {"lib/a.c": RELEASE + ACQUIRE, "docs/ordering.md": ROW}, None),
    (edges, {"lib/a.c": RELEASE, "include/shmq/ring.h": ACQUIRE, "docs/ordering.md": ROW}, None),
    (edges, {"lib/a.c": "\tx = shmq_load_acquire_u32(p);\n"}, "no /* EDGE, side: ... */ above it"),
    (edges, {"lib/a.c": "\t/* why not */\n\tshmq_cas_acq_rel_u64(p, &s, 1);\n"}, "no /* EDGE, side: ... */ above it"),
    (edges, {"lib/a.c": "\tshmq_fence_seq_cst();\n"}, "no /* EDGE, side: ... */ above it"),
    (edges, {"lib/a.c": "\tshmq_add_release_u32(p, 1);\n"}, "no /* EDGE, side: ... */ above it"),
    (edges, {"lib/a.c": "/* shmq_fence_seq_cst() in words */\n\tshmq_or_relaxed_u64(p, 1);\n"}, None),
    (edges, {"lib/a.c": RELEASE, "docs/ordering.md": ROW}, "edge PUBLISH has no acquire side"),
    (edges, {"lib/a.c": ACQUIRE, "docs/ordering.md": ROW}, "edge PUBLISH has no release side"),
    (edges, {"lib/a.c": ACQUIRE.replace(", acquire", ", release"), "docs/ordering.md": ROW}, "cannot be this side"),
    (edges, {"lib/a.c": RELEASE + ACQUIRE}, "edge PUBLISH has no row"),
    (edges, {"lib/a.c": "", "docs/ordering.md": ROW}, "edge PUBLISH is nowhere in the code"),
    (edges, {"lib/a.c": RELEASE + ACQUIRE, "docs/ordering.md": ROW + "| PUBLISH | a | b | c |\n"}, "has two rows"),
    (edges, {"lib/a.c": RELEASE + ACQUIRE + "\n\n\n\t/* PUBLISH, both: x. */\n", "docs/ordering.md": ROW}, "no such access"),
    (edges, {"lib/a.c": FENCES, "docs/ordering.md": ROW.replace("PUBLISH", "SLEEP")}, None),
    (edges, {"lib/a.c": FENCES[:60], "docs/ordering.md": ROW.replace("PUBLISH", "SLEEP")}, "has no second fence side"),
    (atomics, {"include/shmq/atomic.h": "__atomic_load_n(p, __ATOMIC_RELAXED);\n", "lib/a.c": "/* __sync_ */\n"}, None),
    (atomics, {"lib/a.c": "#include <stdatomic.h>\n"}, "stdatomic.h"),
    (atomics, {"tests/unit/a.c": "static _Atomic int x;\n"}, "_Atomic"),
    (atomics, {"bench/a.cc": "__atomic_store_n(p, 1, 0);\n"}, "__atomic_store_n"),
    (atomics, {"tools/a.c": "__sync_synchronize();\n"}, "__sync_synchronize"),
    (form, {"lib/a.c": SPDX + function(40, "int a, int b, int c, int d, int (*e)(int, int)")}, None),
    (form, {"lib/a.c": SPDX + function(41)}, "f: 41 lines, at most 40"),
    (form, {"tests/a.c": SPDX + function(1, "int a, int b, int c,\n  int d, int e, int g")}, "f: 6 parameters, at most 5"),
    (form, {"bench/a.h": SPDX + "\n" * 500}, "501 lines, at most 500"),
    (form, {"include/shmq/shmq.h": SPDX + "\n" * 500}, None),
    (form, {"lib/a.c": SPDX + "#ifdef X\n#endif\n"}, "#ifdef X: no conditions in .c files"),
    (form, {"lib/a.h": SPDX + "#ifdef X\n#endif\n"}, None),
    (form, {"lib/a.h": SPDX + "typedef struct a {\n\tint b;\n} a;\n"}, "no typedefs for structs"),
    (form, {"lib/a.h": SPDX + "typedef int f(struct a *);\n"}, None),
    (form, {"lib/a.c": "int x;\n"}, "no SPDX-License-Identifier: MIT on top"),
    (header, {"include/shmq/shmq.h": "/** Do. */\nint shmq_do(int a,\n\tint b);\n\n/**\n * Be.\n */\nvoid *shmq_be(void);\n"}, None),
    (header, {"include/shmq/shmq.h": "/** Do. */\nint shmq_do(void);\nint shmq_be(void);\n"}, "shmq_be: no /** */"),
    (header, {"include/shmq/shmq.h": "/** Do. */\n\nint shmq_do(void);\n"}, "shmq_do: no /** */"),
    (header, {"include/shmq/shmq.h": "/* Do. */\nint shmq_do(void);\n"}, "shmq_do: no /** */"),
    (header, {"include/shmq/shmq.h": "int x; /**< x */\nint shmq_do(void);\n"}, "shmq_do: no /** */"),
    (header, {"include/shmq/shmq.h": "int x;\n"}, "declares no function"),
    (header, {"lib/a.c": ""}, "is not there"),
)


def findings(lint, files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = Path(root) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return [message for _, _, message in lint.check(root)]


def check():
    """Findings about the lints themselves."""
    for number, (lint, files, expected) in enumerate(CASES, 1):
        messages = findings(lint, files)
        if expected is None and messages:
            yield "tools/lint/selftest.py", number, f"case {number}: {lint.__name__} wrongly says: {messages[0]}"
        if expected is not None and not any(expected in message for message in messages):
            yield "tools/lint/selftest.py", number, f"case {number}: {lint.__name__} does not say: {expected}; but: {messages}"
