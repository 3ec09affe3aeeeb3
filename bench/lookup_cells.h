/*
 * wgdp-bench lookup: a cell is one prefix set with all that is measured with it. What there is and
 * the structures of a cell are in lookup_cells.c, its lookups are checked and timed in
 * lookup_time.c, and the driver is lookup.c.
 */
#ifndef BENCH_LOOKUP_CELLS_H
#define BENCH_LOOKUP_CELLS_H

#include "bench/lookup.h"

#define LOOKUP_STRUCTURES 8
#define LOOKUP_SETS	  7

/* Places in lookup_structures[]. */
enum { LOOKUP_OURS = 0, LOOKUP_FIB = 4, LOOKUP_FIB6 = 5, LOOKUP_BINARY = LOOKUP_STRUCTURES - 1 };
extern const struct lookup_structure *const lookup_structures[LOOKUP_STRUCTURES];

struct lookup_set_kind {
	const char *name;
	enum lookup_kind kind;
	unsigned int n;
	bool rates; /* of updates are measured with it */
};

/* One set: what is measured with it, and while it is its turn, the set itself. */
struct lookup_cell {
	const struct lookup_set_kind *kind;
	bool v6, wanted;
	struct bench_result *lookups[LOOKUP_LOADS][LOOKUP_STRUCTURES]; /* NULL: not asked for */
	struct bench_result *updated;				       /* hits, during updates */
	struct bench_result *insert[LOOKUP_STRUCTURES], *bytes[LOOKUP_STRUCTURES],
		*table[LOOKUP_STRUCTURES], *pages[LOOKUP_STRUCTURES];
	struct lookup_rates rates[LOOKUP_UPDATES];
	struct lookup_set set;
	struct lookup_keys keys[LOOKUP_LOADS];
	struct lookup_built built[LOOKUP_STRUCTURES];
	unsigned int at[LOOKUP_LOADS][LOOKUP_STRUCTURES]; /* the next sample's first key */
};

struct lookup_run {
	const struct bench_options *o;
	struct bench_report report;
	struct lookup_cell cells[2 * LOOKUP_SETS]; /* IPv4, IPv6 */
	unsigned int n_wanted;
};

/* Which results are asked for. */
void lookup_cells_add(struct lookup_run *r);
/* Makes the set, its structures and keys; samples what that tells already. */
void lookup_cell_open(const struct lookup_run *r, struct lookup_cell *c);
void lookup_cell_close(struct lookup_cell *c);
/* The answers of all structures. False: says on standard error which one is wrong. */
bool lookup_cell_check(const struct lookup_cell *c);
/* Rounds until the deadline, but some at least. */
void lookup_cell_time(struct lookup_cell *c, double deadline);

#endif
