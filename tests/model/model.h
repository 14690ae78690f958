/* SPDX-License-Identifier: MIT */
/*
 * What every model has: a main(), waiting, dying.
 *
 * A model is a small program over the library's real code, with one scenario of two or three threads. Under a stateless model checker
 * for C (GenMC, with MODEL_GENMC defined) every execution that the C11 memory model allows is explored, data races included. Without it
 * the same program runs natively, many times.
 *
 * A thread stands for a process; joining a thread that has returned early stands for the kernel's release of a dead process's
 * lock, which a successor has acquired.
 */
#ifndef MODEL_H
#define MODEL_H

#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weaken.h"

#ifdef MODEL_GENMC
#include <genmc.h>
#define MODEL_ROUNDS 1
/* Its <sys/types.h> lacks what the library's headers name. */
typedef unsigned uid_t, gid_t;
typedef int pid_t, key_t;
typedef unsigned long dev_t, ino_t;
#define ENOTSUP 95
#define F_RDLCK 0
#define F_WRLCK 1
#define F_UNLCK 2
#define getpid() 1
/* Where the library yields, it tries again: only executions in which it need not are followed. */
#define sched_yield() __VERIFIER_assume(0)
#else
#define MODEL_ROUNDS 100
#endif

/* At which step somebody dies; 0: nobody does. The checker is given one, a native run goes through all. */
#ifndef KILL
#define KILL 0
#endif
static unsigned model_kill;

static inline bool
model_dies_at(unsigned step)
{
	return model_kill == step;
}

/* Whether to try once more, after `tries`. The checker follows one failed try, then only executions in which it succeeds. */
static inline bool
model_again(bool again, unsigned tries)
{
#ifdef MODEL_GENMC
	if (tries > 1)
		__VERIFIER_assume(!again);
#else
	(void)tries;
	if (again)
		sched_yield();
#endif
	return again;
}

/* `scenario` begins with a reset of all state; `kills`: the last step at which somebody can die. */
static inline int
model_run(void (*scenario)(void), unsigned kills)
{
#ifdef MODEL_GENMC
	(void)kills;
	model_kill = KILL;
	scenario();
#else
	for (unsigned round = 0; round < MODEL_ROUNDS; round++)
		for (model_kill = 0; model_kill <= kills; model_kill++)
			scenario();
#endif
	return 0;
}

static inline pthread_t
model_start(void *(*run)(void *))
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, run, NULL);

	assert(err == 0);
	return thread;
}

#endif
