/* SPDX-License-Identifier: MIT */
/*
 * Histories of a FIFO queue, and whether they are linearizable: whether each operation can be given
 * one instant between its invocation and its response such that a queue, doing them one by one at
 * these instants, gives the same answers.
 *
 * A history has the operations that succeeded: values that were put in, each another one, and
 * values that were taken out. That a queue said -EAGAIN is left out: it does not say that it was
 * empty (shmq.h, shmq_recv()). Such a history is linearizable unless one of these is found
 * (Henzinger, Sezgin, Vafeiadis: Aspect-oriented linearizability proofs, CONCUR 2013):
 *
 *   FRESH   a value was taken out that was not put in, or before that began
 *   REPEAT  a value was taken out twice
 *   ORDER   a was in before b was begun to be put in; b was taken out, and a not, or only begun to
 *           be after b was out
 *
 * and, where the queue has been drained, LOST: a value that was never taken out.
 */
#ifndef TESTS_STRESS_HISTORY_H
#define TESTS_STRESS_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct operation {
	int64_t invoked, returned; /* of one clock for all */
	uint64_t value;
	bool put;
};

enum history_verdict {
	HISTORY_FINE,
	HISTORY_FRESH,
	HISTORY_REPEAT,
	HISTORY_ORDER,
	HISTORY_LOST,
};

/* Look for the violations, in n log n steps. Sorts the operations. */
enum history_verdict history_check(struct operation *ops, size_t n, bool drained);

#define HISTORY_SMALL 20

/*
 * Whether n <= HISTORY_SMALL operations are linearizable, by trying every order (Wing and Gong 1993,
 * with the memory of Lowe 2017).
 */
bool history_search(const struct operation *ops, size_t n);

#endif
