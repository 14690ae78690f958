// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The kernel's end of a queue: a producer of samples, or a consumer that checks them. */
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/random.h>
#include <linux/timekeeping.h>
#include <shmq/shmq.h>

#include "compat.h"
#include "memdev.h"

#define PARTICIPANTS 16
#define KERNEL 0 /* our participant */
#define GENERATION_SHIFT 16

/* So many samples one run of the timer makes at most, and messages one run of the work takes. */
#define BURST_MAX 1024
#define DRAIN_MAX 1024

/* A count that others read. */
static void
add(u64 *count, u64 more)
{
	WRITE_ONCE(*count, *count + more);
}

/* Producing -------------------- */

static void
send_sample(struct memdev *m)
{
	struct memdev_sample sample = {m->sequence++, ktime_get_ns()};
	struct shmq_slot *slot;
	int err = shmq_spsc_claim(&m->ring, &slot);

	if (err) {
		add(err == -EAGAIN ? &m->overruns : &m->errors, 1);
		return;
	}
	shmq_copy(shmq_spsc_bytes(slot), &sample, sizeof(sample));
	shmq_spsc_publish(&m->ring, slot, m->ring.tail, sizeof(sample));
	add(&m->sent, 1);
}

static enum hrtimer_restart
on_timer(struct hrtimer *timer)
{
	struct memdev *m = container_of(timer, struct memdev, timer);
	u64 due = hrtimer_forward_now(timer, m->period), now = min_t(u64, due, BURST_MAX);

	if (m->role == MEMDEV_SINK) {
		memdev_queue_kick(m);
		return HRTIMER_RESTART;
	}
	add(&m->missed, due - now);
	while (now-- > 0)
		send_sample(m);
	/* A full fence: what was published is seen by a poll() that we do not see asleep. */
	if (wq_has_sleeper(&m->wait))
		wake_up_interruptible_poll(&m->wait, EPOLLIN | EPOLLRDNORM);
	return HRTIMER_RESTART;
}

/* Consuming -------------------- */

/* A message is copied before it is looked at: who wrote it may write again. */
static void
check_message(struct memdev *m, struct shmq_slot *slot, int64_t length)
{
	struct memdev_sample sample;

	if (length != sizeof(sample)) {
		add(&m->errors, 1);
		return;
	}
	shmq_copy(&sample, shmq_spsc_bytes(slot), sizeof(sample));
	add(&m->gaps, sample.sequence != m->sequence);
	WRITE_ONCE(m->sequence, sample.sequence + 1);
}

/* One message, good or bad; false: there is none. A length that cannot be is passed over. */
static bool
take_message(struct memdev *m)
{
	struct shmq_slot *slot = NULL;
	int64_t length = shmq_spsc_look(&m->ring, m->ring.head, &slot);

	if (length == -EAGAIN)
		return false;
	if (length < 0)
		add(&m->errors, 1);
	else
		check_message(m, slot, length);
	add(&m->received, 1);
	shmq_spsc_release(&m->ring, m->ring.head + 1);
	return true;
}

static void
drain(struct work_struct *work)
{
	struct memdev *m = container_of(work, struct memdev, drain);
	unsigned int taken = 0;

	while (taken < DRAIN_MAX && take_message(m))
		taken++;
	if (taken && wq_has_sleeper(&m->wait))
		wake_up_interruptible_poll(&m->wait, EPOLLOUT | EPOLLWRNORM);
	if (taken == DRAIN_MAX)
		memdev_queue_kick(m); /* later: others work here, too */
}

void
memdev_queue_kick(struct memdev *m)
{
	if (m->role == MEMDEV_SINK)
		queue_work(compat_unbound_wq(), &m->drain);
}

/* Asking -------------------- */

bool
memdev_queue_readable(struct memdev *m)
{
	/* Relaxed: any other head than our tail is a reason to look. */
	return m->role != MEMDEV_SOURCE ||
	       shmq_load_relaxed_u64(m->ring.shared_head) != READ_ONCE(m->ring.tail);
}

/* Full is a ring whose last slot before the head comes round again is published. */
bool
memdev_queue_writable(struct memdev *m)
{
	struct shmq_slot *slot;
	u64 last = READ_ONCE(m->ring.head) + m->ring.capacity - 1;

	return m->role != MEMDEV_SINK || shmq_spsc_look(&m->ring, last, &slot) == -EAGAIN;
}

/* Laying out -------------------- */

/* The longest ring that the region has room for. */
static int
plan(struct shmqi_geometry *g, size_t bytes)
{
	u64 capacity;

	for (capacity = SHMQ_CAPACITY_MAX; capacity > 0; capacity /= 2) {
		*g = (struct shmqi_geometry){.kind = SHMQ_SPSC,
					     .participants = PARTICIPANTS,
					     .page_size = PAGE_SIZE,
					     .msg_max = sizeof(struct memdev_sample),
					     .capacity = capacity};
		if (shmqi_format_plan_queue(g) == 0 && g->total_bytes <= bytes)
			return 0;
	}
	return -ENOSPC;
}

/* Take our role and our entry, as a process would. */
static void
join(struct memdev *m)
{
	struct format_control *control = format_control(m->memory, &m->g);
	struct format_participant *entry = &format_participants(m->memory)[KERNEL];
	u64 role = m->role == MEMDEV_SOURCE ? SHMQ_PRODUCER : SHMQ_CONSUMER;
	u64 generation = 1ull << GENERATION_SHIFT;

	entry->state = generation | role;
	if (m->role == MEMDEV_SOURCE)
		control->producer.holder = generation | (KERNEL + 1);
	else
		control->consumer.holder = generation | (KERNEL + 1);
}

static void
fill(struct memdev *m)
{
	struct format_header *header = m->memory;
	struct format_lifecycle *life = format_lifecycle(m->memory);

	shmqi_format_init(header, &m->g);
	shmqi_format_fill(m->memory, &m->g);
	get_random_bytes(header->uuid, sizeof(header->uuid));
	header->created_s = ktime_get_real_seconds();
	life->ctime_s = header->created_s;
	life->segsz = m->g.segsz;
	join(m);
	shmqi_format_publish(header);
}

int
memdev_queue_lay_out(struct memdev *m, enum memdev_role role)
{
	struct shmqi_geometry g = {};
	int err = role == MEMDEV_RAW ? 0 : plan(&g, m->bytes);

	if (err)
		return err;
	memdev_queue_stop(m);
	m->role = role;
	m->g = g;
	m->sequence = m->sent = m->overruns = m->missed = 0;
	m->received = m->gaps = m->errors = 0;
	memset(m->memory, 0, m->bytes);
	if (role == MEMDEV_RAW)
		return 0;
	fill(m);
	m->ring = (struct shmq_spsc){
		.slots = (unsigned char *)m->memory + g.data_offset,
		.mask = g.slots - 1,
		.slot_bytes = g.slot_bytes,
		.capacity = g.capacity,
		.msg_max = g.msg_max,
		.shared_head = &format_control(m->memory, &g)->progress.head,
	};
	memdev_queue_set_rate(m, m->rate);
	return 0;
}

void
memdev_queue_set_rate(struct memdev *m, u64 rate)
{
	hrtimer_cancel(&m->timer);
	m->rate = rate;
	if (rate == 0 || m->role == MEMDEV_RAW)
		return;
	m->period = ns_to_ktime(div64_u64(NSEC_PER_SEC, rate));
	hrtimer_start(&m->timer, m->period, HRTIMER_MODE_REL);
}

void
memdev_queue_stop(struct memdev *m)
{
	hrtimer_cancel(&m->timer);
	cancel_work_sync(&m->drain);
}

void
memdev_queue_init(struct memdev *m)
{
	compat_hrtimer_setup(&m->timer, on_timer);
	INIT_WORK(&m->drain, drain);
	init_waitqueue_head(&m->wait);
}
