/* SPDX-License-Identifier: MIT */
/* shmq doctor: does this machine do what shared-memory queues need, and what could be better? */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "tool.h"

struct probe {
	const char *name;
	void (*run)(struct check *check);
};

static const struct probe probes[] = {
	{"shm queue", check_queue_shm},
	{"sysv queue", check_queue_sysv},
	{"/dev/shm", check_dev_shm},
	{"sysv limits", check_sysv},
	{"memory locking", check_memlock},
	{"swap", check_swap},
	{"compaction", check_compaction},
	{"huge pages 2M", check_huge_2m},
	{"huge pages 1G", check_huge_1g},
	{"shmem huge pages", check_shmem_huge},
	{"membarrier", check_membarrier},
	{"cpus", check_cpus},
	{"cpu governor", check_governor},
	{"isolated cpus", check_isolated},
	{"nohz_full", check_nohz_full},
	{"real-time priority", check_realtime},
	{"rt throttling", check_rt_throttling},
	{"namespaces", check_namespaces},
	{"systemd RemoveIPC", check_remove_ipc},
	{"stale things", check_stale},
};

#define PROBES (sizeof probes / sizeof *probes)

static const char *const verdicts[] = {
	[VERDICT_OK] = "ok", [VERDICT_WARN] = "warn", [VERDICT_BAD] = "bad"};

static const struct argp_option options[] = {
	{"json", KEY_JSON, NULL, 0,
	 "one JSON object: verdict, checks (name, verdict, found, advice)", 0},
	{0},
};

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	bool *json = state->input;

	(void)arg;
	switch (key) {
	case KEY_JSON:
		*json = true;
		return 0;
	case ARGP_KEY_ARG:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void
verdict_set(struct check *check, enum verdict verdict, const char *advice, const char *format, ...)
{
	va_list args;

	check->verdict = verdict;
	check->advice = advice;
	va_start(args, format);
	vsnprintf(check->found, sizeof check->found, format, args);
	va_end(args);
}

bool
first_line(const char *path, char *buf, size_t size)
{
	FILE *file = fopen(path, "re");
	bool there;

	if (!file)
		return false;
	there = fgets(buf, (int)size, file) != NULL;
	fclose(file);
	if (!there)
		buf[0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	return true;
}

long long
first_number(const char *path)
{
	char line[64], *end;
	long long value;

	if (!first_line(path, line, sizeof line))
		return -1;
	value = strtoll(line, &end, 10);
	return end == line ? -1 : value;
}

static void
print_text(const struct check *checks)
{
	for (size_t i = 0; i < PROBES; i++) {
		const struct check *c = &checks[i];

		printf("%-4s  %-18s  %s%s%s\n", verdicts[c->verdict], c->name, c->found,
		       *c->advice ? "; " : "", c->advice);
	}
}

static int
print_json(const struct check *checks, enum verdict worst)
{
	json_t *object = json_object();
	json_t *array = json_array();

	for (size_t i = 0; i < PROBES; i++)
		json_array_append_new(array,
				      json_pack("{s:s, s:s, s:s, s:s}", "name", checks[i].name,
						"verdict", verdicts[checks[i].verdict], "found",
						checks[i].found, "advice", checks[i].advice));
	json_object_set_new(object, "verdict", json_string(verdicts[worst]));
	json_object_set_new(object, "checks", array);
	return json_print(object);
}

int
cmd_doctor(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = "Check this machine, and say what to do.\v"
		       "Each line is a check: ok, warn (slower or less safe than it could be) or "
		       "bad (queues cannot work). The exit status "
		       "is 1 when something is bad.",
	};
	struct check checks[PROBES] = {0};
	enum verdict worst = VERDICT_OK;
	bool json = false;
	int status = EXIT_DONE;

	argp_parse(&argp, argc, argv, 0, NULL, &json);
	for (size_t i = 0; i < PROBES; i++) {
		checks[i].name = probes[i].name;
		probes[i].run(&checks[i]);
		if (checks[i].verdict > worst)
			worst = checks[i].verdict;
	}
	if (json)
		status = print_json(checks, worst);
	else
		print_text(checks);
	return worst == VERDICT_BAD ? EXIT_FAILED : status;
}
