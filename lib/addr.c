/* SPDX-License-Identifier: MIT */
#include "addr.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>

#define SHM_DIRECTORY "/dev/shm"
#define LABEL_MAX 249 /* of memfd_create() */

/* A whole decimal (base 10) or C-style (base 0) number up to `max`. */
static int
parse_number(const char *text, int base, unsigned long max, unsigned long *out)
{
	char *end;
	bool digit = text[0] >= '0' && text[0] <= '9';

	errno = 0;
	*out = strtoul(text, &end, base);
	return !digit || *end || errno || *out > max ? -EINVAL : 0;
}

static int
parse_shm(struct shmqi_address *a, const char *rest)
{
	size_t len = strlen(rest);

	if (rest[0] != '/' || len < 2 || len > 1 + NAME_MAX || strchr(rest + 1, '/'))
		return -EINVAL;
	if (strcmp(rest, "/.") == 0 || strcmp(rest, "/..") == 0 || strncmp(rest, "/.shmq-", 7) == 0)
		return -EINVAL;
	snprintf(a->path, sizeof(a->path), SHM_DIRECTORY "%s", rest);
	snprintf(a->text, sizeof(a->text), "shm:%s", rest);
	return 0;
}

static bool
component_too_long(const char *path)
{
	for (const char *at = path, *end; at; at = end) {
		at += *at == '/';
		end = strchr(at, '/');
		if ((end ? (size_t)(end - at) : strlen(at)) > NAME_MAX)
			return true;
	}
	return false;
}

static int
parse_file(struct shmqi_address *a, const char *rest)
{
	size_t len = strlen(rest);

	if (rest[0] != '/' || len < 2 || len >= PATH_MAX || rest[len - 1] == '/')
		return -EINVAL;
	if (component_too_long(rest))
		return -EINVAL;
	snprintf(a->path, sizeof(a->path), "%s", rest);
	snprintf(a->text, sizeof(a->text), "file:%s", rest);
	return 0;
}

/* A size asked for is the last part, and no part of the path. */
static int
parse_dev(struct shmqi_address *a, const char *rest)
{
	const char *size = strstr(rest, "?size=");
	size_t len = size ? (size_t)(size - rest) : strlen(rest);
	unsigned long bytes = 0;

	if (rest[0] != '/' || len < 2 || len >= PATH_MAX || rest[len - 1] == '/')
		return -EINVAL;
	if (size && (parse_number(size + 6, 10, ULONG_MAX, &bytes) || bytes == 0))
		return -EINVAL;
	snprintf(a->path, sizeof(a->path), "%.*s", (int)len, rest);
	if (component_too_long(a->path))
		return -EINVAL;
	a->bytes = bytes;
	snprintf(a->text, sizeof(a->text), size ? "dev:%s?size=%lu" : "dev:%s", a->path, bytes);
	return 0;
}

static int
parse_memfd(struct shmqi_address *a, const char *rest)
{
	size_t len = strlen(rest);

	if (len < 1 || len > LABEL_MAX)
		return -EINVAL;
	snprintf(a->path, sizeof(a->path), "%s", rest);
	snprintf(a->text, sizeof(a->text), "memfd:%s", rest);
	return 0;
}

static int
parse_fd(struct shmqi_address *a, const char *rest)
{
	unsigned long n;

	if (parse_number(rest, 10, INT_MAX, &n))
		return -EINVAL;
	a->number = (int)n;
	snprintf(a->text, sizeof(a->text), "fd:%lu", n);
	return 0;
}

static int
parse_sysv_path(struct shmqi_address *a, const char *path)
{
	size_t len = strlen(path);

	if (len >= PATH_MAX)
		return -EINVAL;
	snprintf(a->path, sizeof(a->path), "%s", path);
	a->key = ftok(path, 1);
	if (a->key == -1)
		return -errno;
	snprintf(a->text, sizeof(a->text), "sysv:0x%x", (unsigned)a->key);
	return 0;
}

static int
parse_sysv(struct shmqi_address *a, const char *rest)
{
	unsigned long n;

	a->key = IPC_PRIVATE;
	if (strcmp(rest, "private") == 0) {
		snprintf(a->text, sizeof(a->text), "sysv:private");
		return 0;
	}
	if (strncmp(rest, "id/", 3) == 0) {
		if (parse_number(rest + 3, 10, INT_MAX, &n))
			return -EINVAL;
		a->number = (int)n;
		snprintf(a->text, sizeof(a->text), "sysv:id/%lu", n);
		return 0;
	}
	if (rest[0] < '0' || rest[0] > '9')
		return rest[0] ? parse_sysv_path(a, rest) : -EINVAL;
	if (parse_number(rest, 0, UINT32_MAX, &n) || n == 0)
		return -EINVAL;
	a->key = (key_t)(uint32_t)n;
	snprintf(a->text, sizeof(a->text), "sysv:0x%lx", n);
	return 0;
}

static const struct scheme {
	const char *prefix;
	enum shmq_backend backend;
	int (*parse)(struct shmqi_address *a, const char *rest);
} schemes[] = {
	{"shm:", SHMQ_BACKEND_SHM, parse_shm},	  {"sysv:", SHMQ_BACKEND_SYSV, parse_sysv},
	{"file:", SHMQ_BACKEND_FILE, parse_file}, {"memfd:", SHMQ_BACKEND_MEMFD, parse_memfd},
	{"fd:", SHMQ_BACKEND_FD, parse_fd},	  {"dev:", SHMQ_BACKEND_DEV, parse_dev},
};

int
shmqi_address_parse(struct shmqi_address *out, const char *text)
{
	if (!text || strlen(text) >= SHMQ_ADDRESS_MAX)
		return -EINVAL;
	*out = (struct shmqi_address){.backend = SHMQ_BACKEND_SHM, .number = ADDR_NONE};
	if (text[0] == '/')
		return parse_shm(out, text);
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (strncmp(text, schemes[i].prefix, n) == 0) {
			out->backend = schemes[i].backend;
			return schemes[i].parse(out, text + n);
		}
	}
	return -EINVAL;
}

uint32_t
shmqi_address_hash(const char *path)
{
	uint32_t hash = UINT32_C(0x811c9dc5);

	for (; *path; path++)
		hash = (hash ^ (unsigned char)*path) * UINT32_C(0x01000193);
	return hash ? hash : 1;
}
