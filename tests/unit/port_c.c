/* SPDX-License-Identifier: MIT */
/* <shmq/inline.h> compiled as C. */
#include "port.h"

static int
c_open(struct shmq_port *port, struct shmq *q)
{
	return shmq_port_open(port, q);
}

static int
c_send(struct shmq_port *port, const void *msg, size_t len)
{
	return shmq_port_send(port, msg, len);
}

static ssize_t
c_recv(struct shmq_port *port, void *buf, size_t size)
{
	return shmq_port_recv(port, buf, size);
}

static int
c_send_8(struct shmq_port *port, const void *msg)
{
	return shmq_port_send(port, msg, 8);
}

static ssize_t
c_recv_8(struct shmq_port *port, void *buf)
{
	return shmq_port_recv(port, buf, 8);
}

static int
c_send_56(struct shmq_port *port, const void *msg)
{
	return shmq_port_send(port, msg, 56);
}

static ssize_t
c_recv_56(struct shmq_port *port, void *buf)
{
	return shmq_port_recv(port, buf, 56);
}

static uint64_t
c_pass(struct shmq *tx, struct shmq *rx, uint64_t count)
{
	struct shmq_port to, from;
	uint64_t sent = 1, expected = 1, got = 0;

	if (shmq_port_open(&to, tx) != 0 || shmq_port_open(&from, rx) != 0)
		return 1;
	while (expected <= count) {
		while (sent <= count && shmq_port_send(&to, &sent, sizeof(sent)) == 0)
			sent++;
		while (shmq_port_recv(&from, &got, sizeof(got)) == (ssize_t)sizeof(got))
			if (got != expected++)
				return got;
	}
	return 0;
}

const struct port_calls port_calls = {
	.open = c_open,
	.send = c_send,
	.recv = c_recv,
	.send_8 = c_send_8,
	.recv_8 = c_recv_8,
	.send_56 = c_send_56,
	.recv_56 = c_recv_56,
	.pass = c_pass,
};
