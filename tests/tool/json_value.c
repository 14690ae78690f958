/* SPDX-License-Identifier: MIT */
/*
 * json_value [MEMBER | INDEX]...: print what a path leads to in the JSON text on standard input; of
 * an array or object, how many elements it has. Exit status 1: not JSON, or no such member.
 */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

static const json_t *
step(const json_t *value, const char *name)
{
	if (json_is_array(value))
		return json_array_get(value, strtoul(name, NULL, 10));
	return json_object_get(value, name);
}

static void
print(const json_t *value)
{
	if (json_is_string(value))
		puts(json_string_value(value));
	else if (json_is_integer(value))
		printf("%" JSON_INTEGER_FORMAT "\n", json_integer_value(value));
	else if (json_is_boolean(value))
		puts(json_is_true(value) ? "true" : "false");
	else if (json_is_null(value))
		puts("null");
	else
		printf("%zu\n",
		       json_is_array(value) ? json_array_size(value) : json_object_size(value));
}

int
main(int argc, char **argv)
{
	json_error_t error;
	json_t *root = json_loadf(stdin, JSON_REJECT_DUPLICATES, &error);
	const json_t *value = root;

	if (!root) {
		fprintf(stderr, "json_value: line %d: %s\n", error.line, error.text);
		return 1;
	}
	for (int i = 1; i < argc && value; i++)
		value = step(value, argv[i]);
	if (value)
		print(value);
	else
		fprintf(stderr, "json_value: no such member\n");
	json_decref(root);
	return value ? 0 : 1;
}
