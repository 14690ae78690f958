/* SPDX-License-Identifier: MIT */
/*
 * A queue handle. It lies in pages of its own that a child of fork() sees zeroed (MADV_WIPEONFORK),
 * so `hot.can` refuses every call there and `alive` says why; the queue's memory itself does not
 * cross the fork.
 */
#ifndef SHMQ_QUEUE_H
#define SHMQ_QUEUE_H

#include "peer.h"
#include "seg.h"
#include "wait.h"

#include <shmq/inline.h>

#define QUEUE_ALIVE UINT64_C(0x7175657565ac71fe)

struct shmq {
	struct shmq_hot hot; /* first: <shmq/inline.h> reaches it */
	uint64_t alive;	     /* QUEUE_ALIVE, or 0 after fork() */
	struct shmq_seg *seg;
	struct format_spsc *control;
	struct shmqi_wait_ops wait;
	int64_t room_spin_ns, message_spin_ns; /* what shmqi_wait() has learnt */
	unsigned roles; /* SHMQ_PRODUCER, SHMQ_CONSUMER, SHMQ_OBSERVER, SHMQ_HANGUP */
	unsigned index; /* participant, or PEER_NONE */
	bool fenced; /* we could not register for membarrier: a full fence after each publication */
	bool failed; /* shared memory broke an invariant */
	uint32_t polls;				   /* calls in a row that found nothing */
	uint64_t attached_head;			   /* where the ring was when we attached */
	uint64_t consumers_known, producers_known; /* generations whose end is no news */
	struct shmq_slot *reserved;		   /* open reservation, and the room asked for */
	size_t reserved_bytes;
	struct shmq_slot *peeked; /* open peek, and its length */
	size_t peeked_bytes;
};

/* What a call finds when `hot.can` does not let it pass: 0 to go on slowly, else the error. `need`:
 * SHMQ_CAN_SEND or _RECV. */
int shmqi_queue_refuse(const struct shmq *q, uint32_t need);

/*
 * Whether no peer of that role is attached any more, though there was one; `probe` asks the kernel
 * about a killed one. *generation: whose end that is; may be NULL.
 */
bool shmqi_queue_hung_up(struct shmq *q, unsigned peer_role, bool probe, uint64_t *generation);

/* Whether somebody removed the queue: through shmq, or behind its back. */
bool shmqi_queue_removed(struct shmq *q, bool probe);

/* The receiver's answer when nothing is there: -EAGAIN, -EIDRM or -EPIPE. */
int shmqi_queue_recv_nothing(struct shmq *q, bool waiting);

/* The sender's answer when there is no room: -EAGAIN, -EIDRM or -EPIPE. */
int shmqi_queue_send_nothing(struct shmq *q, bool waiting);

/*
 * Wait for room, or for a message. `timeout_ns` != 0; *deadline is 0 at first, and kept from wait
 * to wait of one call, which so ends in time however often its reason to wait comes back.
 */
int shmqi_queue_wait_room(struct shmq *q, int64_t timeout_ns, int64_t *deadline);
int shmqi_queue_wait_message(struct shmq *q, int64_t timeout_ns, int64_t *deadline);

/* After a publication, or a release: look for sleepers, with the fence that this handle owes. */
void shmqi_queue_published(struct shmq *q);
void shmqi_queue_released(struct shmq *q);

#endif
