#!/bin/sh
# SPDX-License-Identifier: MIT
# exports.sh LIBRARY: it exports four functions and nothing else, needs the C library alone, and does not ask that for memory.
set -eu
export LC_ALL=C

exported=$(nm -D --defined-only "$1" | awk '{ print $3 }' | sort | tr '\n' ' ')
[ "$exported" = "shmat shmctl shmdt shmget " ] || { echo "exports: $exported" >&2; exit 1; }

needed=$(objdump -p "$1" | awk '/NEEDED/ { print $2 }' | grep -v -e '^libc\.so' -e '^ld-linux' || true)
[ -z "$needed" ] || { echo "needs: $needed" >&2; exit 1; }

heap=$(nm -D --undefined-only "$1" | awk '{ print $NF }' | sed 's/@.*//' |
	grep -x -e malloc -e calloc -e realloc -e free -e fopen -e fopen64 -e opendir -e getline -e atexit -e printf || true)
[ -z "$heap" ] || { echo "calls: $heap" >&2; exit 1; }
