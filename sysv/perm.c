/* SPDX-License-Identifier: MIT */
/* Who may: as the kernel's ipcperms() and ipcctl_obtain_check(). */
#include "namespace.h"

#include "os.h"

#include <grp.h>
#include <linux/capability.h>
#include <sys/mman.h>
#include <unistd.h>

#define GROUPS_MOST 65536 /* NGROUPS_MAX */

static bool
among(const gid_t *groups, int count, const struct ns_slot *slot)
{
	for (int i = 0; i < count; i++)
		if (groups[i] == slot->cgid || groups[i] == slot->gid)
			return true;
	return false;
}

/* Few have more groups than go on the stack; the memory for the others is not the program's heap. */
static bool
in_group(const struct ns_slot *slot)
{
	const size_t bytes = GROUPS_MOST * sizeof(gid_t);
	gid_t few[64], me = getegid(), *all;
	int count;
	bool found;

	if (among(&me, 1, slot))
		return true;
	count = getgroups(64, few);
	if (count >= 0)
		return among(few, count, slot);
	all = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return false;
	found = among(all, getgroups(GROUPS_MOST, all), slot);
	munmap(all, bytes);
	return found;
}

bool
shmqi_ns_permits(const struct ns_slot *slot, unsigned wanted)
{
	unsigned granted = slot->mode, asked = (wanted >> 6 | wanted >> 3 | wanted) & 7;
	uid_t me = geteuid();

	if (me == slot->cuid || me == slot->uid)
		granted >>= 6;
	else if (in_group(slot))
		granted >>= 3;
	return !(asked & ~granted) || shmqi_os_capable(CAP_IPC_OWNER);
}

bool
shmqi_ns_is_owner(const struct ns_slot *slot)
{
	uid_t me = geteuid();

	return me == slot->uid || me == slot->cuid;
}
