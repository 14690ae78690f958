#!/bin/sh
# SPDX-License-Identifier: MIT
# readme_example.sh README SOURCE: the README's C block is that source, letter for letter.
set -eu
awk '/^```$/ { inside = 0 } inside { print } /^```c$/ { inside = 1 }' "$1" | cmp - "$2"
