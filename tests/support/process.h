/* SPDX-License-Identifier: MIT */
/* Other processes for a test: start, meet, kill. All of them die with the test. */
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>

/* The exit status of a child in which something did not hold. */
#define PROCESS_FAILED 99

/*
 * What must hold, in the test's process and in any child of it. What becomes of it when it does not
 * is the program's: must.c, for Criterion's; crash/every_must.c and crash/soak_must.c have their own.
 */
void process_fail(const char *text) __attribute__((noreturn));
void process_must(bool holds, const char *what, const char *file, int line);
void process_same(long long want, long long got, const char *what, const char *at);

#define AT_LINE(line) __FILE__ ":" #line
#define AT_EXPAND(line) AT_LINE(line)
#define MUST(condition) process_must(condition, #condition, __FILE__, __LINE__)
#define SAME(want, got) process_same((long long)(want), (long long)(got), #got, AT_EXPAND(__LINE__))

/* Remember that this is the test's own process: a failure here is Criterion's business. */
void process_begin(void);

/* Fork; the child runs `body` and exits with 0. */
pid_t process_start(void (*body)(void *arg), void *arg);
/* Wait for a child: as waitpid(). */
int process_end(pid_t pid);
/* Wait for a child, which must have exited with 0. */
void process_join(pid_t pid);
/* SIGKILL a child and wait for its end, which must be that. */
void process_kill(pid_t pid);
/* System calls to sleep in, by the number that /proc shows: under emulation the host's (CMake). */
#ifndef PROCESS_FUTEX
#define PROCESS_FUTEX SYS_futex
#define PROCESS_SIGSUSPEND SYS_rt_sigsuspend
#endif
/* Wait until a process sleeps in this system call. */
void process_await_call(pid_t pid, long number);

/* Zeroed memory that children share. */
void *process_share(size_t bytes);

/*
 * A gate is opened as often as it is passed; passing waits. It is a descriptor that forks inherit.
 */
int gate_new(void);
void gate_open(int gate);
void gate_pass(int gate);

/* A line-up: processes that wait for each other, then start as one. In shared memory. */
#define LINE_UP_MAX 4
struct line_up {
	uint32_t round[LINE_UP_MAX][32]; /* one cache line and more each */
};
/* `me` of `n` has come to the start of `round`, counted from 1; return when all have. */
void line_up(struct line_up *line, unsigned me, unsigned n, uint32_t round);

/* Random numbers that a seed repeats. */
uint64_t random_next(uint64_t *state);
/* Below `bound`. */
uint64_t random_below(uint64_t *state, uint64_t bound);

#endif
