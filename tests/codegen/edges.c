/* SPDX-License-Identifier: MIT */
/*
 * Small functions around the edges of the hot paths, to be compiled and looked at (check.py): first
 * every ordered operation of <shmq/atomic.h>, alone, then the rings' own sites, then send and
 * receive as a program has them inlined.
 */
#include <shmq/inline.h>

#include "ring_lossy.h"
#include "ring_lossy_records.h"
#include "ring_mpmc.h"
#include "ring_records.h"

/* Operations --------------------------------------------------------------------------------- */

uint64_t
load_relaxed(const uint64_t *p)
{
	return shmq_load_relaxed_u64(p);
}

uint64_t
load_acquire(const uint64_t *p)
{
	return shmq_load_acquire_u64(p);
}

void
store_relaxed(uint64_t *p, uint64_t value)
{
	shmq_store_relaxed_u64(p, value);
}

void
store_release(uint64_t *p, uint64_t value)
{
	shmq_store_release_u64(p, value);
}

uint32_t
add_release_u32(uint32_t *p)
{
	return shmq_add_release_u32(p, 1);
}

uint64_t
add_release(uint64_t *p)
{
	return shmq_add_release_u64(p, 1);
}

void
add_relaxed(uint64_t *p)
{
	(void)shmq_add_relaxed_u64(p, 1);
}

void
or_release(uint64_t *p, uint64_t bits)
{
	(void)shmq_or_release_u64(p, bits);
}

void
and_acquire(uint64_t *p, uint64_t bits)
{
	(void)shmq_and_acquire_u64(p, bits);
}

bool
cas_acq_rel(uint64_t *p, uint64_t *seen, uint64_t value)
{
	return shmq_cas_acq_rel_u64(p, seen, value);
}

bool
cas_release(uint64_t *p, uint64_t *seen, uint64_t value)
{
	return shmq_cas_release_u64(p, seen, value);
}

bool
cas_relaxed(uint64_t *p, uint64_t *seen, uint64_t value)
{
	return shmq_cas_relaxed_u64(p, seen, value);
}

void
fence_acquire(void)
{
	shmq_fence_acquire();
}

void
fence_release(void)
{
	shmq_fence_release();
}

void
fence_seq_cst(void)
{
	shmq_fence_seq_cst();
}

void
fence_compiler(void)
{
	shmq_fence_compiler();
}

/* Slots -------------------------------------------------------------------------------------- */

void
spsc_publish(struct shmq_spsc *ring, struct shmq_slot *slot, uint64_t at, size_t length)
{
	shmq_spsc_publish(ring, slot, at, length);
}

int64_t
spsc_look(const struct shmq_spsc *ring, uint64_t at, struct shmq_slot **out)
{
	return shmq_spsc_look(ring, at, out);
}

void
spsc_release(struct shmq_spsc *ring, uint64_t head)
{
	shmq_spsc_release(ring, head);
}

int
spsc_refresh(struct shmq_spsc *ring)
{
	return shmq_spsc_refresh(ring);
}

bool
asleep(const uint32_t *tickets)
{
	return shmq_hot_asleep(tickets);
}

/* Records ------------------------------------------------------------------------------------ */

void
records_publish(struct shmqi_records *ring, size_t length)
{
	shmqi_records_publish(ring, length);
}

int64_t
records_look(struct shmqi_records *ring, unsigned char **bytes)
{
	return shmqi_records_look(ring, bytes);
}

int
records_refresh(struct shmqi_records *ring)
{
	return shmqi_records_refresh(ring);
}

/* Lossy -------------------------------------------------------------------------------------- */

unsigned char *
lossy_begin(struct shmqi_lossy *ring)
{
	return shmqi_lossy_begin(ring);
}

void
lossy_publish(struct shmqi_lossy *ring, size_t length)
{
	shmqi_lossy_publish(ring, length);
}

int64_t
lossy_read(const struct shmqi_lossy *ring, uint64_t at, void *buf, size_t size)
{
	return lossy_word(ring, at) == lossy_there(at) ? lossy_copy(ring, at, buf, size) : -EAGAIN;
}

bool
lossy_gone(const struct shmqi_lossy_records *ring, uint64_t at)
{
	return lossy_records_gone(ring, at);
}

/* MPMC --------------------------------------------------------------------------------------- */

bool
mpmc_claim(struct shmqi_mpmc *ring, uint64_t word, struct shmqi_mpmc_place *place)
{
	return mpmc_try_claim(ring, word, place);
}

void
mpmc_commit(struct shmqi_mpmc *ring, struct shmqi_mpmc_place *place, size_t length)
{
	shmqi_mpmc_commit(ring, place, length);
}

uint64_t
mpmc_look(const struct shmqi_mpmc_slot *slot)
{
	return mpmc_load(slot);
}

bool
mpmc_still(const struct shmqi_mpmc_slot *slot, uint64_t word)
{
	return mpmc_unchanged(slot, word);
}

bool
mpmc_any_orphans(const struct shmqi_mpmc *ring)
{
	return mpmc_orphans(ring);
}

/* Inlined send and receive -------------------------------------------------------------------- */

int
port_send(struct shmq_port *port, const uint64_t *msg)
{
	return shmq_port_send(port, msg, sizeof(*msg));
}

int
port_send_any(struct shmq_port *port, const void *msg, size_t length)
{
	return shmq_port_send(port, msg, length);
}

ssize_t
port_recv(struct shmq_port *port, uint64_t *msg)
{
	return shmq_port_recv(port, msg, sizeof(*msg));
}

ssize_t
port_recv_any(struct shmq_port *port, void *buf, size_t size)
{
	return shmq_port_recv(port, buf, size);
}
