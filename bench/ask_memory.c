/* SPDX-License-Identifier: MIT */
/*
 * How many bytes a queue takes, beside what it holds.
 *
 *   memory/KIND/LEN/CAPACITY/PARTICIPANTS    what shmq_footprint() says of it: the segment and the
 *                                            handle of one attach
 *
 * The figure `segment` is what the kernel has allocated for one that was made, `per_message` what
 * a message takes above its own length. The floor is the payload alone; rivals are those that say
 * how much shared memory they need. The participants of MPSC have a lane of `capacity` messages
 * each, and its floor has as many.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <shmq/shmq.h>

#include "bench.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* More is not made, only reckoned: */
#define MADE_MAX ((size_t)64 << 20)
#define BYTES_MAX ((size_t)256 << 20)

static const char *const kinds[] = {"spsc", "mpsc", "mpmc", "broadcast", "latest"};

static struct shmq_opts
opts_of(const struct bench_what *what)
{
	return (struct shmq_opts){.size = sizeof(struct shmq_opts),
				  .kind = what->variant,
				  .msg_max = what->len,
				  .capacity = what->capacity,
				  .participants = what->participants};
}

static size_t
payload(const struct bench_what *what)
{
	size_t rings = what->variant == SHMQ_MPSC ? what->participants : 1;

	return rings * what->capacity * what->len;
}

static int
result(const struct bench_what *what, double bytes, struct bench_sample *out)
{
	double over = bytes - (double)payload(what);

	*out = (struct bench_sample){.ns = bytes, .count = 1};
	bench_figure(out, "payload", (double)payload(what));
	bench_figure(out, "per_message", over / ((double)payload(what) / (double)what->len));
	return 0;
}

/* Make it, and see what the kernel has given for it. */
static int
add_segment(const struct shmq_opts *opts, struct bench_side *side, struct bench_sample *out)
{
	struct stat st;
	int err = bench_side_queue(side, 0, opts);

	if (!err && fstat(side->fds[0], &st))
		err = -errno;
	if (err)
		return err;
	bench_figure(out, "segment", (double)st.st_blocks * 512);
	/* The footprint is what a program plans with: it must not be less than what there is. */
	return (double)st.st_blocks * 512 > out->ns + 4096 ? -ERANGE : 0;
}

static int
run(const struct bench_what *what, const struct bench_member *member, struct bench_sample *out)
{
	struct shmq_opts opts = opts_of(what);
	ssize_t bytes = shmq_footprint(&opts);
	struct bench_side side;
	int err;

	(void)member;
	if (bytes < 0)
		return (int)bytes;
	err = result(what, (double)bytes, out);
	if (err || (size_t)bytes > MADE_MAX)
		return err;
	err = bench_side_init(&side, what, 0);
	if (!err)
		err = add_segment(&opts, &side, out);
	bench_side_free(&side);
	return err;
}

static int
run_payload(const struct bench_what *what, const struct bench_member *member,
	    struct bench_sample *out)
{
	(void)member;
	return result(what, (double)payload(what), out);
}

static int
run_rival(const struct bench_what *what, const struct bench_member *member,
	  struct bench_sample *out)
{
	return result(what, (double)member->adapter->bytes(what), out);
}

/* Those that do the same job, in memory of ours. */
static void
join_rivals(struct bench_group *group, const struct bench_what *what)
{
	static const unsigned can[] = {
		[SHMQ_SPSC] = BENCH_PAIR, [SHMQ_MPSC] = BENCH_MANY_SEND, [SHMQ_MPMC] = BENCH_MANY};

	for (size_t i = 0; i < bench_adapters_n && what->variant <= SHMQ_MPMC; i++) {
		const struct bench_adapter *rival = bench_adapters[i];

		if (!rival->base || !rival->bytes || !rival->bodies ||
		    !(rival->can & can[what->variant]) || (rival->fits && !rival->fits(what)))
			continue;
		bench_join(group, &(struct bench_member){rival->name, rival->base, run_rival, rival,
							 what->variant});
	}
}

static void
ask(const struct bench_what *what, enum bench_level level)
{
	struct shmq_opts opts = opts_of(what);
	struct bench_group *group;
	char name[64];

	if (shmq_footprint(&opts) > (ssize_t)BYTES_MAX)
		return;
	snprintf(name, sizeof(name), "memory/%s/%zu/%zu/%u", kinds[what->variant], what->len,
		 what->capacity, what->participants);
	group = bench_add(name, what, BENCH_BYTES, level, 1);
	bench_join(group, &(struct bench_member){"shmq", NULL, run, NULL, what->variant});
	bench_join(group,
		   &(struct bench_member){"payload", "floor", run_payload, NULL, what->variant});
	join_rivals(group, what);
}

/* Broadcast has one producer, MPSC one consumer; the others' participants can be any. */
static void
ask_kind(int kind, size_t len, size_t capacity)
{
	static const unsigned participants[] = {2, 8, 64, 1024};

	for (size_t p = 0; p < COUNT(participants); p++) {
		struct bench_what what = {.len = len,
					  .capacity = capacity,
					  .producers = kind == SHMQ_MPSC ? participants[p] - 1 : 1,
					  .consumers = kind == SHMQ_MPSC ? 1 : participants[p] - 1,
					  .participants = participants[p],
					  .variant = kind};
		int first = participants[p] == 2 && len <= 56 && capacity == 1024;
		int many = participants[p] == 64 && len == 56 && capacity == 1024;

		if (kind != SHMQ_SPSC || participants[p] == 2)
			ask(&what, first || many ? BENCH_QUICK : BENCH_FULL);
	}
}

void
ask_memory(void)
{
	static const size_t lens[] = {8, 56, 256, 1024, 4096};
	static const size_t capacities[] = {64, 1024, 65536};

	for (int kind = SHMQ_SPSC; kind <= SHMQ_LATEST; kind++) {
		for (size_t l = 0; l < COUNT(lens); l++) {
			for (size_t c = 0; c < COUNT(capacities); c++)
				ask_kind(kind, lens[l], capacities[c]);
		}
	}
}
