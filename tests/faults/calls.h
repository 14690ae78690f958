/* SPDX-License-Identifier: MIT */
/* The system calls that the library makes, and how each of them may fail. */
#ifndef TESTS_FAULTS_CALLS_H
#define TESTS_FAULTS_CALLS_H

#include <linux/types.h>
#include <stddef.h>
#include <stdint.h>

#define CALL_ERRORS 4
#define CALL_ANY (-1)

struct call {
	const char *name;
	long number;
	unsigned which;	 /* of its arguments, */
	int64_t command; /* what that is, or CALL_ANY */
	int errors[CALL_ERRORS];
};

/* The row of a call, or NULL: it does not fail. */
const struct call *call_of(long number, const __u64 *arguments);

/* All of them, ended by a row without a name; a number may come more than once. */
extern const struct call calls[];

/* How many errors a row has. */
size_t call_errors(const struct call *call);

#endif
