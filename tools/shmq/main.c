/* SPDX-License-Identifier: MIT */
/* The shmq command: a table of subcommands, each with its own argp parser. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{"create", cmd_create},	  {"ls", cmd_ls},     {"stat", cmd_stat},     {"rm", cmd_rm},
	{"set", cmd_set},	  {"lock", cmd_lock}, {"unlock", cmd_unlock}, {"gc", cmd_gc},
	{"doctor", cmd_doctor},	  {"send", cmd_send}, {"recv", cmd_recv},     {"tap", cmd_tap},
	{"version", cmd_version},
};

static const char doc[] =
	"Queues and segments in shared memory.\v"
	"Commands:\n"
	"  create ADDR       make a queue\n"
	"  ls                list segments and queues, with totals and limits\n"
	"  stat ADDR         tell all about one\n"
	"  rm ADDR...        remove: the memory goes with the last detach\n"
	"  set ADDR          change mode or owner\n"
	"  lock ADDR         keep in RAM\n"
	"  unlock ADDR       let it be paged out again\n"
	"  gc                clear what crashed processes left\n"
	"  doctor            check this machine, and say what to do\n"
	"  send ADDR         standard input into a queue\n"
	"  recv ADDR         a queue to standard output\n"
	"  tap ADDR          look at what passes, without receiving it\n"
	"  version           tell the version\n"
	"\n"
	"ADDR is shm:/name, sysv:KEY, sysv:PATH, sysv:id/N, file:/path, fd:N or dev:/dev/x; shmq(7) "
	"explains. "
	"\"shmq COMMAND --help\" tells more. Exit status: 0 done, 1 failed, 2 usage.\n";

static int
print_version(void)
{
	printf("shmq %s\n", shmq_version());
	return EXIT_DONE;
}

static void
version_hook(FILE *out, struct argp_state *state)
{
	(void)state;
	fprintf(out, "shmq %s\n", shmq_version());
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

/*
 * Give the rest of the command line to the subcommand, under the name "shmq NAME" for its
 * messages.
 */
static int
run_command(const struct command *command, struct argp_state *state)
{
	char name[32];
	char **argv = state->argv + state->next - 1;
	int argc = state->argc - state->next + 1;

	snprintf(name, sizeof name, "shmq %s", command->name);
	argv[0] = name;
	state->next = state->argc;
	return command->run(argc, argv);
}

static error_t
parse(int key, char *arg, struct argp_state *state)
{
	int *status = state->input;
	const struct command *command;

	switch (key) {
	case ARGP_KEY_ARG:
		command = find_command(arg);
		if (!command)
			argp_error(state, "%s: no such command", arg);
		else
			*status = run_command(command, state);
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What stdio could not write is a failure too, --help included. */
static void
close_stdout(void)
{
	if (!ferror(stdout) && fflush(stdout) == 0)
		return;
	fail_plain("standard output", "write: %s; make room there, or write somewhere else",
		   strerror(errno));
	_exit(EXIT_FAILED);
}

/*
 * A standard descriptor that the parent closed must not become one of the library's, or recv would
 * write its messages there. What stands in for it fails when it is used.
 */
static void
keep_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0)
			open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

static error_t
parse_nothing(int key, char *arg, struct argp_state *state)
{
	(void)arg;
	if (key == ARGP_KEY_ARG)
		argp_usage(state);
	return ARGP_ERR_UNKNOWN;
}

int
cmd_version(int argc, char **argv)
{
	static const struct argp argp = {.parser = parse_nothing,
					 .doc = "Tell the version of the library."};

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	return print_version();
}

int
main(int argc, char **argv)
{
	static char program[] = "shmq";
	static const struct argp argp = {
		.parser = parse, .args_doc = "COMMAND [ARGUMENT...]", .doc = doc};
	int status = EXIT_DONE;

	keep_standard_descriptors();
	argp_err_exit_status = EXIT_USAGE;
	argp_program_version_hook = version_hook;
	signal(SIGPIPE, SIG_IGN);
	atexit(close_stdout);
	if (argc > 0)
		argv[0] = program;
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &status);
	return status;
}
