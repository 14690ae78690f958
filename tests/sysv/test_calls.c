/* SPDX-License-Identifier: MIT */
/* What a program notices besides the results: errno, descriptors, signals, threads, forks, bad pointers. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "space.h"
#include "support/leak.h"
#include "support/process.h"

TestSuite(sysv_calls, .init = space_begin, .fini = space_end, .timeout = 120);

static int
made(key_t key, size_t size, int mode)
{
	int id = shmget(key, size, IPC_CREAT | mode);

	MUST(id >= 0);
	return id;
}

static char *
attached(int id)
{
	char *base = shmat(id, NULL, 0);

	MUST(base != (void *)-1);
	return base;
}

static int
at_rc(int id, const void *at, int flags)
{
	return shmat(id, at, flags) == (void *)-1 ? -errno : 0;
}

/* A whole life, with errno as it was before and no descriptor left open after each call. */
Test(sysv_calls, success_leaves_errno_and_descriptors_alone)
{
	int before = space_descriptors(), id;
	struct shmid_ds ds;
	void *base;

	errno = 4242;
	id = made(0x1001, PAGE, 0600);
	base = attached(id);
	SAME(0, shmctl(id, IPC_STAT, &ds));
	SAME(0, shmctl(id, IPC_SET, &ds));
	SAME(0, shmctl(id, IPC_RMID, NULL));
	SAME(0, shmdt(base));
	SAME(4242, errno);
	SAME(before, space_descriptors());
}

/* A daemon closes what it finds; nothing of ours is among it. */
static void
close_everything(void *arg)
{
	char *base = arg;
	int id = shmget(0x1002, 0, 0);

	for (int fd = 3; fd < 1024; fd++)
		close(fd);
	base[0] = 'x';
	SAME(2, space_nattch(id));
	SAME(0, shmdt(base));
	SAME(1, space_nattch(id));
	MUST(attached(id)[0] == 'x');
	SAME(2, space_nattch(id));
}

Test(sysv_calls, closing_every_descriptor_changes_nothing)
{
	int id = made(0x1002, PAGE, 0600);
	char *base = attached(id);

	process_join(process_start(close_everything, base));
	SAME(1, space_nattch(id));
}

/* Nothing to write to, half of it, and nothing to read from: EFAULT as of the kernel, and no signal. */
Test(sysv_calls, bad_buffer_is_efault)
{
	char *pages =
		mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int id = made(0x1003, PAGE, 0600);
	struct shmid_ds *half = (void *)(pages + PAGE - 16);
	static const int commands[] = {IPC_STAT, IPC_SET, IPC_INFO, SHM_INFO};

	MUST(munmap(pages + PAGE, PAGE) == 0);
	for (int i = 0; i < 4; i++) {
		SAME(-EFAULT, space_rc(shmctl(id, commands[i], NULL)));
		SAME(-EFAULT, space_rc(shmctl(id, commands[i], (void *)8)));
		SAME(-EFAULT, space_rc(shmctl(id, commands[i], half)));
	}
	SAME(-EFAULT, space_rc(shmctl((int)((unsigned)id & 32767), SHM_STAT, half)));
	MUST(mprotect(pages, PAGE, PROT_READ) == 0);
	SAME(-EFAULT, space_rc(shmctl(id, IPC_STAT, (void *)pages)));
	SAME(PAGE, space_stat(id).shm_segsz);
}

Test(sysv_calls, bad_arguments_have_the_kernels_errno)
{
	int id = made(0x1004, PAGE, 0600);
	struct shmid_ds ds = space_stat(id);

	SAME(-EINVAL, at_rc(-1, NULL, 0));
	SAME(-EINVAL, at_rc(id + 1, NULL, 0));
	SAME(-EINVAL, at_rc(id + 32768, NULL, 0)); /* another sequence */
	SAME(-EINVAL, at_rc(id, (void *)(PAGE * 64 + 1), 0));
	SAME(-EINVAL, at_rc(id, NULL, SHM_REMAP));
	SAME(-EINVAL, at_rc(id, (void *)1, SHM_RND | SHM_REMAP));
	SAME(-EINVAL, at_rc(id, (void *)(UINTPTR_MAX - PAGE + 1), 0));
	SAME(-EINVAL, space_rc(shmdt((void *)(PAGE * 64))));
	SAME(-EINVAL, space_rc(shmctl(id, -1, &ds)));
	SAME(-EINVAL, space_rc(shmctl(id, 0x7777, &ds)));
	SAME(-EINVAL, space_rc(shmctl(32000, SHM_STAT, &ds)));
	SAME(-ENOENT, space_rc(shmget(0x1005, PAGE, 0600)));
	SAME(-EINVAL, space_rc(shmget(0x1004, PAGE + 1, 0600)));
	SAME(-EEXIST, space_rc(shmget(0x1004, PAGE + 1, IPC_CREAT | IPC_EXCL)));
	SAME(-EINVAL, space_rc(shmget(IPC_PRIVATE, PAGE, SHM_HUGETLB | 5 << 26 | 0600)));
	SAME(-ENOMEM, space_rc(shmget(IPC_PRIVATE, PAGE, SHM_HUGETLB | 0600)));
	ds.shm_perm.uid = (uid_t)-1;
	SAME(-EINVAL, space_rc(shmctl(id, IPC_SET, &ds)));
	space_consistent();
}

/* Where there is no namespace yet, to ask makes none. */
Test(sysv_calls, asking_makes_nothing)
{
	struct shm_info info = {.used_ids = 7};
	char index[96];

	SAME(-ENOENT, space_rc(shmget(0x1006, 0, 0)));
	SAME(-EINVAL, at_rc(0, NULL, 0));
	SAME(-EINVAL, space_rc(shmctl(0, IPC_RMID, NULL)));
	SAME(0, shmctl(0, SHM_INFO, (void *)&info));
	SAME(0, info.used_ids);
	snprintf(index, sizeof(index), "%s/index", space_path());
	SAME(-1, access(index, F_OK));
}

/* Indexes go round among 64, the sequence grows: an id is not given out again. */
Test(sysv_calls, ids_are_not_reused)
{
	static bool seen[32768 * 8];

	for (int i = 0; i < 300; i++) {
		int id = made(IPC_PRIVATE, PAGE, 0600);

		SAME(i % 64, id % 32768);
		MUST(!seen[id]);
		seen[id] = true;
		SAME(0, shmctl(id, IPC_RMID, NULL));
		SAME(-EINVAL, at_rc(id, NULL, 0));
	}
}

/* A thousand, keys of every kind, removed in another order. */
Test(sysv_calls, a_thousand_segments_are_told_apart)
{
	static int ids[1000];

	for (int i = 0; i < 1000; i++)
		ids[i] = made((key_t)((unsigned)(i + 1) * 2654435761u), PAGE + (size_t)i, 0600);
	space_consistent();
	for (int i = 0; i < 1000; i += 2)
		SAME(0, shmctl(ids[i * 7 % 1000 / 2 * 2], IPC_RMID, NULL));
	space_consistent();
	for (int i = 1; i < 1000; i += 2)
		SAME(PAGE + (size_t)i, space_stat(ids[i]).shm_segsz);
	space_clear();
}

static int signal_id;
static volatile sig_atomic_t signals_seen, signal_failed;

static void
on_signal(int number)
{
	struct shmid_ds ds;
	void *base = shmat(signal_id, NULL, 0);

	(void)number;
	signals_seen++;
	if (base == (void *)-1 || shmctl(signal_id, IPC_STAT, &ds) != 0 || shmdt(base) != 0)
		signal_failed = 1;
}

/* As the system calls, they may be called in a handler that has interrupted one of them. */
Test(sysv_calls, handlers_may_call_in_the_middle)
{
	struct itimerval often = {{0, 300}, {0, 300}};
	int mine;

	if (leak_thread_sanitizer()) /* runs handlers when it likes, in the middle of what holds them off */
		cr_skip_test("a sanitizer is between the kernel and the handlers");
	mine = made(0x1007, PAGE, 0600);

	signal_id = made(0x1008, PAGE, 0600);
	signal(SIGALRM, on_signal);
	MUST(setitimer(ITIMER_REAL, &often, NULL) == 0);
	while (signals_seen < 300) {
		void *base = attached(mine);

		(void)space_stat(mine);
		SAME(0, shmdt(base));
	}
	MUST(setitimer(ITIMER_REAL, &(struct itimerval){{0, 0}, {0, 0}}, NULL) == 0);
	SAME(0, signal_failed);
	SAME(0, space_nattch(mine));
	SAME(0, space_nattch(signal_id));
}

static void *
live_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 200; i++) {
		int id = made(IPC_PRIVATE, 2 * PAGE, 0600);
		char *base = attached(id);

		base[PAGE] = 'x';
		SAME(0, shmctl(id, IPC_RMID, NULL));
		MUST(space_nattch(id) >= 1); /* a child may have it, too */
		SAME(0, shmdt(base));
	}
	return NULL;
}

/* Threads create and destroy while another forks: no child keeps a lock, nothing is left. */
Test(sysv_calls, threads_and_forks_do_not_disturb_each_other)
{
	int shared = made(0x1009, PAGE, 0600), status;
	char *base = attached(shared);
	pthread_t threads[3];

	for (int i = 0; i < 3; i++)
		MUST(pthread_create(&threads[i], NULL, live_often, NULL) == 0);
	for (int i = 0; i < 40; i++) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(base[0] == 0 && shmdt(base) == 0 && shmget(0x1009, 0, 0) == shared
				      ? 0
				      : 1);
		MUST(pid > 0 && waitpid(pid, &status, 0) == pid);
		SAME(0, status);
	}
	for (int i = 0; i < 3; i++)
		MUST(pthread_join(threads[i], NULL) == 0);
	SAME(1, space_nattch(shared));
	SAME(0, shmdt(base));
	SAME(0, shmctl(shared, IPC_RMID, NULL));
	space_consistent();
	SAME(0, space_files());
}

static void
wait_for_end(void *arg)
{
	(void)arg;
	pause();
}

/* The last one attached to a marked segment is killed: nobody is told, and yet it is gone with the next look. */
Test(sysv_calls, marked_and_killed_is_gone)
{
	int id = made(0x100a, PAGE, 0600);
	char *base = attached(id);
	pid_t pid = process_start(wait_for_end, NULL);

	SAME(2, space_nattch(id));
	SAME(0, shmctl(id, IPC_RMID, NULL));
	SAME(0, shmdt(base));
	SAME(1, space_nattch(id));
	process_kill(pid);
	MUST(made(0x100a, 2 * PAGE, 0600) != id); /* sweeps */
	SAME(1, space_files());
	SAME(-EINVAL, space_rc(shmctl(id, IPC_RMID, NULL)));
	space_consistent();
}

/* An attach to read stays one in a child, and one to write that is read-only for now does not become one. */
static void
try_protections(void *arg)
{
	char **bases = arg;

	SAME(-EACCES, space_rc(mprotect(bases[0], PAGE, PROT_READ | PROT_WRITE)));
	SAME(0, mprotect(bases[1], PAGE, PROT_READ | PROT_WRITE));
	bases[1][0] = 'c';
}

Test(sysv_calls, fork_keeps_what_may_be_written)
{
	int id = made(0x100b, PAGE, 0600);
	char *bases[2] = {shmat(id, NULL, SHM_RDONLY), attached(id)};

	MUST(bases[0] != (void *)-1);
	MUST(mprotect(bases[1], PAGE, PROT_READ) == 0);
	process_join(process_start(try_protections, bases));
	SAME('c', bases[0][0]);
	SAME(2, space_nattch(id));
}

static void
detach_all(void *arg)
{
	char **bases = arg;

	for (int i = 0; i < 200; i++)
		SAME(0, shmdt(bases[i]));
}

/* Many attaches, inherited and detached by a child, while the parent keeps its own. */
Test(sysv_calls, fork_inherits_many_attaches)
{
	int id = made(0x100c, PAGE, 0600);
	char *bases[200];
	pid_t pid;

	for (int i = 0; i < 200; i++)
		bases[i] = attached(id);
	SAME(200, space_nattch(id));
	pid = process_start(wait_for_end, NULL);
	SAME(400, space_nattch(id));
	process_kill(pid);
	process_join(process_start(detach_all, bases));
	SAME(200, space_nattch(id));
	detach_all(bases);
	SAME(0, space_nattch(id));
}

static pid_t holder;

static void
end_holder(int number)
{
	(void)number;
	kill(holder, SIGKILL);
}

static void
hold_index(void *arg)
{
	struct flock all = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/index", space_path());
	fd = open(path, O_RDWR);
	MUST(fd >= 0 && fcntl(fd, F_OFD_SETLK, &all) == 0);
	gate_open(*(int *)arg);
	pause();
}

/* Somebody stopped in the middle of a call holds all others up, but not their handlers. */
Test(sysv_calls, handlers_run_while_a_call_waits)
{
	struct itimerval soon = {{0, 0}, {0, 100000}};
	int id = made(0x100d, PAGE, 0600), gate = gate_new();

	signal(SIGALRM, end_holder);
	holder = process_start(hold_index, &gate);
	gate_pass(gate);
	MUST(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	SAME(id, shmget(0x100d, 0, 0));
	MUST(WIFSIGNALED(process_end(holder)));
}
