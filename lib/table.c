/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <errno.h>
#include <stdlib.h>
#include <urcu-bp.h>
#include <urcu/rculfhash.h>

/* A fixed number of buckets: no resizing thread. */
#define BUCKETS 1024ul

struct node {
	struct cds_lfht_node link;
	struct shmqi_entry *entry;
	uint64_t block;
	unsigned order;
};

/* Immutable while in the table. */
struct shmqi_entry {
	uintptr_t base, end;
	struct shmq_seg *seg;
	struct shmq_stat st;
	struct node node[2];
	int nodes;
};

static struct cds_lfht *table;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint64_t orders; /* bit k: there have been segments of order k; never cleared */

static void
set_up(void)
{
	table = cds_lfht_new(BUCKETS, BUCKETS, BUCKETS, 0, NULL);
}

static unsigned
order_of(size_t bytes)
{
	unsigned order = 12;

	while (order < 63 && ((uint64_t)1 << order) < bytes)
		order++;
	return order;
}

static unsigned long
hash_of(uint64_t block, unsigned order)
{
	uint64_t h = (block ^ ((uint64_t)order << 52)) * UINT64_C(0x9e3779b97f4a7c15);

	return (unsigned long)(h ^ h >> 29);
}

struct key {
	uintptr_t inside;
	uint64_t block;
	unsigned order;
};

static int
match(struct cds_lfht_node *link, const void *wanted)
{
	const struct node *node = caa_container_of(link, struct node, link);
	const struct key *key = wanted;

	return node->block == key->block && node->order == key->order &&
	       key->inside >= node->entry->base && key->inside < node->entry->end;
}

static void
add_node(struct shmqi_entry *entry, uint64_t block, unsigned order)
{
	struct node *node = &entry->node[entry->nodes++];

	*node = (struct node){.entry = entry, .block = block, .order = order};
	cds_lfht_node_init(&node->link);
	urcu_bp_read_lock();
	cds_lfht_add(table, hash_of(block, order), &node->link);
	urcu_bp_read_unlock();
}

int
shmqi_table_add(struct shmqi_entry **out, struct shmq_seg *seg, const void *base, size_t bytes,
		const struct shmq_stat *st)
{
	struct shmqi_entry *entry = calloc(1, sizeof(*entry));
	unsigned order = order_of(bytes);
	uint64_t first, last;

	pthread_once(&once, set_up);
	if (!entry || !table) {
		free(entry);
		return -ENOMEM;
	}
	entry->base = (uintptr_t)base;
	entry->end = entry->base + bytes;
	entry->seg = seg;
	entry->st = *st;
	first = entry->base >> order;
	last = (entry->end - 1) >> order;
	shmq_or_relaxed_u64(&orders, UINT64_C(1) << order);
	add_node(entry, first, order);
	if (last != first)
		add_node(entry, last, order);
	*out = entry;
	return 0;
}

void
shmqi_table_remove(struct shmqi_entry *entry)
{
	urcu_bp_read_lock();
	for (int i = 0; i < entry->nodes; i++)
		(void)cds_lfht_del(table, &entry->node[i].link);
	urcu_bp_read_unlock();
}

void
shmqi_table_free(struct shmqi_entry *entry)
{
	urcu_bp_synchronize_rcu();
	free(entry);
}

/* Within a read-side section. */
static const struct shmqi_entry *
look_up(const void *inside)
{
	uint64_t left = shmq_load_relaxed_u64(&orders);

	for (; left; left &= left - 1) {
		unsigned order = (unsigned)__builtin_ctzll(left);
		struct key key = {(uintptr_t)inside, (uint64_t)(uintptr_t)inside >> order, order};
		struct cds_lfht_iter iter;
		struct cds_lfht_node *link;

		cds_lfht_lookup(table, hash_of(key.block, order), match, &key, &iter);
		link = cds_lfht_iter_get_node(&iter);
		if (link)
			return caa_container_of(link, struct node, link)->entry;
	}
	return NULL;
}

int
shmqi_table_find(const void *inside, struct shmq_stat *st)
{
	const struct shmqi_entry *entry;

	urcu_bp_read_lock();
	entry = look_up(inside);
	if (entry)
		*st = entry->st;
	urcu_bp_read_unlock();
	return entry ? 0 : -ENOENT;
}

struct shmq_seg *
shmqi_table_at(const void *base)
{
	const struct shmqi_entry *entry;
	struct shmq_seg *seg = NULL;

	urcu_bp_read_lock();
	entry = look_up(base);
	if (entry && entry->base == (uintptr_t)base)
		seg = entry->seg;
	urcu_bp_read_unlock();
	return seg;
}

void
shmqi_table_before_fork(void)
{
	urcu_bp_before_fork();
}

void
shmqi_table_after_fork_parent(void)
{
	urcu_bp_after_fork_parent();
}

void
shmqi_table_after_fork_child(void)
{
	urcu_bp_after_fork_child();
}
