/* SPDX-License-Identifier: MIT */
/* One to whoever looks: a receiver is told of every gap how long it is. */
#include "stress/traffic.h"

const struct traffic_kind traffic_lossy = {
	.name = "lossy",
	.opts = {.size = sizeof(struct shmq_opts),
		 .kind = SHMQ_BROADCAST,
		 .msg_max = 300,
		 .capacity = 256,
		 .flags = SHMQ_LOSSY},
	.senders = 1,
	.receivers = TRAFFIC_CROWD,
	.no_peek = true,
	.numbered = true,
	.counts_loss = true,
	.oldest = true,
	.afresh = true,
	.limit = 1 << 25,
	.left = traffic_stay_is_whole,
};

const struct traffic_kind traffic_lossy_records = {
	.name = "lossy records",
	.opts = {.size = sizeof(struct shmq_opts),
		 .kind = SHMQ_BROADCAST,
		 .msg_max = 300,
		 .capacity = 40000,
		 .flags = SHMQ_LOSSY | SHMQ_RECORDS},
	.senders = 1,
	.receivers = TRAFFIC_CROWD,
	.no_peek = true,
	.numbered = true,
	.counts_loss = true,
	.oldest = true,
	.afresh = true,
	.limit = 1 << 25,
	.left = traffic_stay_is_whole,
};

const struct traffic_kind traffic_latest = {
	.name = "latest",
	.opts = {.size = sizeof(struct shmq_opts), .kind = SHMQ_LATEST, .msg_max = 300},
	.senders = 1,
	.receivers = TRAFFIC_CROWD,
	.no_batch = true,
	.no_peek = true,
	.numbered = true,
	.counts_loss = true,
	.newest = true,
	.afresh = true,
	.limit = 1 << 25,
	.left = traffic_stay_is_whole,
};
