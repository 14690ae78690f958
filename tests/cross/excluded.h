/* SPDX-License-Identifier: MIT */
/* Tests that need what qemu's user-mode emulation (7.2) does not have. */
#ifndef SHMQ_TESTS_CROSS_EXCLUDED_H
#define SHMQ_TESTS_CROSS_EXCLUDED_H

#define NO_SECCOMP "prctl(PR_SET_SECCOMP) is refused"
#define NO_WIPE "madvise(MADV_WIPEONFORK) succeeds and does nothing"
#define NO_HUGE "huge pages are not mapped as such"
#define NO_SMAPS "/proc/self/smaps has no figures"
#define NO_PLACE "MAP_FIXED_NOREPLACE and SHM_REMAP are not looked at"
#define NO_SHRINK "mremap(MREMAP_MAYMOVE) always moves"
#define NO_EXEC "executable memory is not so to the kernel"

static const struct {
	const char *suite, *name, *why;
} excluded[] = {
	{"fallback", "test_port_without_membarrier_same_semantics", NO_SECCOMP},
	{"fallback", "test_ping_pong_one_side_without_membarrier", NO_SECCOMP},
	{"fallback", "test_ping_pong_both_without_membarrier", NO_SECCOMP},
	{"kind_errors", "test_kind_after_fork_ebadf", NO_WIPE},
	{"roles", "test_handle_after_fork_ebadf_in_child", NO_WIPE},
	{"roles", "test_child_has_no_descriptor_of_a_queue", NO_WIPE},
	{"inlined", "test_port_after_fork_ebadf_in_child", NO_WIPE},
	{"huge", "test_huge_file_on_hugetlbfs_works", NO_HUGE},
	{"huge", "test_huge_sysv_works", NO_HUGE},
	{"huge", "test_huge_memfd_works", NO_HUGE},
	{"locking", "test_create_lock_every_attach_is_locked", NO_SMAPS},
	{"locking", "test_attach_lock_all_resident_and_locked", NO_SMAPS},
	{"locking", "test_queue_lock_all_resident_and_locked", NO_SMAPS},
	{"control", "test_stat_resident_is_what_was_touched", NO_SMAPS},
	{"segment", "test_attach_at_address", NO_PLACE},
	{"segment", "test_attach_remap_replaces", NO_PLACE},
	{"segment", "test_attach_exec_on_noexec_mount_eperm", NO_EXEC},
	{"resize", "test_resize_of_split_memory_einval", NO_SHRINK},
};

#endif
