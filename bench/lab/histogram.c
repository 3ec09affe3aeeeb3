/*
 * Counts of values in buckets of a power of two with 128 equal parts each; below 256 a part is one
 * value. One thread per histogram. What is counted: tester and methods.
 */
#include "bench/lab/histogram.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_BITS 7
#define PARTS	   (1u << PARTS_BITS)
#define VALUE_MAX  (UINT64_C(1) << 40)
/* VALUE_MAX is the first of the part that has the last index. */
#define COUNTS (((40 - PARTS_BITS) << PARTS_BITS) + PARTS + 1)

static unsigned int index_of(uint64_t value)
{
	unsigned int shift;

	if (value < 2 * PARTS)
		return (unsigned int)value;
	shift = 63 - (unsigned int)__builtin_clzll(value) - PARTS_BITS;
	return (shift << PARTS_BITS) + (unsigned int)(value >> shift);
}

static uint64_t greatest_of(unsigned int index)
{
	unsigned int shift;

	if (index < 2 * PARTS)
		return index;
	shift = (index >> PARTS_BITS) - 1;
	return (((uint64_t)(index - (shift << PARTS_BITS)) + 1) << shift) - 1;
}

int lab_histogram_init(struct lab_histogram *h)
{
	*h = (struct lab_histogram){.counts = calloc(COUNTS, sizeof(h->counts[0]))};
	return h->counts ? 0 : -ENOMEM;
}

void lab_histogram_free(struct lab_histogram *h)
{
	free(h->counts);
	*h = (struct lab_histogram){0};
}

void lab_histogram_clear(struct lab_histogram *h)
{
	if (h->counts)
		memset(h->counts, 0, COUNTS * sizeof(h->counts[0]));
	*h = (struct lab_histogram){.counts = h->counts};
}

void lab_histogram_add(struct lab_histogram *h, uint64_t value)
{
	if (value > VALUE_MAX)
		value = VALUE_MAX;
	h->counts[index_of(value)]++;
	if (h->n == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->n++;
	h->sum += (double)value;
}

void lab_histogram_merge(struct lab_histogram *to, const struct lab_histogram *from)
{
	if (from->n == 0)
		return;
	for (unsigned int i = 0; i < COUNTS; i++)
		to->counts[i] += from->counts[i];
	if (to->n == 0 || from->min < to->min)
		to->min = from->min;
	if (from->max > to->max)
		to->max = from->max;
	to->n += from->n;
	to->sum += from->sum;
}

uint64_t lab_histogram_percentile(const struct lab_histogram *h, double percent)
{
	uint64_t rank, seen = 0;

	if (h->n == 0)
		return 0;
	rank = (uint64_t)ceil((double)h->n * percent / 100);
	if (rank < 1)
		rank = 1;
	for (unsigned int i = 0; i < COUNTS; i++) {
		seen += h->counts[i];
		if (seen >= rank)
			return greatest_of(i) < h->max ? greatest_of(i) : h->max;
	}
	return h->max;
}

double lab_histogram_mean(const struct lab_histogram *h)
{
	return h->n ? h->sum / (double)h->n : 0;
}

void lab_histogram_each(const struct lab_histogram *h,
			void (*each)(void *ctx, uint64_t value, uint64_t count), void *ctx)
{
	for (unsigned int i = 0; h->n && i < COUNTS; i++) {
		if (h->counts[i])
			each(ctx, greatest_of(i) < h->max ? greatest_of(i) : h->max, h->counts[i]);
	}
}
