/* SPDX-License-Identifier: MIT */
/* The storm, for each kind: what it is, and how it is used. */
#include <criterion/criterion.h>

#include "storm.h"

TestSuite(storm, .init = place_begin, .fini = place_end, .timeout = 1800);

#define SENDS (BY_SEND | BY_SEND_BATCH | BY_COMMIT | BY_ABORT)
#define RECEIVES (BY_PEEK | BY_RECV | BY_RECV_BATCH)
#define OPTS(...)                                                                 \
	{                                                                         \
		.size = sizeof(struct shmq_opts), .participants = 16, __VA_ARGS__ \
	}

#define STORM(id, ...)                                                    \
	Test(storm, test_killed_at_random_##id##_all_accounted_for)       \
	{                                                                 \
		static const struct storm_kind kind = {#id, __VA_ARGS__}; \
                                                                          \
		storm_run(&kind, KILLS);                                  \
	}

STORM(spsc, OPTS(.kind = SHMQ_SPSC, .msg_max = 200, .capacity = 7), 2, 2, SENDS | RECEIVES)
STORM(spsc_records,
      OPTS(.kind = SHMQ_SPSC, .msg_max = 400, .capacity = 1000, .flags = SHMQ_RECORDS), 2, 2,
      SENDS | RECEIVES)
STORM(mpsc, OPTS(.kind = SHMQ_MPSC, .msg_max = 200, .capacity = 7), 4, 2, SENDS | RECEIVES)
STORM(mpsc_records,
      OPTS(.kind = SHMQ_MPSC, .msg_max = 400, .capacity = 1000, .flags = SHMQ_RECORDS), 4, 2,
      SENDS | RECEIVES)
STORM(mpmc, OPTS(.kind = SHMQ_MPMC, .msg_max = 400, .capacity = 16), 3, 3, SENDS | BY_PEEK)
STORM(mpmc_recv, OPTS(.kind = SHMQ_MPMC, .msg_max = 400, .capacity = 11), 3, 3,
      SENDS | BY_RECV | BY_RECV_BATCH)
STORM(mpmc_redeliver,
      OPTS(.kind = SHMQ_MPMC, .msg_max = 400, .capacity = 11, .flags = SHMQ_REDELIVER,
	   .max_deliveries = 3),
      3, 3, SENDS | BY_PEEK)
STORM(mpmc_redeliver_recv,
      OPTS(.kind = SHMQ_MPMC, .msg_max = 400, .capacity = 16, .flags = SHMQ_REDELIVER,
	   .max_deliveries = 3),
      3, 3, SENDS | BY_PEEK | BY_RECV)
STORM(broadcast, OPTS(.kind = SHMQ_BROADCAST, .msg_max = 200, .capacity = 16), 2, 3,
      SENDS | RECEIVES)
STORM(broadcast_records,
      OPTS(.kind = SHMQ_BROADCAST, .msg_max = 400, .capacity = 2000, .flags = SHMQ_RECORDS), 2, 3,
      SENDS | RECEIVES)
STORM(broadcast_ejecting,
      OPTS(.kind = SHMQ_BROADCAST, .msg_max = 200, .capacity = 16, .slow_limit = 12), 2, 3,
      SENDS | BY_RECV | BY_RECV_BATCH)
STORM(lossy, OPTS(.kind = SHMQ_BROADCAST, .msg_max = 200, .capacity = 16, .flags = SHMQ_LOSSY), 2,
      3, SENDS | BY_RECV)
STORM(lossy_records,
      OPTS(.kind = SHMQ_BROADCAST, .msg_max = 400, .capacity = 2000,
	   .flags = SHMQ_LOSSY | SHMQ_RECORDS),
      2, 3, SENDS | BY_RECV)
STORM(latest, OPTS(.kind = SHMQ_LATEST, .msg_max = 200, .capacity = 4), 2, 3,
      BY_SEND | BY_COMMIT | BY_ABORT | BY_RECV)
