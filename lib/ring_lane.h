/* SPDX-License-Identifier: MIT */
/*
 * A lane: one writer's ring as the queue layer drives it, of slots (<shmq/ring_spsc.h>) or of
 * records (ring_records.h). All that is to be known of either is said there; here only one of the
 * two is picked.
 */
#ifndef SHMQ_RING_LANE_H
#define SHMQ_RING_LANE_H

#include "ring_records.h"

#include <shmq/ring_spsc.h>

/* One of them is NULL. */
struct shmqi_lane {
	struct shmq_spsc *slots;
	struct shmqi_records *records;
};

/* Room for a message of `length`. 0, -EAGAIN, -EBADMSG. */
SHMQ_INLINE int
shmqi_lane_claim(const struct shmqi_lane *lane, size_t length, unsigned char **bytes)
{
	struct shmq_slot *slot = NULL;
	int err;

	if (lane->records)
		return shmqi_records_claim(lane->records, length, bytes);
	err = shmq_spsc_claim(lane->slots, &slot);
	if (err == 0)
		*bytes = shmq_spsc_bytes(slot);
	return err;
}

/* The same, by what was seen of the reader before: 0 or -EAGAIN. */
SHMQ_INLINE int
shmqi_lane_claim_seen(const struct shmqi_lane *lane, size_t length, unsigned char **bytes)
{
	if (lane->records)
		return shmqi_records_claim_seen(lane->records, length, bytes);
	if (shmq_spsc_looks_full(lane->slots))
		return -EAGAIN;
	*bytes = shmq_spsc_bytes(shmq_spsc_slot(lane->slots, lane->slots->tail));
	return 0;
}

/* Publish the room claimed last, which holds `length` bytes now. */
SHMQ_INLINE void
shmqi_lane_publish(const struct shmqi_lane *lane, size_t length)
{
	struct shmq_spsc *ring = lane->slots;

	if (lane->records)
		shmqi_records_publish(lane->records, length);
	else
		shmq_spsc_publish(ring, shmq_spsc_slot(ring, ring->tail), ring->tail, length);
}

/* The next message. Its length, -EAGAIN, -EBADMSG. */
SHMQ_INLINE int64_t
shmqi_lane_look(const struct shmqi_lane *lane, unsigned char **bytes)
{
	struct shmq_slot *slot = NULL;
	int64_t length;

	if (lane->records)
		return shmqi_records_look(lane->records, bytes);
	length = shmq_spsc_look(lane->slots, lane->slots->head, &slot);
	if (length >= 0)
		*bytes = shmq_spsc_bytes(slot);
	return length;
}

/* Step over the message looked at; shmqi_lane_settle() lets go of what was stepped over. */
SHMQ_INLINE void
shmqi_lane_next(const struct shmqi_lane *lane)
{
	if (lane->records)
		shmqi_records_next(lane->records);
	else
		lane->slots->head++;
}

SHMQ_INLINE void
shmqi_lane_settle(const struct shmqi_lane *lane)
{
	if (lane->records)
		shmqi_records_settle(lane->records);
	else
		shmq_spsc_release(lane->slots, lane->slots->head);
}

SHMQ_INLINE bool
shmqi_lane_readable(const struct shmqi_lane *lane)
{
	return lane->records ? shmqi_records_readable(lane->records)
			     : shmq_spsc_readable(lane->slots);
}

SHMQ_INLINE bool
shmqi_lane_writable(const struct shmqi_lane *lane)
{
	return lane->records ? shmqi_records_writable(lane->records)
			     : shmq_spsc_writable(lane->slots);
}

#endif
