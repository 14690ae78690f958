# SPDX-License-Identifier: MIT
"""Atomics: spelled in include/shmq/atomic.h and nowhere else."""

import re

from source import sources

HOME = "include/shmq/atomic.h"
BANNED = re.compile(r"\bstdatomic\.h\b|\b_Atomic\b|\b__atomic_\w+|\b__sync_\w+")


def check(root):
    for source in sources(root):
        if source.path == HOME:
            continue
        for number, line in enumerate(source.code, 1):
            match = BANNED.search(line)
            if match:
                yield source.path, number, f"{match.group()}: use {HOME}"
