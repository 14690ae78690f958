/* SPDX-License-Identifier: MIT */
/* One to all, lossless: every receiver gets all, in order, from where it came in. */
#include "stress/traffic.h"

const struct traffic_kind traffic_broadcast = {
	.name = "broadcast",
	.opts = {.size = sizeof(struct shmq_opts),
		 .kind = SHMQ_BROADCAST,
		 .msg_max = 300,
		 .capacity = 16,
		 .participants = 20},
	.senders = 1,
	.receivers = TRAFFIC_CROWD,
	.numbered = true,
	.sender_may_hang = true,
	.oldest = true,
	.afresh = true,
	.limit = 1 << 22,
	.left = traffic_stay_is_whole,
};

const struct traffic_kind traffic_broadcast_records = {
	.name = "broadcast records",
	.opts = {.size = sizeof(struct shmq_opts),
		 .kind = SHMQ_BROADCAST,
		 .msg_max = 300,
		 .capacity = 2000,
		 .participants = 20,
		 .flags = SHMQ_RECORDS},
	.senders = 1,
	.receivers = TRAFFIC_CROWD,
	.numbered = true,
	.sender_may_hang = true,
	.oldest = true,
	.afresh = true,
	.limit = 1 << 22,
	.left = traffic_stay_is_whole,
};

/* Who is 4000 behind is ejected, and comes again. */
const struct traffic_kind traffic_broadcast_limit = {
	.name = "broadcast limit",
	.opts = {.size = sizeof(struct shmq_opts),
		 .kind = SHMQ_BROADCAST,
		 .msg_max = 300,
		 .capacity = 4096,
		 .participants = 20,
		 .slow_limit = 4000},
	.senders = 1,
	.receivers = TRAFFIC_CROWD,
	.no_peek = true,
	.numbered = true,
	.sender_may_hang = true,
	.oldest = true,
	.afresh = true,
	.ejects = true,
	.limit = 1 << 25,
	.left = traffic_stay_is_whole,
};
