#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What the compilers make of the edges: edges.c, compiled for x86-64 and aarch64, against the table below.

Looked at are the instructions that order or lock, and the calls: a plain mov or ldr does not show. Of each function they must be
those of the table: no others, the instructions in that order. Edges whose sites are in lib/*.c are shown by the operation that these
use (./dev lint sees to it that they use no other). Then the same with faults planted into atomic.h, which must be found.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EDGES = "tests/codegen/edges.c"
FLAGS = ("-O2", "-std=c11", "-D_GNU_SOURCE", "-S", "-o", "-", "-fno-asynchronous-unwind-tables", f"-I{ROOT}/include", f"-I{ROOT}/lib")
NO_ALIAS = "-fno-ipa-icf"  # equal functions stay apart
CLANG_ARM = ("--target=aarch64-linux-gnu", "-isystem", "/usr/aarch64-linux-gnu/include")

# (name, column of the table, command)
BUILDS = (
    ("gcc, x86-64", 0, ("gcc", NO_ALIAS)),
    ("clang, x86-64", 0, ("clang",)),
    ("gcc, aarch64", 1, ("aarch64-linux-gnu-gcc", NO_ALIAS, "-march=armv8-a", "-mno-outline-atomics")),
    ("clang, aarch64", 1, ("clang", *CLANG_ARM, "-march=armv8-a", "-mno-outline-atomics")),
    ("gcc, aarch64 with LSE", 2, ("aarch64-linux-gnu-gcc", NO_ALIAS, "-march=armv8.1-a")),
    ("clang, aarch64 with LSE", 2, ("clang", *CLANG_ARM, "-march=armv8.1-a")),
)

# function | edges | x86-64 | aarch64 | aarch64 with LSE; calls, of the rare parts and for long messages, in any order
TABLE = """
load_relaxed     |                                         |                           |                          |
load_acquire     | COMPLETE REMOVED ROLE TICKET WAKE START |                           | ldar                     | ldar
store_relaxed    |                                         |                           |                          |
store_release    | COMPLETE REMOVED START NEWEST           |                           | stlr                     | stlr
add_relaxed      |                                         | lock:add                  | ldxr stxr                | ldadd
add_release      | ORPHANS                                 | lock:xadd                 | ldxr stlxr               | ldaddl
add_release_u32  | WAKE TICKET                             | lock:xadd                 | ldxr stlxr               | ldaddl
or_release       | DOOR                                    | lock:or                   | ldxr stlxr               | ldsetl
and_acquire      | DOOR                                    | lock:and                  | ldaxr stxr               | ldclra
cas_acq_rel      | ROLE EJECT PASSED                       | lock:cmpxchg              | ldaxr stlxr              | casal
cas_release      | RECYCLE                                 | lock:cmpxchg              | ldxr stlxr               | casl
cas_relaxed      |                                         | lock:cmpxchg              | ldxr stxr                | cas
fence_acquire    | EJECT OVERWRITE TAP                     |                           | dmb:ld                   | dmb:ld
fence_release    | EJECT OVERWRITE TAP                     |                           | dmb                      | dmb
fence_seq_cst    | SLEEP JOIN                              | fence                     | dmb                      | dmb
fence_compiler   | SLEEP                                   |                           |                          |
asleep           | SLEEP                                   |                           |                          |
spsc_publish     | PUBLISH                                 |                           | stlr                     | stlr
spsc_look        | PUBLISH                                 |                           | ldar                     | ldar
spsc_release     | RECYCLE                                 |                           | stlr                     | stlr
spsc_refresh     | RECYCLE                                 |                           | ldar                     | ldar
records_publish  | RECORD START                            |                           | stlr stlr                | stlr stlr
records_look     | RECORD                                  |                           | ldar                     | ldar
records_refresh  | SPACE                                   |                           | ldar                     | ldar
lossy_begin      | OVERWRITE                               |                           | dmb                      | dmb
lossy_publish    | VALUE NEWEST                            |                           | stlr stlr                | stlr stlr
lossy_read       | VALUE OVERWRITE                         |                           | ldar dmb:ld              | ldar dmb:ld
lossy_gone       | OVERWRITE                               |                           | dmb:ld                   | dmb:ld
mpmc_claim       | TAP PASSED                              | lock:cmpxchg lock:cmpxchg | ldxr stxr dmb ldxr stlxr | cas dmb casl
mpmc_commit      | PUBLISH                                 |                           | stlr                     | stlr
mpmc_look        | PUBLISH RECYCLE PASSED                  |                           | ldar                     | ldar
mpmc_still       | TAP                                     |                           | dmb:ld                   | dmb:ld
mpmc_any_orphans | ORPHANS                                 |                           | ldar                     | ldar
port_send        | PUBLISH RECYCLE SLEEP | shmq_send() shmq_hot_wake_receivers()          | stlr ldar shmq_send() shmq_hot_wake_receivers()          | the same
port_send_any    | PUBLISH RECYCLE SLEEP | shmq_send() shmq_hot_wake_receivers() memcpy() | stlr ldar shmq_send() shmq_hot_wake_receivers() memcpy() | the same
port_recv        | PUBLISH RECYCLE SLEEP | shmq_recv() shmq_hot_wake_senders() memcpy()   | ldar stlr shmq_recv() shmq_hot_wake_senders() memcpy()   | the same
port_recv_any    | PUBLISH RECYCLE SLEEP | shmq_recv() shmq_hot_wake_senders() memcpy()   | ldar stlr shmq_recv() shmq_hot_wake_senders() memcpy()   | the same
"""

# What sends and receives on SPSC queues: on x86-64 there is nothing that locks or orders in all of it, and no system call.
PLAIN = ("lib/queue_send.c", "lib/queue_recv.c", "lib/queue_spsc.c")

# (in atomic.h, what becomes of it, column, function or file in which that must be found)
PLANTED = (
    ("store_n(p, value, __ATOMIC_RELEASE)", "store_n(p, value, __ATOMIC_SEQ_CST)", 0, "spsc_publish"),
    ("__atomic_signal_fence(__ATOMIC_SEQ_CST)", "__atomic_thread_fence(__ATOMIC_SEQ_CST)", 0, "port_send"),
    ("__atomic_signal_fence(__ATOMIC_SEQ_CST)", "__atomic_thread_fence(__ATOMIC_SEQ_CST)", 0, "lib/queue_send.c"),
    ("__ATOMIC_RELAXED,\n\t\t\t\t\t   __ATOMIC_RELAXED);", "__ATOMIC_SEQ_CST,\n\t\t\t\t\t   __ATOMIC_RELAXED);", 2, "mpmc_claim"),
    ("load_n(p, __ATOMIC_ACQUIRE)", "load_n(p, __ATOMIC_RELAXED)", 1, "spsc_look"),
    ("__atomic_thread_fence(__ATOMIC_RELEASE)", "__atomic_signal_fence(__ATOMIC_RELEASE)", 1, "lossy_begin"),
)

X86 = re.compile(r"\s(lock)?;?\s*\b(cmpxchg|xadd|add|inc|sub|dec|or|and|xchg|mfence|lfence|sfence|syscall|call|jmp)[bwlq]?\b\s*(.*)")
ARM = re.compile(r"\s(ldapr|ldar|stlr|ldaxr|ldxr|stlxr|stxr|cas\w*|swp\w*|(?:ld|st)(?:add|set|clr|eor)\w*|dmb|dsb|svc|blr?|b)\s+(.*)")
LABEL = re.compile(r"^([A-Za-z_]\w*)(?:\.cold)?:")


def x86(line):
    """The name of an instruction that orders, locks or leaves; None: it does not show."""
    match = X86.match(line)
    if not match:
        return None
    lock, name, operands = match.groups()
    if name in ("call", "jmp"):
        return None if operands.startswith(".") else operands.split("@")[0] + "()"
    if name == "mfence" or (lock and name == "or" and "(%rsp)" in operands):
        return "fence"
    if name == "inc":
        name = "add"
    if name == "xchg" and "(" in operands:
        lock = "lock"  # it locks without being told to
    if name in ("lfence", "sfence", "syscall"):
        return name
    return f"lock:{name}" if lock else None


def arm(line):
    match = ARM.match(line)
    if not match:
        return None
    name, operands = match.groups()
    if name in ("b", "bl", "blr"):
        return None if operands.startswith(".") else operands.split()[0] + "()"
    if name in ("dmb", "dsb"):
        return name + {"ish": "", "ishld": ":ld", "ishst": ":st"}.get(operands.strip(), ":" + operands.strip())
    if re.match(r"(ld|swp)\w*a", name) and re.search(r",\s*[wx]zr,", operands) and not name.startswith(("ldar", "ldax", "ldap")):
        return name + ":not-acquired"  # into the zero register it acquires nothing
    return re.sub(r"^st(?=add|set|clr|eor)", "ld", name)


def functions(text, instruction):
    """{function: its instructions that show}."""
    found, name = {}, None
    for line in text.splitlines():
        label = LABEL.match(line)
        if label:
            name = label.group(1)
            found.setdefault(name, [])
        elif name:
            shown = instruction(line)
            twice = shown and shown.startswith("dmb") and found[name][-1:] == [shown]  # a fence copied into two branches
            if shown and not twice:
                found[name].append(shown)
    return found


def table():
    """(function, edges, instructions of each column)."""
    for line in TABLE.strip().splitlines():
        function, edges, *columns = [cell.split() for cell in line.split("|")]
        if columns[2] == ["the", "same"]:
            columns[2] = columns[1]
        yield function[0], edges, columns


def split(instructions):
    """Instructions in their order, and calls in none: where a compiler puts what is rare is its own business."""
    calls = {name for name in instructions if name.endswith("()")}
    return [name for name in instructions if name not in calls], calls


def compiled(command, include, source):
    """The assembly of a file."""
    done = subprocess.run([*command, *include, *FLAGS, ROOT / source], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"codegen: {done.stderr}")
    return done.stdout


def check(build, column, command, include=()):
    """What differs from the table; of PLAIN, what is there at all."""
    found = functions(compiled(command, include, EDGES), arm if column else x86)
    for function, _, columns in table():
        made = found.pop(function, ["not there"])
        if split(made) != split(columns[column]):
            yield f"{build}: {function}: {' '.join(made) or '-'}, not {' '.join(columns[column]) or '-'}"
    for function in found:
        yield f"{build}: {function} has no row"
    for source in () if column else PLAIN:
        for function, made in functions(compiled(command, include, source), x86).items():
            if split(made)[0]:
                yield f"{build}: {source}: {function}: {' '.join(split(made)[0])}"


def check_planted():
    """Faults that are not found."""
    original = (ROOT / "include/shmq/atomic.h").read_text(encoding="utf-8")
    for before, after, column, function in PLANTED:
        if original.count(before) == 0:
            yield f"planted fault: {before} is not in atomic.h"
            continue
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "shmq").mkdir()
            (Path(directory) / "shmq/atomic.h").write_text(original.replace(before, after), encoding="utf-8")
            for build in (build for build in BUILDS if build[1] == column):
                findings = check(*build, include=(f"-I{directory}",))
                if not any(f": {function}:" in finding for finding in findings):
                    yield f"planted fault, {build[0]}: not found: {after}"


def check_rows():
    """Edges of docs/ordering.md that no row is about."""
    document = (ROOT / "docs/ordering.md").read_text(encoding="utf-8")
    shown = {edge for _, edges, _ in table() for edge in edges}
    for edge in re.findall(r"^\| ([A-Z]+) \|", document, re.MULTILINE):
        if edge not in shown:
            yield f"{edge}: no row"


def main():
    missing = {command[0] for _, _, command in BUILDS if not shutil.which(command[0])}
    if missing:
        sys.exit(f"codegen: missing: {' '.join(sorted(missing))}")
    findings = list(check_rows())
    for build in BUILDS:
        findings += check(*build)
    findings += check_planted()
    for finding in findings:
        print(finding)
    print(f"{len(list(table()))} functions, {len(BUILDS)} builds, {len(PLANTED)} planted faults; {len(findings)} findings")
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
