/* SPDX-License-Identifier: MIT */
/* Arguments, and workers that run the cells, each in a process of its own. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <shmq/atomic.h>

#include "every_life.h"
#include "support/list.h"
#include "support/process.h"

#define MOST_CELLS 8192

static struct every_cell cells[MOST_CELLS];
static unsigned cell_count;

/* In memory that all share. */
struct board {
	uint64_t next; /* the cell that nobody has begun */
	struct every_outcome outcomes[MOST_CELLS];
};

/* Which cells --------------------------------------------------------------------------------- */

static void
add_cell(struct board *board, const struct every_cell *cell, bool applies)
{
	MUST(cell_count < MOST_CELLS);
	board->outcomes[cell_count].applies = applies;
	cells[cell_count++] = *cell;
}

/* All states of one operation of one kind. Messages are on shm:, unless others are asked for. */
static void
list_states(const struct every_how *how, struct board *board, const struct every_kind *kind,
	    const struct every_operation *operation)
{
	for (enum place_backend on = ON_SHM; on < PLACES; on++) {
		if (on != ON_SHM ? !how->on || !list_has(how->on, every_place_name(on))
				 : !list_has(how->on, every_place_name(on)))
			continue;
		for (unsigned s = 0; s < every_state_count; s++) {
			const struct every_state *state = &every_states[s];
			struct every_cell cell = {
				.kind = kind, .operation = operation, .state = state, .on = on};

			if (list_has(how->state, state->name))
				add_cell(board, &cell,
					 operation->fits(kind) && state->fits(kind, operation));
		}
	}
}

static void
list_messages(const struct every_how *how, struct board *board)
{
	for (unsigned k = 0; k < every_kind_count; k++) {
		for (unsigned o = 0; o < every_operation_count; o++) {
			if (list_has(how->kind, every_kinds[k].name) &&
			    list_has(how->operation, every_operations[o].name))
				list_states(how, board, &every_kinds[k], &every_operations[o]);
		}
	}
}

static void
list_lives(const struct every_how *how, struct board *board)
{
	for (unsigned i = 0; i < every_life_count; i++) {
		const struct every_life *life = &every_lives[i];

		if (!list_has(how->kind, life->what) || !list_has(how->operation, life->name) ||
		    !list_has(how->state, life->state))
			continue;
		for (enum place_backend on = ON_SHM; on < PLACES; on++) {
			struct every_cell cell = {.life = life, .on = on};

			if (list_has(how->on, every_place_name(on)))
				add_cell(board, &cell, life->on & LIFE_ON(on));
		}
	}
}

/* Workers ------------------------------------------------------------------------------------- */

struct job {
	struct board *board;
	const struct every_how *how;
	int done; /* a pipe: numbers of cells */
	uint32_t cell;
};

static void
be_cell(void *arg)
{
	const struct job *job = arg;

	every_cell_run(&cells[job->cell], job->how, &job->board->outcomes[job->cell]);
}

/* In a process of its own: what goes wrong in it is its own. */
static void
run_cell(struct job *job)
{
	struct every_outcome *out = &job->board->outcomes[job->cell];
	int status = process_end(process_start(be_cell, job));

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return;
	out->failures++;
	out->failed_at = out->at;
	out->failed_stopped = out->stopped;
	snprintf(out->text, sizeof(out->text), "at %u%s: %s", out->at,
		 out->stopped ? " --stop" : "",
		 WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
			 ? "nobody goes on (time limit)"
			 : "the process of this cell has crashed");
}

/* Cells, one after the other; the pipe tells which are done. */
static void
be_worker(void *arg)
{
	struct job *job = arg;

	for (;;) {
		/* Relaxed: a number of its own for each. */
		uint64_t next = shmq_add_relaxed_u64(&job->board->next, 1);

		if (next >= cell_count)
			return;
		job->cell = (uint32_t)next;
		if (job->board->outcomes[next].applies)
			run_cell(job);
		if (write(job->done, &job->cell, sizeof(job->cell)) != sizeof(job->cell))
			return;
	}
}

static void
show_progress(unsigned done)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, done < cell_count ? "\r%u of %u cells " : "\r\033[K", done,
			cell_count);
}

/* Lines in the order of the cells, as they come in. Whether all did. */
static bool
watch(const struct board *board, int done)
{
	static bool is_done[MOST_CELLS];
	unsigned printed = 0, count = 0;
	uint32_t cell;

	every_report_head();
	while (read(done, &cell, sizeof(cell)) == sizeof(cell)) {
		is_done[cell] = true;
		show_progress(++count);
		for (; printed < cell_count && is_done[printed]; printed++)
			every_report_line(&cells[printed], &board->outcomes[printed]);
	}
	return printed == cell_count;
}

static int
run(const struct every_how *how, struct board *board)
{
	struct job job = {.board = board, .how = how};
	int ends[2];
	bool all;

	MUST(pipe(ends) == 0);
	job.done = ends[1];
	for (unsigned i = 0; i < how->jobs; i++)
		(void)process_start(be_worker, &job);
	close(ends[1]);
	all = watch(board, ends[0]);
	while (wait(NULL) > 0)
		continue;
	return every_report_end(cells, board->outcomes, cell_count, how) || !all;
}

/* Arguments ----------------------------------------------------------------------------------- */

static const char usage[] =
	"usage: crash_every [--kind=K,...] [--operation=O,...] [--state=S,...] [--on=PLACE,...]\n"
	"                   [--kill] [--stop] [--stride=N] [--every-instruction] [--at=K]\n"
	"                   [--jobs=N] [--json=FILE]\n";

static const struct option options[] = {
	{"kind", required_argument, NULL, 'k'},	  {"operation", required_argument, NULL, 'o'},
	{"state", required_argument, NULL, 's'},  {"on", required_argument, NULL, 'p'},
	{"kill", no_argument, NULL, 'K'},	  {"stop", no_argument, NULL, 'S'},
	{"stride", required_argument, NULL, 'n'}, {"every-instruction", no_argument, NULL, 'e'},
	{"at", required_argument, NULL, 'a'},	  {"jobs", required_argument, NULL, 'j'},
	{"json", required_argument, NULL, 'J'},	  {NULL, 0, NULL, 0}};

static bool
take(struct every_how *how, int option)
{
	switch (option) {
	case 'k':
		how->kind = optarg;
		return true;
	case 'o':
		how->operation = optarg;
		return true;
	case 's':
		how->state = optarg;
		return true;
	case 'p':
		how->on = optarg;
		return true;
	case 'K':
		how->kill = true;
		return true;
	case 'S':
		how->stop = true;
		return true;
	case 'e':
		how->every = true;
		return true;
	case 'J':
		how->json = optarg;
		return true;
	case 'n':
		how->stop_stride = (unsigned)atoi(optarg);
		return how->stop_stride > 0;
	case 'a':
		how->at = atol(optarg);
		return how->at >= 0;
	case 'j':
		how->jobs = (unsigned)atoi(optarg);
		return how->jobs > 0;
	default:
		return false;
	}
}

/* The same addresses in each run: nothing that a victim does may depend on them. */
static void
without_randomized_addresses(char **argv)
{
	int now = personality(0xffffffffu);

	if (now < 0 || (now & ADDR_NO_RANDOMIZE))
		return;
	if (personality((unsigned long)now | ADDR_NO_RANDOMIZE) >= 0)
		execv("/proc/self/exe", argv);
}

int
main(int argc, char **argv)
{
	struct every_how how = {.stop_stride = 1, .at = -1, .jobs = 2};
	struct board *board;
	int option;

	without_randomized_addresses(argv);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (!take(&how, option)) {
			fputs(usage, stderr);
			return 2;
		}
	}
	if (!how.kill && !how.stop)
		how.kill = true;
	board = process_share(sizeof(*board));
	list_messages(&how, board);
	list_lives(&how, board);
	return run(&how, board);
}
