# SPDX-License-Identifier: MIT
"""Form: lengths of functions and files, number of parameters, no #if in .c files, no typedefs of structs, a licence line on top."""

import re

from source import CODE_SUFFIXES, SCRIPT_SUFFIXES, sources

FUNCTION_LINES = 40
PARAMETERS = 5
AS_GIVEN = ("__wrap_mmap64",)  # stands in for a function of the C library
FILE_LINES = 500
LONG_FILES = ("include/shmq/shmq.h",)  # its doc comments
LICENCE = "SPDX-License-Identifier: MIT"
KERNEL_LICENCE = "SPDX-License-Identifier: GPL-2.0 OR MIT"  # of the kernel module

CONDITION = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b")
TYPEDEF = re.compile(r"\s*typedef\s+(struct|union|enum)\b")
TEST_MACROS = ("Test", "ParameterizedTest", "ParameterizedTestParameters", "TestSuite")


def functions(code):
    """(first line, lines of body, signature) of each function: its braces stand alone in column one."""
    opened = None
    for number, line in enumerate(code, 1):
        if line.rstrip() == "{":
            opened = number
        elif opened and line.startswith("}"):
            text = signature(code, opened)
            if "(" in text:  # else a class or a namespace
                yield opened, number - opened - 1, text
            opened = None


def signature(code, opened):
    """The text between what came before and the opening brace."""
    first = opened - 1
    while first > 0 and code[first - 1].strip() and not re.search(r"[;}]\s*$|^\s*#", code[first - 1]):
        first -= 1
    return "\n".join(code[first : opened - 1])


def name_and_parameters(text):
    """The function's name and how many parameters it has."""
    match = re.search(r"^(\w+)\(", text, re.MULTILINE) or re.search(r"\b(\w+)\s*\(", text)
    if not match:
        return "?", 0
    depth, commas = 0, 0
    inside = text[match.end() - 1 :]
    for position, letter in enumerate(inside):
        depth += (letter == "(") - (letter == ")")
        commas += letter == "," and depth == 1
        if depth == 0:
            inside = inside[1:position].strip()
            break
    return match.group(1), 0 if inside in ("", "void") else commas + 1


def check_functions(source):
    for number, length, text in functions(source.code):
        name, parameters = name_and_parameters(text)
        if length > FUNCTION_LINES:
            yield source.path, number, f"{name}: {length} lines, at most {FUNCTION_LINES}"
        if parameters > PARAMETERS and name not in TEST_MACROS + AS_GIVEN:
            yield source.path, number, f"{name}: {parameters} parameters, at most {PARAMETERS}"


def check_file(source):
    if len(source.lines) > FILE_LINES and source.path not in LONG_FILES:
        yield source.path, FILE_LINES, f"{len(source.lines)} lines, at most {FILE_LINES}"
    licence = KERNEL_LICENCE if source.path.startswith("kmod/") else LICENCE
    if not any(licence in line for line in source.lines[:2]):
        yield source.path, 1, f"no {licence} on top"


def check_lines(source):
    for number, line in enumerate(source.code, 1):
        if source.path.endswith(".c") and CONDITION.match(line):
            yield source.path, number, f"{line.strip()}: no conditions in .c files; CMake picks the file"
        if TYPEDEF.match(line):
            yield source.path, number, f"{line.strip()}: no typedefs for structs, unions and enums"


def check(root):
    for source in sources(root, suffixes=CODE_SUFFIXES + SCRIPT_SUFFIXES):
        yield from check_file(source)
    for source in sources(root):
        yield from check_functions(source)
        yield from check_lines(source)
