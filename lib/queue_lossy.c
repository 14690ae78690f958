/* SPDX-License-Identifier: MIT */
/*
 * Lossy broadcast, of slots and of records, and the latest value: a writer that never waits, and
 * readers that only read.
 */
#include "queue.h"

#include <errno.h>

static unsigned char *
data_of(const struct shmq *q)
{
	return (unsigned char *)q->seg->object + q->seg->g.data_offset;
}

/* What a reader notes of the message that it got; `lost` since it began. */
static void
note(struct shmq *q, uint64_t sequence, uint64_t lost)
{
	q->last = (struct shmqi_last){
		.valid = true,
		.sequence = sequence,
		.lost = lost - q->lost_before,
		.sender = shmqi_queue_only_sender(q),
		.deliveries = 1,
	};
	q->lost_before = lost;
}

/* There is always room. */
static bool
always(struct shmq *q)
{
	(void)q;
	return true;
}

/* Slots -------------------------------------------------------------------------------------- */

static int
lossy_open(struct shmq *q)
{
	const struct shmqi_geometry *g = &q->seg->g;
	bool oldest = (q->roles & SHMQ_OLDEST) || g->kind == SHMQ_LATEST;

	q->lossy = (struct shmqi_lossy){
		.slots = data_of(q),
		.mask = g->slots - 1,
		.slot_bytes = g->slot_bytes,
		.capacity = g->capacity,
		.msg_max = g->msg_max,
		.shared_tail = &q->control->writer.tail,
	};
	if (q->roles & SHMQ_PRODUCER)
		shmqi_lossy_open_writer(&q->lossy);
	if (q->roles & (SHMQ_CONSUMER | SHMQ_OBSERVER))
		shmqi_lossy_open_reader(&q->lossy, oldest);
	return 0;
}

static int
lossy_claim(struct shmq *q, size_t len, unsigned char **bytes)
{
	(void)len;
	*bytes = shmqi_lossy_begin(&q->lossy);
	return 0;
}

static void
lossy_commit(struct shmq *q, size_t len)
{
	shmqi_lossy_publish(&q->lossy, len);
}

static int
lossy_send(struct shmq *q, const void *msg, size_t len)
{
	shmqi_lossy_send(&q->lossy, msg, len);
	return 0;
}

static int64_t
lossy_recv(struct shmq *q, void *buf, size_t size)
{
	int64_t len = shmqi_lossy_recv(&q->lossy, buf, size);

	if (len >= 0)
		note(q, q->lossy.sequence, q->lossy.lost);
	return len;
}

static bool
lossy_readable(struct shmq *q)
{
	return shmqi_lossy_readable(&q->lossy);
}

const struct shmqi_kind shmqi_kind_lossy = {
	.open = lossy_open,
	.claim = lossy_claim,
	.commit = lossy_commit,
	.send = lossy_send,
	.writable = always,
	.recv = lossy_recv,
	.readable = lossy_readable,
	.batch = true,
};

/* The latest value --------------------------------------------------------------------------- */

/* A value seen before is no answer to a caller that waits, or when there can be no news. */
static bool
only_news(struct shmq *q)
{
	bool probe = (q->roles & SHMQ_HANGUP) && ++q->polls % SHMQI_POLLS_PER_PROBE == 0;

	/* Relaxed: a flag that stays up. */
	if (q->waits || shmq_load_relaxed_u32(q->hot.removed))
		return true;
	return shmqi_queue_hung_up(q, SHMQ_PRODUCER, probe, NULL);
}

static int64_t
latest_recv(struct shmq *q, void *buf, size_t size)
{
	uint64_t seen = q->lossy.head;
	int64_t len = shmqi_lossy_latest(&q->lossy, buf, size, only_news(q));
	bool again = q->lossy.head == seen || !q->last.valid;

	if (len >= 0)
		note(q, q->lossy.sequence, again ? 0 : q->lossy.sequence - seen);
	q->lost_before = 0;
	return len;
}

static bool
latest_readable(struct shmq *q)
{
	return shmqi_lossy_news(&q->lossy);
}

const struct shmqi_kind shmqi_kind_latest = {
	.open = lossy_open,
	.claim = lossy_claim,
	.commit = lossy_commit,
	.send = lossy_send,
	.writable = always,
	.recv = latest_recv,
	.readable = latest_readable,
};

/* Records ------------------------------------------------------------------------------------ */

static int
records_open(struct shmq *q)
{
	const struct shmqi_geometry *g = &q->seg->g;
	struct format_writer *writer = &q->control->writer;
	int err = 0;

	q->lossy_records = (struct shmqi_lossy_records){
		.bytes = data_of(q),
		.capacity = g->capacity,
		.msg_max = g->msg_max,
		.shared_tail = &writer->tail,
		.shared_sent = &writer->sent,
		.shared_intent = &writer->intent,
		.shared_oldest = &writer->oldest,
	};
	if (q->roles & SHMQ_PRODUCER)
		err = shmqi_lossy_records_open_writer(&q->lossy_records);
	if (err == 0 && (q->roles & (SHMQ_CONSUMER | SHMQ_OBSERVER)))
		err = shmqi_lossy_records_open_reader(&q->lossy_records, q->roles & SHMQ_OLDEST);
	return err;
}

static int
records_claim(struct shmq *q, size_t len, unsigned char **bytes)
{
	*bytes = shmqi_lossy_records_begin(&q->lossy_records, len);
	return 0;
}

static void
records_commit(struct shmq *q, size_t len)
{
	shmqi_lossy_records_publish(&q->lossy_records, len);
}

static int
records_send(struct shmq *q, const void *msg, size_t len)
{
	shmqi_lossy_records_send(&q->lossy_records, msg, len);
	return 0;
}

static int64_t
records_recv(struct shmq *q, void *buf, size_t size)
{
	int64_t len = shmqi_lossy_records_recv(&q->lossy_records, buf, size);

	if (len >= 0)
		note(q, q->lossy_records.sequence, q->lossy_records.lost);
	return len;
}

static bool
records_readable(struct shmq *q)
{
	return shmqi_lossy_records_readable(&q->lossy_records);
}

const struct shmqi_kind shmqi_kind_lossy_records = {
	.open = records_open,
	.claim = records_claim,
	.commit = records_commit,
	.send = records_send,
	.writable = always,
	.recv = records_recv,
	.readable = records_readable,
	.batch = true,
};
