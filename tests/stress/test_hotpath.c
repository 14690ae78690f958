/* SPDX-License-Identifier: MIT */
/*
 * The hot path makes no system call and takes no page fault: after a warm-up both ends forbid
 * themselves every system call but getrusage() and exit, under pain of SIGSYS, and count their
 * faults.
 */
#include <criterion/criterion.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/atomic.h>
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

/* Whoever ends first, first: the other one may be waiting for a dead one, for ever. */
static void
join_both(void)
{
	for (int i = 0; i < 2; i++) {
		siginfo_t info;

		SAME(0, waitid(P_ALL, 0, &info, WEXITED | WNOWAIT));
		process_join(info.si_pid);
	}
}

static void
run_pair(const char *address, bool inlined, unsigned roles[2])
{
	struct result *results = process_share(2 * sizeof(*results));
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
		process_start(run_end, &end);
	}
	join_both();
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

/* The other kinds, ends in step ----------------------------------------------------------------- */

/* Or gone. */
static bool
attached(const char *address, const struct hot_step *step)
{
	struct shmq_stat st = {.size = sizeof(st)};

	SAME(0, shmq_stat(address, &st));
	return st.consumers > 0 || shmq_load_relaxed_u32(&step->failed);
}

static void
run_in_step(const char *address, const struct shmq_opts *opts)
{
	struct result *results = process_share(2 * sizeof(*results));
	struct hot_step *step = process_share(sizeof(*step));
	for (int i = 0; i < 2; i++) {
		struct end end = {
			.hot = {.address = address,
				.role = i ? SHMQ_PRODUCER : SHMQ_CONSUMER,
				.warm = WARM,
				.count = MESSAGES / 10,
				.warmed = forbid_calls,
				.lossy = (opts->flags & SHMQ_LOSSY) || opts->kind == SHMQ_LATEST,
				.bytes = opts->msg_max,
				.step = step},
			.result = &results[i],
		};

		results[i].faults = -2;
		process_start(run_end, &end);
		/* A receiver that must have every message is there before the first. */
		while (i == 0 && !attached(address, step))
			sched_yield();
	}
	join_both();
	for (int i = 0; i < 2; i++) {
		SAME(1, results[i].done);
		SAME(0, results[i].faults);
	}
}

static void
quiet_kind(int kind, unsigned flags, size_t bytes)
{
	bool records = flags & SHMQ_RECORDS;
	struct shmq_opts opts = {.size = sizeof(opts),
				 .kind = kind,
				 .msg_max = bytes,
				 .capacity = records ? CAPACITY * 64 : CAPACITY,
				 .participants = 4,
				 .flags = SHMQ_LOCK | flags};
	struct place place = place_queue(ON_SHM, 0, &opts);

	run_in_step(place.attach, &opts);
	place_remove(&place);
}

Test(hotpath, test_hot_path_spsc_records_no_call_no_fault)
{
	quiet_kind(SHMQ_SPSC, SHMQ_RECORDS, HOT_BYTES);
}

Test(hotpath, test_hot_path_mpsc_no_call_no_fault)
{
	quiet_kind(SHMQ_MPSC, 0, HOT_BYTES);
}

Test(hotpath, test_hot_path_mpsc_records_no_call_no_fault)
{
	quiet_kind(SHMQ_MPSC, SHMQ_RECORDS, HOT_BYTES);
}

Test(hotpath, test_hot_path_mpmc_no_call_no_fault)
{
	quiet_kind(SHMQ_MPMC, 0, HOT_BYTES);
}

/* Longer than 256 bytes: another way. */
Test(hotpath, test_hot_path_mpmc_long_no_call_no_fault)
{
	quiet_kind(SHMQ_MPMC, 0, 512);
}

Test(hotpath, test_hot_path_mpmc_redeliver_no_call_no_fault)
{
	quiet_kind(SHMQ_MPMC, SHMQ_REDELIVER, HOT_BYTES);
}

Test(hotpath, test_hot_path_broadcast_no_call_no_fault)
{
	quiet_kind(SHMQ_BROADCAST, 0, HOT_BYTES);
}

Test(hotpath, test_hot_path_broadcast_records_no_call_no_fault)
{
	quiet_kind(SHMQ_BROADCAST, SHMQ_RECORDS, HOT_BYTES);
}

Test(hotpath, test_hot_path_lossy_no_call_no_fault)
{
	quiet_kind(SHMQ_BROADCAST, SHMQ_LOSSY, HOT_BYTES);
}

Test(hotpath, test_hot_path_lossy_records_no_call_no_fault)
{
	quiet_kind(SHMQ_BROADCAST, SHMQ_LOSSY | SHMQ_RECORDS, HOT_BYTES);
}

Test(hotpath, test_hot_path_latest_no_call_no_fault)
{
	quiet_kind(SHMQ_LATEST, 0, HOT_BYTES);
}

/* A descriptor that nobody has armed ------------------------------------------------------------ */

struct bells {
	const char *address;
	bool armed; /* and one that somebody has */
};

/* An event loop's end and a sender, with a message on its way: the bell has rung for it. */
static void
send_unheard(void *arg)
{
	const struct bells *bells = arg;
	struct shmq *in = NULL, *out = NULL;
	struct pollfd poll_fd = {.events = POLLIN};
	uint64_t n = 0;

	SAME(0, shmq_attach(&in, bells->address, SHMQ_CONSUMER));
	SAME(0, shmq_attach(&out, bells->address, SHMQ_PRODUCER));
	poll_fd.fd = shmq_fd(in);
	MUST(poll_fd.fd >= 0);
	if (!bells->armed) {
		SAME(0, shmq_send(out, &n, sizeof(n), 0));
		SAME(1, poll(&poll_fd, 1, -1));
	}
	forbid_calls(NULL);
	for (uint64_t i = 1; i < 100; i++) {
		if (shmq_send(out, &i, sizeof(i), 0) != 0 ||
		    shmq_recv(in, &n, sizeof(n), 0) != sizeof(n))
			_exit(2);
	}
	_exit(0);
}

static int
send_to_bell(int kind, unsigned flags, bool armed)
{
	struct shmq_opts opts = {.size = sizeof(opts),
				 .kind = kind,
				 .msg_max = HOT_BYTES,
				 .participants = 4,
				 .flags = flags};
	struct place place = place_queue(ON_SHM, 0, &opts);
	struct bells bells = {.address = place.attach, .armed = armed};
	int status = process_end(process_start(send_unheard, &bells));

	place_remove(&place);
	return status;
}

Test(hotpath, test_send_nobody_armed_no_call)
{
	SAME(0, send_to_bell(SHMQ_SPSC, 0, false));
	SAME(0, send_to_bell(SHMQ_SPSC, SHMQ_RECORDS, false));
	SAME(0, send_to_bell(SHMQ_MPSC, 0, false));
	SAME(0, send_to_bell(SHMQ_MPMC, 0, false));
	SAME(0, send_to_bell(SHMQ_BROADCAST, 0, false));
}

/* Nobody can arm the sender of those who only read, so nothing is ever written. */
Test(hotpath, test_send_to_readers_no_call)
{
	SAME(0, send_to_bell(SHMQ_BROADCAST, SHMQ_LOSSY, true));
	SAME(0, send_to_bell(SHMQ_LATEST, 0, true));
}

/* And a call would be seen: the bell of an armed one is rung by a system call. */
Test(hotpath, test_send_armed_is_a_call)
{
	int status = send_to_bell(SHMQ_MPMC, 0, true);

	MUST(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
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
