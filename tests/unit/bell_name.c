/* SPDX-License-Identifier: MIT */
/* lib/os_bell.c: the FIFOs' names: who may open them, and what the dead leave. */
#include "bell_world.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

TestSuite(bell_name, .init = begin, .fini = end, .timeout = 120);

/* Names -------------------------------------------------------------------------------------- */

static mode_t
mode_of(const struct shmqi_bell_access *access, struct stat *st)
{
	struct shmqi_bell bell;

	SAME(0, shmqi_bell_open(&bell, &queue, 0, access));
	SAME(0, stat(name_of(bell.nonce), st));
	shmqi_bell_close(&bell);
	return st->st_mode & 07777;
}

Test(bell_name, test_fifo_mode_is_of_those_who_may_write)
{
	struct shmqi_bell_access access = access_of_owner;
	struct stat st;

	umask(0777);
	SAME(0600, mode_of(&access, &st));
	access.mode = 0644;
	SAME(0600, mode_of(&access, &st));
	access.mode = 0660;
	SAME(0660, mode_of(&access, &st));
	access.mode = 0222;
	SAME(0666, mode_of(&access, &st));
	umask(022);
	SAME(0666, mode_of(&access, &st));
}

static void
open_with_umask(void *arg)
{
	struct stat st;

	(void)arg;
	SAME(0, setgid(65534));
	SAME(0, setuid(65534));
	umask(0777);
	SAME(0600, mode_of(&access_of_owner, &st));
}

/* Who is not root needs its own permissions to open what it has made. */
Test(bell_name, test_fifo_whatever_the_umask)
{
	if (geteuid() != 0)
		cr_skip_test("not root");
	process_join(process_start(open_with_umask, NULL));
}

static int
open_with_descriptors(int spare)
{
	struct shmqi_bell bell;
	int fds[64], n = 0, err;

	while ((fds[n] = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
		n++;
	while (spare-- > 0)
		close(fds[--n]);
	err = shmqi_bell_open(&bell, &queue, 0, &access_of_owner);
	while (n > 0)
		close(fds[--n]);
	if (err == 0)
		shmqi_bell_close(&bell);
	return err;
}

Test(bell_name, test_out_of_descriptors_leaves_no_name)
{
	const struct rlimit few = {64, 64};
	int spare = 0;

	if (!place_is_private())
		cr_skip_test("no /dev/shm of its own");
	SAME(0, setrlimit(RLIMIT_NOFILE, &few));
	for (; open_with_descriptors(spare) != 0; spare++) {
		SAME(-EMFILE, open_with_descriptors(spare));
		SAME(0, place_leftovers());
	}
	MUST(spare >= 2);
	SAME(0, place_leftovers());
}

Test(bell_name, test_fifo_of_root_is_the_queue_owners)
{
	struct shmqi_bell_access access = {4321, 4322, 0640};
	struct stat st;

	if (geteuid() != 0)
		cr_skip_test("not root");
	SAME(0600, mode_of(&access, &st));
	SAME(4321, st.st_uid);
	SAME(4322, st.st_gid);
}

static void
open_as_nobody(void *arg)
{
	struct shmqi_bell_access access = {0, 4322, 0660};
	struct stat st;

	(void)arg;
	SAME(0, setgid(65534));
	SAME(0, setuid(65534));
	SAME(0600, mode_of(&access, &st));
	SAME(65534, st.st_gid);
}

/* Who may not name the group lets nobody of it in, rather than everybody. */
Test(bell_name, test_fifo_group_not_ours_not_admitted)
{
	if (geteuid() != 0)
		cr_skip_test("not root");
	process_join(process_start(open_as_nobody, NULL));
}

Test(bell_name, test_name_is_no_fifo_or_not_there_nothing_happens)
{
	static const char text[] = "not a FIFO";
	char back[sizeof(text)];
	int fd = open(name_of(77), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	SAME((ssize_t)sizeof(text), write(fd, text, sizeof(text)));
	world->receivers.armed = UINT32_MAX;
	for (unsigned i = 0; i < PARTICIPANTS; i++) {
		world->participants[i].bell = i % 2 ? 77 : 1000 + i;
		world->participants[i].armed[BELL_RECEIVERS] = BELL_ARMING;
	}
	(void)shmqi_ticket_draw(&world->receivers);
	wake_receivers();
	SAME(1, world->receivers.woken);
	SAME((ssize_t)sizeof(text), pread(fd, back, sizeof(back), 0));
	SAME(0, memcmp(text, back, sizeof(text)));
	close(fd);
	unlink(name_of(77));
}

/* What dies leaves ----------------------------------------------------------------------------- */

static void
open_and_stay(void *arg)
{
	struct shmqi_bell bell = opened(*(const unsigned *)arg);
	sigset_t none;

	armed(&bell, BELL_RECEIVERS);
	sigemptyset(&none);
	sigsuspend(&none);
}

static uint64_t
killed_owner(unsigned index)
{
	pid_t owner = process_start(open_and_stay, &index);

	while (world->participants[index].bell == 0)
		process_await_call(owner, PROCESS_SIGSUSPEND);
	process_await_call(owner, PROCESS_SIGSUSPEND);
	process_kill(owner);
	return world->participants[index].bell;
}

struct told {
	unsigned times;
	char what[256];
};

static void
tell(const char *what, int err, void *arg)
{
	struct told *told = arg;

	SAME(0, err);
	told->times++;
	snprintf(told->what, sizeof(told->what), "%s", what);
}

Test(bell_name, test_gc_clears_dead_owners_only)
{
	struct shmqi_bell bell = opened(1);
	uint64_t dead = killed_owner(0);
	struct told told = {0};

	if (!place_is_private())
		cr_skip_test("no /dev/shm of its own");
	wake_receivers(); /* a ringer's descriptor does not make the dead look alive */
	SAME(1, shmqi_bell_gc(true, tell, &told));
	MUST(exists(dead));
	MUST(strstr(told.what, name_of(dead)) != NULL);
	SAME(1, shmqi_bell_gc(false, tell, &told));
	SAME(2, told.times);
	MUST(!exists(dead));
	MUST(exists(bell.nonce));
	SAME(0, shmqi_bell_gc(false, NULL, NULL));
	shmqi_bell_close(&bell);
	SAME(0, place_leftovers());
}

static void
tell_error(const char *what, int err, void *arg)
{
	(void)what;
	*(int *)arg = err;
}

/* What cannot be taken away is told of, and stays. */
Test(bell_name, test_gc_read_only_file_system_says_so)
{
	uint64_t dead = killed_owner(0);
	int err = 0;

	if (!place_is_private())
		cr_skip_test("no /dev/shm of its own");
	SAME(0, mount(NULL, "/dev/shm", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	SAME(1, shmqi_bell_gc(false, tell_error, &err));
	SAME(-EROFS, err);
	MUST(exists(dead));
	SAME(0, mount(NULL, "/dev/shm", NULL, MS_REMOUNT, NULL));
	SAME(1, shmqi_bell_gc(false, NULL, NULL));
	MUST(!exists(dead));
}

/* A name that a creator has not completed: left alone while it may be about to. */
Test(bell_name, test_gc_leaves_young_half_made_alone)
{
	static const char half_made[] = "/dev/shm/.shmq-bell-new-0123456789abcdef";
	const struct timespec old[2] = {{.tv_sec = 1000000}, {.tv_sec = 1000000}};

	if (!place_is_private())
		cr_skip_test("no /dev/shm of its own");
	SAME(0, mkfifo(half_made, 0600));
	SAME(0, shmqi_bell_gc(false, NULL, NULL));
	SAME(0, utimensat(AT_FDCWD, half_made, old, 0));
	SAME(1, shmqi_bell_gc(false, NULL, NULL));
	SAME(0, place_leftovers());
}

Test(bell_name, test_gc_leaves_other_files_alone)
{
	int fd;

	if (!place_is_private())
		cr_skip_test("no /dev/shm of its own");
	fd = open("/dev/shm/.shmq-bell-0-0", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	MUST(fd >= 0);
	SAME(0, mkfifo("/dev/shm/.shmq-bel", 0600));
	SAME(0, shmqi_bell_gc(false, NULL, NULL));
	SAME(2, place_leftovers());
	close(fd);
	SAME(0, unlink("/dev/shm/.shmq-bell-0-0"));
	SAME(0, unlink("/dev/shm/.shmq-bel"));
}

Test(bell_name, test_newcomer_clears_dead_owners)
{
	uint64_t dead = killed_owner(0);

	MUST(exists(dead));
	shmqi_bell_clear(&world->participants[0], queue.uuid);
	MUST(!exists(dead));
	SAME(0, world->participants[0].bell);
	shmqi_bell_clear(&world->participants[0], queue.uuid);
}
