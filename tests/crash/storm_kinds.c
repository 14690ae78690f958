/* SPDX-License-Identifier: MIT */
/* Each kind of queue: what it is, and how it is used. */
#include <string.h>

#include "storm.h"

#define SENDS (BY_SEND | BY_SEND_BATCH | BY_COMMIT | BY_ABORT)
#define RECEIVES (BY_PEEK | BY_RECV | BY_RECV_BATCH)
#define OPTS(...)                                                                 \
	{                                                                         \
		.size = sizeof(struct shmq_opts), .participants = 16, __VA_ARGS__ \
	}

const struct storm_kind storm_kinds[] = {
	{"spsc", OPTS(.kind = SHMQ_SPSC, .msg_max = 200, .capacity = 7), 2, 2, SENDS | RECEIVES},
	{"spsc_records",
	 OPTS(.kind = SHMQ_SPSC, .msg_max = 400, .capacity = 1000, .flags = SHMQ_RECORDS), 2, 2,
	 SENDS | RECEIVES},
	{"mpsc", OPTS(.kind = SHMQ_MPSC, .msg_max = 200, .capacity = 7), 4, 2, SENDS | RECEIVES},
	{"mpsc_records",
	 OPTS(.kind = SHMQ_MPSC, .msg_max = 400, .capacity = 1000, .flags = SHMQ_RECORDS), 4, 2,
	 SENDS | RECEIVES},
	{"mpmc", OPTS(.kind = SHMQ_MPMC, .msg_max = 400, .capacity = 16), 3, 3, SENDS | BY_PEEK},
	{"mpmc_recv", OPTS(.kind = SHMQ_MPMC, .msg_max = 400, .capacity = 11), 3, 3,
	 SENDS | BY_RECV | BY_RECV_BATCH},
	{"mpmc_redeliver",
	 OPTS(.kind = SHMQ_MPMC, .msg_max = 400, .capacity = 11, .flags = SHMQ_REDELIVER,
	      .max_deliveries = 3),
	 3, 3, SENDS | BY_PEEK},
	{"mpmc_redeliver_recv",
	 OPTS(.kind = SHMQ_MPMC, .msg_max = 400, .capacity = 16, .flags = SHMQ_REDELIVER,
	      .max_deliveries = 3),
	 3, 3, SENDS | BY_PEEK | BY_RECV},
	{"broadcast", OPTS(.kind = SHMQ_BROADCAST, .msg_max = 200, .capacity = 16), 2, 3,
	 SENDS | RECEIVES},
	{"broadcast_records",
	 OPTS(.kind = SHMQ_BROADCAST, .msg_max = 400, .capacity = 2000, .flags = SHMQ_RECORDS), 2,
	 3, SENDS | RECEIVES},
	{"broadcast_ejecting",
	 OPTS(.kind = SHMQ_BROADCAST, .msg_max = 200, .capacity = 16, .slow_limit = 12), 2, 3,
	 SENDS | BY_RECV | BY_RECV_BATCH},
	{"lossy", OPTS(.kind = SHMQ_BROADCAST, .msg_max = 200, .capacity = 16, .flags = SHMQ_LOSSY),
	 2, 3, SENDS | BY_RECV},
	{"lossy_records",
	 OPTS(.kind = SHMQ_BROADCAST, .msg_max = 400, .capacity = 2000,
	      .flags = SHMQ_LOSSY | SHMQ_RECORDS),
	 2, 3, SENDS | BY_RECV},
	{"latest", OPTS(.kind = SHMQ_LATEST, .msg_max = 200, .capacity = 4), 2, 3,
	 BY_SEND | BY_COMMIT | BY_ABORT | BY_RECV},
};
const unsigned storm_kind_count = sizeof(storm_kinds) / sizeof(*storm_kinds);

const struct storm_kind *
storm_kind_named(const char *name)
{
	for (unsigned i = 0; i < storm_kind_count; i++)
		if (strcmp(storm_kinds[i].name, name) == 0)
			return &storm_kinds[i];
	return NULL;
}
