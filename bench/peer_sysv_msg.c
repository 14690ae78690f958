/* SPDX-License-Identifier: MIT */
/*
 * A System V message queue: msgsnd() and msgrcv(), which want the message behind a type, so it
 * is copied once more. It holds what is asked, or as many bytes as this user may have in one
 * (/proc/sys/kernel/msgmnb).
 */
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "descriptor.h"
#include "limit.h"

/* In the memory of the queue. */
struct place {
	int id, made;
};

#define LEN_MAX 65536

static struct {
	long type;
	unsigned char bytes[LEN_MAX];
} typed;

struct queue {
	int id, flags;
};

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	const struct place *place = (const void *)bench_queue_memory(side, i);

	(void)end;
	*queue = (struct queue){place->id, descriptor_crowded(&side->what) ? IPC_NOWAIT : 0};
	typed.type = 1;
	return 0;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	memcpy(typed.bytes, message, len);
	return msgsnd(queue->id, &typed, len, queue->flags) ? -errno : 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	if (msgrcv(queue->id, &typed, len, 0, queue->flags) < 0)
		return errno == ENOMSG ? -EAGAIN : -errno;
	memcpy(message, typed.bytes, len);
	return 0;
}

#include "bodies.h"

static size_t
bytes(const struct bench_what *what)
{
	(void)what;
	return sizeof(struct place);
}

static int
fits(const struct bench_what *what)
{
	size_t most = limit_of("/proc/sys/kernel/msgmax");

	return what->len <= LEN_MAX && what->len <= most;
}

static int
make(struct bench_side *side, unsigned queues)
{
	for (unsigned i = 0; i < queues; i++) {
		struct place *place = (void *)bench_queue_memory(side, i);
		struct msqid_ds ds;

		place->id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
		if (place->id < 0)
			return -errno;
		place->made = 1;
		/* Who may not have more has the kernel's own limit. */
		if (msgctl(place->id, IPC_STAT, &ds))
			return -errno;
		ds.msg_qbytes = side->what.capacity * side->what.len;
		msgctl(place->id, IPC_SET, &ds);
		if (!msgctl(place->id, IPC_STAT, &ds))
			bench_holds(&side->what, ds.msg_qbytes / side->what.len);
	}
	return 0;
}

static void
unmake(struct bench_side *side)
{
	for (unsigned i = 0; side->memory && i < side->queues; i++) {
		struct place *place = (void *)bench_queue_memory(side, i);

		if (place->made)
			msgctl(place->id, IPC_RMID, NULL);
		place->made = 0;
	}
}

const struct bench_adapter bench_adapter_sysv_msg = {
	.name = "sysv_msg",
	.base = "rival",
	.note = "System V message queue, with 16 KiB unless the user may have more; sleeps at once",
	.can = BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY | BENCH_SLEEPS,
	.fits = fits,
	.bytes = bytes,
	.make = make,
	.unmake = unmake,
	.bodies = bodies,
};
