/* SPDX-License-Identifier: MIT */
#include "huge_scene.h"

#include <criterion/criterion.h>
#include <stdlib.h>

void
huge_scene_begin(void)
{
	space_begin();
	huge_begin();
	setenv("SHMQ_SYSV_HUGE_DIR", HUGE_PLACE, 1);
}

void
huge_scene_end(void)
{
	huge_end();
	space_end();
}

void
huge_scene_skip(const char *why)
{
	huge_scene_end();
	cr_skip_test("%s", why);
}

void
huge_scene_need(void)
{
	if (!huge_ready() || !huge_mount("0777"))
		huge_scene_skip("no huge pages, or no hugetlbfs, is to be had here");
}
