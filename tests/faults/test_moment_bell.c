/* SPDX-License-Identifier: MIT */
/* Bells (shmq_fd()): what comes between two system calls, and answers that are seldom given. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <shmq/inline.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "call_numbers.h"
#include "moment.h"
#include "support/process.h"

TestSuite(moment_bell, .init = place_begin, .fini = place_end, .timeout = 120);

static int
arm_bell(struct moment *m)
{
	int fd = shmq_fd(m->q);

	return fd < 0 ? fd : 0;
}

static void
bell_rings(struct moment *m)
{
	struct pollfd ready = {.fd = shmq_fd(m->q), .events = POLLIN};
	struct shmq *producer = NULL;

	SAME(0, shmq_attach(&producer, m->place.attach, SHMQ_PRODUCER));
	SAME(0, shmq_send(producer, "x", 1, 0));
	SAME(1, poll(&ready, 1, -1));
	SAME(0, shmq_detach(producer));
	SAME(0, shmq_detach(m->q));
	m->q = NULL;
}

static int
arm_new_bell(struct moment *m)
{
	SAME(0, shmq_attach(&m->q, m->place.attach, SHMQ_CONSUMER));
	return arm_bell(m);
}

static int
arm_no_bell(struct moment *m)
{
	int err = arm_new_bell(m);

	SAME(0, shmq_detach(m->q));
	return err;
}

static void
bell_on(enum place_backend on, struct moment m)
{
	m.place = place_queue(on, 0, NULL);
	moment_run(&m);
	place_remove(&m.place);
}

/* Who is not root gives it to the group alone; who clears up takes it for a dead one's. */
Test(moment_bell, test_bell_owner_refused_or_taken_away_rings)
{
	bell_on(ON_SHM, (struct moment){.number = SYS_fchown,
					.error = EPERM,
					.act = arm_new_bell,
					.then = bell_rings});
	bell_on(ON_SHM, (struct moment){.number = SYS_flock,
					.error = EWOULDBLOCK,
					.act = arm_new_bell,
					.then = bell_rings});
	bell_on(ON_SHM, (struct moment){.number = SYS_mknodat,
					.error = EEXIST,
					.act = arm_new_bell,
					.then = bell_rings});
}

/* Something else has that name: it is left there, and another one is taken. */
static void
take_new_name(struct moment *m)
{
	glob_t found;
	int fd;

	(void)m;
	SAME(0, glob("/dev/shm/.shmq-bell-new-*", GLOB_PERIOD, NULL, &found));
	SAME(1, found.gl_pathc);
	SAME(0, unlink(found.gl_pathv[0]));
	fd = open(found.gl_pathv[0], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	MUST(fd >= 0);
	close(fd);
	globfree(&found);
}

Test(moment_bell, test_bell_name_taken_by_a_file_rings)
{
	bell_on(ON_SHM, (struct moment){.number = SYS_chmod,
					.meanwhile = take_new_name,
					.act = arm_new_bell,
					.then = bell_rings});
	place_expect_leftovers(1);
	place_wipe();
}

/* A signal comes while it is rung: it is rung once more. */
Test(moment_bell, test_bell_interrupted_while_it_is_rung_rings)
{
	struct moment m = {
		.number = SYS_write, .error = EINTR, .act = arm_new_bell, .then = bell_rings};

	m.place = place_queue(ON_SHM, 0, NULL);
	SAME(0, shmq_attach(&m.q, m.place.attach, SHMQ_PRODUCER));
	SAME(0, shmq_send(m.q, "x", 1, 0));
	SAME(0, shmq_detach(m.q));
	moment_run(&m);
	SAME(2, m.seen);
	place_remove(&m.place);
}

Test(moment_bell, test_bell_sysv_not_readable_any_more_is_no_access)
{
	bell_on(ON_SYSV, (struct moment){.number = SYS_shmctl,
					 .which = 1,
					 .mask = 0xff,
					 .bits = IPC_STAT,
					 .nth = 3,
					 .error = EACCES,
					 .act = arm_no_bell,
					 .want = -EACCES});
}
