/* SPDX-License-Identifier: MIT */
/* The inlined calls as one language compiles them: port_c.c and port_cxx.cc define the same table. */
#ifndef TESTS_UNIT_PORT_H
#define TESTS_UNIT_PORT_H

#include <shmq/inline.h>

#ifdef __cplusplus
extern "C" {
#endif

struct port_calls {
	int (*open)(struct shmq_port *port, struct shmq *q);
	int (*send)(struct shmq_port *port, const void *msg, size_t len);
	ssize_t (*recv)(struct shmq_port *port, void *buf, size_t size);
	/* With a length that is a constant there. */
	int (*send_8)(struct shmq_port *port, const void *msg);
	ssize_t (*recv_8)(struct shmq_port *port, void *buf);
	int (*send_56)(struct shmq_port *port, const void *msg);
	ssize_t (*recv_56)(struct shmq_port *port, void *buf);
	/* Pass `count` numbers from one handle to the other, through ports of its own; 0, or the first that was wrong. */
	uint64_t (*pass)(struct shmq *tx, struct shmq *rx, uint64_t count);
};

extern const struct port_calls port_calls;

#ifdef __cplusplus
}
#endif

#endif
