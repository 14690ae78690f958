/* SPDX-License-Identifier: MIT */
/* Runs every registered test in a process of its own; see criterion/criterion.h. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "excluded.h"

#define EXIT_FAILED 1
#define EXIT_SKIPPED 77

static struct cross_test *tests;

void
cross_register(struct cross_test *test)
{
	test->next = tests;
	tests = test;
}

static void
tell(const char *format, va_list values)
{
	vfprintf(stdout, format, values);
	fputc('\n', stdout);
	fflush(stdout);
}

void
cross_fail(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	tell(format, values);
	va_end(values);
	_exit(EXIT_FAILED);
}

void
cross_skip(const char *format, ...)
{
	va_list values;

	va_start(values, format);
	tell(format, values);
	va_end(values);
	_exit(EXIT_SKIPPED);
}

static const struct cross_test *
suite_of(const struct cross_test *test)
{
	for (const struct cross_test *t = tests; t; t = t->next)
		if (!t->name && strcmp(t->suite, test->suite) == 0)
			return t;
	return test;
}

static void
run_case(const struct cross_test *test, void *parameter)
{
	const struct cross_test *suite = suite_of(test);
	void (*init)(void) = test->hooks.init ? test->hooks.init : suite->hooks.init;
	void (*fini)(void) = test->hooks.fini ? test->hooks.fini : suite->hooks.fini;

	if (init)
		init();
	if (test->run_each)
		test->run_each(parameter);
	else
		test->run();
	if (fini)
		fini();
	exit(0);
}

/* 0: passed or skipped; 1: failed. */
static int
run_apart(const struct cross_test *test, void *parameter)
{
	int status = -1;
	pid_t child;

	fflush(NULL);
	child = fork();
	if (child == 0)
		run_case(test, parameter);
	if (child < 0 || waitpid(child, &status, 0) != child)
		return 1;
	if (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EXIT_SKIPPED))
		return 0;
	printf("%s::%s: FAILED, wait status 0x%x\n", test->suite, test->name, (unsigned)status);
	return 1;
}

static const char *
why_excluded(const struct cross_test *test)
{
	for (size_t i = 0; i < sizeof(excluded) / sizeof(excluded[0]); i++)
		if (strcmp(excluded[i].suite, test->suite) == 0 &&
		    strcmp(excluded[i].name, test->name) == 0)
			return excluded[i].why;
	return NULL;
}

static int
run_test(const struct cross_test *test, unsigned *cases)
{
	struct criterion_test_params with = {0, NULL, 1};
	int failed = 0;

	if (why_excluded(test)) {
		printf("%s::%s: excluded: %s\n", test->suite, test->name, why_excluded(test));
		return 0;
	}
	printf("%s::%s\n", test->suite, test->name);
	if (test->parameters)
		with = test->parameters();
	for (size_t i = 0; i < with.length; i++)
		failed += run_apart(test, (char *)with.params + i * with.size);
	*cases += (unsigned)with.length;
	return failed;
}

int
main(void)
{
	unsigned cases = 0;
	int failed = 0;

	for (const struct cross_test *test = tests; test; test = test->next)
		if (test->name)
			failed += run_test(test, &cases);
	printf("%u cases, %d failed\n", cases, failed);
	return failed || cases == 0;
}
