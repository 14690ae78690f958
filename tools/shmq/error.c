/* SPDX-License-Identifier: MIT */
/*
 * One line per failure: "shmq: ADDRESS: what failed: reason; remedy".
 *
 * The reason is the library's text for the errno; the remedy depends on what was going on, too,
 * and for memory and space on figures of the machine at this moment.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tool.h"

struct remedy {
	int err;
	unsigned during; /* bits of enum during */
	const char *text;
};

/* The first that fits counts. */
static const struct remedy remedies[] = {
	{EEXIST, DURING_ANY, "use it as it is, or remove it first with \"shmq rm\""},
	{ENOENT, DURING_CREATE, "make the directory, or for a sysv:PATH key the file, first"},
	{ENOENT, DURING_ANY, "\"shmq ls\" shows what there is; \"shmq create\" makes one"},
	{EACCES, DURING_CREATE, "get write permission for the directory, or choose another place"},
	{EACCES, DURING_ANY,
	 "its owner can let you in with \"shmq set --mode\" or \"shmq set --owner\""},
	{EPERM, DURING_CHANGE, "only its owner, its creator or root may do that"},
	{EPERM, DURING_ANY, "run as its owner, its creator or root"},
	{EBUSY, DURING_ATTACH,
	 "wait for that process, or stop it (\"shmq stat\" shows who was last)"},
	{EBUSY, DURING_ANY, "try again when the other one has finished"},
	{EAGAIN, DURING_ANY, "its creator is still at work: try again in a moment"},
	{EIDRM, DURING_ANY, "it was removed: make a new one with \"shmq create\""},
	{EPIPE, DURING_ANY, "start a \"shmq recv\" on it, or leave out --hangup"},
	{EPROTONOSUPPORT, DURING_ANY,
	 "leave it to the program that made it, or use another address; after an upgrade remove it "
	 "with the old version"},
	{EBADMSG, DURING_ANY, "remove it with \"shmq rm\" and create it again"},
	{EXDEV, DURING_ANY,
	 "share /dev/shm between the containers or mount namespaces, or remove and create it again "
	 "here"},
	{EMSGSIZE, DURING_ANY, "create the queue with a larger --msg-max"},
	{ENOTSUP, DURING_CREATE, "shmq(7) says what each kind and backend can do"},
	{ENOTSUP, DURING_ANY, "shmq(7) says what each backend can do"},
	{EINVAL, DURING_CREATE,
	 "ADDR is shm:/name, sysv:KEY, sysv:PATH, sysv:private or file:/path; capacity and msg-max "
	 "must fit in memory"},
	{EINVAL, DURING_ATTACH | DURING_TRANSFER,
	 "ADDR must be that of a queue: shm:/name, sysv:KEY, sysv:PATH, sysv:id/N, file:/path, "
	 "fd:N or dev:/dev/x?size=BYTES"},
	{EINVAL, DURING_ANY,
	 "ADDR is shm:/name, sysv:KEY, sysv:PATH, sysv:id/N, file:/path, fd:N or "
	 "dev:/dev/x?size=BYTES"},
	{ENODEV, DURING_ANY, "dev: is for devices whose memory can be mapped"},
	{ENAMETOOLONG, DURING_ANY, "use a shorter name"},
	{EMFILE, DURING_ANY, "raise the limit with ulimit -n"},
	{ENFILE, DURING_ANY, "raise the limit with sysctl fs.file-max"},
	{ENOSPC, DURING_ATTACH | DURING_TRANSFER,
	 "every participant entry is in use: stop one, or create the queue anew with more "
	 "--participants; if the file system is full, make room"},
	{ESTALE, DURING_ANY,
	 "it fell more than --slow-limit behind: read faster, or create the queue with a larger "
	 "one, or without"},
	{ENOMEM, DURING_ANY, "free some memory"},
};

static const char *
remedy_for(int err, enum during during)
{
	for (size_t i = 0; i < sizeof remedies / sizeof *remedies; i++)
		if (remedies[i].err == -err && (remedies[i].during & (unsigned)during))
			return remedies[i].text;
	return "\"shmq doctor\" checks this machine";
}

/* On a terminal there may be a progress line in the way. */
static void
print_subject(const char *subject)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	fputs("shmq: ", stderr);
	print_escaped(stderr, subject && *subject ? subject : "(empty address)");
	fputs(": ", stderr);
}

int
fail_plain(const char *subject, const char *format, ...)
{
	va_list args;

	print_subject(subject);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	putc('\n', stderr);
	return EXIT_FAILED;
}

/*
 * Say how much was to be locked and what the limit is; false: memory locking is not what is in the
 * way.
 */
static bool
print_memlock(const struct failure *f)
{
	struct shmq_memlock memlock = {.size = sizeof memlock};
	char needed[TEXT_MAX], limit[TEXT_MAX], used[TEXT_MAX];

	if (!f->locking || (f->err != -EPERM && f->err != -ENOMEM))
		return false;
	if (shmq_memlock(f->bytes, &memlock) == 0)
		return false;
	fprintf(stderr,
		"%s; needs %s (%" PRIu64 " bytes) of locked memory, RLIMIT_MEMLOCK is %s (%" PRIu64
		" bytes), %s used: "
		"ulimit -l %" PRIu64
		", LimitMEMLOCK= of the systemd unit, or memlock in /etc/security/limits.d\n",
		shmq_strerror(f->err), text_bytes(needed, memlock.needed_bytes),
		memlock.needed_bytes, text_bytes(limit, memlock.limit_bytes), memlock.limit_bytes,
		text_bytes(used, memlock.used_bytes),
		(memlock.needed_bytes + memlock.used_bytes + 1023) / 1024);
	return true;
}

/* The directory that an address takes its memory from, or NULL: not a file system. */
static const char *
directory_of(const char *addr, char *buf, size_t size)
{
	const char *slash;

	if (addr[0] == '/' || strncmp(addr, "shm:", 4) == 0)
		return "/dev/shm";
	if (strncmp(addr, "file:", 5) != 0)
		return NULL;
	slash = strrchr(addr, '/');
	if (!slash || slash == addr + 5)
		return "/";
	snprintf(buf, size, "%.*s", (int)(slash - (addr + 5)), addr + 5);
	return buf;
}

static bool
print_space(const struct failure *f)
{
	char path[SHMQ_ADDRESS_MAX], wanted[TEXT_MAX], size[TEXT_MAX], avail[TEXT_MAX];
	const char *directory = directory_of(f->addr, path, sizeof path);
	struct statvfs fs;

	if (f->err != -ENOSPC || f->during != DURING_CREATE || !directory ||
	    statvfs(directory, &fs) != 0)
		return false;
	fprintf(stderr, "%s; %s wanted, ", shmq_strerror(f->err), text_bytes(wanted, f->bytes));
	print_escaped(stderr, directory);
	fprintf(stderr,
		" has %s of %s free: remove something (\"shmq ls\", \"shmq gc\"), ask for less, or "
		"enlarge it",
		text_bytes(avail, (uint64_t)fs.f_bavail * fs.f_frsize),
		text_bytes(size, (uint64_t)fs.f_blocks * fs.f_frsize));
	fputs(strcmp(directory, "/dev/shm") == 0 ? " (mount -o remount,size=... /dev/shm)\n" : "\n",
	      stderr);
	return true;
}

static bool
print_memory(const struct failure *f)
{
	char wanted[TEXT_MAX];

	if (f->err != -ENOMEM || f->during != DURING_CREATE)
		return false;
	fprintf(stderr, "%s; %s wanted: free some memory, or ask for less\n", shmq_strerror(f->err),
		text_bytes(wanted, f->bytes));
	return true;
}

static bool
print_sysv_limits(const struct failure *f)
{
	if (f->err != -ENOSPC || f->during != DURING_CREATE || strncmp(f->addr, "sysv:", 5) != 0)
		return false;
	fprintf(stderr,
		"%s; \"shmq ls\" shows the limits: raise kernel.shmall or kernel.shmmni with "
		"sysctl, or remove segments; a queue needs some room in /dev/shm, too\n",
		shmq_strerror(f->err));
	return true;
}

int
fail(const struct failure *f)
{
	print_subject(f->addr);
	fprintf(stderr, "%s: ", f->doing);
	if (print_memlock(f) || print_space(f) || print_memory(f) || print_sysv_limits(f))
		return EXIT_FAILED;
	fprintf(stderr, "%s; %s\n", shmq_strerror(f->err), remedy_for(f->err, f->during));
	return EXIT_FAILED;
}

int
fail_during(enum during during, const char *addr, const char *doing, int err)
{
	return fail(&(struct failure){.addr = addr, .doing = doing, .err = err, .during = during});
}
