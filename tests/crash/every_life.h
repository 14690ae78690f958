/* SPDX-License-Identifier: MIT */
/*
 * Operations on whole segments, on every backend: create, attach, detach, remove, resize, lock,
 * set.
 */
#ifndef TESTS_CRASH_EVERY_LIFE_H
#define TESTS_CRASH_EVERY_LIFE_H

#include "every.h"

#define LIFE_ON(place) (1u << (place))
#define LIFE_EVERYWHERE (LIFE_ON(ON_SHM) | LIFE_ON(ON_SYSV) | LIFE_ON(ON_FILE) | LIFE_ON(ON_MEMFD))
#define LIFE_NAMED (LIFE_ON(ON_SHM) | LIFE_ON(ON_SYSV) | LIFE_ON(ON_FILE))
#define LIFE_MMAP (LIFE_ON(ON_SHM) | LIFE_ON(ON_FILE) | LIFE_ON(ON_MEMFD))
#define LIFE_GROWS (LIFE_ON(ON_SHM) | LIFE_ON(ON_FILE))

struct every_life {
	const char *what; /* "queue", "segment" */
	const char *name;
	const char *state;
	unsigned on;				/* LIFE_ON() */
	unsigned ways;				/* in how many ways the others go on */
	void (*prepare)(struct every_scene *s); /* what there is before; may be NULL */
	void (*ready)(struct every_act *a);	/* in the victim, before; may be NULL */
	void (*act)(struct every_act *a);
	void (*leave)(struct every_act *a); /* in a victim that lives; may be NULL */
	/* The victim is dead, or has ended: look, go on, clear. Whether it had done it. */
	bool (*after)(struct every_scene *s, unsigned way);
	/* The victim stands: what others do meanwhile. NULL: it is not stopped. */
	void (*meanwhile)(struct every_scene *s);
	/* Then it went on: is its result possible? */
	bool (*possible)(const struct every_scene *s, ssize_t result);
};

extern const struct every_life every_lives[];
extern const unsigned every_life_count;

void every_life_set(struct every_scene *s);
unsigned every_life_after(struct every_scene *s, unsigned way);
bool every_life_stopped(struct every_scene *s);

/* every_life_check.c: what the others see, and do */
extern const struct shmq_opts every_life_opts;
extern const struct shmq_seg_opts every_life_seg;
extern const struct shmq_perm every_life_perm;
#define LIFE_BYTES 10000
#define LIFE_MORE_BYTES 50000
#define LIFE_MODE 0640

void life_queue(struct every_scene *s);
void life_held_queue(struct every_scene *s);
void life_locked_queue(struct every_scene *s);
void life_segment(struct every_scene *s);
bool life_after_create(struct every_scene *s, unsigned way);
bool life_after_create_segment(struct every_scene *s, unsigned way);
bool life_after_role(struct every_scene *s, unsigned way);
bool life_after_attach_segment(struct every_scene *s, unsigned way);
bool life_after_remove(struct every_scene *s, unsigned way);
bool life_after_remove_held(struct every_scene *s, unsigned way);
bool life_after_lock(struct every_scene *s, unsigned way);
bool life_after_unlock(struct every_scene *s, unsigned way);
bool life_after_set(struct every_scene *s, unsigned way);
bool life_after_resize(struct every_scene *s, unsigned way);

#endif
