/* SPDX-License-Identifier: MIT */
/*
 * A pool of workers on an MPMC queue with SHMQ_REDELIVER. A worker looks at a job with shmq_peek()
 * and releases it when its result is sent; so the job of a worker that is killed in between goes to
 * another one. Here, whoever is first to get job 17 is killed.
 */
#include "eg.h"

enum { JOBS = 100, WORKERS = 3, DEADLY = 17, STOP = -1 };

struct result {
	int worker, job, square;
	unsigned deliveries;
};

static char jobs[64], results[64];

static int
work(int number)
{
	struct shmq_info info = {.size = sizeof info};
	struct shmq *in, *out;
	struct result r;
	struct iovec msg;

	must("attach to jobs", shmq_attach(&in, jobs, SHMQ_CONSUMER | SHMQ_HANGUP));
	must("attach to results", shmq_attach(&out, results, SHMQ_PRODUCER));
	while (shmq_peek(in, &msg, SHMQ_FOREVER) == 0) {
		must("info", shmq_info(in, &info));
		r = (struct result){number, *(const int *)msg.iov_base, 0, info.deliveries};
		if (r.job == STOP)
			return shmq_release(in, &msg) | shmq_detach(in) | shmq_detach(out);
		if (r.job == DEADLY && r.deliveries == 1)
			raise(SIGKILL);
		r.square = r.job * r.job;
		must("send result", shmq_send(out, &r, sizeof r, SHMQ_FOREVER));
		must("release job", shmq_release(in, &msg));
	}
	return 1; /* -EPIPE: the parent has died */
}

int
main(void)
{
	struct shmq_opts opts = {.size = sizeof opts, .msg_max = sizeof(struct result)};
	struct shmq_stat st = {.size = sizeof st};
	struct shmq *out, *in;
	struct result r;
	int done[JOBS] = {0}, left = JOBS, stop = STOP, failed;

	opts.kind = SHMQ_MPSC;
	must("open", shmq_open(&in, address(results, "results"), &opts, SHMQ_CONSUMER));
	opts.kind = SHMQ_MPMC;
	opts.flags = SHMQ_REDELIVER;
	must("open", shmq_open(&out, address(jobs, "jobs"), &opts, SHMQ_PRODUCER));
	for (int i = 0; i < WORKERS; i++)
		start(work, i);
	for (int job = 0; job < JOBS; job++)
		must("send job", shmq_send(out, &job, sizeof job, SHMQ_FOREVER));
	while (left > 0) {
		must("receive", shmq_recv(in, &r, sizeof r, PATIENCE_NS));
		if (r.deliveries > 1)
			printf("job %d: delivery %u, to worker %d\n", r.job, r.deliveries,
			       r.worker);
		/* Killed between send and release, a worker leaves a result and the job. */
		left -= r.square == r.job * r.job && done[r.job]++ == 0;
	}
	for (int i = 0; i < WORKERS; i++)
		must("send stop", shmq_send(out, &stop, sizeof stop, SHMQ_FOREVER));
	must("stat", shmq_qstat(out, &st));
	must("detach", shmq_detach(out) | shmq_detach(in));
	failed = failed_children();
	must("remove", shmq_remove(jobs) | shmq_remove(results));
	printf("%d jobs, %d worker killed, %d redelivered\n", JOBS, failed, (int)st.redelivered);
	return failed == 1 && st.redelivered == 1 ? 0 : 1;
}
