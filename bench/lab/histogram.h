/*
 * Counts of values over a range of many orders of magnitude, each with a relative error below
 * 1/128: buckets of a power of two, each of 128 equal parts (the layout of HDR histograms, see
 * hdrhistogram.org). Plain data, one thread.
 */
#ifndef BENCH_LAB_HISTOGRAM_H
#define BENCH_LAB_HISTOGRAM_H

#include <stdint.h>

struct lab_histogram {
	uint64_t *counts; /* NULL: empty */
	uint64_t n, min, max;
	double sum;
};

/* Space for values up to 2^40 (over 18 minutes of ns; larger ones count as that). 0 or -ENOMEM. */
int lab_histogram_init(struct lab_histogram *h);
void lab_histogram_free(struct lab_histogram *h);
void lab_histogram_clear(struct lab_histogram *h);
void lab_histogram_add(struct lab_histogram *h, uint64_t value);
/* Into *to what is in *from, both initialised. */
void lab_histogram_merge(struct lab_histogram *to, const struct lab_histogram *from);
/* The smallest value that so many percent are not above, at the upper end of its bucket part (and
 * not above max); 0 of an empty one. percent up to 100, such as 99.999. */
uint64_t lab_histogram_percentile(const struct lab_histogram *h, double percent);
double lab_histogram_mean(const struct lab_histogram *h);
/* Each part that is not empty: calls each(ctx, greatest value of it, count), ascending. */
void lab_histogram_each(const struct lab_histogram *h,
			void (*each)(void *ctx, uint64_t value, uint64_t count), void *ctx);

#endif
