/* The search for a throughput, with gateways and testers that are a function. */
#include <errno.h>
#include <math.h>

#include "bench/lab/search.h"
#include "tests/unit/bench/lab/simulated.h"
#include "tests/unit/unit.h"

#define WIDTH	   0.005
#define TRIALS_MAX 300 /* of any search: far more than it takes, but it ends */

/* The tests of methods see to lab_run; here is only what a search needs. */
static int measure(void *ctx, double pps, double seconds, struct lab_point *point)
{
	struct lab_trial t = {.load[LAB_ENCRYPT].pps = pps, .seconds = seconds};
	struct lab_result result = {0};
	struct lab_counts *c = &result.way[LAB_ENCRYPT];
	char error[64];
	int rc = simulated_trial(ctx, &t, &result, error, sizeof(error));

	assert_true(((struct simulated *)ctx)->trials < TRIALS_MAX);
	if (rc == 0 && result.interrupted)
		rc = -EINTR;
	*point = (struct lab_point){
		.loss = c->sent ? (double)(c->sent - c->received) / (double)c->sent : 0,
		.received_pps = (double)c->received / seconds,
		.short_of_rate = result.short_of_rate,
	};
	lab_histogram_free(&c->latency);
	return rc;
}

static struct lab_search search_of(struct simulated *s, double max_pps)
{
	struct lab_search search = {.measure = measure,
				    .ctx = s,
				    .min_pps = 10,
				    .max_pps = max_pps,
				    .width = WIDTH,
				    .seconds = 10,
				    .repeat = 3};

	lab_search_init(&search);
	return search;
}

static void assert_found(const struct lab_found *f, double truth)
{
	assert_int_equal(f->ended, LAB_ENDED_WIDTH);
	assert_true(f->lower.pps <= truth && truth <= f->upper.pps);
	assert_true(f->width <= WIDTH && (f->upper.pps - f->lower.pps) / f->upper.pps <= WIDTH);
	assert_true(f->trial_seconds > 9.999 && f->trial_seconds < 10.001);
	/* Decided by more than half of the trials that were asked for. */
	assert_true(f->lower.good >= 2 && f->upper.bad >= 2);
}

/* Limits over five orders of magnitude, and the greatest rate just above them or far away. */
static void sharp_limit(void **state)
{
	for (double limit = 1234; limit < 2e8; limit *= 17) {
		for (double max = limit * 1.001; max < limit * 5000; max *= 70) {
			struct simulated s = {.limit_pps = limit, .random = 1};
			struct lab_search search = search_of(&s, max);
			struct lab_found f;

			assert_int_equal(lab_search_goal(&search, 0, &f), 0);
			assert_found(&f, limit);
			assert_true(f.trials == s.trials && s.greatest_pps <= max);
			assert_true(f.lower.received_pps <= f.lower.pps * 1.0001);
			/* A few loads in the last phase, not a search from the start. */
			assert_true(s.seconds < 250);
			lab_search_free(&search);
		}
	}
}

/* Loses 1 % just below its limit, less further below: two answers, the second one soon found. */
static void soft_limit_and_two_goals(void **state)
{
	struct simulated s = {
		.limit_pps = 1e6, .soft_from_pps = 8e5, .soft_loss = 0.01, .random = 1};
	struct lab_search search = search_of(&s, 5e6);
	struct lab_found ndr, pdr;

	assert_int_equal(lab_search_goal(&search, 0, &ndr), 0);
	assert_found(&ndr, 8e5);
	assert_int_equal(lab_search_goal(&search, 0.005, &pdr), 0);
	assert_found(&pdr, 9e5);
	assert_true(pdr.lower.pps > ndr.upper.pps);
	assert_int_equal(ndr.trials + pdr.trials, s.trials);
	lab_search_free(&search);
}

/* One trial in ten loses a packet for no reason. Most searches end near the limit all the same. */
static void noise(void **state)
{
	unsigned int near = 0;

	for (uint64_t seed = 1; seed <= 40; seed++) {
		struct simulated s = {.limit_pps = 1e6, .noise = 0.1, .random = seed};
		struct lab_search search = search_of(&s, 1e7);
		struct lab_found f;

		assert_int_equal(lab_search_goal(&search, 0, &f), 0);
		assert_int_equal(f.ended, LAB_ENDED_WIDTH);
		assert_true(f.width <= WIDTH && f.lower.pps <= 1e6);
		assert_true(f.lower.good > f.lower.bad && f.upper.bad > f.upper.good);
		near += f.lower.pps >= 0.99e6;
		lab_search_free(&search);
	}
	assert_true(near >= 30);
}

/* PDR does not mind. */
static void noise_within_the_goal(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .noise = 1, .random = 3};
	struct lab_search search = search_of(&s, 1e7);
	struct lab_found f;

	assert_int_equal(lab_search_goal(&search, 0.005, &f), 0);
	assert_found(&f, 1e6 / 0.995);
	assert_int_equal(f.lower.bad, 0);
	lab_search_free(&search);
}

static void limit_above_max(void **state)
{
	struct simulated s = {.limit_pps = 1e9, .random = 1};
	struct lab_search search = search_of(&s, 1e6);
	struct lab_found f;

	assert_int_equal(lab_search_goal(&search, 0, &f), 0);
	assert_int_equal(f.ended, LAB_ENDED_MAX);
	assert_true(f.lower.pps == 1e6 && f.upper.pps == 0 && f.width == 1);
	assert_true(s.trials <= 4);
	lab_search_free(&search);
}

static void limit_below_min(void **state)
{
	struct simulated s = {.limit_pps = 1, .random = 1};
	struct lab_search search = search_of(&s, 1e6);
	struct lab_found f;

	assert_int_equal(lab_search_goal(&search, 0, &f), 0);
	assert_int_equal(f.ended, LAB_ENDED_MIN);
	assert_true(f.lower.pps == 0 && f.upper.pps == 10);
	assert_true(f.upper.bad >= 2);
	lab_search_free(&search);
}

/* Nothing is said of the gateway where the tester was the limit. */
static void tester_is_the_limit(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .tester_pps = 4e5, .random = 1};
	struct lab_search search = search_of(&s, 1e7);
	struct lab_found f;

	assert_int_equal(lab_search_goal(&search, 0, &f), 0);
	assert_int_equal(f.ended, LAB_ENDED_TESTER);
	/* Half a percent less than wanted is still good for it. */
	assert_true(f.lower.pps <= 4e5 * 1.0051 && f.upper.pps >= 4e5);
	assert_true(f.width <= WIDTH);
	assert_int_equal(f.upper.bad, 0);
	lab_search_free(&search);
}

static void tester_above_the_limit(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .tester_pps = 2e6, .random = 1};
	struct lab_search search = search_of(&s, 1e7);
	struct lab_found f;

	assert_int_equal(lab_search_goal(&search, 0, &f), 0);
	assert_found(&f, 1e6);
	lab_search_free(&search);
}

/* Late for no reason now and then: tried again, and no bound of the gateway. */
static void tester_stumbles(void **state)
{
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct simulated s = {.limit_pps = 1e6, .noise_short = 0.05, .random = seed};
		struct lab_search search = search_of(&s, 3e6);
		struct lab_found f;

		assert_int_equal(lab_search_goal(&search, 0, &f), 0);
		assert_found(&f, 1e6);
		lab_search_free(&search);
	}
}

struct disturbed {
	struct simulated s; /* the first, as measure() takes it for that */
	unsigned int trials;
};

static int measure_disturbed(void *ctx, double pps, double seconds, struct lab_point *point)
{
	struct disturbed *d = ctx;

	d->s.tester_pps = d->s.trials < d->trials ? 1e4 : 0;
	return measure(&d->s, pps, seconds, point);
}

/* Something takes the tester's CPU, while the first trials are made: later ones know better. */
static void tester_is_disturbed_at_first(void **state)
{
	for (unsigned int trials = 1; trials <= 27; trials++) {
		struct disturbed d = {.s = {.limit_pps = 1e6, .random = 1}, .trials = trials};
		struct lab_search search = search_of(&d.s, 2e6);
		struct lab_found f;

		search.measure = measure_disturbed;
		search.ctx = &d;
		assert_int_equal(lab_search_goal(&search, 0, &f), 0);
		assert_found(&f, 1e6);
		lab_search_free(&search);
	}
}

/* Whichever trial it is, what is said has been measured. */
static void ends_at_errors_and_interrupts(void **state)
{
	for (unsigned int at = 1; at <= 12; at++) {
		for (unsigned int way = 0; way < 2; way++) {
			struct simulated s = {
				.limit_pps = 1e6, .fail_with = -ENETDOWN, .random = 1};
			struct lab_search search = search_of(&s, 1e7);
			struct lab_found f;

			*(way ? &s.fail_at : &s.interrupt_at) = at;
			assert_int_equal(lab_search_goal(&search, 0, &f), way ? -ENETDOWN : -EINTR);
			assert_int_equal(s.trials, at);
			assert_int_equal(f.ended, LAB_ENDED_EARLY);
			assert_int_equal(f.trials, at - 1);
			assert_true(f.lower.pps <= 1e6 && (f.upper.pps == 0 || f.upper.pps > 1e6));
			if (at == 1)
				assert_true(f.lower.pps == 0 && f.upper.pps == 0);
			if (f.lower.pps > 0)
				assert_true(f.lower.good > 0);
			if (at > 2)
				assert_true(f.upper.pps > 0);
			lab_search_free(&search);
		}
	}
}

/* Of one phase only, if trials are as short as the first ones would be. */
static void shortest_trials(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .random = 1};
	struct lab_search search = search_of(&s, 1e7);
	struct lab_found f;

	search.seconds = 0.1;
	search.repeat = 1;
	lab_search_init(&search);
	assert_int_equal(search.phases, 1);
	assert_int_equal(lab_search_goal(&search, 0, &f), 0);
	assert_true(f.ended == LAB_ENDED_WIDTH && f.lower.pps <= 1e6 && f.upper.pps >= 1e6);
	assert_int_equal(f.lower.good, 1);
	lab_search_free(&search);
}

/* A buffer hides the limit from short trials: the long ones correct it. */
static void buffer_hides_the_limit(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .buffer_packets = 2e5, .random = 1};
	struct lab_search search = search_of(&s, 1e7);
	struct lab_found f;

	assert_int_equal(lab_search_goal(&search, 0, &f), 0);
	assert_found(&f, 1e6 + 2e5 / 10);
	lab_search_free(&search);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sharp_limit),
		cmocka_unit_test(soft_limit_and_two_goals),
		cmocka_unit_test(noise),
		cmocka_unit_test(noise_within_the_goal),
		cmocka_unit_test(limit_above_max),
		cmocka_unit_test(limit_below_min),
		cmocka_unit_test(tester_is_the_limit),
		cmocka_unit_test(tester_above_the_limit),
		cmocka_unit_test(tester_stumbles),
		cmocka_unit_test(tester_is_disturbed_at_first),
		cmocka_unit_test(ends_at_errors_and_interrupts),
		cmocka_unit_test(shortest_trials),
		cmocka_unit_test(buffer_hides_the_limit),
	};

	return UNIT_RUN(tests);
}
