/* SPDX-License-Identifier: MIT */
/*
 * Market data: a feed that waits for nobody, a quick reader, and a slow one. A broadcast queue with
 * slow_limit ejects the slow one: it gets -ESTALE, attaches again at the oldest quote still there,
 * and knows what it missed. A lossy queue lets it go on, and shmq_info() tells what it missed.
 */
#include "eg.h"

enum { CAPACITY = 256, MORNING = 200, DAY = 400 }; /* quotes */

static char addr[64];
static int here[2], bell[2]; /* pipes: a reader has attached; the slow one may begin */

/* Read all day; each quote must be received, or be known as missed. `number`: the first quote. */
static int
read_feed(int number)
{
	int slow = number == 0, received = 0, missed = 0, next = number, ejected = 0;
	struct shmq_info info = {.size = sizeof info};
	struct shmq *q;
	ssize_t n;

	must("attach", shmq_attach(&q, addr, SHMQ_CONSUMER));
	must("tell", write(here[1], "", 1));
	close(bell[1]);
	if (slow)
		must("sleep", read(bell[0], &n, 1)); /* until the parent closes it */
	while (next < DAY) {
		n = shmq_recv(q, &number, sizeof number, SHMQ_FOREVER);
		if (n == -ESTALE) {
			must("detach", shmq_detach(q));
			must("attach again", shmq_attach(&q, addr, SHMQ_CONSUMER | SHMQ_OLDEST));
			ejected++;
			continue;
		}
		must("receive", n);
		must("info", shmq_info(q, &info));
		received++;
		missed += ejected ? number - next : (int)info.lost;
		next = number + 1;
	}
	printf("  %s reader: %d received, %d missed, ejected %d times\n", slow ? "slow" : "quick",
	       received, missed, ejected);
	must("detach", shmq_detach(q));
	return (missed > 0) != slow || received + missed != (slow ? DAY : DAY - MORNING);
}

static int
session(const char *title, unsigned flags)
{
	struct shmq_opts opts = {.size = sizeof opts, .kind = SHMQ_BROADCAST, .flags = flags};
	struct shmq *q;
	char byte;

	opts.msg_max = sizeof(int);
	opts.capacity = CAPACITY;
	opts.slow_limit = flags & SHMQ_LOSSY ? 0 : CAPACITY;
	must("open", shmq_open(&q, address(addr, "market-data"), &opts, SHMQ_PRODUCER));
	must("pipe", pipe(here) | pipe(bell));
	printf("%s\n", title);
	for (int number = 0; number < DAY; number++) {
		if (number == 0 || number == MORNING) {
			start(read_feed, number);
			must("wait", read(here[0], &byte, 1));
		}
		must("send", shmq_send(q, &number, sizeof number, 0)); /* is never full */
	}
	close(bell[0]);
	close(bell[1]);
	return failed_children() | (int)must("end", shmq_detach(q) | shmq_remove(addr));
}

int
main(void)
{
	return session("slow_limit:", 0) | session("lossy:", SHMQ_LOSSY);
}
