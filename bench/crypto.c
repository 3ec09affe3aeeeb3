/*
 * wgdp-bench crypto: the driver. Goes through the cells and gives each a series of rounds at a
 * time, in which its variants alternate, until time is up. What there is to measure is in
 * crypto_*.c.
 */
#include "bench/crypto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/tsc.h"

#define SERIES_ROUNDS 7	     /* of a cell, before it is the next one's turn */
#define ROUNDS_MIN    21     /* of each cell, however long that takes */
#define ROUNDS_MAX    100000 /* of each cell: enough for anything */
#define SAMPLE_CYCLES 20000  /* a sample repeats a run until it takes about that long */
#define RUNS_MAX      256    /* of a sample */

/* ---- cells ---- */

struct crypto_cell *crypto_cell(struct crypto_run *r)
{
	struct crypto_cell *cells = realloc(r->cells, (r->n_cells + 1) * sizeof(cells[0]));

	if (!cells) {
		fputs("wgdp-bench: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	r->cells = cells;
	memset(&cells[r->n_cells], 0, sizeof(cells[0]));
	return &cells[r->n_cells++];
}

/* The report leaves out what has no samples, so what is not wanted may stay in it. */
void crypto_variant(struct crypto_run *r, unsigned int i, unsigned int ops, bool usual,
		    const char *name)
{
	struct crypto_cell *cell = &r->cells[r->n_cells - 1];

	cell->ops[i] = ops;
	cell->results[i] = bench_result(&r->report, cell->kind->unit, "%s", name);
	cell->wanted[i] = r->o->filter ? bench_wanted(r->o, name) : usual;
}

void crypto_cell_end(struct crypto_run *r, unsigned int ratio_to)
{
	struct crypto_cell *cell = &r->cells[r->n_cells - 1];
	bool any = false;

	for (unsigned int i = 0; i < cell->n_variants; i++)
		any |= cell->wanted[i];
	cell->wanted[ratio_to] = true;
	for (unsigned int i = 0; i < cell->n_variants; i++) {
		if (i != ratio_to && cell->results[i])
			cell->results[i]->ratio_to = cell->results[ratio_to];
		if (!cell->wanted[i])
			cell->results[i] = NULL;
	}
	if (!any)
		r->n_cells--;
}

/* ---- samples ---- */

/* TSC cycles of some runs; 0: one failed. */
static uint64_t time_runs(const struct crypto_cell *cell, unsigned int variant, unsigned int runs)
{
	uint64_t begin, cycles = 0;
	bool right = true;

	if (!cell->kind->renew) {
		begin = bench_tsc();
		for (unsigned int k = 0; k < runs; k++)
			right &= cell->kind->run(cell, variant);
		cycles = bench_tsc() - begin;
		return right ? cycles : 0;
	}
	for (unsigned int k = 0; k < runs; k++) {
		cell->kind->renew(cell);
		begin = bench_tsc();
		right &= cell->kind->run(cell, variant);
		cycles += bench_tsc() - begin;
	}
	return right ? cycles : 0;
}

static unsigned int runs_of_sample(uint64_t cycles)
{
	uint64_t runs = cycles ? SAMPLE_CYCLES / cycles : 1;

	return runs < 1 ? 1 : runs > RUNS_MAX ? RUNS_MAX : (unsigned int)runs;
}

/* One run warms up what the variant before has pushed out. */
static bool sample(struct crypto_cell *cell, unsigned int variant)
{
	uint64_t cycles = time_runs(cell, variant, 1);

	if (cycles &&
	    !cell->runs[variant]) { /* the first run of all was colder than they will be */
		cycles = time_runs(cell, variant, 1);
		cell->runs[variant] = runs_of_sample(cycles);
	}
	if (cycles)
		cycles = time_runs(cell, variant, cell->runs[variant]);
	if (!cycles) {
		bench_progress_end();
		fprintf(stderr, "wgdp-bench: failed: %s\n", cell->results[variant]->name);
		return false;
	}
	bench_sample(cell->results[variant],
		     (double)cycles / cell->runs[variant] / cell->ops[variant]);
	return true;
}

static bool sample_series(struct crypto_cell *cell, struct bench_result *core_per_tsc)
{
	if (!cell->kind->prepare(cell))
		return false;
	bench_sample(core_per_tsc, bench_core_per_tsc());
	for (unsigned int round = 0; round < SERIES_ROUNDS; round++) {
		for (unsigned int i = 0; i < cell->n_variants; i++) {
			if (cell->results[i] && !sample(cell, i))
				return false;
		}
	}
	return true;
}

static bool sample_all(struct crypto_run *r)
{
	double deadline = bench_seconds() + r->o->seconds;
	struct bench_result core_per_tsc = {0};
	bool right = true;

	for (unsigned int rounds = 0; right && rounds < ROUNDS_MAX; rounds += SERIES_ROUNDS) {
		for (unsigned int i = 0; right && i < r->n_cells; i++) {
			if (bench_stopped() ||
			    (rounds >= ROUNDS_MIN && bench_seconds() >= deadline))
				goto out;
			bench_progress("crypto: rounds %u to %u, %u %%", rounds + 1,
				       rounds + SERIES_ROUNDS, 100 * i / r->n_cells);
			right = sample_series(&r->cells[i], &core_per_tsc);
		}
	}
out:
	bench_progress_end();
	if (core_per_tsc.n)
		r->report.core_per_tsc = bench_percentile(&core_per_tsc, 50);
	free(core_per_tsc.samples);
	return right;
}

static void summarise(struct crypto_run *r)
{
	for (unsigned int i = 0; i < r->n_cells; i++) {
		const struct crypto_cell *cell = &r->cells[i];

		if (cell->summary[0] && cell->results[0])
			bench_summarise(&r->report, cell->results[0], "%s", cell->summary);
	}
	crypto_aead_worst(r);
}

int bench_crypto(const struct bench_options *o)
{
	static struct crypto_run r;
	int status = EXIT_FAILURE;

	r.o = o;
	r.report.bench = "crypto";
	if (!bench_eal(&r.report.hugepages))
		return EXIT_FAILURE;
	if (!crypto_aead_add(&r) || !crypto_x25519_add(&r) || !crypto_blake2s_add(&r))
		goto out;
	if (r.n_cells == 0) {
		fprintf(stderr, "wgdp-bench: no result has a name like %s\n", o->filter);
		goto out;
	}
	if (!sample_all(&r))
		goto out;
	summarise(&r);
	if (bench_print(&r.report, o) == 0)
		status = EXIT_SUCCESS;
out:
	crypto_aead_close();
	crypto_x25519_close();
	free(r.cells);
	bench_report_free(&r.report);
	return status;
}
