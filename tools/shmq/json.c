/* SPDX-License-Identifier: MIT */
/* JSON: the fields of struct shmq_stat under their own names, for programs that read them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

json_t *
json_known(int64_t value)
{
	return value < 0 ? json_null() : json_integer(value);
}

static json_t *
json_count(uint64_t value)
{
	return json_integer((json_int_t)value);
}

/* What only queues have is null for a raw segment. */
static json_t *
json_of_queue(const struct shmq_stat *st, uint64_t value)
{
	return st->kind >= 0 ? json_count(value) : json_null();
}

/* Bytes of an address may be any; JSON text is UTF-8. */
static json_t *
json_text(const char *text)
{
	char safe[sizeof((struct shmq_stat *)0)->address];
	json_t *value = json_string(text);
	size_t i;

	if (value)
		return value;
	for (i = 0; text[i] && i + 1 < sizeof safe; i++)
		safe[i] = (char)((unsigned char)text[i] < 0x80 ? text[i] : '?');
	safe[i] = '\0';
	return json_string(safe);
}

static void
add_identity(json_t *object, const struct shmq_stat *st)
{
	char mode[8];

	snprintf(mode, sizeof mode, "%04o", st->mode & 0777u);
	json_object_set_new(object, "address", json_text(st->address));
	json_object_set_new(object, "backend", json_string(text_backend(st->backend)));
	json_object_set_new(object, "kind", json_string(text_kind(st->kind)));
	json_object_set_new(object, "key", json_integer(st->key));
	json_object_set_new(object, "id", json_known(st->id));
	json_object_set_new(object, "uid", json_integer(st->uid));
	json_object_set_new(object, "gid", json_integer(st->gid));
	json_object_set_new(object, "cuid", json_integer(st->cuid));
	json_object_set_new(object, "cgid", json_integer(st->cgid));
	json_object_set_new(object, "mode", json_string(mode));
	json_object_set_new(object, "dest", json_boolean(st->mode & SHMQ_DEST));
	json_object_set_new(object, "locked", json_boolean(st->mode & SHMQ_LOCKED));
	json_object_set_new(object, "seq", json_integer(st->seq));
}

static void
add_memory(json_t *object, const struct shmq_stat *st)
{
	json_object_set_new(object, "segsz", json_count(st->segsz));
	json_object_set_new(object, "atime", json_integer(st->atime));
	json_object_set_new(object, "dtime", json_integer(st->dtime));
	json_object_set_new(object, "ctime", json_integer(st->ctime));
	json_object_set_new(object, "cpid", json_integer(st->cpid));
	json_object_set_new(object, "lpid", json_integer(st->lpid));
	json_object_set_new(object, "nattch", json_known(st->nattch));
	json_object_set_new(object, "page_size", json_count(st->page_size));
	json_object_set_new(object, "base",
			    st->base ? json_count((uintptr_t)st->base) : json_null());
	json_object_set_new(object, "resident_bytes", json_known(st->resident_bytes));
	json_object_set_new(object, "locked_bytes", json_known(st->locked_bytes));
	json_object_set_new(object, "lock_needed_bytes", json_known(st->lock_needed_bytes));
}

/* What the queue was created with. */
static void
add_making(json_t *object, const struct shmq_stat *st)
{
	json_t *flags = st->kind >= 0 ? json_array() : json_null();

	if (st->flags & SHMQ_LOSSY)
		json_array_append_new(flags, json_string("lossy"));
	if (st->flags & SHMQ_RECORDS)
		json_array_append_new(flags, json_string("records"));
	if (st->flags & SHMQ_REDELIVER)
		json_array_append_new(flags, json_string("redeliver"));
	json_object_set_new(object, "flags", flags);
	json_object_set_new(object, "participants", json_of_queue(st, st->participants));
	json_object_set_new(object, "max_deliveries", json_of_queue(st, st->max_deliveries));
	json_object_set_new(object, "slow_limit", json_of_queue(st, st->slow_limit));
}

static void
add_queue(json_t *object, const struct shmq_stat *st)
{
	json_object_set_new(object, "capacity", json_of_queue(st, st->capacity));
	json_object_set_new(object, "msg_max", json_of_queue(st, st->msg_max));
	json_object_set_new(object, "depth", json_of_queue(st, st->depth));
	json_object_set_new(object, "sent", json_of_queue(st, st->sent));
	json_object_set_new(object, "received", json_of_queue(st, st->received));
	json_object_set_new(object, "lost", json_of_queue(st, st->lost));
	json_object_set_new(object, "redelivered", json_of_queue(st, st->redelivered));
	json_object_set_new(object, "dead", json_of_queue(st, st->dead));
	json_object_set_new(object, "producers", json_of_queue(st, st->producers));
	json_object_set_new(object, "consumers", json_of_queue(st, st->consumers));
}

json_t *
json_participant(const struct shmq_participant *row)
{
	json_t *object = json_object();
	json_t *roles = json_array();

	if (row->roles & SHMQ_PRODUCER)
		json_array_append_new(roles, json_string("producer"));
	if (row->roles & SHMQ_CONSUMER)
		json_array_append_new(roles, json_string("consumer"));
	json_object_set_new(object, "index", json_integer(row->index));
	json_object_set_new(object, "roles", roles);
	json_object_set_new(object, "pid", json_integer(row->pid));
	json_object_set_new(object, "alive", json_boolean(row->alive));
	json_object_set_new(object, "generation", json_count(row->generation));
	json_object_set_new(object, "messages", json_known(row->messages));
	json_object_set_new(object, "position", json_known(row->position));
	json_object_set_new(object, "lag", json_known(row->lag));
	json_object_set_new(object, "lost", json_known(row->lost));
	return object;
}

json_t *
json_stat(const struct shmq_stat *st)
{
	json_t *object = json_object();

	if (!object)
		return NULL;
	add_identity(object, st);
	add_memory(object, st);
	add_queue(object, st);
	add_making(object, st);
	return object;
}

int
json_print(json_t *value)
{
	char *text = value ? json_dumps(value, JSON_INDENT(2)) : NULL;

	json_decref(value);
	if (!text)
		return fail_plain("json", "print: %s; free some memory", strerror(ENOMEM));
	puts(text);
	free(text);
	return EXIT_DONE;
}
