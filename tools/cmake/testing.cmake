# SPDX-License-Identifier: MIT
# shmq_add_test(name timeout serial command...): any command as a test, with our environment and time limit.
#
# A sanitizer's report fails the test even where a child process wrote it and nobody looked at its exit status. Signals that a
# test provokes on purpose (a store to read-only memory) are left to the test.
function(shmq_add_test name timeout serial)
	add_test(NAME ${name} COMMAND ${SHMQ_TEST_LAUNCHER} ${ARGN})
	if(NOT timeout)
		set(timeout 120)
	endif()
	if(SHMQ_SANITIZE OR CMAKE_CROSSCOMPILING)
		math(EXPR timeout "${timeout} * 3")
	endif()
	if(SHMQ_SANITIZE)
		set_tests_properties(${name} PROPERTIES FAIL_REGULAR_EXPRESSION
			"ERROR: AddressSanitizer|ERROR: LeakSanitizer|WARNING: ThreadSanitizer|runtime error:")
	endif()
	set(signals handle_segv=0:handle_sigbus=0:handle_abort=0)
	set_tests_properties(${name} PROPERTIES TIMEOUT ${timeout} RUN_SERIAL ${serial} ENVIRONMENT
		"ASAN_OPTIONS=${signals};UBSAN_OPTIONS=print_stacktrace=1;TSAN_OPTIONS=halt_on_error=1:${signals}:suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp")
endfunction()
