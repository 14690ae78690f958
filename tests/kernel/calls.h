/* SPDX-License-Identifier: MIT */
/* The kernel's own calls, whatever a library has put in their place: included before anything else by CMakeLists.txt. */
#ifndef KERNEL_CALLS_H
#define KERNEL_CALLS_H

#include <stdint.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline int
calls_shmget(key_t key, size_t size, int flags)
{
	return (int)syscall(SYS_shmget, key, size, flags);
}

static inline void *
calls_shmat(int id, const void *at, int flags)
{
	return (void *)syscall(SYS_shmat, id, at, flags);
}

static inline int
calls_shmdt(const void *at)
{
	return (int)syscall(SYS_shmdt, at);
}

static inline int
calls_shmctl(int id, int command, struct shmid_ds *buffer)
{
	return (int)syscall(SYS_shmctl, id, command, buffer);
}

#define shmget calls_shmget
#define shmat calls_shmat
#define shmdt calls_shmdt
#define shmctl calls_shmctl

#endif
