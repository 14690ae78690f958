/* SPDX-License-Identifier: MIT */
/* The driver: starts the runners, lets them rest once a minute, and compares. */
#ifndef TESTS_CRASH_SOAK_DRIVER_H
#define TESTS_CRASH_SOAK_DRIVER_H

#include "soak.h"

struct soak {
	struct soak_runner runners[SOAK_RUNNERS];
	unsigned count;
	struct soak_board *board;
	uint64_t began_ns, end_ns, period_ns;
	enum soak_plant plant;
	struct soak_holds first, holds; /* the driver's own */
	struct soak_leftovers left;
	uint64_t cleared; /* of all rests */
	unsigned checks, failures;
};

/* soak_report.c */
/* What a line of a minute is made of. */
void soak_print_head(void);
void soak_print_line(const struct soak *soak);
void soak_print_summary(const struct soak *soak);
/* On a terminal: how far it is. */
void soak_print_progress(const struct soak *soak);
/* One more thing is wrong. */
void soak_wrong(struct soak *soak, const char *who, const char *what, uint64_t is, uint64_t was);

/* soak_driver.c: until `soak->end_ns`, or *interrupted. */
void soak_drive(struct soak *soak, const volatile int *interrupted);

#endif
