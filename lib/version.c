/* SPDX-License-Identifier: MIT */
/* Version and error texts. */
#include <errno.h>
#include <shmq/shmq.h>
#include <stddef.h>
#include <string.h>

static const struct {
	int err;
	const char *text;
} texts[] = {
	{0, "success"},
	{EAGAIN, "queue full or empty, or not complete yet"},
	{ETIMEDOUT, "timed out"},
	{EINTR, "a signal handler ran while waiting"},
	{EMSGSIZE, "message longer than fits"},
	{EIDRM, "the queue or segment was removed"},
	{EPIPE, "no peer of the other role is attached any more"},
	{EBUSY, "the role is held by a live process, a reservation or peek is open, or another "
		"is removing it"},
	{ESTALE, "this slow reader was ejected"},
	{EBADF, "handle inherited through fork"},
	{EBADMSG, "the segment is damaged"},
	{EPROTONOSUPPORT, "not a shmq segment, or of another format version"},
	{ENOTSUP, "not supported with this kind or backend"},
	{ENOMEM, "not enough memory, or over the limit of locked memory"},
	{EPERM, "not permitted"},
	{EEXIST, "the address is taken"},
	{ENOENT, "nothing under this address"},
	{EACCES, "the mode does not permit it"},
	{EINVAL, "invalid argument or address"},
	{ENOSPC, "no space left"},
	{ENODEV, "no device, or one without memory to map"},
	{EXDEV, "the side file is not the one the queue was created with"},
	{EFAULT, "NULL result"},
};

const char *
shmq_strerror(int err)
{
	const char *name;

	err = err < 0 && err >= -4095 ? -err : err;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].err == err)
			return texts[i].text;
	name = strerrordesc_np(err);
	return name ? name : "unknown error";
}

const char *
shmq_version(void)
{
	return SHMQ_VERSION;
}
