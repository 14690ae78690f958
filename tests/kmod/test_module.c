/* SPDX-License-Identifier: MIT */
/* The module itself: parameters, attributes, unloading. */
#include "module.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

TestSuite(module, .init = module_begin, .fini = module_end, .timeout = 300);
TestSuite(module_parameters, .init = process_begin, .timeout = 120);

Test(module_parameters, test_module_parameters_that_cannot_be_einval)
{
	static const char *const wrong[] = {"number=0",	       "number=65",
					    "size=0",	       "size=16383",
					    "size=1073741825", "roles=source,nonsense"};

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		SAME(-EINVAL, module_load(wrong[i]));
		SAME(-1, access("/sys/class/shmq_memdev", F_OK));
	}
	/* And nothing of them is in the way. */
	SAME(0, module_load("number=64 size=16384 mode=0644"));
	SAME(0, access("/dev/memdev63", F_OK));
	SAME(0, module_unload());
}

/* Where roles are given, the default is none of them. */
Test(module_parameters, test_module_devices_without_a_role_are_raw)
{
	char byte;
	int fd;

	SAME(0, module_load("number=2 roles=source"));
	fd = open("/dev/memdev1", O_RDWR | O_CLOEXEC);
	MUST(fd >= 0);
	SAME(1, read(fd, &byte, 1)); /* which a queue refuses */
	SAME(0, close(fd));
	SAME(0, module_unload());
}

/* As soon as it can: until then there is no such node. */
static void
open_when_it_appears(void *arg)
{
	int *gates = arg, fd;

	gate_open(gates[0]);
	while ((fd = open("/dev/memdev0", O_RDWR | O_CLOEXEC)) < 0)
		SAME(ENOENT, errno);
	SAME(0, close(fd));
}

/* Many devices: the first one's node is there for long before the last one's. */
Test(module, test_module_node_that_is_there_opens)
{
	int gates[] = {gate_new()};

	for (int round = 0; round < 10; round++) {
		pid_t pid;

		SAME(0, module_unload());
		pid = process_start(open_when_it_appears, gates);
		gate_pass(gates[0]);
		SAME(0, module_load("number=64 size=16384"));
		process_join(pid);
	}
}

Test(module, test_module_unload_refused_while_mapped)
{
	struct shmq_seg *seg = NULL;
	int fd = module_open(RAW, O_RDWR);
	void *base = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

	MUST(base != MAP_FAILED);
	SAME(-EWOULDBLOCK, module_unload());
	SAME(0, close(fd));
	SAME(-EWOULDBLOCK, module_unload());
	SAME(1, module_read(RAW, "mapped"));
	SAME(0, munmap(base, 4096));
	SAME(0, shmq_seg_attach(&seg, RAW_ADDRESS, 0));
	SAME(-EWOULDBLOCK, module_unload());
	SAME(0, shmq_seg_detach(seg));
	SAME(0, module_unload());
	SAME(0, module_load("number=1"));
}

Test(module, test_module_role_changes_only_while_nobody_has_it)
{
	struct shmq *q = NULL;
	int fd = module_open(RAW, O_RDONLY);

	SAME(-EBUSY, module_write(RAW, "role", "source"));
	SAME(-EBUSY, module_write(RAW, "reset", "1"));
	SAME(0, close(fd));
	SAME(-EINVAL, module_write(RAW, "role", "nonsense"));
	SAME(0, module_write(RAW, "role", "source\n"));
	q = module_attach(RAW_ADDRESS, SHMQ_CONSUMER);
	SAME(-EBUSY, module_write(RAW, "role", "raw"));
	SAME(0, shmq_detach(q));
	SAME(0, module_write(RAW, "role", "raw"));
	SAME(-EPROTONOSUPPORT, shmq_attach(&q, RAW_ADDRESS, SHMQ_CONSUMER));
}

Test(module, test_module_attributes_that_cannot_be)
{
	int fd = module_open(SOURCE, O_RDWR);

	SAME(-EINVAL, module_write(SOURCE, "rate", "100001"));
	SAME(-EINVAL, module_write(SOURCE, "rate", "-1"));
	SAME(-EINVAL, module_write(SOURCE, "rate", "much"));
	SAME(-EINVAL, module_write(SOURCE, "protect", "perhaps"));
	SAME(-1, write(fd, "", 1));
	SAME(EINVAL, errno);
	SAME(-1, read(fd, &(char){0}, 1));
	SAME(EINVAL, errno);
	SAME(0, close(fd));
}
