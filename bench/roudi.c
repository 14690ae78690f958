/* SPDX-License-Identifier: MIT */
#include "roudi.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define READY "RouDi is ready for clients"
#define START_MS 5000

/*
 * Pools for the lengths that are asked, with what iceoryx puts before a message; it touches
 * all of them when it starts.
 */
static const char config[] = "[general]\n"
			     "version = 1\n"
			     "[[segment]]\n"
			     "[[segment.mempool]]\nsize = 128\ncount = 1000\n"
			     "[[segment.mempool]]\nsize = 2048\ncount = 1000\n"
			     "[[segment.mempool]]\nsize = 8192\ncount = 1000\n"
			     "[[segment.mempool]]\nsize = 131072\ncount = 300\n"
			     "[[segment.mempool]]\nsize = 2097152\ncount = 40\n";

static pid_t roudi;
static int started; /* and not swept up after */

static void
nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

/* 1: it has ended. */
static int
ended(void)
{
	if (roudi > 0 && waitpid(roudi, NULL, WNOHANG) == 0)
		return 0;
	roudi = 0;
	return 1;
}

/* What processes that did not take their leave have left: their sockets. */
static void
sweep_parties(void)
{
	for (unsigned i = 0; i < BENCH_PARTIES_MAX; i++) {
		char name[64];

		snprintf(name, sizeof(name), "/tmp/" ROUDI_PARTY ".lock", i);
		unlink(name);
		snprintf(name, sizeof(name), "/tmp/" ROUDI_PARTY, i);
		unlink(name);
	}
}

/* What it leaves when it is killed: a segment of its own, and one with its group's name. */
static void
sweep(void)
{
	const struct group *group = getgrgid(getegid());

	sweep_parties();
	shm_unlink("iceoryx_mgmt");
	if (group)
		shm_unlink(group->gr_name);
	unlink("/tmp/roudi");
	unlink("/tmp/roudi.lock");
	unlink("/tmp/iox-unique-roudi.lock");
}

/*
 * Not asked to end, but killed and swept up after: where a process that it knows has just ended
 * without its leave, as ours do, it trips over an assertion and leaves all behind.
 */
static void
end_it(void)
{
	if (!started)
		return;
	if (!ended()) {
		kill(roudi, SIGKILL);
		waitpid(roudi, NULL, 0);
	}
	roudi = 0;
	started = 0;
	sweep();
}

/*
 * Its configuration and what it says go through descriptors 3 and 1; it gets nothing else of
 * ours.
 */
static void
become_roudi(int configured, int said)
{
	sigset_t none;
	int nowhere = open("/dev/null", O_RDWR);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (dup2(nowhere, 0) < 0 || dup2(nowhere, 2) < 0 || dup2(said, 1) < 0 ||
	    dup2(configured, 3) < 0)
		_exit(127);
	close_range(4, ~0U, 0);
	/* It is not to take one for dead who has not had the core for a while. */
	execlp("iox-roudi", "iox-roudi", "-m", "off", "-c", "/proc/self/fd/3", (char *)NULL);
	_exit(127);
}

/* 0, or -ENOTSUP: it ended, or does not come up. */
static int
wait_ready(int said)
{
	for (int ms = 0; ms < START_MS; ms++) {
		char text[4096] = "";

		if (pread(said, text, sizeof(text) - 1, 0) > 0 && strstr(text, READY))
			return 0;
		if (ended()) {
			started = 0; /* what there is may be another one's */
			bench_why("iox-roudi ended at once: is it installed (iceoryx), does "
				  "another one run?");
			return -ENOTSUP;
		}
		nap();
	}
	end_it();
	bench_why("iox-roudi does not come up");
	return -ENOTSUP;
}

static int
start_it(int configured, int said)
{
	if (write(configured, config, sizeof(config) - 1) != sizeof(config) - 1)
		return -EIO;
	roudi = fork();
	if (roudi < 0)
		return -errno;
	if (!roudi)
		become_roudi(configured, said);
	started = 1;
	bench_at_stop(end_it);
	return wait_ready(said);
}

int
roudi_start(void)
{
	static int failed;
	int configured, said, err;

	if (roudi > 0 && !ended())
		return 0;
	/* Once is enough. */
	if (failed) {
		bench_why("iox-roudi did not start");
		return -ENOTSUP;
	}
	configured = memfd_create("shmq-bench-roudi", MFD_CLOEXEC);
	said = memfd_create("shmq-bench-roudi", MFD_CLOEXEC);
	err = configured < 0 || said < 0 ? -errno : start_it(configured, said);
	close(configured);
	close(said);
	failed = err != 0;
	return err;
}
