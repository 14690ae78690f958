// SPDX-License-Identifier: GPL-2.0 OR MIT
/* /sys/class/shmq_memdev/memdevN: what a device does, and what it has counted. */
#include <linux/kstrtox.h>
#include <linux/sysfs.h>

#include "memdev.h"

static const char *const role_names[] = {
	[MEMDEV_RAW] = "raw",
	[MEMDEV_SOURCE] = "source",
	[MEMDEV_SINK] = "sink",
};

int
memdev_role_parse(const char *text)
{
	return sysfs_match_string(role_names, text);
}

static ssize_t
role_show(struct device *device, struct device_attribute *attr, char *out)
{
	struct memdev *m = dev_get_drvdata(device);

	return sysfs_emit(out, "%s\n", role_names[READ_ONCE(m->role)]);
}

/* The region is laid out anew: that nobody may see, who has it mapped. */
static ssize_t
lay_out(struct memdev *m, int role, size_t count)
{
	int err = -EBUSY;

	mutex_lock(&m->configure);
	if (m->opens == 0)
		err = memdev_queue_lay_out(m, role < 0 ? m->role : role);
	mutex_unlock(&m->configure);
	return err ? err : count;
}

static ssize_t
role_store(struct device *device, struct device_attribute *attr, const char *text, size_t count)
{
	int role = memdev_role_parse(text);

	return role < 0 ? role : lay_out(dev_get_drvdata(device), role, count);
}
static DEVICE_ATTR_RW(role);

static ssize_t
reset_store(struct device *device, struct device_attribute *attr, const char *text, size_t count)
{
	return lay_out(dev_get_drvdata(device), -1, count);
}
static DEVICE_ATTR_WO(reset);

#define SHOW(name)                                                                       \
	static ssize_t name##_show(struct device *device, struct device_attribute *attr, \
				   char *out)                                            \
	{                                                                                \
		struct memdev *m = dev_get_drvdata(device);                              \
		return sysfs_emit(out, "%llu\n", READ_ONCE(m->name));                    \
	}

SHOW(rate)

static ssize_t
rate_store(struct device *device, struct device_attribute *attr, const char *text, size_t count)
{
	struct memdev *m = dev_get_drvdata(device);
	u64 rate;
	int err = kstrtou64(text, 0, &rate);

	if (err == 0 && rate > MEMDEV_RATE_MAX)
		err = -EINVAL;
	if (err)
		return err;
	mutex_lock(&m->configure);
	memdev_queue_set_rate(m, rate);
	mutex_unlock(&m->configure);
	return count;
}
static DEVICE_ATTR_RW(rate);

SHOW(protect)

/* For mappings to come; those that are there stay what they are. */
static ssize_t
protect_store(struct device *device, struct device_attribute *attr, const char *text, size_t count)
{
	struct memdev *m = dev_get_drvdata(device);
	bool protect;
	int err = kstrtobool(text, &protect);

	if (err)
		return err;
	WRITE_ONCE(m->protect, protect);
	return count;
}
static DEVICE_ATTR_RW(protect);

static ssize_t
size_show(struct device *device, struct device_attribute *attr, char *out)
{
	struct memdev *m = dev_get_drvdata(device);

	return sysfs_emit(out, "%zu\n", m->bytes);
}
static DEVICE_ATTR_RO(size);

static ssize_t
mapped_show(struct device *device, struct device_attribute *attr, char *out)
{
	struct memdev *m = dev_get_drvdata(device);

	return sysfs_emit(out, "%d\n", atomic_read(&m->mapped));
}
static DEVICE_ATTR_RO(mapped);

#define COUNT(name) \
	SHOW(name)  \
	static DEVICE_ATTR_RO(name)

COUNT(sent);
COUNT(overruns);
COUNT(missed);
COUNT(received);
COUNT(gaps);
COUNT(errors);

static struct attribute *memdev_attrs[] = {
	&dev_attr_role.attr,
	&dev_attr_reset.attr,
	&dev_attr_rate.attr,
	&dev_attr_protect.attr,
	&dev_attr_size.attr,
	&dev_attr_mapped.attr,
	&dev_attr_sent.attr,
	&dev_attr_overruns.attr,
	&dev_attr_missed.attr,
	&dev_attr_received.attr,
	&dev_attr_gaps.attr,
	&dev_attr_errors.attr,
	NULL,
};
static const struct attribute_group memdev_group = {.attrs = memdev_attrs};

const struct attribute_group *memdev_groups[] = {&memdev_group, NULL};
