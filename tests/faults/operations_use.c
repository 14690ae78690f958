/* SPDX-License-Identifier: MIT */
/* To look, to control, to wait, and to wake. */
#include "operations.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "support/process.h"

#define SHORT_NS 3000000

/* Looking ------------------------------------------------------------------------------------ */

static struct shmq_stat seen;

static int
stat_it(struct trial *t)
{
	seen = (struct shmq_stat){.size = sizeof(seen)};
	return shmq_stat(t->place.attach, &seen);
}

static int
qstat_it(struct trial *t)
{
	seen = (struct shmq_stat){.size = sizeof(seen)};
	return shmq_qstat(t->q, &seen);
}

static void
stat_is_right(struct trial *t)
{
	SAME(t->operation->object == CROWD ? SHMQ_MPMC : SHMQ_SPSC, seen.kind);
	SAME(OPERATION_CAPACITY, seen.capacity);
	SAME(64, seen.msg_max);
}

static int
note_participant(const struct shmq_participant *row, void *arg)
{
	*(unsigned *)arg += row->pid == getpid() && row->alive == 1;
	return 0;
}

static unsigned found;

static int
participants(struct trial *t)
{
	found = 0;
	return shmq_participants(t->place.attach, note_participant, &found);
}

static void
found_one(struct trial *t)
{
	(void)t;
	SAME(1, found);
}

static int
note_address(const struct shmq_stat *st, void *arg)
{
	found += strcmp(st->address, arg) == 0 && st->kind == SHMQ_SPSC;
	return 0;
}

static int
list(struct trial *t)
{
	found = 0;
	return shmq_list(note_address, t->place.attach);
}

static int
gc(struct trial *t)
{
	(void)t;
	return shmq_gc(0, NULL, NULL);
}

/* Lifecycle ---------------------------------------------------------------------------------- */

static int
set(struct trial *t)
{
	const struct shmq_perm perm = {
		.size = sizeof(perm), .uid = (uid_t)-1, .gid = (gid_t)-1, .mode = 0640};

	return shmq_set(t->place.attach, &perm);
}

static void
mode_is_set(struct trial *t)
{
	SAME(0640, place_stat(&t->place).mode & 0777);
}

static void
set_back(struct trial *t)
{
	const struct shmq_perm perm = {
		.size = sizeof(perm), .uid = (uid_t)-1, .gid = (gid_t)-1, .mode = 0600};

	SAME(0, shmq_set(t->place.attach, &perm));
}

static int
lock(struct trial *t)
{
	return shmq_lock(t->place.attach);
}

static int
unlock(struct trial *t)
{
	return shmq_unlock(t->place.attach);
}

static void
is_locked(struct trial *t)
{
	MUST(place_stat(&t->place).mode & SHMQ_LOCKED);
}

static void
is_unlocked(struct trial *t)
{
	MUST(!(place_stat(&t->place).mode & SHMQ_LOCKED));
}

static void
unlock_it(struct trial *t)
{
	SAME(0, unlock(t));
}

static int
removal(struct trial *t)
{
	return shmq_remove(t->place.attach);
}

static void
is_gone(struct trial *t)
{
	struct shmq *q = NULL;

	SAME(-ENOENT, shmq_attach(&q, t->place.attach, SHMQ_OBSERVER));
}

static void
make_again(struct trial *t)
{
	SAME(0, shmq_create(t->place.create, &operation_spsc));
}

/* Waiting and waking ------------------------------------------------------------------------- */

static int
receive_nothing(struct trial *t)
{
	char byte;
	ssize_t got = shmq_recv(t->q, &byte, 1, SHORT_NS);

	return got == -ETIMEDOUT ? 0 : (int)got;
}

static void
ready_full(struct trial *t)
{
	operation_attach(t);
	for (int i = 0; i < OPERATION_CAPACITY; i++)
		SAME(0, shmq_send(t->q, "x", 1, 0));
}

static int
send_too_much(struct trial *t)
{
	int err = shmq_send(t->q, "y", 1, SHORT_NS);

	return err == -ETIMEDOUT ? 0 : err;
}

static void
still_full(struct trial *t)
{
	SAME(-EAGAIN, shmq_send(t->q, "y", 1, 0));
	SAME(OPERATION_CAPACITY, place_stat(&t->place).depth);
}

static int
get_fd(struct trial *t)
{
	int fd = shmq_fd(t->q);

	return fd < 0 ? fd : 0;
}

static void
reattach(struct trial *t)
{
	operation_detach(t);
	operation_attach(t);
}

/* An armed peer: a send rings its bell, which is opened then. */
static void
ready_armed(struct trial *t)
{
	char byte;

	SAME(0, shmq_attach(&t->q, t->place.attach, SHMQ_PRODUCER));
	SAME(0, shmq_attach(&t->peer, t->place.attach, SHMQ_CONSUMER));
	MUST(shmq_fd(t->peer) >= 0);
	SAME(-EAGAIN, shmq_recv(t->peer, &byte, 1, 0));
}

static int
send_and_ring(struct trial *t)
{
	return shmq_send(t->q, "x", 1, 0);
}

static void
receive_rung(struct trial *t)
{
	char byte;

	SAME(1, shmq_recv(t->peer, &byte, 1, 0));
}

static void
detach_two(struct trial *t)
{
	operation_detach(t);
	SAME(0, shmq_detach(t->peer));
	ready_armed(t);
}

/* The table ---------------------------------------------------------------------------------- */

const struct operation operations_use[] = {
	{"stat", ON_ALL, QUEUE, 0, NULL, stat_it, stat_is_right, NULL, LOOK_ERRORS},
	{"stat_mpmc", ON_ALL, CROWD, 0, NULL, stat_it, stat_is_right, NULL, LOOK_ERRORS},
	{"qstat", ON_ALL, QUEUE, 0, operation_attach, qstat_it, stat_is_right, NULL, NO_ERRORS},
	{"participants", ON_ALL, QUEUE, 0, operation_attach, participants, found_one, NULL,
	 ATTACH_ERRORS},
	{"list", ON(ON_SHM) | ON(ON_SYSV), QUEUE, 0, NULL, list, found_one, NULL, LOOK_ERRORS},
	{"gc", ON_NAMED, QUEUE, 0, NULL, gc, NULL, NULL, LOOK_ERRORS},
	{"set", ON_ALL, QUEUE, 0, NULL, set, mode_is_set, set_back, CREATE_ERRORS},
	{"lock", ON_ALL, QUEUE, 0, operation_attach, lock, is_locked, unlock_it, LOOK_ERRORS},
	{"unlock", ON_ALL, QUEUE, 0, operation_attach, unlock, is_unlocked, NULL, LOOK_ERRORS},
	{"remove", ON_NAMED, QUEUE, ONCE, NULL, removal, is_gone, make_again, LOOK_ERRORS},
	{"recv_waiting", ON_ALL, QUEUE, 0, operation_attach, receive_nothing,
	 operation_use_attached, NULL, WAIT_ERRORS},
	{"recv_waiting_mpmc", ON_ALL, CROWD, 0, operation_attach, receive_nothing,
	 operation_use_attached, NULL, WAIT_ERRORS},
	{"send_waiting", ON_ALL, QUEUE, 0, ready_full, send_too_much, still_full, NULL,
	 WAIT_ERRORS},
	{"fd", ON_ALL, QUEUE, 0, operation_attach, get_fd, operation_use_attached, reattach,
	 CREATE_ERRORS},
	{"ring", ON_ALL, QUEUE, 0, ready_armed, send_and_ring, receive_rung, detach_two, NO_ERRORS},
	{0},
};
