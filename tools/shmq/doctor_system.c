/* SPDX-License-Identifier: MIT */
/* shmq doctor: queues put to the test, namespaces, and who might tidy up. */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "tool.h"

/* Inode numbers of the first namespaces, constants of the kernel (include/linux/proc_ns.h). */
#define FIRST_PID_NAMESPACE 0xeffffffcu
#define FIRST_IPC_NAMESPACE 0xefffffffu

/* One message through both roles of one handle. 0 or a negated errno. */
static int
pass_message(const char *addr)
{
	char in[8] = "shmq ok", out[8] = "";
	struct shmq *q;
	int err = shmq_attach(&q, addr, SHMQ_PRODUCER | SHMQ_CONSUMER);
	ssize_t n;

	if (err)
		return err;
	err = shmq_send(q, in, sizeof in, 0);
	if (!err) {
		n = shmq_recv(q, out, sizeof out, 0);
		err = n < 0 ? (int)n : 0;
	}
	shmq_detach(q);
	if (!err && memcmp(in, out, sizeof in) != 0)
		err = -EBADMSG;
	return err;
}

static int
try_queue(const char *addr)
{
	struct shmq_opts opts = {.size = sizeof opts, .msg_max = 64, .capacity = 4};
	char created[TEXT_MAX];
	int result = shmq_create(addr, &opts);
	int err;

	if (result < 0)
		return result;
	if (strcmp(addr, "sysv:private") == 0)
		snprintf(created, sizeof created, "sysv:id/%d", result);
	else
		snprintf(created, sizeof created, "%s", addr);
	err = pass_message(created);
	result = shmq_remove(created);
	return err ? err : result;
}

void
check_queue_shm(struct check *check)
{
	char addr[TEXT_MAX];
	int err;

	snprintf(addr, sizeof addr, "shm:/shmq-doctor-%d", (int)getpid());
	err = try_queue(addr);
	if (err)
		verdict_set(check, VERDICT_BAD, "see the lines below", "cannot be used: %s",
			    shmq_strerror(err));
	else
		verdict_set(check, VERDICT_OK, "", "created, sent, received, removed");
}

void
check_queue_sysv(struct check *check)
{
	int err = try_queue("sysv:private");

	if (err)
		verdict_set(check, VERDICT_WARN, "use shm: instead; see the lines below",
			    "cannot be used: %s", shmq_strerror(err));
	else
		verdict_set(check, VERDICT_OK, "", "created, sent, received, removed");
}

static bool
namespace_is(const char *path, ino_t first)
{
	struct stat st;

	return stat(path, &st) != 0 || st.st_ino == first;
}

void
check_namespaces(struct check *check)
{
	bool pid = namespace_is("/proc/self/ns/pid", FIRST_PID_NAMESPACE);
	bool ipc = namespace_is("/proc/self/ns/ipc", FIRST_IPC_NAMESPACE);

	if (pid && ipc)
		verdict_set(check, VERDICT_OK, "", "those of the host");
	else
		verdict_set(
			check, VERDICT_OK,
			"containers that share queues need the same /dev/shm, and for sysv: the "
			"same IPC namespace (docker --ipc)",
			"a container:%s%s", pid ? "" : " own PID namespace",
			ipc ? "" : " own IPC namespace");
}

/* The last RemoveIPC= line of the files decides, as systemd reads them. -1: none says anything. */
static int
remove_ipc_of(const char *pattern, int before)
{
	glob_t found;
	char line[256];

	if (glob(pattern, 0, NULL, &found) != 0)
		return before;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *file = fopen(found.gl_pathv[i], "re");

		while (file && fgets(line, sizeof line, file))
			if (strncmp(line, "RemoveIPC=", 10) == 0)
				before = strchr("yYtT1", line[10]) != NULL ||
					 strncmp(line + 10, "on", 2) == 0;
		if (file)
			fclose(file);
	}
	globfree(&found);
	return before;
}

void
check_remove_ipc(struct check *check)
{
	int on = -1;

	if (access("/run/systemd/system", F_OK) != 0) {
		verdict_set(check, VERDICT_OK, "", "systemd does not run here");
		return;
	}
	on = remove_ipc_of("/usr/lib/systemd/logind.conf", on);
	on = remove_ipc_of("/etc/systemd/logind.conf", on);
	on = remove_ipc_of("/usr/lib/systemd/logind.conf.d/*.conf", on);
	on = remove_ipc_of("/etc/systemd/logind.conf.d/*.conf", on);
	if (on == 0)
		verdict_set(check, VERDICT_OK, "", "no");
	else if (getuid() < 1000)
		verdict_set(check, VERDICT_OK, "",
			    "yes, but not for system users such as this one");
	else
		verdict_set(
			check, VERDICT_WARN,
			"run as a system user, set RemoveIPC=no in /etc/systemd/logind.conf, or "
			"loginctl enable-linger",
			"yes: segments of this user go when the user logs out");
}

void
check_stale(struct check *check)
{
	int found = shmq_gc(1, NULL, NULL);

	if (found < 0)
		verdict_set(check, VERDICT_WARN, "", "cannot look: %s", shmq_strerror(found));
	else if (found > 0)
		verdict_set(check, VERDICT_WARN, "shmq gc", "%d left by crashed processes", found);
	else
		verdict_set(check, VERDICT_OK, "", "none");
}
