/* SPDX-License-Identifier: MIT */
/*
 * A server with one epoll loop. Requests come through an MPSC queue; beside its descriptor there is
 * a pipe, which ends when all clients have. Each client has a queue for its replies.
 */
#include <sys/epoll.h>

#include "eg.h"

enum { CLIENTS = 3, REQUESTS = 1000 };

struct request {
	int client, number;
};

static char requests[64], replies[CLIENTS][80];
static int clients[2]; /* a pipe: its writers are the clients */

static int
client(int self)
{
	struct request r = {.client = self}, reply;
	struct shmq *out, *in;

	must("attach", shmq_attach(&out, requests, SHMQ_PRODUCER));
	must("attach", shmq_attach(&in, replies[self], SHMQ_CONSUMER));
	for (r.number = 1; r.number <= REQUESTS; r.number++) {
		must("ask", shmq_send(out, &r, sizeof r, SHMQ_FOREVER));
		must("listen", shmq_recv(in, &reply, sizeof reply, SHMQ_FOREVER));
		if (reply.number != r.number * r.number)
			return 1;
	}
	return shmq_detach(out) | shmq_detach(in);
}

/* Receive until -EAGAIN: that arms the descriptor again. Returns how many requests there were. */
static int
serve(struct shmq *in, struct shmq *out[CLIENTS])
{
	struct request r;
	ssize_t n, served = 0;

	for (; (n = shmq_recv(in, &r, sizeof r, 0)) >= 0; served++) {
		r.number *= r.number;
		must("reply", shmq_send(out[r.client], &r, sizeof r, 0)); /* waits for nobody */
	}
	return (int)(n == -EAGAIN ? served : must("receive", n));
}

int
main(void)
{
	struct shmq_opts opts = {.size = sizeof opts, .msg_max = sizeof(struct request)};
	struct epoll_event work = {.events = EPOLLIN}, end = {.events = EPOLLIN, .data.fd = -1};
	int epoll = epoll_create1(EPOLL_CLOEXEC), served = 0;
	struct shmq *in, *out[CLIENTS];

	opts.kind = SHMQ_MPSC;
	must("open", shmq_open(&in, address(requests, "epoll-server"), &opts, SHMQ_CONSUMER));
	must("watch", epoll_ctl(epoll, EPOLL_CTL_ADD, shmq_fd(in), &work));
	must("pipe", pipe(clients));
	must("watch", epoll_ctl(epoll, EPOLL_CTL_ADD, clients[0], &end));
	opts.kind = SHMQ_SPSC;
	for (int i = 0; i < CLIENTS; i++) {
		snprintf(replies[i], sizeof replies[i], "%s-%d", requests, i);
		must("open", shmq_open(&out[i], replies[i], &opts, SHMQ_PRODUCER));
		start(client, i);
	}
	close(clients[1]);
	for (struct epoll_event event = work; event.data.fd != end.data.fd;) {
		must("epoll_wait", epoll_wait(epoll, &event, 1, -1));
		served += serve(in, out);
	}
	printf("%d requests of %d clients served\n", served, CLIENTS);
	for (int i = 0; i < CLIENTS; i++)
		must("end", shmq_detach(out[i]) | shmq_remove(replies[i]));
	must("end", shmq_detach(in) | shmq_remove(requests));
	return failed_children() || served != CLIENTS * REQUESTS;
}
