/* SPDX-License-Identifier: MIT */
/* For the shmq command: clear what killed processes left, without waiting for a call that meets it. */
#include "namespace.h"

#include <errno.h>
#include <stdio.h>

struct gc {
	bool dry_run;
	int found;
	void (*each)(const char *what, void *arg);
	void *arg;
};

static void
tell(struct gc *gc, const char *what, int id)
{
	char text[64];

	snprintf(text, sizeof(text), "shmid-%d (%s)", id, what);
	gc->found++;
	gc->each(text, gc->arg);
}

static int
look_at(struct ns *ns, struct ns_slot *slot, void *arg)
{
	struct gc *gc = arg;
	bool lost = !shmqi_ns_has_file(ns, slot);

	if (!lost && (!(slot->mode & SHM_DEST) || shmqi_ns_count(ns, slot) || slot->nattch))
		return 0;
	tell(gc, lost ? "its file is gone" : "marked, and nobody is attached", slot->id);
	if (!gc->dry_run)
		(void)shmqi_ns_destroy(ns, slot);
	return 0;
}

static void
stray(struct ns *ns, const struct ns_slot *stray, void *arg)
{
	struct gc *gc = arg;

	tell(gc, "a file without an entry", stray->id);
	if (!gc->dry_run)
		shmqi_ns_file_remove(ns, stray);
}

int
shmqi_ns_gc(bool dry_run, void (*each)(const char *what, void *arg), void *arg)
{
	struct gc gc = {.dry_run = dry_run, .each = each, .arg = arg};
	struct ns ns;
	int err = shmqi_ns_open(&ns, NS_WAIT);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = shmqi_ns_each(&ns, look_at, &gc);
	if (err == 0)
		shmqi_ns_strays(&ns, stray, &gc);
	shmqi_ns_close(&ns);
	return err ? err : gc.found;
}

int64_t
shmqi_ns_resident_bytes(int id, size_t *page_bytes)
{
	struct ns_slot slot;
	struct ns ns;
	int64_t bytes = -1;

	if (shmqi_ns_open(&ns, NS_WAIT) != 0)
		return -1;
	if (shmqi_ns_slot(&ns, id, &slot) == 0) {
		bytes = (int64_t)(shmqi_ns_file_pages(&ns, &slot) * ns.config->page);
		*page_bytes = ns_page(&ns, &slot);
	}
	shmqi_ns_close(&ns);
	return bytes;
}
