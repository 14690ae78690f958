/* SPDX-License-Identifier: MIT */
/* SPSC queues, and what every kind whose writer has a lane shares with them. */
#include "queue.h"

#include <errno.h>

static bool
records(const struct shmq *q)
{
	return q->seg->g.flags & SHMQ_RECORDS;
}

struct shmqi_lane_place
shmqi_lane_place(const struct shmq *q, unsigned i)
{
	const struct shmqi_geometry *g = &q->seg->g;
	struct shmqi_lane_place place = {
		.bytes = (unsigned char *)q->seg->object + g->data_offset + i * g->lane_bytes,
		.writer = &q->control->writer,
		.head = &q->control->progress.head,
		.received = &q->control->progress.received,
	};

	if (g->kind == SHMQ_MPSC) {
		struct format_lane *lane = &format_lanes(q->seg->object, g)[i];

		place.writer = &lane->writer;
		place.head = &lane->reader.head;
		place.received = &lane->reader.received;
	}
	return place;
}

void
shmqi_lane_open_slots(struct shmq_spsc *ring, const struct shmqi_geometry *g, unsigned char *bytes,
		      uint64_t *shared_head)
{
	ring->slots = bytes;
	ring->mask = g->slots - 1;
	ring->slot_bytes = g->slot_bytes;
	ring->capacity = g->capacity;
	ring->msg_max = g->msg_max;
	ring->shared_head = shared_head;
	/* RECYCLE, acquire: what the last consumer had released; nobody else writes it if we are
	 * the consumer. */
	ring->head = shmq_load_acquire_u64(shared_head);
	ring->tail = shmq_spsc_find_tail(ring, ring->head);
	ring->seen = ring->head;
}

int
shmqi_lane_open_records(struct shmqi_records *r, const struct shmqi_lane_place *place,
			const struct shmqi_geometry *g, bool writer)
{
	*r = (struct shmqi_records){
		.bytes = place->bytes,
		.capacity = g->capacity,
		.msg_max = g->msg_max,
		.shared_tail = &place->writer->tail,
		.shared_sent = &place->writer->sent,
		.shared_head = place->head,
		.shared_received = place->received,
	};
	return writer ? shmqi_records_open_writer(r) : shmqi_records_open_reader(r);
}

void
shmqi_lane_commit(struct shmq *q, size_t len)
{
	shmqi_lane_publish(&q->send, len);
}

int
shmqi_lane_send(struct shmq *q, const void *msg, size_t len)
{
	unsigned char *bytes = NULL;
	int err = q->kind->claim(q, len, &bytes);

	if (err)
		return err;
	/* A reader that is being ejected may read here still, and will find that it was. */
	if (unlikely(q->seg->g.slow_limit))
		shmqi_copy_in(bytes, msg, len);
	else
		shmq_copy(bytes, msg, len);
	q->kind->commit(q, len);
	return 0;
}

int64_t
shmqi_lane_peek(struct shmq *q, unsigned char **bytes)
{
	int64_t len = shmqi_lane_look(&q->recv, bytes);

	if (len == -EAGAIN)
		shmq_spsc_back_off();
	return len;
}

int64_t
shmqi_lane_recv(struct shmq *q, void *buf, size_t size)
{
	unsigned char *bytes = NULL;
	int64_t len = shmqi_lane_peek(q, &bytes);

	if (len < 0)
		return len;
	if ((uint64_t)len > size)
		return -EMSGSIZE;
	shmq_copy(buf, bytes, (size_t)len);
	shmqi_lane_next(&q->recv);
	return len;
}

void
shmqi_lane_release(struct shmq *q)
{
	shmqi_lane_next(&q->recv);
}

void
shmqi_lane_settled(struct shmq *q)
{
	shmqi_lane_settle(&q->recv);
}

static int
spsc_open(struct shmq *q)
{
	struct shmqi_lane_place place = shmqi_lane_place(q, 0);
	int err = 0;

	if (!records(q)) {
		shmqi_lane_open_slots(&q->hot.ring, &q->seg->g, place.bytes, place.head);
		q->send.slots = q->recv.slots = &q->hot.ring;
		return 0;
	}
	q->send.records = &q->records_out;
	q->recv.records = &q->records_in;
	if (q->roles & SHMQ_PRODUCER)
		err = shmqi_lane_open_records(&q->records_out, &place, &q->seg->g, true);
	if (err == 0 && (q->roles & SHMQ_CONSUMER))
		err = shmqi_lane_open_records(&q->records_in, &place, &q->seg->g, false);
	return err;
}

static int
spsc_claim(struct shmq *q, size_t len, unsigned char **bytes)
{
	return shmqi_lane_claim(&q->send, len, bytes);
}

static bool
spsc_writable(struct shmq *q)
{
	return shmqi_lane_writable(&q->send);
}

bool
shmqi_lane_has_message(struct shmq *q)
{
	return shmqi_lane_readable(&q->recv);
}

const struct shmqi_kind shmqi_kind_spsc = {
	.open = spsc_open,
	.claim = spsc_claim,
	.commit = shmqi_lane_commit,
	.send = shmqi_lane_send,
	.writable = spsc_writable,
	.recv = shmqi_lane_recv,
	.peek = shmqi_lane_peek,
	.release = shmqi_lane_release,
	.settle = shmqi_lane_settled,
	.readable = shmqi_lane_has_message,
	.batch = true,
};
