/* SPDX-License-Identifier: MIT */
/* One case for each parameter; as criterion.h beside it. */
#ifndef SHMQ_TESTS_CROSS_PARAMETERIZED_H
#define SHMQ_TESTS_CROSS_PARAMETERIZED_H

#include "criterion.h"

#define ParameterizedTestParameters(suite_, name_) \
	static struct criterion_test_params suite_##_##name_##_parameters(void)

#define ParameterizedTest(...) CROSS_EACH(__VA_ARGS__, .end = 0)
#define CROSS_EACH(parameter_, suite_, name_, ...)                                           \
	static void suite_##_##name_(parameter_);                                            \
	static void suite_##_##name_##_run(void *parameter)                                  \
	{                                                                                    \
		suite_##_##name_(parameter);                                                 \
	}                                                                                    \
	CROSS_REGISTER(suite_##_##name_, .suite = #suite_, .name = #name_,                   \
		       .run_each = suite_##_##name_##_run,                                   \
		       .parameters = suite_##_##name_##_parameters, .hooks = {__VA_ARGS__}); \
	static void suite_##_##name_(parameter_)

#define cr_make_param_array(type_, array_, length_) \
	((struct criterion_test_params){sizeof(type_), (array_), (length_)})

#endif
