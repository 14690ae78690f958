/* SPDX-License-Identifier: MIT */
/* A line for each cell, then what it all comes to; as JSON, too. */
#include <stdio.h>
#include <string.h>

#include "every_life.h"

static const char *const place_names[PLACES] = {
	[ON_SHM] = "shm", [ON_SYSV] = "sysv", [ON_FILE] = "file", [ON_MEMFD] = "memfd"};

const char *
every_place_name(enum place_backend on)
{
	return place_names[on];
}

/* What a cell is called. */
static void
name(const struct every_cell *cell, const char *names[4])
{
	names[0] = cell->life ? cell->life->what : cell->kind->name;
	names[1] = cell->life ? cell->life->name : cell->operation->name;
	names[2] = cell->life ? cell->life->state : cell->state->name;
	names[3] = place_names[cell->on];
}

void
every_report_head(void)
{
	printf("%-18s %-15s %-10s %-5s %8s %6s %6s %6s %6s %6s %6s %6s %s\n", "kind", "operation",
	       "state", "on", "instr", "points", "kills", "none", "whole", "part", "stops",
	       "blockd", "failures");
}

void
every_report_line(const struct every_cell *cell, const struct every_outcome *out)
{
	const char *of[4];

	name(cell, of);
	printf("%-18s %-15s %-10s %-5s ", of[0], of[1], of[2], of[3]);
	if (!out->applies) {
		printf("does not apply\n");
		return;
	}
	printf("%8u %6u %6u %6u %6u %6u %6u %6u %u%s%s\n", out->instructions, out->distinct,
	       out->kills, out->none, out->whole, out->part, out->stops, out->blocked,
	       out->failures, out->failures ? "  " : "", out->text);
	if (out->failures)
		printf("    repeat: crash_every --kind=%s --operation=%s --state=%s --on=%s "
		       "--at=%u%s\n",
		       of[0], of[1], of[2], of[3], out->failed_at,
		       out->failed_stopped ? " --stop" : "");
	fflush(stdout);
}

static void
json_text(FILE *file, const char *text)
{
	fputc('"', file);
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			fprintf(file, "\\%c", *text);
		else if ((unsigned char)*text >= ' ')
			fputc(*text, file);
	fputc('"', file);
}

static void
json_cell(FILE *file, const struct every_cell *cell, const struct every_outcome *out)
{
	const char *of[4];

	name(cell, of);
	fprintf(file, "{\"kind\":\"%s\",\"operation\":\"%s\",\"state\":\"%s\",\"on\":\"%s\",",
		of[0], of[1], of[2], of[3]);
	fprintf(file, "\"applies\":%s,\"instructions\":%u,\"points\":%u,\"distinct\":%u,",
		out->applies ? "true" : "false", out->instructions, out->points, out->distinct);
	fprintf(file, "\"kills\":%u,\"no_effect\":%u,\"took_effect\":%u,\"in_part\":%u,",
		out->kills, out->none, out->whole, out->part);
	fprintf(file, "\"stops\":%u,\"blocked\":%u,\"seconds\":%.3f,\"failures\":%u,\"first\":",
		out->stops, out->blocked, out->seconds, out->failures);
	json_text(file, out->text);
	fputc('}', file);
}

static bool
write_json(const struct every_cell *cells, const struct every_outcome *out, unsigned n,
	   const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file)
		return false;
	fputs("{\"cells\":[\n", file);
	for (unsigned i = 0; i < n; i++) {
		json_cell(file, &cells[i], &out[i]);
		fputs(i + 1 < n ? ",\n" : "\n", file);
	}
	fputs("]}\n", file);
	return fclose(file) == 0;
}

int
every_report_end(const struct every_cell *cells, const struct every_outcome *out, unsigned n,
		 const struct every_how *how)
{
	unsigned long points = 0, kills = 0, stops = 0, blocked = 0;
	unsigned failures = 0, applied = 0;

	for (unsigned i = 0; i < n; i++) {
		applied += out[i].applies;
		points += how->kill ? out[i].points : 0;
		kills += out[i].kills;
		stops += out[i].stops;
		blocked += out[i].blocked;
		failures += out[i].failures;
	}
	printf("%u cells, %lu kill points (%lu killed one by one), %lu stop points (%lu with "
	       "somebody blocked as documented), %u failures\n",
	       applied, points, kills, stops, blocked, failures);
	if (how->json && !write_json(cells, out, n, how->json)) {
		fprintf(stderr, "crash_every: %s cannot be written\n", how->json);
		return 1;
	}
	return failures != 0 || applied == 0;
}
