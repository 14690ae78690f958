/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of every operation fails, one by one, and from one on all of them: -ENOMEM, or
 * it works without; nothing is leaked, the queue is whole, and the next try works.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "allocate.h"
#include "operations.h"
#include "support/process.h"

TestSuite(memory, .init = place_begin, .fini = place_end, .timeout = 300);

struct attempt {
	struct trial trial;
	unsigned nth;
	bool sticky;
	unsigned *count; /* shared */
};

static void
act(void *arg)
{
	struct attempt *attempt = arg;
	struct trial *t = &attempt->trial;

	trial_ready(t);
	allocate_begins(attempt->nth, attempt->sticky);
	t->result = t->operation->act(t);
	*attempt->count = allocate_ends();
	trial_check(t);
}

/* Whether all was well. */
static bool
attempt_once(struct attempt *attempt, const struct operation *operation, enum place_backend on)
{
	unsigned before;
	bool good;

	trial_begin(&attempt->trial, operation, on);
	before = place_leftovers();
	good = process_end(process_start(act, attempt)) == 0 && place_leftovers() == before;
	if (good)
		trial_end(&attempt->trial);
	else
		place_wipe();
	return good;
}

/* How many of its attempts were not well. */
static unsigned
fail_every_one(const struct operation *operation, enum place_backend on, unsigned *faults)
{
	struct attempt attempt = {.count = process_share(sizeof(unsigned))};
	unsigned count, bad = 0;

	MUST(attempt_once(&attempt, operation, on));
	count = *attempt.count;
	*faults += 2 * count;
	for (unsigned i = 2; i < 2 * count + 2; i++) {
		attempt.nth = i / 2;
		attempt.sticky = i % 2;
		if (attempt_once(&attempt, operation, on))
			continue;
		fprintf(stderr, "%s on backend %d: allocation %u%s fails: not well\n",
			operation->name, (int)on, attempt.nth, attempt.sticky ? " and later" : "");
		bad++;
	}
	return bad;
}

Test(memory, test_each_allocation_fails)
{
	unsigned faults = 0, bad = 0;
	const struct operation *operation;

	if (!place_is_private())
		cr_skip_test("needs a mount and an IPC namespace of its own");
	for (unsigned i = 0; (operation = operation_at(i)); i++)
		for (enum place_backend on = ON_SHM; on < PLACES; on++)
			if (operation->on & ON(on))
				bad += fail_every_one(operation, on, &faults);
	fprintf(stderr, "faults: %u allocations failed, %u of them not well\n", faults, bad);
	MUST(faults > 100);
	SAME(0, bad);
}
