/* SPDX-License-Identifier: MIT */
/*
 * Every message of a trial, in the order in which it was sent: the others are one process, so
 * that order is known. Who receives passes along it. What it steps over must be something that
 * may be missing: a message of the victim that it did not come to send, or one that the victim
 * received before it died.
 */
#include <string.h>

#include "every.h"
#include "support/process.h"

/* Messages ------------------------------------------------------------------------------------ */

static uint64_t
hash(uint64_t x)
{
	return random_next(&x);
}

size_t
every_length(const struct every_kind *kind, uint64_t id)
{
	return kind->least + hash(id) % (kind->most - kind->least + 1);
}

/* Id, length, then what follows from the id. */
size_t
every_fill(const struct every_kind *kind, uint64_t id, void *bytes)
{
	size_t length = every_length(kind, id);
	uint64_t head[2] = {id, length}, word = hash(~id);

	memcpy(bytes, head, sizeof(head));
	for (size_t i = sizeof(head); i < length; i++)
		((unsigned char *)bytes)[i] = (unsigned char)(word >> i % 8 * 8) ^ (unsigned char)i;
	return length;
}

uint64_t
every_read(const struct every_kind *kind, const void *bytes, size_t length)
{
	unsigned char want[EVERY_MSG_MAX];
	uint64_t id;

	if (length < kind->least || length > kind->most)
		return 0;
	memcpy(&id, bytes, sizeof(id));
	if (every_fill(kind, id, want) != length || memcmp(want, bytes, length) != 0)
		return 0;
	return id;
}

/* The account --------------------------------------------------------------------------------- */

void
every_account_begin(struct every_account *a, const struct every_kind *kind)
{
	memset(a, 0, sizeof(*a));
	a->kind = kind;
	for (unsigned i = 0; i < READERS; i++)
		a->last[i] = -1;
}

struct every_entry *
every_account_sent(struct every_account *a, uint64_t id)
{
	struct every_entry *entry = &a->entries[a->n];

	MUST(a->n < EVERY_ENTRIES);
	*entry = (struct every_entry){.id = id};
	a->n++;
	return entry;
}

void
every_account_joins(struct every_account *a, enum every_reader reader, unsigned first)
{
	a->reads[reader] = true;
	a->first[reader] = first;
	a->last[reader] = (int)first - 1;
}

static int
find(const struct every_account *a, uint64_t id)
{
	for (unsigned i = 0; i < a->n; i++)
		if (a->entries[i].id == id)
			return (int)i;
	return -1;
}

/* Where order is kept between these two. */
static bool
ordered(const struct every_account *a, const struct every_entry *x, const struct every_entry *y)
{
	if (EVERY_SENDER(x->id) == EVERY_SENDER(y->id))
		return true;
	return a->kind->opts.kind != SHMQ_MPSC && !x->floats && !y->floats;
}

/* A later one was got: none before it may be missing, but those that may. */
static void
check_order(struct every_account *a, int at, enum every_reader reader)
{
	bool stream = every_stream(a->kind);
	unsigned readers = stream ? 1u << reader : ~0u;
	struct every_entry *got = &a->entries[at];

	for (int i = stream ? (int)a->first[reader] : 0; i < at; i++) {
		struct every_entry *e = &a->entries[i];

		if (!(e->seen & readers) && !e->maybe_sent && !e->maybe_taken && !e->again &&
		    ordered(a, e, got))
			every_fail("message %llx: lost, or out of order, before %llx",
				   (unsigned long long)e->id, (unsigned long long)got->id);
	}
	for (int i = at + 1; i < (int)a->n; i++) {
		struct every_entry *e = &a->entries[i];

		if ((e->seen & readers) && !got->again && ordered(a, e, got))
			every_fail("message %llx: out of order, after %llx",
				   (unsigned long long)got->id, (unsigned long long)e->id);
	}
}

/*
 * Who may be overtaken is told how many it has missed: the entries between, but for those never
 * sent.
 */
static void
check_lost(struct every_account *a, enum every_reader reader, int at, uint64_t lost)
{
	uint64_t most = 0, least = 0;

	if (a->kind->opts.kind == SHMQ_LATEST) {
		if (at < a->last[reader])
			every_fail("message %llx: older than the one before",
				   (unsigned long long)a->entries[at].id);
		return;
	}
	if (at <= a->last[reader])
		every_fail("message %llx: again, or out of order",
			   (unsigned long long)a->entries[at].id);
	for (int i = a->last[reader] + 1; i < at; i++) {
		most++;
		least += !a->entries[i].maybe_sent;
	}
	if (lost < least || lost > most)
		every_fail("message %llx: told of %llu lost, not %llu",
			   (unsigned long long)a->entries[at].id, (unsigned long long)lost,
			   (unsigned long long)least);
}

void
every_account_got(struct every_account *a, enum every_reader reader, uint64_t id, uint64_t lost)
{
	int at = id ? find(a, id) : -1;
	unsigned bit = 1u << reader, readers = every_stream(a->kind) ? bit : ~0u;
	struct every_entry *entry;

	if (id == 0)
		every_fail("a message that is not whole");
	if (at < 0)
		every_fail("message %llx: received, but never sent", (unsigned long long)id);
	entry = &a->entries[at];
	if (every_overwrites(a->kind)) {
		check_lost(a, reader, at, lost);
	} else {
		if (entry->seen & readers)
			every_fail("message %llx: received twice", (unsigned long long)id);
		if (every_stream(a->kind) && (unsigned)at < a->first[reader] && !entry->floats)
			every_fail("message %llx: sent before its reader came",
				   (unsigned long long)id);
		check_order(a, at, reader);
	}
	entry->seen |= bit;
	a->last[reader] = at;
}

/* Streams: by this reader; else by anybody. */
static bool
due(const struct every_account *a, unsigned i, enum every_reader reader)
{
	const struct every_entry *e = &a->entries[i];

	if (e->maybe_sent || e->maybe_taken)
		return false;
	if (a->kind->opts.kind == SHMQ_LATEST)
		return i + 1 == a->n && a->last[reader] < (int)i;
	if (every_overwrites(a->kind))
		return (int)i > a->last[reader] && i + EVERY_CAPACITY >= a->n;
	if (every_stream(a->kind))
		return i >= a->first[reader] && !(e->seen & 1u << reader);
	return !e->seen;
}

unsigned
every_account_due(const struct every_account *a, enum every_reader reader)
{
	unsigned n = 0;

	for (unsigned i = every_stream(a->kind) ? a->first[reader] : 0; i < a->n; i++)
		n += due(a, i, reader);
	return n;
}

void
every_account_end(struct every_account *a)
{
	for (enum every_reader r = 0; r < READERS; r++) {
		if (every_stream(a->kind) && !a->reads[r])
			continue;
		if (every_account_due(a, r))
			every_fail("%u messages were lost", every_account_due(a, r));
		if (!every_stream(a->kind))
			return;
	}
}

unsigned
every_account_effect(const struct every_account *a, bool sent)
{
	unsigned n = 0;
	bool ended = false;

	for (unsigned i = 0; i < a->n; i++) {
		const struct every_entry *e = &a->entries[i];

		if (sent && e->maybe_sent) {
			if (e->seen && ended)
				every_fail("message %llx: sent, but not the one before it",
					   (unsigned long long)e->id);
			ended = ended || !e->seen;
			n += e->seen != 0;
		}
		if (!sent && e->maybe_taken && !e->corpse)
			n += !e->seen;
	}
	return n;
}
