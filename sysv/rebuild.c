/* SPDX-License-Identifier: MIT */
/*
 * Somebody was killed in the middle of a creation or a removal, or the header is spoilt: the slots
 * are what counts. A live slot with its file stays; one without is freed; a file without a slot is
 * removed.
 */
#include "namespace.h"

#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct rebuild {
	uint64_t bits[NS_SLOTS / 64];
	struct ns_header header;
};

bool
shmqi_ns_has_file(struct ns *ns, const struct ns_slot *slot)
{
	char path[NS_PATH_ROOM];
	struct stat st;

	shmqi_ns_path(path, ns, slot);
	if (lstat(path, &st) != 0)
		return slot->huge_shift && !shmqi_ns_huge_there(ns);
	return st.st_ino == slot->inode;
}

static int
clear_chains(struct ns *ns)
{
	static const unsigned char none[4096];
	int err = 0;

	for (uint64_t at = NS_AT_BUCKETS; err == 0 && at < NS_AT_SLOTS; at += sizeof(none))
		err = shmqi_ns_write(ns->index, none, sizeof(none), at);
	return err;
}

static int
keep(struct ns *ns, struct rebuild *new, struct ns_slot *slot)
{
	unsigned index = ns_index(slot->id);

	new->bits[index / 64] |= UINT64_C(1) << index % 64;
	new->header.in_use++;
	new->header.marked += (slot->mode & SHM_DEST) ? 1 : 0;
	new->header.pages += ns_pages(ns->config, slot->bytes);
	return shmqi_ns_link(ns, slot);
}

static int
keep_slots(struct ns *ns, struct rebuild *new)
{
	struct ns_slot slot;
	int err = 0;

	for (unsigned i = 0; err == 0 && i < NS_SLOTS; i++) {
		if (shmqi_ns_read(ns->index, &slot, sizeof(slot),
				  NS_AT_SLOTS + (uint64_t)i * sizeof(slot)) != 0)
			break; /* no slot has been used from here on */
		if (shmqi_ns_slot_at(ns, i, &slot) != 0)
			continue;
		if (shmqi_ns_has_file(ns, &slot)) {
			err = keep(ns, new, &slot);
		} else {
			slot.state = 0;
			err = shmqi_ns_put(ns, &slot);
		}
	}
	return err;
}

/* As <linux/dirent.h>, which is not for programs. */
struct directory_entry {
	uint64_t inode;
	int64_t offset;
	unsigned short length;
	unsigned char type;
	char name[];
};

/* Another namespace's files may be among those with huge pages: the whole name must be as we make it. */
static bool
is_stray(struct ns *ns, const char *name, struct ns_slot *stray)
{
	char path[NS_PATH_ROOM];
	struct ns_slot slot;

	stray->id = shmqi_ns_name_id(name);
	if (stray->id < 0 || shmqi_ns_slot(ns, stray->id, &slot) == 0)
		return false;
	shmqi_ns_path(path, ns, stray);
	return strcmp(strrchr(path, '/') + 1, name) == 0;
}

/* The bare system call: opendir() would allocate. */
static void
strays_in(struct ns *ns, const char *directory, struct ns_slot *stray,
	  void (*each)(struct ns *ns, const struct ns_slot *stray, void *arg), void *arg)
{
	_Alignas(struct directory_entry) char buffer[2048];
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got;

	while (fd >= 0 && (got = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0) {
		for (long at = 0; at < got;) {
			const struct directory_entry *entry = (const void *)(buffer + at);

			if (is_stray(ns, entry->name, stray))
				each(ns, stray, arg);
			at += entry->length;
		}
	}
	if (fd >= 0)
		close(fd);
}

void
shmqi_ns_strays(struct ns *ns, void (*each)(struct ns *ns, const struct ns_slot *stray, void *arg),
		void *arg)
{
	struct ns_slot stray = {.huge_shift = 0};
	char huge[NS_PATH_ROOM];

	strays_in(ns, ns->config->directory, &stray, each, arg);
	stray.huge_shift = shmqi_ns_huge_there(ns);
	shmqi_ns_huge_path(huge, ns);
	if (stray.huge_shift)
		strays_in(ns, huge, &stray, each, arg);
}

static void
remove_stray(struct ns *ns, const struct ns_slot *stray, void *arg)
{
	(void)arg;
	shmqi_ns_file_remove(ns, stray);
}

int
shmqi_ns_rebuild(struct ns *ns)
{
	struct rebuild new = {.header = ns->header};
	int err;

	if (new.header.last < -1 || new.header.last >= (int32_t)NS_SLOTS)
		new.header.last = (int32_t)NS_SLOTS - 1;
	new.header.sequence %= NS_SEQUENCES;
	new.header.in_use = new.header.marked = 0;
	new.header.pages = 0;
	err = clear_chains(ns);
	if (err == 0)
		err = keep_slots(ns, &new);
	if (err == 0)
		err = shmqi_ns_write(ns->index, new.bits, sizeof(new.bits), NS_AT_BITMAP);
	if (err)
		return err;
	shmqi_ns_strays(ns, remove_stray, NULL);
	ns->header = new.header;
	return shmqi_ns_write_header(ns, 0);
}
