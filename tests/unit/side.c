/* SPDX-License-Identifier: MIT */
/* The side file of a sysv: queue has the owner and mode of the segment, or neither changes. */
#include "unit.h"

#include <glob.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(side, .init = unit_begin, .fini = place_end);

static void
give_away(void *arg)
{
	const struct shmq_perm away = {sizeof(away), 1, (gid_t)-1, 0666};
	const struct shmq_perm group = {sizeof(group), (uid_t)-1, 1, (mode_t)-1};
	struct place p = place_queue(ON_SYSV, 0, NULL);
	struct leak_count before = leak_count();
	struct shmq_stat st = place_stat(&p);

	(void)arg;
	SAME(-EPERM, shmq_set(p.attach, &away));
	SAME(-EPERM, shmq_set(p.attach, &group));
	SAME(st.uid, place_stat(&p).uid);
	SAME(st.gid, place_stat(&p).gid);
	SAME(0600, place_stat(&p).mode);
	SAME(0, shmq_detach(unit_join(&p, SHMQ_CONSUMER)));
	leak_none_since(before);
	place_remove(&p);
}

/* The kernel would let him: but the side file cannot follow, and nobody could attach any more. */
Test(side, test_set_owner_of_sysv_queue_by_its_owner_eperm_unchanged)
{
	unit_as_nobody(give_away, NULL, 65536);
	if (place_is_private())
		SAME(0, place_leftovers());
}

static void
shut_and_open(void *arg)
{
	const struct shmq_perm shut = {sizeof(shut), (uid_t)-1, (gid_t)-1, 0};
	const struct shmq_perm open = {sizeof(open), getuid(), getgid(), 0600};
	struct place p = place_queue(ON_SYSV, 0, NULL);
	struct shmq *q = NULL;

	(void)arg;
	SAME(0, shmq_set(p.attach, &shut));
	SAME(-EACCES, shmq_attach(&q, p.attach, SHMQ_CONSUMER));
	SAME(0, shmq_set(p.attach, &open));
	SAME(0, shmq_detach(unit_join(&p, SHMQ_CONSUMER)));
	place_remove(&p);
}

Test(side, test_set_mode_of_sysv_queue_from_nothing_lets_attach)
{
	unit_as_nobody(shut_and_open, NULL, 65536);
}

static void
find_it_linked(void *arg)
{
	const struct shmq_perm all = {sizeof(all), (uid_t)-1, (gid_t)-1, 0666};
	struct place p = place_queue(ON_SYSV, 0, NULL);
	char pattern[64], second[64];
	struct stat st;
	glob_t found;

	(void)arg;
	snprintf(pattern, sizeof(pattern), "/dev/shm/.shmq-%d-*", object_shmid(&p));
	SAME(0, glob(pattern, GLOB_PERIOD, NULL, &found));
	snprintf(second, sizeof(second), "/dev/shm/second-%d", (int)getpid());
	SAME(0, link(found.gl_pathv[0], second));
	SAME(0, shmq_set(p.attach, &all));
	SAME(0666, place_stat(&p).mode);
	SAME(0, stat(second, &st));
	SAME(0600, st.st_mode & 0777);
	SAME(0, unlink(second));
	globfree(&found);
	place_remove(&p);
}

/* Anybody's file could be what has a second name in /dev/shm: its mode is left alone. */
Test(side, test_set_of_sysv_queue_leaves_linked_file_alone)
{
	unit_as_nobody(find_it_linked, NULL, 65536);
}
