/* SPDX-License-Identifier: MIT */
/* Every adapter: CMake lists those that can be built, and for the others an entry that says what to install. */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ADAPTER(name) extern const struct bench_adapter bench_adapter_##name;
#define ABSENT(name, base, can, note)                                                        \
	static const struct bench_adapter bench_adapter_##name = {#name, base, note, can, 0, \
								  0,	 0,    0,    0};
#include "adapters.inc"
#undef ADAPTER
#undef ABSENT

#define ADAPTER(name) &bench_adapter_##name,
#define ABSENT(name, base, can, note) &bench_adapter_##name,
const struct bench_adapter *const bench_adapters[] = {
#include "adapters.inc"
};
const size_t bench_adapters_n = sizeof(bench_adapters) / sizeof(*bench_adapters);

const struct bench_adapter *
bench_adapter_named(const char *name)
{
	for (size_t i = 0; i < bench_adapters_n; i++) {
		if (!strcmp(bench_adapters[i]->name, name))
			return bench_adapters[i];
	}
	fprintf(stderr, "shmq_bench: no adapter %s\n", name);
	exit(2);
}
