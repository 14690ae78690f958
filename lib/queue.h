/* SPDX-License-Identifier: MIT */
/*
 * A queue handle. It lies in pages of its own that a child of fork() sees zeroed (MADV_WIPEONFORK),
 * so `hot.can` refuses every call there and `alive` says why; the queue's memory itself does not
 * cross the fork.
 *
 * What a kind does differently is one table of operations (struct shmqi_kind), in one file. The
 * calls that every kind has stand once, in queue_send.c, queue_recv.c and queue_wait.c.
 */
#ifndef SHMQ_QUEUE_H
#define SHMQ_QUEUE_H

#include "bell.h"
#include "peer.h"
#include "ring_lane.h"
#include "ring_lossy.h"
#include "ring_lossy_records.h"
#include "ring_mpmc_look.h"
#include "seg.h"
#include "wait.h"

#include <shmq/inline.h>

/* A handle that polls with timeout 0 asks the kernel about its peer once in so many empty calls. */
#define SHMQI_POLLS_PER_PROBE 1024

#define QUEUE_MARKS 8u
#define QUEUE_ALIVE UINT64_C(0x7175657565ac71fe)

struct shmqi_mpsc;
struct shmqi_tap;

/* Of the last message received or peeked. */
struct shmqi_last {
	bool valid;
	uint64_t sequence, lost;
	int sender;
	unsigned deliveries;
};

/* The descriptors of a handle. Not in its pages: a child of fork() has to close them. */
struct shmqi_bells {
	struct shmqi_bell own;
	struct shmqi_ringer ringer;
};

struct shmq {
	struct shmq_hot hot; /* first: <shmq/inline.h> reaches it */
	uint64_t alive;	     /* QUEUE_ALIVE, or 0 after fork() */
	const struct shmqi_kind *kind;
	struct shmq_seg *seg;
	struct format_control *control;
	struct shmqi_wait_ops wait;
	int64_t room_spin_ns, message_spin_ns; /* what shmqi_wait() has learnt */
	unsigned roles; /* SHMQ_PRODUCER, SHMQ_CONSUMER, SHMQ_OBSERVER, SHMQ_HANGUP, SHMQ_OLDEST */
	unsigned index; /* participant, or PEER_NONE */
	bool fenced; /* we could not register for membarrier: a full fence after each publication */
	bool failed; /* shared memory broke an invariant */
	bool stale;  /* ejected */
	bool waits;  /* the recv at work has a timeout */
	bool suspect; /* the other side may have died: ask the kernel at the next chance */
	uint64_t attached_head; /* where the ring was when we attached */
	uint32_t polls, idle;	/* calls that found nothing */
	int64_t probed_ns; /* when a call that does not wait last asked who stands in the way */
	uint64_t passed; /* MPMC: held slots passed over, when we last asked about their holders */
	int64_t buried_ns;			   /* MPMC: when all participants were last asked */
	uint64_t consumers_known, producers_known; /* generations whose end is no news */
	uint64_t end_seen;			   /* arrivals whose end we have reported */
	unsigned char *reserved;		   /* open reservation, and the room asked for */
	size_t reserved_bytes;
	unsigned char *peeked; /* open peek, and its length */
	size_t peeked_bytes;
	struct shmqi_last last;
	uint64_t lost_before;	 /* messages lost before the last one received */
	struct shmqi_bell *bell; /* bells->own, once shmq_fd() was called */
	struct shmqi_bells *bells;
	/* the rings; each kind uses its own */
	struct shmqi_lane send, recv; /* of SPSC, MPSC producers, lossless broadcast */
	struct shmqi_records records_out, records_in;
	struct shmqi_mpmc mpmc;
	struct shmqi_mpmc_place claimed, taken;
	struct shmqi_lossy lossy;
	struct shmqi_lossy_records lossy_records;
	struct shmqi_mpsc *mpsc;     /* a consumer's lanes, in pages of their own */
	struct shmqi_tap *tap;	     /* an observer's lanes, likewise */
	uint64_t hints[2];	     /* MPMC observers: their copies */
	uint64_t tapped, missed;     /* MPMC observers: the next position; messages not seen */
	uint64_t marks[QUEUE_MARKS]; /* lossless broadcast of records: where some began */
	unsigned mark;		     /* the oldest of them */
	uint64_t reader_state; /* lossless broadcast: what our lane's state is while we are in */
};

/*
 * What one kind does. Each is one attempt and never waits; `send`, `recv` and the like wake nobody.
 * A missing one is -ENOTSUP.
 */
struct shmqi_kind {
	/* Find the ends of the ring, once the roles are ours. */
	int (*open)(struct shmq *q);
	/* Give back what the roles hold besides. May be missing. */
	void (*close)(struct shmq *q);

	/* Room for a message: 0, -EAGAIN, -EBADMSG. */
	int (*claim)(struct shmq *q, size_t len, unsigned char **bytes);
	/* Publish what was claimed. */
	void (*commit)(struct shmq *q, size_t len);
	/* Forget what was claimed. May be missing. */
	void (*abort)(struct shmq *q);
	/* Claim, copy, commit. */
	int (*send)(struct shmq *q, const void *msg, size_t len);
	bool (*writable)(struct shmq *q);

	/* Copy the next message out: its length, -EAGAIN, -EMSGSIZE, -EBADMSG, -ESTALE. */
	int64_t (*recv)(struct shmq *q, void *buf, size_t size);
	/* The next message in place. */
	int64_t (*peek)(struct shmq *q, unsigned char **bytes);
	/* Be done with what was peeked. */
	void (*release)(struct shmq *q);
	/* Let writers see how far we are. May be missing. */
	void (*settle)(struct shmq *q);
	bool (*readable)(struct shmq *q);

	/*
	 * Nothing goes on: is a participant in the way of this role? If it is dead, get it out of
	 * the way. 0: nobody is, or no longer; 1: a live one. Makes system calls. May be missing.
	 */
	int (*unblock)(struct shmq *q, unsigned role);
	/* Before an end is reported: may messages still come from those who are gone, or hold some?
	 * Makes system calls. May be missing. */
	bool (*more_to_come)(struct shmq *q);
	/* What a dead participant left in the ring; the caller has proof. May be missing. */
	void (*sweep)(struct shmq_seg *seg, unsigned index);

	bool batch; /* whether the batch calls make sense */
};

/* What `reader.state` of a broadcast reader's lane says, in its low 16 bits. */
enum shmqi_reader_state { SHMQI_READER_OUT, SHMQI_READER_IN, SHMQI_READER_EJECTED };

extern const struct shmqi_kind shmqi_kind_spsc, shmqi_kind_mpsc, shmqi_kind_mpmc,
	shmqi_kind_mpmc_tap, shmqi_kind_broadcast, shmqi_kind_lossy, shmqi_kind_lossy_records,
	shmqi_kind_latest;

/* What a handle takes. */
size_t shmqi_queue_handle_bytes(void);

/* Zeroed pages that a child of fork() sees zeroed, locked as the queue is; NULL: no memory. */
void *shmqi_queue_pages(const struct shmq *q, size_t bytes);

const struct shmqi_kind *shmqi_kind_of(const struct shmqi_geometry *g);
/* What an observer has in its place: recv looks at messages without consuming them. */
const struct shmqi_kind *shmqi_kind_of_tap(const struct shmqi_geometry *g);

/* How many messages the positions of this handle say that its place has sent or received. */
uint64_t shmqi_queue_count(const struct shmq *q);

/* queue_spsc.c: of those kinds whose writer has a lane */
struct shmqi_lane_place {
	unsigned char *bytes;
	struct format_writer *writer;
	uint64_t *head, *received;
};
/* Where lane `i` of MPSC is; the one lane of other kinds has its words in the control blocks. */
struct shmqi_lane_place shmqi_lane_place(const struct shmq *q, unsigned i);
void shmqi_lane_open_slots(struct shmq_spsc *ring, const struct shmqi_geometry *g,
			   unsigned char *bytes, uint64_t *shared_head);
int shmqi_lane_open_records(struct shmqi_records *r, const struct shmqi_lane_place *place,
			    const struct shmqi_geometry *g, bool writer);
int shmqi_lane_send(struct shmq *q, const void *msg, size_t len);
void shmqi_lane_commit(struct shmq *q, size_t len);
int64_t shmqi_lane_recv(struct shmq *q, void *buf, size_t size);
int64_t shmqi_lane_peek(struct shmq *q, unsigned char **bytes);
void shmqi_lane_release(struct shmq *q);
void shmqi_lane_settled(struct shmq *q);
bool shmqi_lane_has_message(struct shmq *q);

/* The participant that is the one producer now, for shmq_info.sender; -1: nobody. */
int shmqi_queue_only_sender(const struct shmq *q);

/* What an MPSC consumer's lanes take besides its handle. */
size_t shmqi_mpsc_bytes(const struct shmqi_geometry *g);

/* Messages that this reader, or observer, has not seen. */
uint64_t shmqi_queue_lost(const struct shmq *q);
uint64_t shmqi_tap_missed(const struct shmq *q);

/* queue_fd.c: nothing is there, or no room: arm the descriptor, if there is one. `err`: the answer,
 * or 0 when there is something by now. */
int shmqi_queue_arm(struct shmq *q, unsigned role, int err);
void shmqi_queue_disarm(struct shmq *q);
void shmqi_queue_ringer(struct shmqi_ringer *ringer, void *object, const struct shmqi_geometry *g,
			const uint8_t uuid[16]);

/* What a call finds when `hot.can` does not let it pass: 0 to go on slowly, else the error. `need`:
 * SHMQ_CAN_SEND or _RECV. */
int shmqi_queue_refuse(const struct shmq *q, uint32_t need);

/*
 * Whether no peer of that role is attached any more, though there was one; `probe` asks the kernel
 * about killed ones. *generation: whose end that is; may be NULL.
 */
bool shmqi_queue_hung_up(struct shmq *q, unsigned peer_role, bool probe, uint64_t *generation);

/* We have reported the end of the producers so far, or leave. */
void shmqi_queue_note_end(struct shmq *q, uint64_t ended);

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

/*
 * A waiter was told many times that there is something, and found nothing: others are always
 * faster, or somebody has written what cannot be. So that no such words hold it for ever: -EIDRM,
 * -EPIPE, -EINTR as after a wait, else 0 after a short nap.
 */
#define SHMQI_ROUNDS_PER_BREATH 64
int shmqi_queue_breathe(struct shmq *q, unsigned peer_role);

/* After a publication, or a release: look for sleepers, with the fence that this handle owes. */
void shmqi_queue_published(struct shmq *q);
void shmqi_queue_released(struct shmq *q);

#endif
