/*
 * wgdp-bench timing: does the time that a function takes depend on what must not show? Runs it on
 * two classes of inputs in random order and compares the two sets of times with Welch's t-test,
 * once with all of them and once for each of some shares of the shortest (the method of "dude, is
 * my code constant time?", Reparaz, Balasch, Verbauwhede 2017). What is tested is in
 * timing_targets.c.
 */
#include "bench/timing.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "bench/bench.h"
#include "bench/tsc.h"

#define THRESHOLD     10.0    /* of |t|: what the paper takes */
#define CONFIRMATIONS 2	      /* further measurements that must agree before it counts */
#define SAMPLES_MAX   1000000 /* of a measurement */
#define SAMPLES_MIN   400
#define CLASS_MIN     100  /* samples of a class, or there is no t */
#define SLOTS	      64   /* inputs made ahead of being timed */
#define WARM_UP	      2	   /* of these, not counted: caches are as making inputs has left them */
#define TOLERANCE     0.05 /* TIMING_BOUNDED: of the median */

/* Longer ones are left out: what interrupts add hides small differences. */
static const unsigned int shares_percent[] = {100, 99, 95, 90, 75, 50, 25, 10};

#define N_SHARES (sizeof(shares_percent) / sizeof(shares_percent[0]))

enum verdict { EQUAL, DIFFERS, NOT_CONFIRMED, SEEN, NOT_SEEN, BOUNDED, TOO_FAR };

static const char *const verdict_names[] = {
	"equal", "DIFFERS", "not confirmed", "seen", "NOT SEEN", "in bounds", "OUT OF BOUNDS",
};

struct measured {
	const struct timing_target *target;
	unsigned int n;
	double t; /* of the share with the largest |t| */
	unsigned int share_percent;
	double cycles, difference; /* medians: of the first class; of the second, less that */
	double zeroing;
	enum verdict verdict;
};

struct sample {
	uint32_t cycles;
	bool second;
};

static struct sample samples[SAMPLES_MAX];
static uint32_t sorted[SAMPLES_MAX];
static uint8_t slots[SLOTS][TIMING_INPUT_BYTES] __attribute__((aligned(64)));
static uint8_t input[TIMING_INPUT_BYTES] __attribute__((aligned(64)));

/* ---- times ---- */

/* False: the function failed. */
static bool time_slots(const struct timing_target *t, unsigned int *n)
{
	uint8_t coins[SLOTS];

	timing_random(coins, sizeof(coins));
	for (unsigned int i = 0; i < SLOTS; i++)
		t->make(t, slots[i], coins[i] & 1);
	for (unsigned int i = 0; i < SLOTS && *n < SAMPLES_MAX; i++) {
		uint64_t begin, cycles;
		bool right;

		/* Both classes are read from the same place. */
		memcpy(input, slots[i], t->input_bytes);
		begin = bench_tsc();
		right = t->run(t, input);
		cycles = bench_tsc() - begin;
		if (!right)
			return false;
		if (i < WARM_UP)
			continue;
		samples[*n].cycles = cycles > UINT32_MAX ? UINT32_MAX : (uint32_t)cycles;
		samples[(*n)++].second = coins[i] & 1;
	}
	return true;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t median(unsigned int n, bool second)
{
	unsigned int k = 0;

	for (unsigned int i = 0; i < n; i++) {
		if (samples[i].second == second)
			sorted[k++] = samples[i].cycles;
	}
	if (k == 0)
		return 0;
	qsort(sorted, k, sizeof(sorted[0]), compare);
	return sorted[k / 2];
}

/* Of the samples up to a limit; 0 where there are too few. */
static double welch(unsigned int n, uint32_t limit)
{
	double mean[2] = {0}, squares[2] = {0}, count[2] = {0}, variance;

	for (unsigned int i = 0; i < n; i++) {
		const struct sample *s = &samples[i];
		double delta = s->cycles - mean[s->second];

		if (s->cycles > limit)
			continue;
		count[s->second]++;
		mean[s->second] += delta / count[s->second];
		squares[s->second] += delta * (s->cycles - mean[s->second]);
	}
	if (count[0] < CLASS_MIN || count[1] < CLASS_MIN)
		return 0;
	variance = squares[0] / (count[0] - 1) / count[0] + squares[1] / (count[1] - 1) / count[1];
	/* Times that never vary differ by a whole cycle or not at all. */
	return (mean[1] - mean[0]) / sqrt(fmax(variance, 1e-9));
}

static void test(struct measured *m)
{
	uint32_t limits[N_SHARES];

	for (unsigned int i = 0; i < m->n; i++)
		sorted[i] = samples[i].cycles;
	qsort(sorted, m->n, sizeof(sorted[0]), compare);
	for (unsigned int k = 0; k < N_SHARES; k++)
		limits[k] = sorted[(uint64_t)(m->n - 1) * shares_percent[k] / 100];
	m->t = 0;
	m->share_percent = shares_percent[0];
	for (unsigned int k = 0; k < N_SHARES; k++) {
		double t = welch(m->n, limits[k]);

		if (fabs(t) > fabs(m->t)) {
			m->t = t;
			m->share_percent = shares_percent[k];
		}
	}
	m->cycles = median(m->n, false);
	m->difference = median(m->n, true) - m->cycles;
}

/* ---- verdicts ---- */

static enum verdict judge(const struct measured *m)
{
	switch (m->target->expect) {
	case TIMING_LEAK:
		return fabs(m->t) > THRESHOLD ? SEEN : NOT_SEEN;
	case TIMING_BOUNDED:
		return m->difference < -TOLERANCE * m->cycles ||
				       m->difference > m->zeroing + TOLERANCE * m->cycles
			       ? TOO_FAR
			       : BOUNDED;
	case TIMING_EQUAL:
		break;
	}
	return fabs(m->t) > THRESHOLD ? DIFFERS : EQUAL;
}

static bool is_bad(enum verdict v)
{
	return v == DIFFERS || v == NOT_SEEN || v == TOO_FAR;
}

static bool measure_once(struct measured *m, double seconds)
{
	double end = bench_seconds() + seconds;

	m->n = 0;
	while (m->n < SAMPLES_MAX && (m->n < SAMPLES_MIN || bench_seconds() < end)) {
		if (!time_slots(m->target, &m->n)) {
			bench_progress_end();
			fprintf(stderr, "wgdp-bench: failed: %s\n", m->target->name);
			return false;
		}
	}
	if (m->target->zeroing)
		m->zeroing = m->target->zeroing(m->target);
	test(m);
	m->verdict = judge(m);
	return true;
}

/* A machine that is doing other things may cause one difference, but not the same one each time. */
static bool measure(struct measured *m, double seconds)
{
	if (!measure_once(m, seconds))
		return false;
	for (unsigned int k = 0; k < CONFIRMATIONS && is_bad(m->verdict); k++) {
		struct measured again = {.target = m->target};

		if (!measure_once(&again, seconds))
			return false;
		if (is_bad(again.verdict) &&
		    (again.verdict != DIFFERS || (again.t > 0) == (m->t > 0)))
			continue;
		/* The t that was seen stays in the report, or it would look as if nothing was. */
		if (m->target->expect == TIMING_EQUAL)
			m->verdict = NOT_CONFIRMED;
		else
			*m = again;
	}
	return true;
}

/* ---- output ---- */

static int print_json(const struct bench_report *report, const struct measured *m, unsigned int n)
{
	json_t *results = json_array(), *whole;
	int rc;

	for (unsigned int i = 0; i < n; i++)
		json_array_append_new(
			results,
			json_pack("{s:s, s:s, s:i, s:f, s:i, s:f, s:f, s:s, s:b}", "name",
				  m[i].target->name, "classes", m[i].target->classes, "samples",
				  (int)m[i].n, "t", m[i].t, "share_percent",
				  (int)m[i].share_percent, "tsc_cycles", m[i].cycles, "difference",
				  m[i].difference, "verdict", verdict_names[m[i].verdict], "ok",
				  (int)!is_bad(m[i].verdict)));
	whole = json_pack("{s:s, s:o, s:f, s:o}", "bench", report->bench, "machine",
			  bench_machine_json(report), "threshold", THRESHOLD, "results", results);
	rc = whole ? json_dumpf(whole, stdout, JSON_REAL_PRECISION(6)) : -1;
	json_decref(whole);
	putchar('\n');
	return rc;
}

static void print_table(const struct bench_report *report, const struct measured *m, unsigned int n)
{
	bench_print_machine(report);
	printf("\n%-30s %8s %9s %6s %10s %10s  %-13s %s\n", "", "samples", "t", "share",
	       "tsc_cycles", "difference", "verdict", "classes");
	for (unsigned int i = 0; i < n; i++) {
		printf("%-30s %8u %9.2f %4u %% %10.0f %+10.0f  %-13s %s\n", m[i].target->name,
		       m[i].n, m[i].t, m[i].share_percent, m[i].cycles, m[i].difference,
		       verdict_names[m[i].verdict], m[i].target->classes);
	}
}

static int conclude(const struct measured *m, unsigned int n)
{
	int status = EXIT_SUCCESS;

	for (unsigned int i = 0; i < n; i++) {
		if (!is_bad(m[i].verdict))
			continue;
		status = EXIT_FAILURE;
		if (m[i].verdict == NOT_SEEN)
			fprintf(stderr,
				"wgdp-bench: %s leaks, but that does not show: on this machine, "
				"now, \"equal\" means nothing\n",
				m[i].target->name);
		else
			fprintf(stderr, "wgdp-bench: %s: time depends on the class\n",
				m[i].target->name);
	}
	return status;
}

int bench_timing(const struct bench_options *o)
{
	static struct timing_target targets[TIMING_TARGETS_MAX];
	static struct measured m[TIMING_TARGETS_MAX];
	struct bench_report report = {.bench = "timing"};
	unsigned int n_targets, n = 0;
	int status = EXIT_FAILURE;
	bool any = false;

	if (!bench_eal(&report.hugepages))
		return EXIT_FAILURE;
	n_targets = timing_targets_open(targets);
	for (unsigned int i = 0; i < n_targets; i++) {
		bool wanted = bench_wanted(o, targets[i].name);

		any |= wanted;
		/* What shows the power of the test is always there. */
		if (wanted || targets[i].expect == TIMING_LEAK)
			m[n++].target = &targets[i];
	}
	if (n_targets && !any)
		fprintf(stderr, "wgdp-bench: no result has a name like %s\n", o->filter);
	if (!any)
		goto out;
	for (unsigned int i = 0; i < n; i++) {
		bench_progress("timing: %u of %u: %s", i + 1, n, m[i].target->name);
		if (!measure(&m[i], (double)o->seconds / n))
			goto out;
	}
	bench_progress_end();
	if (o->json ? print_json(&report, m, n) != 0 : (print_table(&report, m, n), false))
		goto out;
	if (fflush(stdout) == 0)
		status = conclude(m, n);
out:
	timing_targets_close();
	return status;
}
