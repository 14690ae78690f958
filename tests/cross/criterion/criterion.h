/* SPDX-License-Identifier: MIT */
/*
 * As much of Criterion as the unit tests need, for the cross build: Debian's libcriterion of another
 * architecture cannot be installed beside our own, and its cases start by exec, which user-mode
 * emulation cannot follow. Each case runs in its own process, as with Criterion (criterion.c).
 */
#ifndef SHMQ_TESTS_CROSS_CRITERION_H
#define SHMQ_TESTS_CROSS_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/** Of a suite, or of one test. */
struct cross_hooks {
	void (*init)(void);
	void (*fini)(void);
	double timeout; /* not looked at: ctest has one for the program */
	int end;
};

struct criterion_test_params {
	size_t size;
	void *params;
	size_t length;
};

/** One test, or one suite (run and run_each are NULL). */
struct cross_test {
	const char *suite, *name;
	void (*run)(void);
	void (*run_each)(void *parameter);
	struct criterion_test_params (*parameters)(void);
	struct cross_hooks hooks;
	struct cross_test *next;
};

void cross_register(struct cross_test *test);
void cross_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void cross_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends without a semicolon, which stands in the test after TestSuite(). */
#define CROSS_REGISTER(id, ...)                                   \
	static struct cross_test id##_entry;                      \
	__attribute__((constructor)) static void id##_enter(void) \
	{                                                         \
		cross_register(&id##_entry);                      \
	}                                                         \
	static struct cross_test id##_entry = {__VA_ARGS__}

#define TestSuite(...) CROSS_SUITE(__VA_ARGS__, .end = 0)
#define CROSS_SUITE(suite_, ...) CROSS_REGISTER(suite_, .suite = #suite_, .hooks = {__VA_ARGS__})

#define Test(...) CROSS_TEST(__VA_ARGS__, .end = 0)
#define CROSS_TEST(suite_, name_, ...)                                     \
	static void suite_##_##name_(void);                                \
	CROSS_REGISTER(suite_##_##name_, .suite = #suite_, .name = #name_, \
		       .run = suite_##_##name_, .hooks = {__VA_ARGS__});   \
	static void suite_##_##name_(void)

#define cr_assert_fail(...) cross_fail(__VA_ARGS__)
#define cr_skip_test(...) cross_skip(__VA_ARGS__)
#define cr_assert_str_eq(got, want)                                                               \
	do {                                                                                      \
		if (strcmp(got, want) != 0)                                                       \
			cross_fail("%s:%d: \"%s\" is not \"%s\"", __FILE__, __LINE__, got, want); \
	} while (0)

#endif
