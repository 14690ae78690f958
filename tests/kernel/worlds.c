/* SPDX-License-Identifier: MIT */
/* The worlds of the test `kernel`: the library, with each backend. */
#include "world.h"

const struct world *const worlds[] = {&shmq_sysv, &shmq_shm, &shmq_file, &shmq_memfd, NULL};
