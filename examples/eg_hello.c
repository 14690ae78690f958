/* SPDX-License-Identifier: MIT */
#include <shmq/shmq.h>
#include <stdio.h>
#include <unistd.h>

static int
consume(void)
{
	char text[64];
	struct shmq *q = NULL;
	ssize_t n = shmq_open(&q, "shm:/hello", NULL, SHMQ_CONSUMER | SHMQ_HANGUP);

	while (n >= 0 && (n = shmq_recv(q, text, sizeof text, SHMQ_FOREVER)) >= 0)
		printf("got %.*s\n", (int)n, text);
	shmq_detach(q);
	return shmq_remove("shm:/hello"); /* the producer has come and gone */
}

int
main(void)
{
	struct shmq *q;

	if (fork() == 0)
		return consume() ? 1 : 0;
	if (shmq_open(&q, "shm:/hello", NULL, SHMQ_PRODUCER) != 0)
		return 1;
	for (int i = 0; i < 3; i++)
		shmq_send(q, "a message", 9, SHMQ_FOREVER);
	return shmq_detach(q) ? 1 : 0;
}
