/* SPDX-License-Identifier: MIT */
/* One to one: the receiver gets all, in order, and goes on where it left. */
#include "stress/traffic.h"

const struct traffic_kind traffic_spsc = {
	.name = "spsc",
	.opts = {.size = sizeof(struct shmq_opts), .msg_max = 300, .capacity = 16},
	.senders = 1,
	.receivers = 1,
	.numbered = true,
	.sender_may_hang = true,
	.limit = 1 << 22,
	.left = traffic_stay_is_whole,
	.settle = traffic_each_to_one,
};

const struct traffic_kind traffic_spsc_records = {
	.name = "spsc records",
	.opts = {.size = sizeof(struct shmq_opts),
		 .msg_max = 300,
		 .capacity = 2000,
		 .flags = SHMQ_RECORDS},
	.senders = 1,
	.receivers = 1,
	.numbered = true,
	.sender_may_hang = true,
	.limit = 1 << 22,
	.left = traffic_stay_is_whole,
	.settle = traffic_each_to_one,
};
