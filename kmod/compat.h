/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * What the kernels from 6.1 on do not agree on. The names are our own: a stable release may have taken
 * a newer kernel's.
 */
#ifndef KMOD_COMPAT_H
#define KMOD_COMPAT_H

#include <linux/device.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/version.h>
#include <linux/workqueue.h>

#define COMPAT_FROM(major, minor) (LINUX_VERSION_CODE >= KERNEL_VERSION(major, minor, 0))

#if COMPAT_FROM(6, 3)
#include <linux/filelock.h>
#endif

/* Of the device whose node a class names. */
#if COMPAT_FROM(6, 2)
#define COMPAT_CONST const
#else
#define COMPAT_CONST
#endif

static inline struct class *
compat_class_create(const char *name)
{
#if COMPAT_FROM(6, 4)
	return class_create(name);
#else
	return class_create(THIS_MODULE, name);
#endif
}

static inline void
compat_vm_flags_clear(struct vm_area_struct *vma, unsigned long flags)
{
#if COMPAT_FROM(6, 3)
	vm_flags_clear(vma, flags);
#else
	vma->vm_flags &= ~flags;
#endif
}

/* F_RDLCK, F_WRLCK or F_UNLCK. */
static inline unsigned char *
compat_lock_type(struct file_lock *lock)
{
#if COMPAT_FROM(6, 9)
	return &lock->c.flc_type;
#else
	return &lock->fl_type;
#endif
}

/* A timer of CLOCK_MONOTONIC, relative to now. */
static inline void
compat_hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *))
{
#if COMPAT_FROM(6, 13)
	hrtimer_setup(timer, function, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
#else
	hrtimer_init(timer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	timer->function = function;
#endif
}

/* The system's workqueue of work that is bound to no CPU; to be asked for by its old name is a warning
 * in the log of newer kernels. */
static inline struct workqueue_struct *
compat_unbound_wq(void)
{
#if COMPAT_FROM(6, 17)
	return system_dfl_wq;
#else
	return system_unbound_wq;
#endif
}

#endif
