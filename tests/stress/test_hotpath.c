/* SPDX-License-Identifier: MIT */
/*
 * The hot path makes no system call and takes no page fault: after a warm-up both ends forbid
 * themselves every system call but getrusage() and exit, under pain of SIGSYS, and count their
 * faults.
 */
#include <criterion/criterion.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/shmq.h>

#include "stress/hot.h"
#include "support/place.h"
#include "support/process.h"

#define CAPACITY 1024
#define WARM (4 * CAPACITY)
#define MESSAGES ((uint64_t)1000000 * SCALE)

TestSuite(hotpath, .init = place_begin, .fini = place_end, .timeout = 600);

struct result {
	long faults;
	int done;
};

struct end {
	struct hot hot;
	struct result *result; /* shared */
};

/* From now on a system call is death. */
static void
forbid_calls(void *arg)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrusage, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]), .filter = filter};

	(void)arg;
	SAME(0, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SAME(0, prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
}

static void
run_end(void *arg)
{
	struct end *end = arg;

	end->result->faults = hot_run(&end->hot);
	end->result->done = 1;
	_exit(0);
}

static void
run_pair(const char *address, bool inlined, unsigned roles[2])
{
	struct result *results = process_share(2 * sizeof(*results));
	pid_t pids[2];

	for (int i = 0; i < 2; i++) {
		struct end end = {
			.hot = {.address = address,
				.role = roles[i],
				.inlined = inlined,
				.warm = WARM,
				.count = MESSAGES,
				.warmed = forbid_calls},
			.result = &results[i],
		};

		results[i].faults = -2;
		pids[i] = process_start(run_end, &end);
	}
	for (int i = 0; i < 2; i++)
		process_join(pids[i]);
	for (int i = 0; i < 2; i++) {
		SAME(1, results[i].done);
		SAME(0, results[i].faults);
	}
}

static void
quiet(enum place_backend on, bool inlined)
{
	struct shmq_opts opts = {.size = sizeof(opts),
				 .msg_max = HOT_BYTES,
				 .capacity = CAPACITY,
				 .flags = SHMQ_LOCK};
	struct place place = place_queue(on, 0, &opts);

	run_pair(place.attach, inlined, (unsigned[2]){SHMQ_PRODUCER, SHMQ_CONSUMER});
	SAME(WARM + MESSAGES, place_stat(&place).received);
	SAME(0, place_stat(&place).depth);
	place_remove(&place);
}

Test(hotpath, test_hot_path_shm_no_call_no_fault)
{
	quiet(ON_SHM, false);
}

Test(hotpath, test_hot_path_shm_inline_no_call_no_fault)
{
	quiet(ON_SHM, true);
}

Test(hotpath, test_hot_path_sysv_no_call_no_fault)
{
	quiet(ON_SYSV, false);
}

Test(hotpath, test_hot_path_sysv_inline_no_call_no_fault)
{
	quiet(ON_SYSV, true);
}

Test(hotpath, test_hot_path_memfd_no_call_no_fault)
{
	quiet(ON_MEMFD, false);
}

Test(hotpath, test_hot_path_memfd_inline_no_call_no_fault)
{
	quiet(ON_MEMFD, true);
}

/* The test can fail: a call under the filter kills. */
static void
call_something(void *arg)
{
	forbid_calls(arg);
	syscall(SYS_getppid);
}

Test(hotpath, test_hot_path_call_would_be_seen)
{
	int status = process_end(process_start(call_something, NULL));

	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* And without a lock and a warm-up, first touches are faults that are counted. */
static void
run_cold(void *arg)
{
	struct end *end = arg;

	end->result->faults = hot_run(&end->hot);
	_exit(0);
}

static void
do_nothing(void *arg)
{
	(void)arg;
}

Test(hotpath, test_hot_path_fault_would_be_seen)
{
	struct shmq_opts opts = {.size = sizeof(opts), .msg_max = (size_t)1 << 20, .capacity = 16};
	struct place place = place_queue(ON_SHM, 0, &opts);
	struct end end = {
		.hot = {.address = place.attach,
			.role = SHMQ_PRODUCER,
			.count = 16,
			.warmed = do_nothing,
			.unlocked = true},
		.result = process_share(sizeof(struct result)),
	};

	process_join(process_start(run_cold, &end));
	MUST(end.result->faults >= 8); /* attaching has looked at some of the slots */
	place_remove(&place);
}
