/* SPDX-License-Identifier: MIT */
/* Attach, open, detach. */
#include "queue.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

#define ROLES (SHMQ_PRODUCER | SHMQ_CONSUMER | SHMQ_OBSERVER)
#define ATTACH_FLAGS (ROLES | SHMQ_HANGUP | SHMQ_LOCK | SHMQ_POPULATE | SHMQ_OLDEST)
#define CREATION_WAIT_MS 1000

static int
check_role(unsigned role)
{
	unsigned roles = role & ROLES;

	if ((role & ~ATTACH_FLAGS) || roles == 0)
		return -EINVAL;
	if ((role & SHMQ_OBSERVER) && (roles != SHMQ_OBSERVER || (role & SHMQ_HANGUP)))
		return -EINVAL;
	return role & SHMQ_OLDEST ? -ENOTSUP : 0;
}

static int
take_observer(struct shmq_seg *seg, int fd, void *arg)
{
	(void)seg;
	(void)arg;
	return shmqi_lock_anonymous(fd);
}

static size_t
handle_bytes(void)
{
	return shmqi_round_up(sizeof(struct shmq), shmqi_os_page_size());
}

static struct shmq *
new_handle(void)
{
	void *pages = mmap(NULL, handle_bytes(), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	if (madvise(pages, handle_bytes(), MADV_WIPEONFORK) != 0) {
		munmap(pages, handle_bytes());
		return NULL;
	}
	return pages;
}

/* Wait a little for a creator at work; sysv: only, elsewhere a name is a complete queue. */
static int
attach_segment(struct shmq *q, const struct shmqi_address *a, const struct shmqi_attach_how *how)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int err = -EAGAIN;

	for (int ms = 0; err == -EAGAIN && ms < CREATION_WAIT_MS; ms++) {
		err = shmqi_seg_attach(&q->seg, a, how);
		if (err == -EAGAIN)
			nanosleep(&pause, NULL);
	}
	return err;
}

/* The ends of the ring, where the last holders left them. */
static void
open_ring(struct shmq *q)
{
	const struct shmqi_geometry *g = &q->seg->g;
	struct format_lifecycle *life = format_lifecycle(q->seg->object);
	struct shmq_spsc *ring = &q->hot.ring;

	ring->slots = (unsigned char *)q->seg->object + g->data_offset;
	ring->mask = g->slots - 1;
	ring->slot_bytes = g->slot_bytes;
	ring->capacity = g->capacity;
	ring->msg_max = g->msg_max;
	ring->shared_head = &q->control->progress.head;
	q->hot.removed = &life->removed;
	q->hot.receivers_asleep = &q->control->receivers.asleep;
	q->hot.senders_asleep = &q->control->senders.asleep;
	/* RECYCLE, acquire: what the last consumer had released; nobody else writes it if we are
	 * the consumer. */
	ring->head = shmq_load_acquire_u64(ring->shared_head);
	ring->tail = shmq_spsc_find_tail(ring, ring->head);
	ring->seen = ring->drained = ring->head;
	q->attached_head = ring->head;
}

static int
claim_roles(struct shmq *q)
{
	int err = 0;

	if (q->roles & SHMQ_PRODUCER)
		err = shmqi_role_claim(&q->control->producer.holder, q->seg, q->index);
	if (err == 0 && (q->roles & SHMQ_CONSUMER)) {
		err = shmqi_role_claim(&q->control->consumer.holder, q->seg, q->index);
		if (err && (q->roles & SHMQ_PRODUCER))
			shmqi_role_undo(&q->control->producer.holder, q->index);
	}
	return err;
}

/* What a dead holder of our roles left asleep, nobody else may clear. Relaxed: the ticket is ours
 * now. */
static void
clear_sleep(struct shmq *q)
{
	if (q->roles & SHMQ_PRODUCER)
		shmq_store_relaxed_u32(&q->control->senders.asleep, 0);
	if (q->roles & SHMQ_CONSUMER)
		shmq_store_relaxed_u32(&q->control->receivers.asleep, 0);
}

/* Whose coming and going is no news to us: a producer that a consumer has seen end, consumers that
 * left before we came. */
static void
remember_peers(struct shmq *q)
{
	uint64_t generation;
	bool vacant =
		shmqi_role_vacant(&q->control->consumer.holder, q->seg->spare, true, &generation);

	q->consumers_known = vacant ? generation : generation - 1;
	/* Relaxed: written by consumers only, in turn. */
	q->producers_known = shmq_load_relaxed_u64(&q->control->progress.ended);
}

static void
open_handle(struct shmq *q)
{
	open_ring(q);
	clear_sleep(q);
	remember_peers(q);
	q->wait = shmqi_wait_real();
	q->fenced = shmqi_os_barrier_register() != 0;
	q->alive = QUEUE_ALIVE;
	q->hot.can = (q->roles & SHMQ_PRODUCER ? SHMQ_CAN_SEND : 0) |
		     (q->roles & SHMQ_CONSUMER ? SHMQ_CAN_RECV : 0);
	if (q->fenced || (q->roles & SHMQ_HANGUP))
		q->hot.can |= SHMQ_CAN_SLOWLY;
}

static int
same_geometry(const struct shmqi_geometry *g, const struct shmq_opts *opts)
{
	if (!opts)
		return 0;
	if (g->kind != opts->kind || g->msg_max != opts->msg_max ||
	    (opts->capacity && g->capacity != opts->capacity))
		return -EINVAL;
	return 0;
}

/* Attach the segment, and settle in it; on an error nothing is left but the handle's pages. */
static int
attach(struct shmq *q, const struct shmqi_address *a, const struct shmq_opts *opts, unsigned role)
{
	struct shmqi_join join = {.roles = role & ROLES, .index = PEER_NONE};
	struct shmqi_attach_how how = {
		.flags = role & (SHMQ_LOCK | SHMQ_POPULATE),
		.queue = true,
		.observer = role & SHMQ_OBSERVER,
		.take = role & SHMQ_OBSERVER ? take_observer : shmqi_peer_join,
		.arg = &join,
	};
	int err = attach_segment(q, a, &how);

	if (err)
		return err;
	q->roles = role & (ROLES | SHMQ_HANGUP);
	q->index = join.index;
	q->control = (struct format_spsc *)(void *)((unsigned char *)q->seg->object +
						    q->seg->g.control_offset);
	err = same_geometry(&q->seg->g, opts);
	if (err == 0 && q->seg->locked)
		err = shmqi_os_lock_memory(q, handle_bytes());
	if (err == 0)
		err = claim_roles(q);
	if (err) {
		if (q->index != PEER_NONE)
			shmqi_peer_leave(q->seg, q->index);
		shmqi_seg_release(q->seg, false);
		return err;
	}
	if (q->roles & SHMQ_OBSERVER)
		q->alive = QUEUE_ALIVE;
	else
		open_handle(q);
	return 0;
}

static int
attach_address(struct shmq **out, const struct shmqi_address *a, const struct shmq_opts *opts,
	       unsigned role)
{
	struct shmq *q = new_handle();
	int err;

	if (!q)
		return -ENOMEM;
	err = attach(q, a, opts, role);
	if (err) {
		munmap(q, handle_bytes());
		return err;
	}
	*out = q;
	return 0;
}

int
shmq_attach(struct shmq **out, const char *addr, unsigned role)
{
	struct shmqi_address a;
	int err = out ? check_role(role) : -EINVAL;

	if (err == 0)
		err = shmqi_address_parse(&a, addr);
	return err ? err : attach_address(out, &a, NULL, role);
}

/* Attach, or create and attach; others may create or remove in between, so a few times. */
static int
open_address(struct shmq **q, const struct shmqi_address *a, const struct shmq_opts *opts,
	     unsigned role)
{
	int err = -ENOENT;

	for (int i = 0; err == -ENOENT && i < 100; i++) {
		err = attach_address(q, a, opts, role);
		if (err != -ENOENT || a->backend == SHMQ_BACKEND_FD || a->number != ADDR_NONE)
			return err;
		err = shmq_create(a->text, opts);
		if (err == 0 || err == -EEXIST)
			err = attach_address(q, a, opts, role);
	}
	return err;
}

int
shmq_open(struct shmq **out, const char *addr, const struct shmq_opts *opts, unsigned role)
{
	struct shmqi_address a;
	struct shmq *q = NULL;
	ssize_t bytes = shmq_footprint(opts);
	int err = out ? check_role(role) : -EINVAL;

	if (err == 0 && bytes < 0)
		err = (int)bytes;
	if (err == 0)
		err = shmqi_address_parse(&a, addr);
	if (err == 0 && (a.backend == SHMQ_BACKEND_MEMFD ||
			 (a.backend == SHMQ_BACKEND_SYSV && !a.key && a.number == ADDR_NONE)))
		err = -EINVAL;
	if (err == 0)
		err = open_address(&q, &a, opts, role);
	if (err == 0)
		*out = q;
	return err;
}

/* Give the roles back, and let those who wait for us see it. */
static void
leave(struct shmq *q)
{
	q->hot.can = 0;
	if (q->index == PEER_NONE)
		return;
	if (q->roles & SHMQ_PRODUCER)
		shmqi_role_give_back(&q->control->producer.holder, q->index);
	if (q->roles & SHMQ_CONSUMER)
		shmqi_role_give_back(&q->control->consumer.holder, q->index);
	shmqi_wake_always(&q->control->receivers);
	shmqi_wake_always(&q->control->senders);
	shmqi_peer_leave(q->seg, q->index);
}

int
shmq_detach(struct shmq *q)
{
	if (!q)
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	leave(q);
	shmqi_seg_release(q->seg, false);
	munmap(q, handle_bytes());
	return 0;
}
