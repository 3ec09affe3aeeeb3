/*
 * wgdp-bench compare: how sure a ratio of two medians is. By a bootstrap: samples are drawn anew
 * from those that there are, many times, and the interval is what 95 % of the ratios then lie in.
 * Samples that follow each other are alike, so they are drawn in blocks; and if a side has several
 * runs, which differ more from each other than samples of one, runs are drawn first.
 */
#include "bench/compare.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define DRAWS	      2000
#define DRAWS_MIN     400
#define WORK_MAX      20000000 /* samples drawn for one ratio; less than DRAWS if they are many */
#define SAMPLES_MIN   6	       /* for an interval: fewer say nothing about the tails */
#define PERCENT_BELOW 2.5

static uint64_t random_below(uint64_t *random, uint64_t n)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (uint64_t)(((__uint128_t)*random * n) >> 64);
}

static void swap(double *a, double *b)
{
	double x = *a;

	*a = *b;
	*b = x;
}

/* The k-th smallest (Hoare's selection); reorders. */
static double select_kth(double *x, unsigned int n, unsigned int k)
{
	long low = 0, high = (long)n - 1;

	while (low < high) {
		double pivot = x[(low + high) / 2];
		long i = low, j = high;

		while (i <= j) {
			while (x[i] < pivot)
				i++;
			while (x[j] > pivot)
				j--;
			if (i <= j)
				swap(&x[i++], &x[j--]);
		}
		if ((long)k <= j)
			high = j;
		else if ((long)k >= i)
			low = i;
		else
			break;
	}
	return x[k];
}

/* The nearest rank, as results have it. */
static double median(double *x, unsigned int n)
{
	return select_kth(x, n, (n - 1) / 2);
}

static unsigned int samples_of(const struct compare_result *r)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n_runs; i++)
		n += r->runs[i].n;
	return n;
}

static unsigned int longest_run(const struct compare_result *r)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n_runs; i++)
		n = r->runs[i].n > n ? r->runs[i].n : n;
	return n;
}

/* As many as the run has, in blocks that go on from its end at its beginning. */
static unsigned int draw_run(const struct compare_run *run, double *out, uint64_t *random)
{
	unsigned int block = (unsigned int)ceil(cbrt(run->n)), at = 0;

	for (unsigned int i = 0; i < run->n; i++) {
		at = i % block == 0 ? (unsigned int)random_below(random, run->n)
				    : (at + 1) % run->n;
		out[i] = run->values[at];
	}
	return run->n;
}

static double draw_median(const struct compare_result *r, double *room, uint64_t *random)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n_runs; i++)
		n += draw_run(&r->runs[random_below(random, r->n_runs)], room + n, random);
	return median(room, n);
}

static double median_of_all(const struct compare_result *r, double *room)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < r->n_runs; i++) {
		for (unsigned int k = 0; k < r->runs[i].n; k++)
			room[n++] = r->runs[i].values[k];
	}
	return median(room, n);
}

static void add_interval(struct compare_ratio *out, const struct compare_result *a,
			 const struct compare_result *b, double *room)
{
	unsigned int work = samples_of(a) + samples_of(b), n = DRAWS;
	double ratios[DRAWS];
	uint64_t random = 1;
	unsigned int below;

	if ((uint64_t)work * n > WORK_MAX)
		n = WORK_MAX / work > DRAWS_MIN ? WORK_MAX / work : DRAWS_MIN;
	for (unsigned int i = 0; i < n; i++) {
		double base = draw_median(a, room, &random);

		ratios[i] = base > 0 ? draw_median(b, room, &random) / base : INFINITY;
	}
	below = (unsigned int)(n * PERCENT_BELOW / 100);
	out->low = select_kth(ratios, n, below);
	out->high = select_kth(ratios, n, n - 1 - below);
}

struct compare_ratio compare_ratio(const struct compare_result *a, const struct compare_result *b)
{
	size_t room_a = (size_t)longest_run(a) * a->n_runs, room_b;
	struct compare_ratio out = {0};
	double *room;

	room_b = (size_t)longest_run(b) * b->n_runs;
	room = malloc((room_a > room_b ? room_a : room_b) * sizeof(room[0]));
	if (!room) {
		fputs("wgdp-bench: out of memory\n", stderr);
		exit(EXIT_FAILURE);
	}
	out.a = median_of_all(a, room);
	out.b = median_of_all(b, room);
	if (out.a > 0 && out.b > 0) {
		out.ratio = out.b / out.a;
		if (samples_of(a) >= SAMPLES_MIN && samples_of(b) >= SAMPLES_MIN)
			add_interval(&out, a, b, room);
	}
	free(room);
	return out;
}
