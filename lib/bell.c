/* SPDX-License-Identifier: MIT */
#include "bell.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SLICE_DEAF_NS INT64_C(1000000) /* of who cannot say that it waits */

/* Ringing -------------------- */

void
shmqi_ringer_init(struct shmqi_ringer *ringer, const struct shmqi_bell_queue *queue)
{
	memset(ringer, 0, sizeof(*ringer));
	ringer->queue = *queue;
}

static void
forget(struct shmqi_ringer *ringer, unsigned slot)
{
	if (ringer->known[slot].nonce &&
	    shmqi_os_fd_is(ringer->known[slot].fd, ringer->known[slot].inode))
		close(ringer->known[slot].fd);
	ringer->known[slot].nonce = 0;
}

void
shmqi_ringer_close(struct shmqi_ringer *ringer)
{
	for (unsigned slot = 0; slot < SHMQI_RINGER_KNOWN; slot++)
		forget(ringer, slot);
}

/* The FIFO of that number, or a negated errno. What cannot be opened now may never be: a number is
 * not used again. */
static int
fifo_of(struct shmqi_ringer *ringer, uint64_t nonce)
{
	unsigned slot = ringer->next;
	int fd;

	for (unsigned i = 0; i < SHMQI_RINGER_KNOWN; i++) {
		fd = ringer->known[i].fd;
		if (ringer->known[i].nonce != nonce)
			continue;
		if (fd < 0 || shmqi_os_fd_is(fd, ringer->known[i].inode))
			return fd;
		ringer->known[i].nonce = 0; /* closed by the program: open it again */
	}
	fd = shmqi_fifo_open(ringer->queue.uuid, nonce);
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return fd;
	forget(ringer, slot);
	ringer->known[slot].nonce = nonce;
	ringer->known[slot].fd = fd;
	ringer->known[slot].inode = shmqi_os_inode(fd);
	ringer->next = (slot + 1) % SHMQI_RINGER_KNOWN;
	return fd;
}

/* Whether a ticket is in (woken, ticket], on the circle of 32-bit numbers. */
static bool
is_due(const struct shmqi_due *due, uint32_t ticket)
{
	return due->ticket - ticket < due->ticket - due->woken;
}

/* Ring the bell of one participant, if it is due: whether that takes care of a ticket. */
static bool
ring(struct shmqi_ringer *ringer, const struct format_participant *entry, enum shmqi_bell_side side,
     const struct shmqi_due *due)
{
	/* Relaxed, both: TICKET orders them, or they are of one who draws a later ticket. */
	uint32_t armed = shmq_load_relaxed_u32(&entry->armed[side]);
	uint64_t nonce = shmq_load_relaxed_u64(&entry->bell);
	int fd;

	if (nonce == 0 || (armed != BELL_ARMING && !is_due(due, armed)))
		return false;
	fd = fifo_of(ringer, nonce);
	if (fd >= 0)
		shmqi_fifo_ring(fd);
	return armed != BELL_ARMING;
}

/* Ring all that are due: how many tickets that takes care of. */
static uint32_t
ring_all(struct shmqi_ringer *ringer, const struct format_sleep *words, enum shmqi_bell_side side,
	 const struct shmqi_due *due)
{
	uint32_t rung = 0;

	/* Relaxed: TICKET orders it, too. */
	if (shmq_load_relaxed_u32(&words->armed) == 0)
		return 0;
	for (unsigned i = 0; i < ringer->queue.count; i++)
		rung += ring(ringer, &ringer->queue.participants[i], side, due);
	return rung;
}

void
shmqi_bell_wake(struct shmqi_ringer *ringer, struct format_sleep *words, enum shmqi_bell_side side)
{
	struct shmqi_due due;

	if (!shmqi_asleep(words))
		return;
	shmqi_wake_begin(words, &due);
	if (ring_all(ringer, words, side, &due) != due.ticket - due.woken)
		shmqi_os_futex_wake(&words->events);
	shmqi_wake_end(words, &due);
}

void
shmqi_bell_wake_always(struct shmqi_ringer *ringer, struct format_sleep *words,
		       enum shmqi_bell_side side)
{
	struct shmqi_due due, later;

	shmqi_wake_begin(words, &due);
	/* SLEEP, fence: the new count before the look at tickets: who arms looks at the count after
	 * it has drawn. */
	shmq_fence_seq_cst();
	later = due;
	/* TICKET, acquire: the bells of those who drew since. `woken` becomes what was read before
	 * the count was changed (W3). */
	later.ticket = shmq_load_acquire_u32(&words->ticket);
	(void)ring_all(ringer, words, side, &later);
	shmqi_os_futex_wake(&words->events);
	shmqi_wake_end(words, &due);
}

/* Listening -------------------- */

static void
close_fd(int *fd, struct shmqi_inode inode)
{
	if (shmqi_os_fd_is(*fd, inode))
		close(*fd);
	*fd = -1;
}

void
shmqi_bell_disown(struct shmqi_bell *bell)
{
	if (!bell->open)
		return;
	bell->open = false;
	bell->entry = NULL;
	if (bell->fd == bell->timer)
		bell->fd = -1;
	close_fd(&bell->fd, bell->fd_is);
	close_fd(&bell->fifo, bell->fifo_is);
	close_fd(&bell->timer, bell->timer_is);
}

void
shmqi_bell_close(struct shmqi_bell *bell)
{
	if (!bell->open)
		return;
	if (bell->entry) {
		/* Relaxed: who still reads the old number finds no FIFO of that name. */
		shmq_store_relaxed_u64(&bell->entry->bell, 0);
		shmqi_fifo_unlink(bell->uuid, bell->nonce);
	}
	shmqi_bell_disown(bell);
}

int
shmqi_bell_open_deaf(struct shmqi_bell *bell)
{
	memset(bell, 0, sizeof(*bell));
	bell->fifo = -1;
	bell->timer = bell->fd = shmqi_timer_new();
	bell->open = bell->fd >= 0;
	bell->timer_is = bell->fd_is = shmqi_os_inode(bell->timer);
	return bell->open ? 0 : bell->fd;
}

int
shmqi_bell_open(struct shmqi_bell *bell, const struct shmqi_bell_queue *queue, unsigned index,
		const struct shmqi_bell_access *access)
{
	int err = shmqi_bell_open_deaf(bell);

	if (err)
		return err;
	bell->fd = -1;
	memcpy(bell->uuid, queue->uuid, sizeof(bell->uuid));
	bell->fifo = err = shmqi_fifo_create(queue->uuid, access, &bell->nonce);
	if (err >= 0) {
		bell->entry = &queue->participants[index];
		bell->fd = err = shmqi_either_new(bell->fifo, bell->timer);
		bell->fifo_is = shmqi_os_inode(bell->fifo);
		bell->fd_is = shmqi_os_inode(bell->fd);
	}
	if (err < 0) {
		shmqi_bell_close(bell);
		return err;
	}
	/* Relaxed: read with a ticket, which TICKET carries. */
	shmq_store_relaxed_u64(&bell->entry->bell, bell->nonce);
	return 0;
}

/* Set the timer unless it still runs: whether it has ended since it was set. */
static bool
start_slice(struct shmqi_bell *bell, int64_t now, int64_t slice_ns)
{
	bool ended = bell->slice_end != 0;

	if (now < bell->slice_end)
		return false;
	bell->slice_end = now + slice_ns;
	shmqi_timer_set(bell->timer, slice_ns);
	return ended;
}

/* Draw a ticket and show it. Whoever reads that ticket finds BELL_ARMING at least (B1). */
static void
arm(struct shmqi_bell *bell, struct format_sleep *words, enum shmqi_bell_side side)
{
	/* Relaxed, all: TICKET orders what comes before it; what comes after makes fewer ring. */
	shmq_store_relaxed_u32(&bell->entry->armed[side], BELL_ARMING);
	shmq_store_relaxed_u32(&words->armed, 1);
	shmq_store_relaxed_u32(&bell->entry->armed[side], shmqi_ticket_draw(words));
}

static bool
arm_deaf(struct shmqi_bell *bell, const struct shmqi_wait_ops *ops, const struct shmqi_wait *wait)
{
	bool ended = start_slice(bell, ops->now_ns(), SLICE_DEAF_NS);

	if (wait->ready(wait->arg)) {
		bell->slice_end = 0;
		shmqi_timer_set(bell->timer, 1);
	}
	return ended;
}

/* Whether a side that was armed may have been rung since, by a byte that is gone now: then it rings
 * once more, and is armed no longer until it is asked again, and finds nothing. */
static bool
rang(struct shmqi_bell *bell, enum shmqi_bell_side side)
{
	const struct format_sleep *words = bell->armed[side].words;

	/* Relaxed: who put the byte in has changed the count before, and we took it out. */
	if (!words || shmq_load_relaxed_u32(&words->events) == bell->armed[side].events)
		return false;
	bell->armed[side].words = NULL;
	return true;
}

bool
shmqi_bell_arm(struct shmqi_bell *bell, const struct shmqi_wait_ops *ops,
	       const struct shmqi_wait *wait, enum shmqi_bell_side side)
{
	int64_t slice = SHMQI_SLICE_NS;

	if (!bell->entry)
		return arm_deaf(bell, ops, wait);
	if (!shmqi_os_fd_is(bell->fifo, bell->fifo_is))
		return false; /* the program has closed it */
	/* WAKE, acquire: news before this count is seen below; what comes after changes it. */
	bell->armed[side].events = shmq_load_acquire_u32(&wait->words->events);
	bell->armed[side].words = wait->words;
	shmqi_fifo_empty(bell->fifo);
	arm(bell, wait->words, side);
	/* SLEEP, fence: our ticket before our look, and, by membarrier, their publication before
	 * theirs. */
	shmq_fence_seq_cst();
	if (ops->barrier() != 0)
		slice = SHMQI_SLICE_UNFENCED_NS;
	if (wait->ready(wait->arg) || rang(bell, BELL_SENDERS) || rang(bell, BELL_RECEIVERS))
		shmqi_fifo_ring(bell->fifo);
	return start_slice(bell, ops->now_ns(), slice);
}

void
shmqi_bell_clear(struct format_participant *entry, const uint8_t uuid[16])
{
	/* Relaxed: who takes the entry is its only writer now. */
	uint64_t nonce = shmq_load_relaxed_u64(&entry->bell);

	if (nonce == 0)
		return;
	shmq_store_relaxed_u64(&entry->bell, 0);
	shmqi_fifo_unlink(uuid, nonce);
}
