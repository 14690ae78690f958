/* SPDX-License-Identifier: MIT */
/*
 * Who is dead and who is alive, where pids, descriptors and children mislead; and what a newcomer
 * finds after a death.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/message.h"
#include "support/place.h"
#include "support/process.h"

#define BOTH (SHMQ_PRODUCER | SHMQ_CONSUMER)
#define MSG_MAX 64

TestSuite(liveness, .init = place_begin, .fini = place_end, .timeout = 120);

struct scene {
	struct place place;
	int ready, go;
	int *number; /* shared: whatever a child has to tell */
};

static struct scene
scene_on(enum place_backend on)
{
	return (struct scene){
		.place = place_queue(on, 0, NULL),
		.ready = gate_new(),
		.go = gate_new(),
		.number = process_share(sizeof(int)),
	};
}

static void
scene_end(struct scene *scene)
{
	place_remove(&scene->place);
	close(scene->ready);
	close(scene->go);
}

static struct shmq *
attached(const struct place *place, unsigned role)
{
	struct shmq *q = NULL;

	SAME(0, shmq_attach(&q, place->attach, role));
	return q;
}

static void
send_one(struct shmq *q, uint64_t sequence)
{
	unsigned char bytes[MSG_MAX];
	size_t length = message_length(sequence, MSG_MAX);

	message_fill(bytes, sequence, length);
	SAME(0, shmq_send(q, bytes, length, 0));
}

static void
receive_one(struct shmq *q, uint64_t sequence)
{
	unsigned char bytes[MSG_MAX];
	ssize_t length = shmq_recv(q, bytes, sizeof(bytes), 0);

	MUST(length >= 0);
	message_check(bytes, (size_t)length, sequence, MSG_MAX);
}

static void
check_count(const struct scene *scene, int64_t nattch, unsigned producers, unsigned consumers)
{
	struct shmq_stat st = place_stat(&scene->place);

	SAME(nattch, st.nattch);
	SAME(producers, st.producers);
	SAME(consumers, st.consumers);
}

/* Both roles are held: nobody else gets one. */
static void
check_busy(const struct scene *scene)
{
	struct shmq *q = NULL;

	SAME(-EBUSY, shmq_attach(&q, scene->place.attach, SHMQ_PRODUCER));
	SAME(-EBUSY, shmq_attach(&q, scene->place.attach, SHMQ_CONSUMER));
	SAME(-EBUSY, shmq_attach(&q, scene->place.attach, BOTH));
	MUST(q == NULL);
	check_count(scene, 1, 1, 1);
}

static void
check_free(const struct scene *scene)
{
	check_count(scene, 0, 0, 0);
	SAME(0, shmq_detach(attached(&scene->place, BOTH)));
}

/* The holder of both roles, to be killed. */
static void
hold(void *arg)
{
	struct scene *scene = arg;

	attached(&scene->place, BOTH);
	gate_open(scene->ready);
	gate_pass(scene->go);
}

static pid_t
start_holder(struct scene *scene, void (*body)(void *arg))
{
	pid_t pid = process_start(body, scene);

	gate_pass(scene->ready);
	return pid;
}

/* Takeover ----------------------------------------------------------------------------------- */

Test(liveness, test_attach_holder_alive_busy_then_killed_taken)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);

		for (int i = 0; i < 50; i++) {
			pid_t holder = start_holder(&scene, hold);

			check_busy(&scene);
			process_kill(holder);
			check_free(&scene);
		}
		scene_end(&scene);
	}
}

Test(liveness, test_attach_holder_stopped_busy)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);
		pid_t holder = start_holder(&scene, hold);
		int status;

		SAME(0, kill(holder, SIGSTOP));
		SAME(holder, waitpid(holder, &status, WUNTRACED));
		MUST(WIFSTOPPED(status));
		check_busy(&scene);
		process_kill(holder);
		check_free(&scene);
		scene_end(&scene);
	}
}

/*
 * It dies with one message received and peeked no more, one peeked, one committed and one reserved.
 */
static void
leave_all_kinds(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = attached(&scene->place, BOTH);
	struct iovec peeked, slot;

	for (uint64_t sequence = 0; sequence < 4; sequence++)
		send_one(q, sequence);
	receive_one(q, 0);
	SAME(0, shmq_peek(q, &peeked, 0));
	SAME(0, shmq_release(q, &peeked));
	SAME(0, shmq_peek(q, &peeked, 0));
	SAME(0, shmq_reserve(q, &slot, MSG_MAX, 0));
	memset(slot.iov_base, 0xee, MSG_MAX);
	gate_open(scene->ready);
	gate_pass(scene->go);
}

Test(liveness, test_takeover_only_unreleased_comes_again)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);
		struct shmq *q;
		char byte;

		process_kill(start_holder(&scene, leave_all_kinds));
		q = attached(&scene.place, BOTH);
		SAME(2, place_stat(&scene.place).received);
		SAME(4, place_stat(&scene.place).sent);
		send_one(q, 4);
		for (uint64_t sequence = 2; sequence < 5; sequence++)
			receive_one(q, sequence);
		SAME(-EAGAIN, shmq_recv(q, &byte, 1, 0));
		SAME(0, shmq_detach(q));
		scene_end(&scene);
	}
}

/* The dead who look alive -------------------------------------------------------------------- */

/* A child made behind the library's back: it has copies of all descriptors and outlives us. */
static void
hold_with_raw_child(void *arg)
{
	struct scene *scene = arg;
	long pid;

	attached(&scene->place, BOTH);
	pid = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	MUST(pid >= 0);
	if (pid == 0) {
		gate_pass(scene->go);
		_exit(0);
	}
	*scene->number = (int)pid;
	gate_open(scene->ready);
	pause();
}

Test(liveness, test_holder_dead_raw_clone_child_lives_taken)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);
		pid_t holder = start_holder(&scene, hold_with_raw_child);

		check_busy(&scene);
		process_kill(holder);
		SAME(0, kill(*scene.number, 0)); /* the child is there */
		check_free(&scene);
		gate_open(scene.go);
		scene_end(&scene);
	}
}

static void
hold_in_pid_namespace(void *arg)
{
	struct scene *scene = arg;
	pid_t inner;

	if (unshare(CLONE_NEWPID) != 0)
		_exit(1);
	inner = process_start(hold, scene);
	*scene->number = inner;
	gate_open(scene->ready);
	_exit(process_end(inner) == SIGKILL ? 0 : 2);
}

/* Its pid there is 1, which here is somebody who lives. */
Test(liveness, test_holder_dead_in_other_pid_namespace_taken)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);
		pid_t outer;

		if (geteuid() != 0)
			cr_skip_test("needs CAP_SYS_ADMIN");
		outer = start_holder(&scene, hold_in_pid_namespace);
		gate_pass(scene.ready); /* both of them */
		check_busy(&scene);
		SAME(0, kill(*scene.number, SIGKILL));
		process_join(outer);
		check_free(&scene);
		scene_end(&scene);
	}
}

static void
create_in_pid_namespace(void *arg)
{
	struct scene *scene = arg;

	SAME(0, shmq_create(scene->place.create, NULL));
}

static void
enter_pid_namespace(void *arg)
{
	SAME(0, unshare(CLONE_NEWPID));
	process_join(process_start(create_in_pid_namespace, arg));
}

/* Its creator's pid there is not the one that we see. */
Test(liveness, test_created_in_other_pid_namespace_is_the_same_queue)
{
	for (enum place_backend on = ON_SHM; on <= ON_FILE; on++) {
		struct scene scene = {.place = place_name(on, 0)};
		struct shmq *q;

		if (geteuid() != 0)
			cr_skip_test("needs CAP_SYS_ADMIN");
		process_join(process_start(enter_pid_namespace, &scene));
		q = attached(&scene.place, BOTH);
		check_count(&scene, 1, 1, 1);
		SAME(0, shmq_remove(scene.place.attach));
		SAME(-EIDRM, shmq_send(q, "", 0, 0));
		SAME(0, shmq_detach(q));
		if (place_is_private())
			SAME(0, place_leftovers());
	}
}

Test(liveness, test_holder_unreaped_zombie_taken)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);
		pid_t holder = start_holder(&scene, hold);
		siginfo_t info;

		SAME(0, kill(holder, SIGKILL));
		SAME(0, waitid(P_PID, (id_t)holder, &info, WEXITED | WNOWAIT));
		SAME(0, kill(holder, 0)); /* its pid is still taken */
		check_free(&scene);
		SAME(SIGKILL, process_end(holder));
		scene_end(&scene);
	}
}

static void
hold_then_exec(void *arg)
{
	struct scene *scene = arg;

	attached(&scene->place, BOTH);
	gate_open(scene->ready);
	gate_pass(scene->go);
	if (dup2(scene->ready, 9) != 9 ||
	    fcntl(9, F_SETFD, 0) != 0) /* the new program opens the gate */
		_exit(1);
	execl("/bin/sh", "sh", "-c", "printf '\\1\\0\\0\\0\\0\\0\\0\\0' >&9; exec sleep 1000",
	      (char *)NULL);
	_exit(1);
}

Test(liveness, test_holder_execs_is_detached)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		struct scene scene = scene_on(on);
		pid_t holder = start_holder(&scene, hold_then_exec);

		check_busy(&scene);
		gate_open(scene.go);
		gate_pass(scene.ready);
		check_free(&scene);
		process_kill(holder);
		scene_end(&scene);
	}
}

/* The living who look dead ------------------------------------------------------------------- */

/* It has no descriptor left; it answers by what it receives: sequence numbers, until one is 100. */
static void
hold_without_descriptors(void *arg)
{
	struct scene *scene = arg;
	struct shmq_stat st = {.size = sizeof(st)};
	struct shmq *q = attached(&scene->place, SHMQ_CONSUMER | SHMQ_HANGUP);
	unsigned char bytes[MSG_MAX];
	uint64_t sequence = 0;
	ssize_t length;

	gate_open(scene->ready);
	gate_pass(scene->go);
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_UNSHARE) != 0)
		_exit(10);
	if (shmq_qstat(q, &st) != 0 || st.consumers != 1)
		_exit(11);
	while ((length = shmq_recv(q, bytes, sizeof(bytes), SHMQ_FOREVER)) >= 0)
		message_check(bytes, (size_t)length, sequence++, MSG_MAX);
	if (length != -EPIPE)
		_exit(12);
	if (shmq_qstat(q, &st) != 0 || st.received != sequence || sequence != 5)
		_exit(13);
	_exit(shmq_detach(q) == 0 ? 0 : 14);
}

/*
 * On memfd: nothing can be opened again by name, so the dead producer is found only by its role
 * being given back.
 */
static void
without_descriptors(enum place_backend on)
{
	struct scene scene = scene_on(on);
	pid_t holder = start_holder(&scene, hold_without_descriptors);
	struct shmq *q = attached(&scene.place, SHMQ_PRODUCER), *none = NULL;

	gate_open(scene.go);
	process_await_call(holder, SYS_futex);
	for (uint64_t sequence = 0; sequence < 5; sequence++)
		send_one(q, sequence);
	SAME(-EBUSY, shmq_attach(&none, scene.place.attach, SHMQ_CONSUMER));
	check_count(&scene, 2, 1, 1);
	SAME(0, shmq_detach(q));
	process_join(holder);
	check_free(&scene);
	scene_end(&scene);
}

Test(liveness, test_holder_closed_all_descriptors_lives_and_works)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++)
		without_descriptors(on);
}

static void
produce_then_wait(void *arg)
{
	struct scene *scene = arg;
	struct shmq *q = attached(&scene->place, SHMQ_PRODUCER);

	for (uint64_t sequence = 0; sequence < 5; sequence++)
		send_one(q, sequence);
	gate_open(scene->ready);
	pause();
}

/*
 * The same, but the producer is killed: where the object has a name, the kernel is asked through
 * that.
 */
Test(liveness, test_holder_closed_all_descriptors_sees_killed_producer)
{
	static const enum place_backend named[] = {ON_SHM, ON_SYSV, ON_FILE};

	for (unsigned i = 0; i < 3; i++) {
		struct scene scene = scene_on(named[i]);
		pid_t holder = start_holder(&scene, hold_without_descriptors);
		pid_t producer = start_holder(&scene, produce_then_wait);

		gate_open(scene.go);
		process_kill(producer);
		process_join(holder);
		check_free(&scene);
		scene_end(&scene);
	}
}
