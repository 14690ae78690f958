/* SPDX-License-Identifier: MIT */
/* Attach, open, detach. */
#include "queue.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#define ROLES (SHMQ_PRODUCER | SHMQ_CONSUMER | SHMQ_OBSERVER)
#define ATTACH_FLAGS (ROLES | SHMQ_HANGUP | SHMQ_LOCK | SHMQ_POPULATE | SHMQ_OLDEST)
#define KIND_FLAGS (SHMQ_LOSSY | SHMQ_RECORDS | SHMQ_REDELIVER) /* what the queue is */
#define CREATION_WAIT_MS 1000

static int
check_role(unsigned role)
{
	unsigned roles = role & ROLES;

	if ((role & ~ATTACH_FLAGS) || roles == 0)
		return -EINVAL;
	if ((role & SHMQ_OBSERVER) && (roles != SHMQ_OBSERVER || (role & SHMQ_HANGUP)))
		return -EINVAL;
	return 0;
}

/* What this kind does not have, once that is known. */
static int
check_kind(const struct shmqi_geometry *g, unsigned role)
{
	/* Its consumers leave no trace: nobody can tell that they are gone. */
	if ((role & SHMQ_HANGUP) && (role & SHMQ_PRODUCER) && shmqi_format_read_only(g))
		return -ENOTSUP;
	if ((role & SHMQ_OLDEST) && g->kind != SHMQ_BROADCAST && !(role & SHMQ_OBSERVER))
		return -ENOTSUP;
	return 0;
}

/* The lock of a reader that cannot write an entry, or an entry. */
static int
take_place(struct shmq_seg *seg, int fd, void *arg)
{
	struct shmqi_join *join = arg;

	if (seg->read_only)
		return shmqi_lock_anonymous(fd);
	join->sweep = shmqi_kind_of(&seg->g)->sweep;
	return shmqi_peer_join(seg, fd, join);
}

size_t
shmqi_queue_handle_bytes(void)
{
	return shmqi_round_up(sizeof(struct shmq), shmqi_os_page_size());
}

static void *
new_pages(size_t bytes)
{
	void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return NULL;
	if (madvise(pages, bytes, MADV_WIPEONFORK) != 0) {
		munmap(pages, bytes);
		return NULL;
	}
	return pages;
}

static struct shmq *
new_handle(void)
{
	struct shmq *q = new_pages(shmqi_queue_handle_bytes());

	if (!q)
		return NULL;
	q->bells = calloc(1, sizeof(*q->bells));
	if (q->bells)
		return q;
	munmap(q, shmqi_queue_handle_bytes());
	return NULL;
}

static void
free_handle(struct shmq *q)
{
	free(q->bells);
	munmap(q, shmqi_queue_handle_bytes());
}

void *
shmqi_queue_pages(const struct shmq *q, size_t bytes)
{
	void *pages = new_pages(bytes);

	if (pages && q->seg->locked && shmqi_os_lock_memory(pages, bytes) != 0) {
		munmap(pages, bytes);
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

/* What the calls of every kind need. */
static void
open_hot(struct shmq *q)
{
	const struct shmqi_geometry *g = &q->seg->g;

	q->hot.ring.msg_max = g->msg_max;
	q->hot.removed = &format_lifecycle(q->seg->object)->removed;
	q->hot.receivers = &q->control->receivers.ticket;
	q->hot.senders = &q->control->senders.ticket;
}

static int
claim_role(struct shmq *q, unsigned role)
{
	uint64_t *word = shmqi_role_word(q->seg->object, &q->seg->g, role);

	if (!(q->roles & role))
		return 0;
	if (shmqi_role_single(&q->seg->g, role))
		return shmqi_role_claim(word, q->seg, q->index);
	shmqi_role_arrive(word);
	return 0;
}

/* Take the roles; who fails later gives them back with its entry. */
static int
claim_roles(struct shmq *q)
{
	unsigned roles = q->roles & (SHMQ_PRODUCER | SHMQ_CONSUMER);
	uint64_t *producer = shmqi_role_word(q->seg->object, &q->seg->g, SHMQ_PRODUCER);
	int err;

	if (q->index == PEER_NONE)
		return 0;
	shmqi_peer_show(q->seg, q->index, PEER_COMING(roles));
	err = claim_role(q, SHMQ_PRODUCER);
	if (err)
		return err;
	err = claim_role(q, SHMQ_CONSUMER);
	if (err) {
		if (shmqi_role_single(&q->seg->g, SHMQ_PRODUCER))
			shmqi_role_undo(producer, q->index);
		else if (q->roles & SHMQ_PRODUCER)
			shmqi_role_depart(producer);
	}
	return err;
}

/*
 * Whose coming and going is no news to us: producers that a consumer has seen end, consumers that
 * left before we came. Where every reader sees the end for itself, those that are gone are no news
 * to one that finds nothing to read.
 */
static void
remember_peers(struct shmq *q)
{
	const void *object = q->seg->object;
	const struct shmqi_geometry *g = &q->seg->g;
	uint64_t generation;
	bool vacant = shmqi_role_vacant(object, g, SHMQ_CONSUMER, q->seg->spare, &generation);

	q->consumers_known = vacant ? generation : generation - 1;
	/* Relaxed: written by consumers only. */
	q->producers_known = shmq_load_relaxed_u64(&q->control->progress.ended);
	if (!(q->roles & SHMQ_CONSUMER) || (g->kind != SHMQ_BROADCAST && g->kind != SHMQ_LATEST))
		return;
	vacant = shmqi_role_vacant(object, g, SHMQ_PRODUCER, q->seg->spare, &generation);
	q->producers_known = vacant && !q->kind->readable(q) ? generation : 0;
}

/* Whether the ring in `hot` is all that sending and receiving is about. */
static bool
fast(const struct shmq *q)
{
	const struct shmqi_geometry *g = &q->seg->g;
	bool lane = g->kind == SHMQ_SPSC || (g->kind == SHMQ_BROADCAST && !(g->flags & SHMQ_LOSSY));

	return lane && !(g->flags & SHMQ_RECORDS) && !g->slow_limit && !q->fenced &&
	       !(q->roles & (SHMQ_HANGUP | SHMQ_OBSERVER));
}

static int
open_handle(struct shmq *q)
{
	struct format_participant *entry;
	int err;

	open_hot(q);
	shmqi_queue_ringer(&q->bells->ringer, q->seg->object, &q->seg->g, q->seg->header.uuid);
	q->wait = shmqi_wait_real();
	q->fenced = shmqi_os_barrier_register() != 0;
	err = q->kind->open(q);
	if (err)
		return err;
	q->attached_head = q->recv.records ? q->recv.records->received : q->hot.ring.head;
	if (q->roles & (SHMQ_PRODUCER | SHMQ_CONSUMER))
		remember_peers(q);
	if (q->index != PEER_NONE) {
		entry = &format_participants(q->seg->object)[q->index];
		/* Relaxed: a diagnosis. */
		shmq_store_relaxed_u64(&entry->base, shmqi_queue_count(q));
		/* Who sees the role may count on us: a reader has its place by now. */
		shmqi_peer_show(q->seg, q->index, q->roles & (SHMQ_PRODUCER | SHMQ_CONSUMER));
	}
	q->alive = QUEUE_ALIVE;
	q->hot.can = ((q->roles & SHMQ_PRODUCER) ? SHMQ_CAN_SEND : 0) |
		     ((q->roles & (SHMQ_CONSUMER | SHMQ_OBSERVER)) ? SHMQ_CAN_RECV : 0) |
		     (fast(q) ? 0 : SHMQ_CAN_SLOWLY);
	return 0;
}

static int
same_geometry(const struct shmqi_geometry *g, const struct shmq_opts *opts)
{
	if (!opts)
		return 0;
	if (g->kind != opts->kind || g->msg_max != opts->msg_max ||
	    (opts->capacity && g->capacity != opts->capacity))
		return -EINVAL;
	return ((g->flags ^ opts->flags) & KIND_FLAGS) ? -EINVAL : 0;
}

static void
leave(struct shmq *q)
{
	q->hot.can = 0;
	if (q->kind && q->kind->close)
		q->kind->close(q);
	if (q->index == PEER_NONE)
		return;
	for (unsigned role = SHMQ_PRODUCER; role <= SHMQ_CONSUMER; role <<= 1) {
		if (shmqi_role_single(&q->seg->g, role))
			shmqi_role_give_back(shmqi_role_word(q->seg->object, &q->seg->g, role),
					     q->index);
	}
	shmqi_peer_leave(q->seg, q->index);
}

/* Settle in the attached segment: check, take the roles, open the ring. */
static int
settle_in(struct shmq *q, const struct shmq_opts *opts, unsigned role)
{
	int err = same_geometry(&q->seg->g, opts);

	if (err == 0)
		err = check_kind(&q->seg->g, role);
	if (err == 0 && q->seg->locked)
		err = shmqi_os_lock_memory(q, shmqi_queue_handle_bytes());
	if (err == 0)
		err = claim_roles(q);
	if (err == 0) {
		q->kind = q->roles & SHMQ_OBSERVER ? shmqi_kind_of_tap(&q->seg->g)
						   : shmqi_kind_of(&q->seg->g);
		err = open_handle(q);
		/* Shown, so that it is counted out again with its entry. */
		if (err && q->index != PEER_NONE)
			shmqi_peer_show(q->seg, q->index,
					q->roles & (SHMQ_PRODUCER | SHMQ_CONSUMER));
	}
	return err;
}

/* Attach the segment, and settle in it; on an error nothing is left but the handle's pages. */
static int
attach(struct shmq *q, const struct shmqi_address *a, const struct shmq_opts *opts, unsigned role)
{
	struct shmqi_join join = {.index = PEER_NONE};
	struct shmqi_attach_how how = {
		.bells = q->bells,
		.flags = role & (SHMQ_LOCK | SHMQ_POPULATE),
		.queue = true,
		.observer = role & SHMQ_OBSERVER,
		.reader = (role & ROLES) == SHMQ_CONSUMER,
		.take = take_place,
		.arg = &join,
	};
	int err = attach_segment(q, a, &how);

	if (err)
		return err;
	q->roles = role & (ROLES | SHMQ_HANGUP | SHMQ_OLDEST);
	q->index = join.index;
	q->control = format_control(q->seg->object, &q->seg->g);
	err = settle_in(q, opts, role);
	if (err) {
		leave(q);
		shmqi_seg_release(q->seg, false);
	}
	return err;
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
	if (err)
		free_handle(q);
	else
		*out = q;
	return err;
}

int
shmq_attach(struct shmq **out, const char *addr, unsigned role)
{
	SHMQI_NOT_CANCELLED;
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
	SHMQI_NOT_CANCELLED;
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

/* Whether what we leave behind may be news to somebody who sleeps. */
static void
leave_openly(struct shmq *q)
{
	if (q->reserved)
		(void)shmq_abort(q, &(struct iovec){.iov_base = q->reserved});
	leave(q);
	if (q->end_seen)
		shmqi_queue_note_end(q, q->end_seen);
	if (!q->seg->read_only) {
		shmqi_bell_wake_always(&q->bells->ringer, &q->control->receivers, BELL_RECEIVERS);
		shmqi_bell_wake_always(&q->bells->ringer, &q->control->senders, BELL_SENDERS);
	}
	shmqi_queue_disarm(q);
}

int
shmq_detach(struct shmq *q)
{
	SHMQI_NOT_CANCELLED;
	if (!q)
		return -EINVAL;
	if (q->alive != QUEUE_ALIVE)
		return -EBADF;
	leave_openly(q);
	shmqi_seg_release(q->seg, false);
	free_handle(q);
	return 0;
}
