/* SPDX-License-Identifier: MIT */
#include "moment.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/shm.h>

#include "support/process.h"

static int
answers(struct inject *inject, pid_t pid, const struct seccomp_data *call)
{
	struct moment *m = (struct moment *)inject;

	(void)pid;
	if (call->nr != m->number || (call->args[m->which] & m->mask) != m->bits)
		return 0;
	m->seen++;
	if (m->seen == m->nth && m->meanwhile)
		m->meanwhile(m);
	return m->seen == m->nth || (m->onwards && m->seen > m->nth) ? m->error : 0;
}

static void
be_stopped(void *arg)
{
	struct moment *m = arg;
	int result;

	inject_begins(&m->inject);
	result = m->act(m);
	inject_ends(&m->inject);
	SAME(m->want, result);
	if (m->then)
		m->then(m);
}

void
moment_run(struct moment *m)
{
	struct inject inject = inject_new();

	if (!place_is_private() || !inject_possible())
		cr_skip_test("needs namespaces of its own, and seccomp's user notification");
	inject.answers = answers;
	inject.others[0] = m->number + 1;
	m->inject = inject;
	m->nth = m->nth ? m->nth : 1;
	m->seen = 0;
	SAME(0, inject_run(&m->inject, be_stopped, m));
	MUST(m->seen >= m->nth);
}

/* What moments have in common ----------------------------------------------------------------- */

int
moment_create_queue(struct moment *m)
{
	static const struct shmq_opts opts = {.size = sizeof(opts), .msg_max = 64, .capacity = 8};

	return shmq_create(m->place.create, &opts);
}

void
moment_serves(struct moment *m)
{
	MUST(place_serves(&m->place));
	SAME(0, shmq_remove(m->place.attach));
	place_expect_leftovers(0);
}

void
moment_nothing_there(struct moment *m)
{
	MUST(!place_serves(&m->place));
	place_expect_leftovers(0);
}

static int
shmid_of(const struct place *place)
{
	return shmget((key_t)strtoul(place->attach + strlen("sysv:"), NULL, 0), 0, 0);
}

void
moment_remove_sysv(struct moment *m)
{
	SAME(0, shmctl(shmid_of(&m->place), IPC_RMID, NULL));
}

const char *
moment_path(const struct place *place)
{
	static char path[160];

	if (place->on == ON_SHM)
		snprintf(path, sizeof(path), "/dev/shm%s", place->attach + strlen("shm:"));
	else
		snprintf(path, sizeof(path), "%s", place->attach + strlen("file:"));
	return path;
}

void
moment_put_other(struct moment *m)
{
	char from[160];

	snprintf(from, sizeof(from), "%s", moment_path(&m->other));
	SAME(0, rename(from, moment_path(&m->place)));
}
