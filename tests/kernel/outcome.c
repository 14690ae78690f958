/* SPDX-License-Identifier: MIT */
/* Observations, and the comparison of two worlds' observations. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "world.h"

void
say(struct scene *s, const char *name, const char *value)
{
	struct outcome *out = &s->out;
	struct observation *o = &out->seen[out->count];

	if (out->count >= sizeof(out->seen) / sizeof(out->seen[0]))
		need(s, -1, "room for observations");
	if (observed(out, name))
		need(s, -1, name);

	snprintf(o->name, sizeof(o->name), "%s", name);
	snprintf(o->value, sizeof(o->value), "%s", value);
	out->count++;
}

void
say_rc(struct scene *s, const char *name, int rc)
{
	const char *error = rc < 0 ? strerrorname_np(-rc) : "ok";

	say(s, name, error ? error : "unknown errno");
}

/*
 * Over RLIMIT_MEMLOCK the kernel says ENOMEM in mlock and EAGAIN in mmap, mremap and shmat; shmq says ENOMEM in all of them, as
 * EAGAIN has another meaning there. Where they meet, either will do.
 */
void
say_over(struct scene *s, const char *name, int rc)
{
	if (rc == -EAGAIN || rc == -ENOMEM)
		say(s, name, "EAGAIN or ENOMEM");
	else
		say_rc(s, name, rc);
}

void
say_fact(struct scene *s, const char *name, bool fact)
{
	say(s, name, fact ? "yes" : "no");
}

void
say_count(struct scene *s, const char *name, int64_t count)
{
	char value[24];

	snprintf(value, sizeof(value), "%" PRId64, count);
	say(s, name, value);
}

void
say_octal(struct scene *s, const char *name, unsigned mode)
{
	char value[24];

	snprintf(value, sizeof(value), "%04o", mode);
	say(s, name, value);
}

const char *
of(const char *prefix, const char *name)
{
	static char text[4][80];
	static unsigned turn;
	char *t = text[turn++ % 4];

	snprintf(t, sizeof(text[0]), "%s: %s", prefix, name);
	return t;
}

const char *
when(const struct scene *s, int64_t time)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (time == 0)
		return "never";
	if (time < s->mark)
		return "before";
	return time <= now.tv_sec ? "now" : "in the future";
}

const char *
who(const struct scene *s, pid_t pid)
{
	if (pid == 0)
		return "none";
	return pid == s->pid ? "creator" : "other";
}

const char *
observed(const struct outcome *out, const char *name)
{
	for (unsigned i = 0; i < out->count; i++)
		if (strcmp(out->seen[i].name, name) == 0)
			return out->seen[i].value;
	return NULL;
}

/* The text so far, longer by one printed piece. */
#define APPEND(text, ...) snprintf((text) + strlen(text), sizeof(text) - strlen(text), __VA_ARGS__)

static const struct exception *
excepted(const struct verdict *v, const char *name)
{
	for (const struct exception *e = v->row->exceptions; e && e->observation; e++)
		if ((e->worlds & v->world->bit) && strcmp(e->observation, name) == 0)
			return e;
	return NULL;
}

/* Several observations may share one reason; the cell names it once. */
static void
use_exception(struct verdict *v, const struct exception *e)
{
	char text[512];

	snprintf(text, sizeof(text), "exception %s: %s", e->row, e->reason);
	if (strcmp(v->cell, "same") == 0)
		v->cell[0] = '\0';
	if (!strstr(v->cell, text))
		APPEND(v->cell, "%s%s", v->cell[0] ? "; " : "", text);
}

static void
compare_one(struct verdict *v, const char *name, const char *kernel, const char *ours)
{
	const struct exception *e = excepted(v, name);

	if (kernel && ours && strcmp(kernel, ours) == 0)
		return;
	if (e) {
		use_exception(v, e);
		return;
	}
	v->failures++;
	APPEND(v->failed, "%s on %s: \"%s\": kernel %s, ours %s\n", v->row->id, v->world->name,
	       name, kernel ? kernel : "(not observed)", ours ? ours : "(not observed)");
}

static void
compare_scene(struct verdict *v, const char *world, const struct outcome *out)
{
	if (out->done && out->broken[0] == '\0' && out->count > 0)
		return;
	v->failures++;
	APPEND(v->failed, "%s on %s, played by %s: broken: %s\n", v->row->id, v->world->name, world,
	       out->broken[0] ? out->broken : "nothing observed");
}

void
compare(struct verdict *v, const struct outcome *kernel, const struct outcome *ours)
{
	v->failures = 0;
	v->failed[0] = '\0';
	snprintf(v->cell, sizeof(v->cell), "same");
	if (kernel->barred || ours->barred) {
		snprintf(v->cell, sizeof(v->cell), "NOT RUN");
		return;
	}

	compare_scene(v, "the kernel", kernel);
	compare_scene(v, "shmq", ours);
	for (unsigned i = 0; i < kernel->count; i++)
		compare_one(v, kernel->seen[i].name, kernel->seen[i].value,
			    observed(ours, kernel->seen[i].name));
	for (unsigned i = 0; i < ours->count; i++)
		if (!observed(kernel, ours->seen[i].name))
			compare_one(v, ours->seen[i].name, NULL, ours->seen[i].value);
	if (v->failures)
		snprintf(v->cell, sizeof(v->cell), "DIFFERS");
}

static FILE *
table_file(const struct verdict *v, const char *kind)
{
	const char *dir = getenv("SHMQ_KERNEL_TABLE_DIR");
	char path[4096];

	if (!dir)
		return NULL;
	snprintf(path, sizeof(path), "%s/%s-%s.%s", dir, v->row->id, v->world->name, kind);
	return fopen(path, "w");
}

void
publish(const struct verdict *v, const struct outcome *kernel, const struct outcome *ours)
{
	FILE *line = table_file(v, "tsv"), *seen = table_file(v, "seen");

	if (line) {
		fprintf(line, "%s\t%s\t%s\t%s\n", v->row->id, v->world->name, v->cell,
			v->row->title);
		fclose(line);
	}
	if (!seen)
		return;
	for (unsigned i = 0; i < kernel->count; i++) {
		const char *value = observed(ours, kernel->seen[i].name);

		fprintf(seen, "%-60s %-14s %s\n", kernel->seen[i].name, kernel->seen[i].value,
			value ? value : "-");
	}
	fclose(seen);
}
