/* SPDX-License-Identifier: MIT */
/* <shmq/inline.h> compiled as C++. */
#include "port.h"

namespace
{

int
cxx_open(shmq_port *port, shmq *q)
{
	return shmq_port_open(port, q);
}

int
cxx_send(shmq_port *port, const void *msg, size_t len)
{
	return shmq_port_send(port, msg, len);
}

ssize_t
cxx_recv(shmq_port *port, void *buf, size_t size)
{
	return shmq_port_recv(port, buf, size);
}

template <size_t Length>
int
send_constant(shmq_port *port, const void *msg)
{
	return shmq_port_send(port, msg, Length);
}

template <size_t Length>
ssize_t
recv_constant(shmq_port *port, void *buf)
{
	return shmq_port_recv(port, buf, Length);
}

uint64_t
cxx_pass(shmq *tx, shmq *rx, uint64_t count)
{
	shmq_port to{}, from{};
	uint64_t sent = 1, expected = 1, got = 0;

	if (shmq_port_open(&to, tx) != 0 || shmq_port_open(&from, rx) != 0)
		return 1;
	while (expected <= count) {
		while (sent <= count && shmq_port_send(&to, &sent, sizeof(sent)) == 0)
			sent++;
		while (shmq_port_recv(&from, &got, sizeof(got)) ==
		       static_cast<ssize_t>(sizeof(got)))
			if (got != expected++)
				return got;
	}
	return 0;
}

} // namespace

extern "C" const struct port_calls port_calls = {
	cxx_open,	  cxx_send,	     cxx_recv,		send_constant<8>,
	recv_constant<8>, send_constant<56>, recv_constant<56>, cxx_pass,
};
