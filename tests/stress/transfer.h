/* SPDX-License-Identifier: MIT */
/*
 * One end of a stream of checked messages, which mixes every way to send, or to receive, by chance.
 */
#ifndef TESTS_STRESS_TRANSFER_H
#define TESTS_STRESS_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transfer {
	const char *address;
	size_t msg_max;
	uint64_t count; /* messages */
	bool blocking;	/* with timeouts and forever; else timeout 0 only */
	uint64_t seed;
};

/* Attach, send (receive and check) them all, detach. */
void transfer_produce(const struct transfer *transfer);
void transfer_consume(const struct transfer *transfer);

#endif
