/* SPDX-License-Identifier: MIT */
/*
 * A POSIX message queue. Who has no CAP_SYS_RESOURCE gets as many places and as long messages
 * as /proc/sys/fs/mqueue says (10, 8 KiB); who has gets what is asked, once RLIMIT_MSGQUEUE is
 * raised. It is inherited as a descriptor and has no name any more.
 */
#include <mqueue.h>
#include <stdio.h>
#include <sys/resource.h>

#include "descriptor.h"
#include "limit.h"

struct queue {
	mqd_t mq;
};

static int
queue_open(struct bench_side *side, unsigned i, enum bench_end end, struct queue *queue)
{
	(void)end;
	queue->mq = side->fds[i];
	return 0;
}

static inline int
queue_send(struct queue *queue, const uint64_t *message, size_t len)
{
	return mq_send(queue->mq, (const char *)message, len, 0) ? -errno : 0;
}

static inline int
queue_recv(struct queue *queue, uint64_t *message, size_t len)
{
	return mq_receive(queue->mq, (char *)message, len, NULL) < 0 ? -errno : 0;
}

#include "bodies.h"

static void
raise_limit(void)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	if (!setrlimit(RLIMIT_MSGQUEUE, &limit))
		return;
	getrlimit(RLIMIT_MSGQUEUE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_MSGQUEUE, &limit);
}

/* Its descriptor, to be inherited; the name is gone. */
static int
make_one(const char *name, size_t places, size_t len, int flags)
{
	struct mq_attr attr = {.mq_maxmsg = (long)places, .mq_msgsize = (long)len};
	mqd_t mq = mq_open(name, O_RDWR | O_CREAT | O_EXCL | flags, 0600, &attr);

	if (mq < 0)
		return -errno;
	mq_unlink(name);
	return fcntl(mq, F_SETFD, 0) ? -errno : mq;
}

/* As many places as asked, or as are allowed. */
static int
make_some(struct bench_side *side, unsigned i, int flags)
{
	const struct bench_what *what = &side->what;
	size_t most = limit_of("/proc/sys/fs/mqueue/msg_max");
	struct mq_attr attr;
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "/%s-%u", side->name, i);
	fd = make_one(name, what->capacity, what->len, flags);
	if ((fd == -EINVAL || fd == -EMFILE) && most && most < what->capacity)
		fd = make_one(name, most, what->len, flags);
	side->fds[i] = fd < 0 ? -1 : fd;
	if (fd < 0)
		return fd;
	if (!mq_getattr(fd, &attr))
		bench_holds(what, (size_t)attr.mq_maxmsg);
	return 0;
}

static int
make(struct bench_side *side, unsigned queues)
{
	int flags = descriptor_crowded(&side->what) ? O_NONBLOCK : 0, err = 0;

	raise_limit();
	for (unsigned i = 0; i < queues && !err; i++)
		err = make_some(side, i, flags);
	if (err == -ENOSYS || err == -EINVAL || err == -EMFILE || err == -ENOSPC) {
		bench_why("mq_open(): not within /proc/sys/fs/mqueue and RLIMIT_MSGQUEUE");
		return -ENOTSUP;
	}
	return err;
}

const struct bench_adapter bench_adapter_mq = {
	.name = "mq",
	.base = "rival",
	.note = "POSIX message queue, with 10 places unless the user may have more; sleeps at once",
	.can = BENCH_PAIR | BENCH_MANY_SEND | BENCH_MANY | BENCH_SLEEPS,
	.make = make,
	.bodies = bodies,
};
