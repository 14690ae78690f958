/* SPDX-License-Identifier: MIT */
/* Many to one: the receiver gets all, each sender's in order as long as it stays. */
#include "stress/traffic.h"

const struct traffic_kind traffic_mpsc = {
	.name = "mpsc",
	.opts = {.size = sizeof(struct shmq_opts),
		 .kind = SHMQ_MPSC,
		 .msg_max = 300,
		 .capacity = 8,
		 .participants = 20},
	.senders = TRAFFIC_CROWD,
	.receivers = 1,
	.lanes = true,
	.sender_may_hang = true,
	.limit = 1 << 22,
	.settle = traffic_each_to_one,
};

const struct traffic_kind traffic_mpsc_records = {
	.name = "mpsc records",
	.opts = {.size = sizeof(struct shmq_opts),
		 .kind = SHMQ_MPSC,
		 .msg_max = 300,
		 .capacity = 1000,
		 .participants = 20,
		 .flags = SHMQ_RECORDS},
	.senders = TRAFFIC_CROWD,
	.receivers = 1,
	.lanes = true,
	.sender_may_hang = true,
	.limit = 1 << 22,
	.settle = traffic_each_to_one,
};
