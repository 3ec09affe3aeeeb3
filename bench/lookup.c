/*
 * wgdp-bench lookup: the driver. Set by set (lookup_cells.c), makes the prefixes, builds each
 * structure from them, compares their answers, and times them in turns (lookup_time.c). Sets are
 * made in lookup_sets.c and lookup_bgp.c, keys in lookup_keys.c; the structures are lookup_ours.c,
 * lookup_binary.c, lookup_rte.c and lookup_rte_hash.c; updates, sessions and the memory of peers
 * have files of their own.
 */
#include "bench/bench.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/lookup_cells.h"

static bool measure_updates(struct lookup_cell *c)
{
	bool any = false;

	for (unsigned int k = 0; k < LOOKUP_UPDATES; k++) {
		const struct lookup_rates *x = &c->rates[k];

		any |= x->rate || x->bulk_rate || x->p50 || x->p99 || x->p9999 || x->longest[0] ||
		       x->longest[1] || x->longest[2] || x->longest_cpu || x->over || x->over_cpu;
	}
	if (!any)
		return true;
	bench_progress("lookup: %s/%s: updates", c->v6 ? "v6" : "v4", c->kind->name);
	if (lookup_update_rates(&c->set, c->rates))
		return true;
	bench_progress_end();
	fprintf(stderr, "wgdp-bench: %s/%s: an update failed\n", c->v6 ? "v6" : "v4",
		c->kind->name);
	return false;
}

static bool measure_cell(struct lookup_run *r, struct lookup_cell *c)
{
	bool right;

	lookup_cell_open(r, c);
	right = lookup_cell_check(c);
	if (right) {
		lookup_cell_time(c, bench_seconds() + (double)r->o->seconds / r->n_wanted);
		right = measure_updates(c);
	}
	lookup_cell_close(c);
	return right;
}

static bool measure_all(struct lookup_run *r)
{
	for (unsigned int i = 0; i < 2 * LOOKUP_SETS; i++) {
		if (bench_stopped())
			return true;
		if (r->cells[i].wanted && !measure_cell(r, &r->cells[i]))
			return false;
	}
	if (bench_stopped())
		return true;
	if (!lookup_sessions_run(r->o) || !lookup_memory_run(r->o))
		return false;
	bench_progress_end();
	return true;
}

/* ---- what the issue asks for ---- */

/* How many times less memory, as a result that is of ratios only. */
static void summarise_memory(struct lookup_run *r, const struct lookup_cell *c)
{
	struct bench_result *ours = c->bytes[LOOKUP_OURS], *theirs = c->bytes[LOOKUP_FIB];

	if (!ours || !theirs || !ours->n || !theirs->n)
		return;
	ours->ratio_to = theirs;
	bench_summarise(&r->report, ours, "lc-trie, memory");
}

static void summarise_cell(struct lookup_run *r, struct lookup_cell *c)
{
	unsigned int fib = c->v6 ? LOOKUP_FIB6 : LOOKUP_FIB;

	for (unsigned int k = 0; k < LOOKUP_LOADS; k++) {
		struct bench_result *ours = c->lookups[k][LOOKUP_OURS];
		const struct bench_result *theirs = c->lookups[k][fib];

		if (!ours || !ours->n)
			continue;
		if (ours->ratio_to)
			bench_summarise(&r->report, ours, "lc-trie");
		if (theirs && theirs->n)
			bench_summarise_against(&r->report, ours, theirs, "lc-trie");
	}
	if (c->updated && c->updated->n)
		bench_summarise(&r->report, c->updated, "lc-trie during updates");
	if (!c->v6)
		summarise_memory(r, c);
}

static bool start(struct lookup_run *r)
{
	lookup_updates_init();
	return bench_eal(&r->report.hugepages) && lookup_heap_open();
}

int bench_lookup(const struct bench_options *o)
{
	static struct lookup_run r;
	int status = EXIT_FAILURE;

	r.o = o;
	r.report.bench = "lookup";
	lookup_cells_add(&r);
	lookup_sessions_add(&r.report, o);
	lookup_memory_add(&r.report, o);
	if (!bench_any(&r.report, o))
		return EXIT_FAILURE;
	if (start(&r) && measure_all(&r)) {
		for (unsigned int i = 0; i < 2 * LOOKUP_SETS; i++)
			summarise_cell(&r, &r.cells[i]);
		if (bench_print(&r.report, o) == 0)
			status = EXIT_SUCCESS;
	}
	bench_progress_end();
	lookup_heap_close();
	bench_report_free(&r.report);
	return status;
}
