/* SPDX-License-Identifier: MIT */
/*
 * Addresses: any text is refused with -EINVAL (or, for sysv:PATH, what ftok() says), or gives an
 * address whose canonical text names the same thing.
 */
#include "addr.h"
#include "fuzz_input.h"

#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void
check_error(const char *text, int err)
{
	/* ftok() is stat(): whatever that says of a path. */
	if (strncmp(text, "sysv:", 5) == 0)
		must(err == -EINVAL || err == -ENOENT || err == -ENOTDIR || err == -EACCES ||
		     err == -ENAMETOOLONG || err == -ELOOP);
	else
		must(err == -EINVAL);
}

static void
check_address(const struct shmqi_address *a)
{
	struct shmqi_address again;

	must(memchr(a->text, 0, sizeof(a->text)) && memchr(a->path, 0, sizeof(a->path)));
	must(a->backend == SHMQ_BACKEND_SYSV || a->key == 0);
	must(a->number == ADDR_NONE || a->number >= 0);
	if (a->backend == SHMQ_BACKEND_SHM)
		must(strncmp(a->path, "/dev/shm/", 9) == 0 && !strchr(a->path + 9, '/') &&
		     a->path[9]);
	if (a->backend == SHMQ_BACKEND_FILE)
		must(a->path[0] == '/' && a->path[1]);

	must(shmqi_address_parse(&again, a->text) == 0);
	must(again.backend == a->backend && again.number == a->number && again.key == a->key);
	must(strcmp(again.text, a->text) == 0);
	if (a->backend != SHMQ_BACKEND_SYSV)
		must(strcmp(again.path, a->path) == 0);
	must(shmqi_address_hash(a->path) != 0);
}

int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	/* Exactly as long as the text, so that a sanitizer sees a step beyond its end. */
	char *text = malloc(size + 1);
	struct shmqi_address a;
	int err;

	fuzz_deadline();
	must(text != NULL);
	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	err = shmqi_address_parse(&a, text);
	if (err)
		check_error(text, err);
	else
		check_address(&a);
	free(text);
	return 0;
}
