/* SPDX-License-Identifier: MIT */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sys/shm.h>

#include "call_numbers.h"

/*
 * What the kernel gives for want of something (memory, descriptors, room), for a signal, and for a
 * device that fails. Not close() and munmap(), which do their work all the same; nor what is asked
 * about a descriptor (fstat()), which takes nothing; nor the fences of liburcu, which it relies on
 * once they have worked.
 */
const struct call calls[] = {
	{"openat", SYS_openat, 1, CALL_ANY, {EMFILE, ENFILE, ENOMEM, EIO}},
	{"statfs", SYS_statfs, 1, CALL_ANY, {EIO}},
	{"fstatfs", SYS_fstatfs, 1, CALL_ANY, {EIO}},
	{"mmap", SYS_mmap, 1, CALL_ANY, {ENOMEM, EAGAIN}},
	{"mremap", SYS_mremap, 1, CALL_ANY, {ENOMEM, EAGAIN}},
	{"mprotect", SYS_mprotect, 1, CALL_ANY, {ENOMEM}},
	{"madvise", SYS_madvise, 1, CALL_ANY, {EAGAIN}},
	{"mlock", SYS_mlock, 1, CALL_ANY, {ENOMEM, EAGAIN}},
	{"mincore", SYS_mincore, 1, CALL_ANY, {ENOMEM, EAGAIN}},
	{"msync", SYS_msync, 1, CALL_ANY, {EIO, ENOMEM}},
	{"setlk", SYS_fcntl, 1, F_OFD_SETLK, {ENOLCK}},
	{"getlk", SYS_fcntl, 1, F_OFD_GETLK, {ENOMEM}},
	{"dupfd", SYS_fcntl, 1, F_DUPFD_CLOEXEC, {EMFILE}},
	{"seal", SYS_fcntl, 1, F_ADD_SEALS, {ENOMEM}},
	{"fallocate", SYS_fallocate, 1, CALL_ANY, {ENOSPC, ENOMEM, EIO, EINTR}},
	{"ftruncate", SYS_ftruncate, 1, CALL_ANY, {ENOMEM, EIO}},
	{"fchmod", SYS_fchmod, 1, CALL_ANY, {EIO, ENOSPC}},
	{"chmod", SYS_chmod, 1, CALL_ANY, {EIO}},
	{"fchown", SYS_fchown, 1, CALL_ANY, {EIO}},
	{"linkat", SYS_linkat, 1, CALL_ANY, {ENOSPC, ENOMEM, EIO}},
	{"link", SYS_link, 1, CALL_ANY, {ENOSPC, ENOMEM, EIO}},
	{"unlink", SYS_unlink, 1, CALL_ANY, {ENOMEM, EIO}},
	{"rename", SYS_rename, 1, CALL_ANY, {ENOSPC, ENOMEM}},
	{"mknodat", SYS_mknodat, 1, CALL_ANY, {ENOSPC, ENOMEM}},
	{"memfd_create", SYS_memfd_create, 1, CALL_ANY, {EMFILE, ENFILE, ENOMEM}},
	{"read", SYS_read, 1, CALL_ANY, {EIO, ENOMEM}},
	{"pread64", SYS_pread64, 1, CALL_ANY, {EIO, ENOMEM}},
	{"pwrite64", SYS_pwrite64, 1, CALL_ANY, {ENOSPC, EIO}},
	{"getdents64", SYS_getdents64, 1, CALL_ANY, {EIO, ENOMEM}},
	{"shmget, to find", SYS_shmget, 1, 0, {0}},
	{"shmget", SYS_shmget, 1, CALL_ANY, {ENOSPC, ENOMEM}},
	{"shmat", SYS_shmat, 1, CALL_ANY, {ENOMEM}},
	{"shm_lock", SYS_shmctl, 1, SHM_LOCK, {ENOMEM}},
	{"membarrier", SYS_membarrier, 0, MEMBARRIER_CMD_GLOBAL_EXPEDITED, {ENOSYS, EPERM}},
	{"membarrier, register",
	 SYS_membarrier,
	 0,
	 MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
	 {ENOSYS}},
	{"futex", SYS_futex, 1, FUTEX_WAIT, {EINTR}},
	{"getrandom", SYS_getrandom, 1, CALL_ANY, {EINTR, ENOSYS}},
	{"epoll_create1", SYS_epoll_create1, 1, CALL_ANY, {EMFILE, ENFILE, ENOMEM}},
	{"epoll_ctl", SYS_epoll_ctl, 1, CALL_ANY, {ENOMEM, ENOSPC}},
	{"timerfd_create", SYS_timerfd_create, 1, CALL_ANY, {EMFILE, ENFILE, ENOMEM}},
	{"flock", SYS_flock, 1, CALL_ANY, {ENOLCK}},
	{"nanosleep", SYS_clock_nanosleep, 1, CALL_ANY, {EINTR}},
	{0},
};

const struct call *
call_of(long number, const __u64 *arguments)
{
	for (const struct call *call = calls; call->name; call++)
		if (call->number == number &&
		    (call->command == CALL_ANY || (__u64)call->command == arguments[call->which]))
			return call_errors(call) ? call : NULL;
	return NULL;
}

size_t
call_errors(const struct call *call)
{
	size_t count = 0;

	while (count < CALL_ERRORS && call->errors[count])
		count++;
	return count;
}
