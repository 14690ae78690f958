/* SPDX-License-Identifier: MIT */
/* Many to many: each letter to exactly one receiver, in an order that is one for all. Short ones and long ones (over 256 bytes) are received in different ways. */
#include "stress/traffic.h"

const struct traffic_kind traffic_mpmc = {
	.name = "mpmc",
	.opts = {.size = sizeof(struct shmq_opts),
		 .kind = SHMQ_MPMC,
		 .msg_max = 500,
		 .capacity = 13,
		 .participants = 20},
	.senders = TRAFFIC_CROWD,
	.receivers = TRAFFIC_CROWD,
	.returns = true,
	.sender_may_hang = true,
	.limit = 1 << 20,
	.settle = traffic_each_to_one,
};

const struct traffic_kind traffic_mpmc_redeliver = {
	.name = "mpmc redeliver",
	.opts = {.size = sizeof(struct shmq_opts),
		 .kind = SHMQ_MPMC,
		 .msg_max = 500,
		 .capacity = 16,
		 .participants = 20,
		 .max_deliveries = 4000,
		 .flags = SHMQ_REDELIVER},
	.senders = TRAFFIC_CROWD,
	.receivers = TRAFFIC_CROWD,
	.returns = true,
	.sender_may_hang = true,
	.limit = 1 << 20,
	.settle = traffic_each_to_one,
};
