/* SPDX-License-Identifier: MIT */
/* One run of one scenario in one world: its process, its places, what it leaves behind. */
#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

#define SCENE_SECONDS 60

static char dir[256], memory_dir[256];
static pid_t run;

const char *
scene_dir(void)
{
	return dir;
}

pid_t
scene_run(void)
{
	return run;
}

/* Anybody may make segments there, as in /dev/shm. */
static void
dir_make(void)
{
	snprintf(dir, sizeof(dir), "/var/tmp/shmq-kernel-XXXXXX");
	cr_assert(mkdtemp(dir) != NULL && chmod(dir, 01777) == 0, "%s: %s", dir, strerror(errno));
	snprintf(memory_dir, sizeof(memory_dir), "/dev/shm/shmq-kernel-XXXXXX");
	cr_assert(mkdtemp(memory_dir) != NULL && chmod(memory_dir, 01777) == 0);
	setenv("SHMQ_SYSV_DIR", memory_dir, 1);
}

static int
dir_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static void
dir_remove(void)
{
	nftw(dir, dir_entry, 8, FTW_DEPTH | FTW_PHYS);
	nftw(memory_dir, dir_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A container's root may lack what the machine's root has. */
static bool
is_whole_root(void)
{
	return prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 1 &&
	       prctl(PR_CAPBSET_READ, CAP_IPC_OWNER) == 1;
}

void
need(struct scene *s, int rc, const char *what)
{
	if (rc >= 0)
		return;
	s->out.barred = (rc == -EPERM || rc == -EACCES) && !is_whole_root();
	snprintf(s->out.broken, sizeof(s->out.broken), "needed, but failed: %s: %s", what,
		 strerrorname_np(-rc));
	_exit(1);
}

void
mark(struct scene *s)
{
	struct timespec now;

	/* The kernel stamps times with its coarse clock, which may be behind by a tick. */
	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	s->mark = now.tv_sec;
}

struct place *
place(struct scene *s, int slot)
{
	struct place *p = &s->places[slot];

	if (p->world == &shmq_memfd && p->id >= 0)
		close(p->id);
	p->world = s->world;
	p->slot = slot;
	p->id = -1;
	s->world->call(p);
	return p;
}

struct place *
made(struct scene *s, int slot, size_t size, mode_t mode)
{
	struct wish wish = {.size = size, .mode = mode, .flags = SHMQ_SPARSE};
	struct place *p = place(s, slot);

	need(s, s->world->create(p, &wish), "create");
	return p;
}

void
hold(struct scene *s, struct held *h, const struct place *p, unsigned flags)
{
	need(s, s->world->attach(h, p, BY_ID, NULL, flags), "attach");
}

void
drop(struct scene *s, struct held *h)
{
	need(s, s->world->detach(h), "detach");
}

struct facts
facts_of(struct scene *s, const struct place *p, enum how how)
{
	struct facts f = {0};

	need(s, s->world->stat(p, how, &f), "stat");
	return f;
}

/* What a library sets up once for a process is not a leak of the scenario: let it happen before we count. */
static void
warm_up(struct scene *s)
{
	struct wish wish = {.size = PAGE};
	struct place *p = place(s, PLACES - 1);
	struct held h;

	need(s, s->world->create(p, &wish), "warm-up: create");
	need(s, s->world->attach(&h, p, BY_NAME, NULL, 0), "warm-up: attach");
	need(s, s->world->detach(&h), "warm-up: detach");
	need(s, s->world->remove(p, BY_NAME), "warm-up: remove");
}

static void
forget_descriptors(struct scene *s)
{
	for (int i = 0; i < PLACES; i++)
		if (s->places[i].world == &shmq_memfd && s->places[i].id >= 0) {
			close(s->places[i].id);
			s->places[i].id = -1;
		}
}

static _Noreturn void
play(struct scene *s, const struct row *row)
{
	unsigned before, after;

	signal(SIGSEGV, SIG_DFL);
	signal(SIGBUS, SIG_DFL);
	signal(SIGALRM, SIG_DFL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	alarm(SCENE_SECONDS);
	s->pid = getpid();
	mark(s);

	warm_up(s);
	forget_descriptors(s);
	before = leftovers();
	row->play(s);
	forget_descriptors(s);
	after = leftovers();
	if (after != before)
		snprintf(s->out.broken, sizeof(s->out.broken),
			 "descriptors and shared mappings: %u before, %u after", before, after);
	s->out.done = true;
	_exit(0);
}

/* Also what the user nobody created: without CAP_SYS_ADMIN only that user may. */
static void
sweep_sysv(int id)
{
	if (shmctl(id, IPC_RMID, NULL) == 0 || errno != EPERM)
		return;
	cr_expect(seteuid(NOBODY) == 0);
	shmctl(id, IPC_RMID, NULL);
	cr_expect(seteuid(0) == 0);
}

/* Remove by the kernel's means whatever the scene has left, so that a failure leaves nothing on the machine. */
static void
sweep(struct scene *s)
{
	for (int i = 0; i < PLACES; i++) {
		const struct place *p = &s->places[i];
		const char *path = strchr(p->name, '/');
		char shm[340];

		if (!p->world || p->world->bit == ON_PRELOAD)
			continue; /* that goes with the directory */
		if (p->key && !s->apart)
			sweep_sysv(shmget(p->key, 0, 0));
		if (p->id >= 0 && !s->apart && p->world != &shmq_memfd)
			sweep_sysv(p->id);
		if (!path)
			continue;
		snprintf(shm, sizeof(shm), "/dev/shm%s", path);
		unlink(p->world == &shmq_shm ? shm : path);
	}
}

static void
run_scene(struct scene *s, const struct row *row, const struct world *world)
{
	pid_t pid;
	int status;

	memset(s, 0, sizeof(*s));
	s->world = world;
	pid = fork();
	if (pid == 0)
		play(s, row);
	cr_assert(pid > 0 && waitpid(pid, &status, 0) == pid);
	sweep(s);
	if (!s->out.done && s->out.broken[0] == '\0')
		snprintf(s->out.broken, sizeof(s->out.broken),
			 "died with wait status %#x, after \"%s\"", (unsigned)status,
			 s->out.count ? s->out.seen[s->out.count - 1].name : "");
}

static const struct world *
oracle(const struct row *row, const struct world *world)
{
	if (row->oracle == ORACLE_SYSV || world == &shmq_sysv || world->bit == ON_PRELOAD)
		return &kernel_sysv;
	return world == &shmq_file ? &kernel_disk : &kernel_tmpfs;
}

void
row_check(const struct row *row)
{
	size_t bytes = 2 * sizeof(struct scene);
	bool barred = false;
	struct scene *s =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	cr_assert(s != MAP_FAILED);
	cr_assert(geteuid() == 0, "the kernel's rows need root: other users, limits, namespaces");
	run = getpid();
	dir_make();
	for (const struct world *const *world = worlds; *world; world++) {
		struct verdict v = {.row = row, .world = *world};

		run_scene(&s[0], row, oracle(row, *world));
		run_scene(&s[1], row, *world);
		compare(&v, &s[0].out, &s[1].out);
		publish(&v, &s[0].out, &s[1].out);
		cr_expect(v.failures == 0, "%s", v.failed);
		barred = barred || s[0].out.barred || s[1].out.barred;
	}
	dir_remove();
	munmap(s, bytes);
	if (barred)
		cr_skip_test("%s needs CAP_SYS_ADMIN and CAP_IPC_OWNER", row->id);
}
