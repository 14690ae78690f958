/* SPDX-License-Identifier: MIT */
/* A producer and a consumer in two processes; whoever comes first creates the queue. */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/shmq.h>

static int
consume(const char *addr)
{
	char text[64];
	struct shmq *q;
	ssize_t n = shmq_open(&q, addr, NULL, SHMQ_CONSUMER | SHMQ_HANGUP);

	if (n < 0)
		return 1;
	while ((n = shmq_recv(q, text, sizeof text, SHMQ_FOREVER)) >= 0)
		printf("received %.*s\n", (int)n, text);
	shmq_detach(q);
	return n == -EPIPE ? 0 : 1; /* the producer has come and gone, and nothing is left */
}

static int
produce(const char *addr)
{
	char text[64];
	struct shmq *q;
	int err = shmq_open(&q, addr, NULL, SHMQ_PRODUCER);

	if (err)
		return 1;
	for (int i = 0; i < 10 && !err; i++) {
		int length = snprintf(text, sizeof text, "message %d", i);

		err = shmq_send(q, text, (size_t)length, SHMQ_FOREVER);
	}
	shmq_detach(q);
	return err ? 1 : 0;
}

int
main(void)
{
	char addr[64];
	int consumer = 1;
	int producer;

	snprintf(addr, sizeof addr, "shm:/eg-producer-consumer-%d", (int)getpid());
	if (fork() == 0)
		return consume(addr);
	producer = produce(addr);
	wait(&consumer);
	shmq_remove(addr);
	return producer || consumer ? 1 : 0;
}
