/*
 * wgdp-bench crypto: what the driver (crypto.c) and the kinds of work (crypto_*.c) share. A cell is
 * one load; its variants do the same work and alternate sample by sample. One thread.
 */
#ifndef BENCH_CRYPTO_H
#define BENCH_CRYPTO_H

#include <stdbool.h>

#include "bench/bench.h"

#define CRYPTO_VARIANTS_MAX 10

struct crypto_cell;

/* A kind of work. All functions are for the cell that was prepared last. */
struct crypto_kind {
	const char *unit;
	/* Makes the inputs, and checks each variant's output; says on standard error what is wrong
	 * with it. Called before each series of samples. */
	bool (*prepare)(struct crypto_cell *cell);
	/* What is timed. False: failed. */
	bool (*run)(const struct crypto_cell *cell, unsigned int variant);
	/* Before each run, untimed; NULL: a run can be repeated as it is. */
	void (*renew)(const struct crypto_cell *cell);
};

struct crypto_cell {
	const struct crypto_kind *kind;
	unsigned int what, size, keys, batch; /* as the kind understands them */
	unsigned int n_variants; /* the kind's; those without a result are passed over */
	struct bench_result *results[CRYPTO_VARIANTS_MAX];
	unsigned int ops[CRYPTO_VARIANTS_MAX];	/* of a run: what the unit counts */
	unsigned int runs[CRYPTO_VARIANTS_MAX]; /* of a sample; the driver's */
	bool wanted[CRYPTO_VARIANTS_MAX];	/* the driver's */
	bool checked;				/* the kind's */
	/* What the summary says of variant 0; "": the cell is not in it. */
	char summary[BENCH_NAME_BYTES];
};

struct crypto_run {
	const struct bench_options *o;
	struct bench_report report;
	struct crypto_cell *cells;
	unsigned int n_cells;
};

/* A new cell, all zero; valid until the next. Ends the program if memory is short. */
struct crypto_cell *crypto_cell(struct crypto_run *r);
/* Drops the cell again if none of its variants was asked for; else variant i is measured too, and
 * is what the ratios are to. */
void crypto_cell_end(struct crypto_run *r, unsigned int ratio_to);
/* Variant i of the cell that is new, if a result of that name is asked for: by the filter, or if
 * there is none, by `usual`. ops: what a run does, in the kind's unit. */
void crypto_variant(struct crypto_run *r, unsigned int i, unsigned int ops, bool usual,
		    const char *name);

/* Each kind: adds its cells. False: said why on standard error. */
bool crypto_aead_add(struct crypto_run *r);
void crypto_aead_close(void);
bool crypto_x25519_add(struct crypto_run *r);
void crypto_x25519_close(void);
bool crypto_blake2s_add(struct crypto_run *r);

/* A line of the summary of its own: where the fastest back end does worst. After all samples. */
void crypto_aead_worst(struct crypto_run *r);

#endif
