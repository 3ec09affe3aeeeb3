/* Histograms of latencies: the error at every magnitude, merges, percentiles against sorted
 * samples. */
#include <errno.h>

#include "bench/lab/histogram.h"
#include "tests/unit/unit.h"

#define VALUE_MAX (UINT64_C(1) << 40)
#define SAMPLES	  20000

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* As the sample is, or above it by less than 1/128. */
static void assert_close(uint64_t got, uint64_t exact)
{
	assert_true(got >= exact);
	assert_true((double)(got - exact) <= (double)exact / 128);
}

/* Any number of bits from 1 to 40 is as likely as the others. */
static uint64_t any_magnitude(uint64_t *random)
{
	return unit_random(random) >> (24 + unit_random(random) % 40);
}

static void error_at_all_magnitudes(void **state)
{
	struct lab_histogram h;

	assert_int_equal(lab_histogram_init(&h), 0);
	for (unsigned int bit = 0; bit <= 40; bit++) {
		for (int off = -1; off <= 1; off++) {
			uint64_t value = (UINT64_C(1) << bit) + (uint64_t)off;

			if (value > VALUE_MAX)
				continue;
			lab_histogram_clear(&h);
			lab_histogram_add(&h, value);
			/* A greater one beside it, or the maximum would give the value away. */
			lab_histogram_add(&h, VALUE_MAX);
			assert_close(lab_histogram_percentile(&h, 50), value);
			assert_int_equal(h.min, value);
		}
	}
	lab_histogram_free(&h);
}

static void exact_where_small(void **state)
{
	struct lab_histogram h;

	assert_int_equal(lab_histogram_init(&h), 0);
	for (uint64_t value = 0; value < 256; value++) {
		lab_histogram_clear(&h);
		lab_histogram_add(&h, value);
		lab_histogram_add(&h, VALUE_MAX);
		assert_int_equal(lab_histogram_percentile(&h, 50), value);
	}
	lab_histogram_free(&h);
}

static void beyond_the_range(void **state)
{
	struct lab_histogram h;

	assert_int_equal(lab_histogram_init(&h), 0);
	lab_histogram_add(&h, UINT64_MAX);
	assert_int_equal(h.max, VALUE_MAX);
	assert_int_equal(lab_histogram_percentile(&h, 100), VALUE_MAX);
	lab_histogram_free(&h);
}

static void percentiles_of_samples(void **state)
{
	static const double percents[] = {0, 1, 10, 50, 90, 99, 99.9, 99.99, 99.999, 100};
	static uint64_t samples[SAMPLES];
	struct lab_histogram h;
	uint64_t random = 7;
	double sum = 0;

	assert_int_equal(lab_histogram_init(&h), 0);
	for (unsigned int i = 0; i < SAMPLES; i++) {
		samples[i] = any_magnitude(&random);
		sum += (double)samples[i];
		lab_histogram_add(&h, samples[i]);
	}
	qsort(samples, SAMPLES, sizeof(samples[0]), compare);
	for (unsigned int i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		/* The nearest rank, in thousandths of a percent to stay in integers. */
		uint64_t share = (uint64_t)(percents[i] * 1000 + 0.5);
		uint64_t rank = (SAMPLES * share + 99999) / 100000;

		assert_close(lab_histogram_percentile(&h, percents[i]),
			     samples[rank ? rank - 1 : 0]);
	}
	assert_int_equal(lab_histogram_percentile(&h, 100), samples[SAMPLES - 1]);
	assert_int_equal(h.min, samples[0]);
	assert_true(lab_histogram_mean(&h) > sum / SAMPLES * 0.999999);
	assert_true(lab_histogram_mean(&h) < sum / SAMPLES * 1.000001);
	lab_histogram_free(&h);
}

static void merge_is_the_sum(void **state)
{
	struct lab_histogram parts[3], whole;
	uint64_t random = 9;

	assert_int_equal(lab_histogram_init(&whole), 0);
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(lab_histogram_init(&parts[i]), 0);
	for (unsigned int i = 0; i < SAMPLES; i++) {
		uint64_t value = any_magnitude(&random);

		lab_histogram_add(&whole, value);
		lab_histogram_add(&parts[1 + i % 2], value);
	}
	lab_histogram_merge(&parts[0], &parts[1]);
	lab_histogram_merge(&parts[0], &parts[2]);
	assert_int_equal(parts[0].n, whole.n);
	assert_int_equal(parts[0].min, whole.min);
	assert_int_equal(parts[0].max, whole.max);
	for (unsigned int percent = 0; percent <= 100; percent++)
		assert_int_equal(lab_histogram_percentile(&parts[0], percent),
				 lab_histogram_percentile(&whole, percent));
	/* An empty one changes nothing. */
	lab_histogram_clear(&parts[1]);
	lab_histogram_merge(&parts[0], &parts[1]);
	assert_int_equal(parts[0].min, whole.min);
	assert_int_equal(parts[0].n, whole.n);
	for (unsigned int i = 0; i < 3; i++)
		lab_histogram_free(&parts[i]);
	lab_histogram_free(&whole);
}

struct walked {
	uint64_t n, last;
};

static void walk(void *ctx, uint64_t value, uint64_t count)
{
	struct walked *w = ctx;

	assert_true(count > 0);
	assert_true(w->n == 0 || value > w->last);
	w->last = value;
	w->n += count;
}

static void each_ascends(void **state)
{
	struct lab_histogram h;
	struct walked w = {0};
	uint64_t random = 11;

	assert_int_equal(lab_histogram_init(&h), 0);
	for (unsigned int i = 0; i < SAMPLES; i++)
		lab_histogram_add(&h, any_magnitude(&random));
	lab_histogram_each(&h, walk, &w);
	assert_int_equal(w.n, SAMPLES);
	assert_int_equal(w.last, h.max);
	lab_histogram_free(&h);
}

static void empty(void **state)
{
	struct lab_histogram h, none = {0};
	struct walked w = {0};

	assert_int_equal(lab_histogram_init(&h), 0);
	assert_int_equal(lab_histogram_percentile(&h, 50), 0);
	assert_true(lab_histogram_mean(&h) == 0);
	lab_histogram_each(&none, walk, &w);
	lab_histogram_merge(&h, &none);
	assert_int_equal(w.n + h.n, 0);
	lab_histogram_free(&h);
	lab_histogram_free(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_at_all_magnitudes),
		cmocka_unit_test(exact_where_small),
		cmocka_unit_test(beyond_the_range),
		cmocka_unit_test(percentiles_of_samples),
		cmocka_unit_test(merge_is_the_sum),
		cmocka_unit_test(each_ascends),
		cmocka_unit_test(empty),
	};

	return UNIT_RUN(tests);
}
