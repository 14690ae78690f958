/* SPDX-License-Identifier: MIT */
/* The kernel module under test: loaded and unloaded by each test, looked into by its sysfs files. */
#ifndef TESTS_KMOD_MODULE_H
#define TESTS_KMOD_MODULE_H

#include <criterion/criterion.h>
#include <errno.h>
#include <shmq/shmq.h>
#include <stdbool.h>
#include <stdint.h>

#include "support/process.h"

/* As kmod/memdev.h says. */
struct sample {
	uint64_t sequence;
	int64_t ktime_ns;
};

/* The devices of every test. */
#define SOURCE 0
#define SINK 1
#define RAW 2
#define RAW_ADDRESS "dev:/dev/memdev2"
#define SOURCE_ADDRESS "dev:/dev/memdev0"
#define SINK_ADDRESS "dev:/dev/memdev1"
#define DEVICE_BYTES (256 * 1024)

/* 0, or a negated errno. */
int module_load(const char *parameters);
int module_unload(void);

/* Fixtures: load it with the devices above; unload it, which must be possible and leave nothing, with not a
 * word of warning in the kernel log since. */
void module_begin(void);
void module_begin_with(const char *parameters);
void module_end(void);

/* Whether the kernel has said nothing of level warning or worse since module_begin(). */
bool module_log_clean(void);

uint64_t module_read(int device, const char *name);
/* 0, or a negated errno. */
int module_write(int device, const char *name, const char *text);
void module_rate(int device, unsigned rate);

int module_open(int device, int flags);
/* Tell a sink that there is something to drain. */
void module_kick(int fd);

struct shmq *module_attach(const char *addr, unsigned role);
/* Let the kernel drain all that is in the sink, which it must do: `messages` since it was laid out. */
void module_drained(int fd, uint64_t messages);

#endif
