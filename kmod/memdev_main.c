// SPDX-License-Identifier: GPL-2.0 OR MIT
/* The character devices: open, map, poll, kick, lock; and the module's coming and going. */
#include <linux/cdev.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "compat.h"
#include "memdev.h"

static unsigned int number = 2;
module_param(number, uint, 0444);
MODULE_PARM_DESC(number, "devices, 1 to 64 (2)");

static unsigned long size = 1ul << 20;
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "bytes of memory of each, 16 KiB to 1 GiB (1 MiB)");

static char *roles[MEMDEV_NUMBER_MAX] = {"source", "sink"};
static unsigned int roles_given = 2; /* or these */
module_param_array(roles, charp, &roles_given, 0444);
MODULE_PARM_DESC(roles, "of each: source, sink or raw (source,sink,raw,...)");

static ushort mode = 0600;
module_param(mode, ushort, 0444);
MODULE_PARM_DESC(mode, "of the device nodes (0600)");

static struct memdev *devices;
static struct class *class;
static struct cdev cdev;
static dev_t first;

static int
memdev_open(struct inode *inode, struct file *file)
{
	struct memdev *m = &devices[iminor(inode) - MINOR(first)];

	mutex_lock(&m->configure);
	m->opens++;
	mutex_unlock(&m->configure);
	file->private_data = m;
	return 0;
}

/* The last of a description: no mapping of it is left. */
static int
memdev_release(struct inode *inode, struct file *file)
{
	struct memdev *m = file->private_data;

	mutex_lock(&m->configure);
	m->opens--;
	mutex_unlock(&m->configure);
	return 0;
}

static void
vma_open(struct vm_area_struct *vma)
{
	struct memdev *m = vma->vm_private_data;

	atomic_inc(&m->mapped);
}

static void
vma_close(struct vm_area_struct *vma)
{
	struct memdev *m = vma->vm_private_data;

	atomic_dec(&m->mapped);
}

static const struct vm_operations_struct memdev_vm_ops = {
	.open = vma_open,
	.close = vma_close,
};

/* The description is kept by the mapping, and keeps the module. Beyond the end: -EINVAL. */
static int
memdev_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct memdev *m = file->private_data;
	int err;

	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (READ_ONCE(m->protect)) {
		if (vma->vm_flags & VM_WRITE)
			return -EACCES;
		compat_vm_flags_clear(vma, VM_MAYWRITE);
	}
	err = remap_vmalloc_range(vma, m->memory, vma->vm_pgoff);
	if (err)
		return err;
	vma->vm_private_data = m;
	vma->vm_ops = &memdev_vm_ops;
	vma_open(vma);
	return 0;
}

static __poll_t
memdev_poll(struct file *file, struct poll_table_struct *table)
{
	struct memdev *m = file->private_data;
	__poll_t events = 0;

	poll_wait(file, &m->wait, table);
	/* Who publishes, or drains, after this sees us asleep; what was before, we see. */
	smp_mb();
	if (memdev_queue_readable(m))
		events |= EPOLLIN | EPOLLRDNORM;
	if (memdev_queue_writable(m))
		events |= EPOLLOUT | EPOLLWRNORM;
	return events;
}

/* Of raw memory: what the kernel finds there. Queues are not for this. */
static ssize_t
memdev_read(struct file *file, char __user *to, size_t count, loff_t *at)
{
	struct memdev *m = file->private_data;

	if (m->role != MEMDEV_RAW)
		return -EINVAL;
	return simple_read_from_buffer(to, count, at, m->memory, m->bytes);
}

/* Raw memory: the kernel stores. A sink: a kick, as there may be something to drain; what is written
 * does not matter then, and is not read. */
static ssize_t
memdev_write(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	struct memdev *m = file->private_data;

	if (m->role == MEMDEV_RAW)
		return simple_write_to_buffer(m->memory, m->bytes, at, from, count);
	if (m->role == MEMDEV_SOURCE)
		return -EINVAL;
	memdev_queue_kick(m);
	return count;
}

/* The end of the file is the size: SEEK_END tells it. */
static loff_t
memdev_llseek(struct file *file, loff_t offset, int whence)
{
	struct memdev *m = file->private_data;

	return fixed_size_llseek(file, offset, whence, m->bytes);
}

/*
 * Locks as on any file, but for byte 0 of a queue: that is participant 0's, which is us. So nobody
 * takes our role, and whoever asks learns that we live. To wait for it would be to wait for ever: we
 * hold it as long as the device is open, which it is for who asks.
 */
static int
memdev_lock(struct file *file, int cmd, struct file_lock *lock)
{
	struct memdev *m = file->private_data;
	unsigned char *type = compat_lock_type(lock);
	bool ours = m->role != MEMDEV_RAW && lock->fl_start == 0 && *type != F_UNLCK;

	if (ours && cmd != F_GETLK)
		return cmd == F_SETLKW ? -EDEADLK : -EAGAIN;
	if (ours) {
		*type = F_WRLCK;
		lock->fl_end = 0;
		return 0;
	}
	if (cmd != F_GETLK)
		return posix_lock_file(file, lock, NULL);
	posix_test_lock(file, lock);
	return 0;
}

static const struct file_operations memdev_operations = {
	.owner = THIS_MODULE,
	.open = memdev_open,
	.release = memdev_release,
	.mmap = memdev_mmap,
	.poll = memdev_poll,
	.read = memdev_read,
	.write = memdev_write,
	.llseek = memdev_llseek,
	.lock = memdev_lock,
};

/* Coming and going -------------------- */

static char *
node_mode(COMPAT_CONST struct device *device, umode_t *out)
{
	if (out)
		*out = mode & 0777;
	return NULL;
}

/* Memory and queue of a device, as who opens it is to find them. */
static int
prepare(struct memdev *m, const char *role_name)
{
	int role = role_name ? memdev_role_parse(role_name) : MEMDEV_RAW;

	if (role < 0)
		return role;
	mutex_init(&m->configure);
	m->bytes = PAGE_ALIGN(size);
	m->memory = vmalloc_user(m->bytes);
	if (!m->memory)
		return -ENOMEM;
	memdev_queue_init(m);
	return memdev_queue_lay_out(m, role);
}

/* Those that were prepared, or half so. */
static void
release_devices(void)
{
	unsigned int i;

	for (i = 0; i < number; i++) {
		if (devices[i].memory)
			memdev_queue_stop(&devices[i]);
		vfree(devices[i].memory);
	}
}

static int
prepare_devices(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; err == 0 && i < number; i++)
		err = prepare(&devices[i], i < roles_given ? roles[i] : NULL);
	return err;
}

/*
 * Nothing here fails the module: from the first node on somebody may have a device open. cdev_del()
 * does not take that back, and a module whose start fails is freed though an open file holds it. So a
 * node that cannot be made is missing, and the log says so.
 */
static void
create_nodes(void)
{
	unsigned int i;

	for (i = 0; i < number; i++) {
		struct device *device = device_create_with_groups(
			class, NULL, first + i, &devices[i], memdev_groups, "memdev%u", i);

		if (IS_ERR(device))
			pr_err("shmq_memdev: memdev%u has no node: %pe\n", i, device);
	}
}

static void
destroy_nodes(void)
{
	unsigned int i;

	for (i = 0; i < number; i++)
		device_destroy(class, first + i);
}

/* What devices and nodes are made of. */
static int
add_class(void)
{
	class = compat_class_create("shmq_memdev");
	if (IS_ERR(class))
		return PTR_ERR(class);
	class->devnode = node_mode;
	return 0;
}

static int __init
memdev_init(void)
{
	int err;

	if (number < 1 || number > MEMDEV_NUMBER_MAX)
		return -EINVAL;
	if (size < MEMDEV_SIZE_MIN || size > MEMDEV_SIZE_MAX)
		return -EINVAL;
	devices = kcalloc(number, sizeof(*devices), GFP_KERNEL);
	if (!devices)
		return -ENOMEM;
	err = alloc_chrdev_region(&first, 0, number, "shmq_memdev");
	if (err)
		goto no_region;
	err = add_class();
	if (err)
		goto no_class;
	err = prepare_devices();
	if (err)
		goto no_devices;
	/* The last that may fail, and before the nodes: who finds one can open it. */
	cdev_init(&cdev, &memdev_operations);
	cdev.owner = THIS_MODULE;
	err = cdev_add(&cdev, first, number);
	if (err)
		goto no_devices;
	create_nodes();
	return 0;
no_devices:
	release_devices();
	class_destroy(class);
no_class:
	unregister_chrdev_region(first, number);
no_region:
	kfree(devices);
	return err;
}

/* Nodes first: their attributes may start a timer. */
static void __exit
memdev_exit(void)
{
	destroy_nodes();
	cdev_del(&cdev);
	release_devices();
	class_destroy(class);
	unregister_chrdev_region(first, number);
	kfree(devices);
}

module_init(memdev_init);
module_exit(memdev_exit);

MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Memory and queues shared between the kernel and processes (shmq)");
