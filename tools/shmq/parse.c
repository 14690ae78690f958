/* SPDX-License-Identifier: MIT */
/* Arguments of the command line: sizes, modes, times. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "tool.h"

/* K, M, G: the power of two they stand for; -1: none of them. */
static int
suffix_shift(const char *suffix)
{
	if (suffix[0] != '\0' && suffix[1] != '\0')
		return -1;
	switch (toupper((unsigned char)suffix[0])) {
	case '\0':
		return 0;
	case 'K':
		return 10;
	case 'M':
		return 20;
	case 'G':
		return 30;
	default:
		return -1;
	}
}

size_t
parse_size(const char *text, size_t max, const char *option, struct argp_state *state)
{
	char *end = NULL;
	unsigned long long value;
	int shift;

	errno = 0;
	value = strtoull(text, &end, 10);
	shift = suffix_shift(end);
	if (!isdigit((unsigned char)text[0]) || shift < 0)
		argp_error(state, "%s: '%s' is not a number with an optional K, M or G", option,
			   text);
	if (errno == ERANGE || value > (unsigned long long)max >> shift)
		argp_error(state, "%s: '%s' is too large; at most %zu", option, text, max);
	return (size_t)value << shift;
}

size_t
parse_count(const char *text, size_t max, const char *option, struct argp_state *state)
{
	size_t count = parse_size(text, max, option, state);

	if (count == 0)
		argp_error(state, "%s: at least 1", option);
	return count;
}

mode_t
parse_mode(const char *text, struct argp_state *state)
{
	char *end = NULL;
	unsigned long value = strtoul(text, &end, 8);

	if (!isdigit((unsigned char)text[0]) || *end != '\0' || value > 0777)
		argp_error(state, "--mode: '%s' is not an octal number of 0 to 0777", text);
	return (mode_t)value;
}

int64_t
parse_seconds(const char *text, const char *option, struct argp_state *state)
{
	char *end = NULL;
	double value = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(value) || value < 0 || value > 1e9)
		argp_error(state, "%s: '%s' is not a number of seconds of 0 to 1e9", option, text);
	return (int64_t)(value * 1e9);
}

error_t
parse_address(int key, char *arg, const char **addr, struct argp_state *state)
{
	if (key == ARGP_KEY_NO_ARGS)
		argp_error(state, "which address?");
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	if (*addr)
		argp_error(state, "one address, not two: '%s'", arg);
	*addr = arg;
	return 0;
}
