/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "operations.h"
#include "support/process.h"

#define BOTH (SHMQ_PRODUCER | SHMQ_CONSUMER)

const struct operation *
operation_at(unsigned n)
{
	unsigned made = 0;

	while (operations_make[made].name)
		made++;
	if (n < made)
		return &operations_make[n];
	return operations_use[n - made].name ? &operations_use[n - made] : NULL;
}

/* A trial ------------------------------------------------------------------------------------ */

static struct place
object_of(const struct operation *operation, enum place_backend on)
{
	switch (operation->object) {
	case QUEUE:
		return place_queue(on, 0, &operation_spsc);
	case CROWD:
		return place_queue(on, 0, &operation_mpmc);
	case LANES:
		return place_queue(on, 0, &operation_mpsc);
	case READERS:
		return place_queue(on, 0, &operation_broadcast);
	case SEGMENT:
		return place_segment(on, 0, &operation_raw);
	default:
		return place_name(on, 0);
	}
}

void
trial_begin(struct trial *t, const struct operation *operation, enum place_backend on)
{
	*t = (struct trial){.operation = operation,
			    .place = object_of(operation, on),
			    .warm = place_queue(ON_SHM, 1, NULL)};
}

void
trial_end(struct trial *t)
{
	if (t->operation->object != NOTHING) {
		SAME(0, place_stat(&t->place).nattch);
		if (t->operation->object == SEGMENT)
			operation_fill(t);
		else if (place_stat(&t->place).depth == 0)
			operation_use(t);
		place_remove(&t->place);
	}
	place_remove(&t->warm);
}

void
trial_ready(struct trial *t)
{
	struct shmq_seg *seg = NULL;
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, t->warm.attach, BOTH));
	SAME(0, shmq_detach(q));
	SAME(0, shmq_seg_attach(&seg, t->warm.attach, 0));
	SAME(0, shmq_seg_detach(seg));
	if (t->operation->ready)
		t->operation->ready(t);
	t->before = leak_count();
}

static bool
documented(const struct operation *operation, int err)
{
	for (unsigned i = 0; i < OPERATION_ERRORS; i++)
		if (operation->errors[i] == err)
			return true;
	return false;
}

/* A failure has left nothing behind, and the next try works. */
static void
try_again(struct trial *t)
{
	const struct operation *operation = t->operation;

	if (!documented(operation, t->result))
		SAME(0, t->result);
	leak_none_since(t->before);
	t->result = operation->act(t);
	if ((operation->flags & ONCE) && t->result == -ENOENT)
		t->result = 0;
	MUST(t->result >= 0);
}

/* A bell has a name: who is just gone leaves it to others to clear. */
static void
leave(struct trial *t)
{
	if (t->q)
		SAME(0, shmq_detach(t->q));
	if (t->peer)
		SAME(0, shmq_detach(t->peer));
}

void
trial_check(struct trial *t)
{
	const struct operation *operation = t->operation;

	if (t->result < 0)
		try_again(t);
	if (operation->look)
		operation->look(t);
	if (operation->undo)
		operation->undo(t);
	leak_none_since(t->before);
	leave(t);
}
