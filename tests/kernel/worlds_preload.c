/* SPDX-License-Identifier: MIT */
/* The world of the test `kernel_preload`: shmget and the rest as this program finds them, which must be libshmq-sysv. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <string.h>

#include "world.h"

const struct world *const worlds[] = {&preload, NULL};

/* Else the kernel would be compared to itself. (A sanitizer has a shmctl of its own before ours.) */
Test(kernel, k00_the_functions_are_ours)
{
	static const char *const names[] = {"shmget", "shmat", "shmdt"};

	for (int i = 0; i < 3; i++) {
		Dl_info info = {0};
		void *function = dlsym(RTLD_DEFAULT, names[i]);

		cr_assert(function && dladdr(function, &info));
		cr_expect(strstr(info.dli_fname, "libshmq-sysv"), "%s is of %s", names[i],
			  info.dli_fname);
	}
}
