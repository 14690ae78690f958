/* SPDX-License-Identifier: MIT */
/* Held up by others than itself: a frozen control group, a debugger, a core dump. It is alive. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hold.h"
#include "support/process.h"

TestSuite(held_up, .init = place_begin, .fini = place_end, .timeout = 120);

/* It says that it goes on as soon as it can. */
static void
answer(struct scene *s)
{
	struct shmq_stat st = {.size = sizeof(st)};

	for (;;) {
		gate_pass(s->go);
		SAME(0, shmq_qstat(s->theirs, &st));
		gate_open(s->taken);
	}
}

static void
must_answer(struct scene *s)
{
	gate_open(s->go);
	gate_pass(s->taken);
}

static bool
file_says(const char *path, const char *what)
{
	char text[8192] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return false;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	return got > 0 && strstr(text, what);
}

/* Frozen ------------------------------------------------------------------------------------- */

struct freezer {
	char directory[128];
};

static bool
write_to(const struct freezer *freezer, const char *file, int number)
{
	char path[192], text[16];
	int fd, length = snprintf(text, sizeof(text), "%d", number);
	bool done;

	snprintf(path, sizeof(path), "%s/%s", freezer->directory, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	done = fd >= 0 && write(fd, text, (size_t)length) == length;
	if (fd >= 0)
		close(fd);
	return done;
}

static void
freeze(const struct freezer *freezer, bool frozen)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/cgroup.events", freezer->directory);
	MUST(write_to(freezer, "cgroup.freeze", frozen));
	while (!file_says(path, frozen ? "frozen 1" : "frozen 0"))
		usleep(1000);
}

/* A group of its own, where version 2 is mounted and ours to change. */
static bool
freezer_new(struct freezer *freezer)
{
	static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

	for (unsigned i = 0; i < 2; i++) {
		snprintf(freezer->directory, sizeof(freezer->directory), "%s/shmq-test-%d",
			 roots[i], (int)getpid());
		if (mkdir(freezer->directory, 0700) != 0)
			continue;
		if (write_to(freezer, "cgroup.freeze", 0))
			return true;
		rmdir(freezer->directory);
	}
	return false;
}

/* The group is empty once the dead one is gone from it. */
static void
freezer_end(const struct freezer *freezer)
{
	while (rmdir(freezer->directory) != 0 && errno == EBUSY)
		usleep(1000);
}

Test(held_up, test_frozen_is_alive_then_killed_is_dead)
{
	struct freezer freezer;

	if (!freezer_new(&freezer))
		cr_skip_test("no control groups, version 2, that can be written");
	EACH_HOLD(s)
	{
		scene_start(&s, answer);
		MUST(write_to(&freezer, "cgroup.procs", s.pid));
		freeze(&freezer, true);
		scene_alive(&s);
		freeze(&freezer, false);
		must_answer(&s);
		freeze(&freezer, true);
		scene_alive(&s);
		process_kill(s.pid);
		scene_dead(&s);
		freeze(&freezer, false);
	}
	freezer_end(&freezer);
}

/* A debugger --------------------------------------------------------------------------------- */

static bool
debugger_attach(pid_t pid)
{
	int status;

	if (ptrace(PTRACE_ATTACH, pid, NULL, NULL) != 0)
		return false;
	SAME(pid, waitpid(pid, &status, __WALL));
	MUST(WIFSTOPPED(status));
	return true;
}

static void
debugger_detach(pid_t pid)
{
	MUST(ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0);
}

Test(held_up, test_debugged_is_alive_then_killed_is_dead)
{
	EACH_HOLD(s)
	{
		scene_start(&s, answer);
		if (!debugger_attach(s.pid))
			cr_skip_test("not allowed to trace");
		scene_alive(&s);
		debugger_detach(s.pid);
		must_answer(&s);
		MUST(debugger_attach(s.pid));
		scene_alive(&s);
		SAME(0, kill(s.pid, SIGKILL));
		while (!WIFSIGNALED(process_end(s.pid)))
			continue;
		scene_dead(&s);
	}
}

static void
receive_x(void *arg)
{
	struct place *place = arg;
	struct shmq *q = NULL;
	char byte = 0;

	SAME(0, shmq_attach(&q, place->attach, SHMQ_CONSUMER));
	SAME(1, shmq_recv(q, &byte, 1, SHMQ_FOREVER));
	SAME('x', byte);
	SAME(0, shmq_detach(q));
}

/* No handler has run: so no -EINTR. */
Test(held_up, test_sleeper_debugged_sleeps_on)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct place place = place_queue(on, 0, NULL);
		pid_t pid = process_start(receive_x, &place);
		struct shmq *q = NULL;

		for (int i = 0; i < 5; i++) {
			process_await_call(pid, SYS_futex);
			if (!debugger_attach(pid))
				cr_skip_test("not allowed to trace");
			debugger_detach(pid);
		}
		SAME(0, shmq_attach(&q, place.attach, SHMQ_PRODUCER));
		SAME(0, shmq_send(q, "x", 1, 0));
		process_join(pid);
		SAME(0, shmq_detach(q));
		place_remove(&place);
	}
}

/* A core dump -------------------------------------------------------------------------------- */

#define CORE_BYTES ((size_t)24 << 20)

static void
dump_core(struct scene *s)
{
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	void *memory =
		mmap(NULL, CORE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)s;
	MUST(memory != MAP_FAILED);
	memset(memory, 1, CORE_BYTES);
	SAME(0, setrlimit(RLIMIT_CORE, &unlimited));
	SAME(0, prctl(PR_SET_DUMPABLE, 1));
	SAME(0, chdir("/dev/shm"));
	signal(SIGABRT, SIG_DFL);
	abort();
}

static bool
dumping(pid_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return file_says(path, "CoreDumping:\t1");
}

/* Whether cores are written to the directory of the process that dumps. */
static bool
cores_here(void)
{
	return place_is_private() && file_says("/proc/sys/kernel/core_pattern", "core") &&
	       !file_says("/proc/sys/kernel/core_pattern", "|") &&
	       !file_says("/proc/sys/kernel/core_pattern", "/");
}

static bool
ended(pid_t pid)
{
	siginfo_t info = {0};

	SAME(0, waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT));
	return info.si_pid == pid;
}

/* How often it was seen alive while it dumped. */
static unsigned
watch_dump(struct scene *s)
{
	unsigned looks = 0;

	while (!ended(s->pid)) {
		int rows;

		if (!dumping(s->pid))
			continue;
		rows = scene_alive_rows(s);
		if (!dumping(s->pid))
			continue;
		SAME(scene_own_rows(s) + 1, rows);
		looks++;
	}
	return looks;
}

static void
remove_core(pid_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/dev/shm/core.%d", (int)pid);
	if (unlink(path) != 0)
		SAME(0, unlink("/dev/shm/core"));
}

Test(held_up, test_dumping_core_is_alive_until_it_is_gone)
{
	unsigned looks = 0;

	if (!cores_here())
		cr_skip_test("core dumps go elsewhere: /proc/sys/kernel/core_pattern");
	EACH_HOLD(s)
	{
		scene_start(&s, dump_core);
		looks += watch_dump(&s);
		SAME(SIGABRT, WTERMSIG(process_end(s.pid)));
		remove_core(s.pid);
		scene_dead(&s);
	}
	MUST(looks > 0);
}

/* Behind a claim of a process that dumps its core: on as soon as that is gone. */
Test(held_up, test_receiver_behind_a_dump_waits_no_longer)
{
	const struct shmq_opts mpmc = {
		.size = sizeof(mpmc), .kind = SHMQ_MPMC, .msg_max = 64, .capacity = 4};
	struct scene s = scene_begin(&holds[5], ON_SHM);
	char byte = 0;

	if (!cores_here())
		cr_skip_test("core dumps go elsewhere: /proc/sys/kernel/core_pattern");
	SAME(mpmc.kind, s.hold->opts.kind);
	scene_start(&s, dump_core);
	SAME(1, shmq_recv(s.in, &byte, 1, SHMQ_FOREVER));
	SAME('b', byte);
	MUST(!dumping(s.pid));
	SAME(SIGABRT, WTERMSIG(process_end(s.pid)));
	remove_core(s.pid);
	SAME(0, shmq_send(s.out, "b", 1, 0)); /* what the others of this hold find */
	scene_dead(&s);
}

struct dump {
	struct place place;
	unsigned filter;
};

static void
dump_attached(void *arg)
{
	struct dump *dump = arg;
	struct shmq_seg *seg = NULL;
	struct scene none = {0};
	char text[16];
	int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
	int length = snprintf(text, sizeof(text), "0x%x", dump->filter);

	MUST(fd >= 0);
	SAME(length, write(fd, text, (size_t)length));
	SAME(0, shmq_seg_attach(&seg, dump->place.attach, 0));
	memset(shmq_seg_base(seg), 1, shmq_seg_size(seg));
	dump_core(&none);
}

static int64_t
core_bytes(const struct dump *dump)
{
	pid_t pid = process_start(dump_attached, (void *)(uintptr_t)dump);
	struct stat st;
	char path[64];

	SAME(SIGABRT, WTERMSIG(process_end(pid)));
	snprintf(path, sizeof(path), "/dev/shm/core.%d", (int)pid);
	if (stat(path, &st) != 0)
		SAME(0, stat("/dev/shm/core", &st));
	remove_core(pid);
	return (int64_t)st.st_blocks * 512;
}

/* What the manual says of core dumps: memory without a name is in them, unless it is filtered. */
Test(held_up, test_core_holds_what_the_filter_says)
{
	static const struct {
		enum place_backend on;
		unsigned with, without;
	} rows[] = {{ON_SHM, 0x3b, 0x33},
		    {ON_FILE, 0x3b, 0x33},
		    {ON_SYSV, 0x33, 0x31},
		    {ON_MEMFD, 0x33, 0x31}};
	const struct shmq_seg_opts opts = {.size = sizeof(opts), .segsz = (size_t)16 << 20};

	if (!cores_here())
		cr_skip_test("core dumps go elsewhere: /proc/sys/kernel/core_pattern");
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dump dump = {.place = place_segment(rows[i].on, 0, &opts)};
		int64_t with, without;

		dump.filter = rows[i].with;
		with = core_bytes(&dump);
		dump.filter = rows[i].without;
		without = core_bytes(&dump);
		MUST(with - without > (int64_t)opts.segsz * 9 / 10);
		place_remove(&dump.place);
	}
}
