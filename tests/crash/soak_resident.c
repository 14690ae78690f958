/* SPDX-License-Identifier: MIT */
/*
 * A process that lives on, and attaches again and again: what it does not give back shows. Its
 * messages are such as the storm knows, of before its round.
 */
#include <errno.h>
#include <poll.h>

#include "soak.h"
#include "support/process.h"

#define MESSAGES 20 /* more than fit into the least queue */

static int
count_row(const struct shmq_participant *row, void *arg)
{
	unsigned *count = arg;

	*count += row->alive == 1;
	return 0;
}

static int
count_segment(const struct shmq_stat *st, void *arg)
{
	unsigned *count = arg;

	(void)st;
	++*count;
	return 0;
}

static void
look_around(const struct storm *storm, const struct place *place, struct shmq *q)
{
	struct shmq_stat st = {.size = sizeof(st)};
	unsigned rows = 0, all = 0;

	SAME(0, shmq_qstat(q, &st));
	SAME(1, st.producers);
	SAME(0, shmq_participants(place->attach, count_row, &rows));
	SAME(storm->lossy ? 1 : 2, rows);
	SAME(0, shmq_list(count_segment, &all));
	MUST(all > 0);
}

static void
send_one(const struct storm *storm, struct shmq *q)
{
	unsigned char bytes[STORM_MSG_MAX];
	const struct storm_message m = {0};
	size_t length = storm_length(storm, &m);

	storm_fill(bytes, length, &m);
	SAME(0, shmq_send(q, bytes, length, SHMQ_FOREVER)); /* those dead may be in the way */
}

static void
receive_one(const struct storm *storm, struct shmq *q)
{
	struct pollfd bell = {.fd = shmq_fd(q), .events = POLLIN};
	unsigned char bytes[STORM_MSG_MAX];
	ssize_t length;

	MUST(bell.fd >= 0);
	SAME(1, poll(&bell, 1, -1));
	length = shmq_recv(q, bytes, sizeof(bytes), SHMQ_FOREVER);
	MUST(length >= 0);
	storm_check(storm, bytes, (size_t)length);
	if (storm->kind->opts.kind != SHMQ_LATEST)
		SAME(-EAGAIN, shmq_recv(q, bytes, sizeof(bytes), 0));
}

void
soak_resident(const struct storm *storm, const struct place *place)
{
	struct shmq *producer = NULL, *consumer = NULL, *eyes = NULL;

	SAME(0, shmq_attach(&producer, place->attach, SHMQ_PRODUCER));
	SAME(0, shmq_attach(&consumer, place->attach, SHMQ_CONSUMER));
	SAME(0, shmq_attach(&eyes, place->attach, SHMQ_OBSERVER));
	MUST(shmq_fd(producer) >= 0);
	for (unsigned i = 0; i < MESSAGES; i++) {
		send_one(storm, producer);
		receive_one(storm, consumer);
	}
	look_around(storm, place, consumer);
	SAME(0, shmq_detach(eyes));
	SAME(0, shmq_detach(consumer));
	SAME(0, shmq_detach(producer));
	SAME(0, place_stat(place).producers + place_stat(place).consumers);
}
