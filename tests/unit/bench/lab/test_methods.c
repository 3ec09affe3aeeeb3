/* Each method of the lab, with a gateway that is a function and of which the answer is known. */
#include <errno.h>
#include <math.h>
#include <sched.h>

#include "bench/lab/methods.h"
#include "tests/unit/bench/lab/simulated.h"
#include "tests/unit/unit.h"

static struct lab_run run_of(struct simulated *s)
{
	struct lab_run r = {
		.trial = simulated_trial,
		.tester = s,
		.ways = LAB_WAY(LAB_ENCRYPT),
		.size = 64,
		.settings = {.max_rate = 5e6,
			     .seconds = 60,
			     .trial_seconds = 10,
			     .settle_seconds = 0.1,
			     .repeat = 3,
			     .loss = 0.005,
			     .width = 0.005,
			     .during = "true"},
	};

	assert_int_equal(sched_getaffinity(0, sizeof(r.settings.cpus), &r.settings.cpus), 0);
	assert_int_equal(lab_run_init(&r), 0);
	return r;
}

static int run(struct lab_run *r, const char *name)
{
	for (unsigned int i = 0; i < lab_n_methods; i++) {
		if (strcmp(lab_methods[i].name, name) == 0) {
			r->method = name;
			return lab_methods[i].run(r);
		}
	}
	fail_msg("no method %s", name);
	return -1;
}

static json_t *entry(const struct lab_run *r, const char *method, size_t i)
{
	json_t *e = json_array_get(json_object_get(r->results, method), i);

	assert_non_null(e);
	return e;
}

static size_t entries(const struct lab_run *r, const char *method)
{
	return json_array_size(json_object_get(r->results, method));
}

static double real(const json_t *e, const char *name)
{
	json_t *x = json_object_get(e, name);

	assert_true(json_is_number(x));
	return json_number_value(x);
}

static bool yes(const json_t *e, const char *name)
{
	assert_true(json_is_boolean(json_object_get(e, name)));
	return json_is_true(json_object_get(e, name));
}

static const char *text(const json_t *e, const char *name)
{
	assert_true(json_is_string(json_object_get(e, name)));
	return json_string_value(json_object_get(e, name));
}

static void throughput(void **state)
{
	struct simulated s = {
		.limit_pps = 1e6, .soft_from_pps = 8e5, .soft_loss = 0.01, .random = 1};
	struct lab_run r = run_of(&s);
	json_t *ndr, *pdr;

	r.ways = LAB_WAY_BOTH;
	assert_int_equal(run(&r, "throughput"), 0);
	assert_int_equal(entries(&r, "throughput"), 2);
	ndr = entry(&r, "throughput", 0);
	pdr = entry(&r, "throughput", 1);
	assert_string_equal(text(ndr, "way"), "both");
	assert_string_equal(text(ndr, "goal"), "NDR");
	assert_string_equal(text(pdr, "goal"), "PDR");
	assert_string_equal(text(pdr, "ended"), "width");
	assert_true(real(ndr, "lower") <= 8e5 && real(ndr, "upper") >= 8e5);
	assert_true(real(pdr, "lower") <= 9e5 && real(pdr, "upper") >= 9e5);
	assert_true(real(ndr, "pps") == r.found.ndr && real(pdr, "pps") == r.found.pdr);
	assert_int_equal(json_array_size(r.trials), s.trials);
	assert_true(real(entry(&r, "top", 0), "pps") == 5e6);
	assert_string_equal(text(entry(&r, "top", 0), "limit"), "asked");
	lab_run_free(&r);
}

/* The tester's limit is found first, and no rate above it is ever a result. */
static void top_is_the_testers(void **state)
{
	struct simulated s = {.limit_pps = 1e9, .tester_pps = 3e5, .random = 1};
	struct lab_run r = run_of(&s);

	r.settings.max_rate = 0;
	assert_int_equal(run(&r, "throughput"), 0);
	assert_string_equal(text(entry(&r, "top", 0), "limit"), "tester");
	assert_true(r.found.top > 2.9e5 && r.found.top < 3.02e5);
	assert_string_equal(text(entry(&r, "throughput", 0), "ended"), "max");
	assert_true(r.found.ndr == r.found.top);
	lab_run_free(&r);
}

static int disturbed_at_first(void *ctx, const struct lab_trial *t, struct lab_result *result,
			      char *error, unsigned int error_size)
{
	struct simulated *s = ctx;

	s->tester_pps = s->trials < 3 ? 1e3 : 3e5;
	return simulated_trial(ctx, t, result, error, error_size);
}

/* Where trials come down to something that is over soon, they go up again. */
static void top_is_found_again(void **state)
{
	struct simulated s = {.limit_pps = 1e9, .random = 1};
	struct lab_run r = run_of(&s);

	r.trial = disturbed_at_first;
	r.settings.max_rate = 0;
	assert_int_equal(run(&r, "loss"), 0);
	assert_string_equal(text(entry(&r, "top", 0), "limit"), "tester");
	assert_int_equal(entries(&r, "top"), 1);
	assert_true(r.found.top > 2e5 && r.found.top < 3.02e5);
	lab_run_free(&r);
	s = (struct simulated){.limit_pps = 1e9, .random = 1};
	r = run_of(&s);
	r.trial = disturbed_at_first;
	r.settings.max_rate = 1e5;
	assert_int_equal(run(&r, "loss"), 0);
	assert_string_equal(text(entry(&r, "top", 0), "limit"), "asked");
	assert_true(r.found.top == 1e5 && s.greatest_pps == 1e5);
	lab_run_free(&r);
}

static void top_is_the_lines(void **state)
{
	struct simulated s = {.limit_pps = 1e9, .random = 1};
	struct lab_run r = run_of(&s);

	r.line_pps = 1e6;
	assert_int_equal(run(&r, "loss"), 0);
	assert_string_equal(text(entry(&r, "top", 0), "limit"), "line");
	assert_true(s.greatest_pps == 1e6);
	lab_run_free(&r);
}

static void no_top(void **state)
{
	struct simulated s = {.limit_pps = 1e9, .noise_short = 1, .random = 1};
	struct lab_run r = run_of(&s);

	assert_int_equal(run(&r, "throughput"), -EBUSY);
	assert_non_null(strstr(r.error, "tester"));
	assert_int_equal(entries(&r, "throughput"), 0);
	lab_run_free(&r);
}

static void loss_by_rate(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .random = 1};
	struct lab_run r = run_of(&s);

	r.settings.max_rate = 2e6;
	assert_int_equal(run(&r, "loss"), 0);
	assert_int_equal(entries(&r, "loss"), 10);
	for (unsigned int i = 0; i < 10; i++) {
		json_t *e = entry(&r, "loss", i);
		double pps = 2e6 * (10 - i) / 10;

		assert_true(real(e, "percent") == 100 - 10 * i && real(e, "pps") == pps);
		assert_true(fabs(real(e, "loss") - fmax(1 - 1e6 / pps, 0)) < 1e-6);
		assert_true(yes(e, "valid"));
		assert_true(real(e, "received_pps") <= 1.000001e6);
	}
	lab_run_free(&r);
}

/* Where neither user nor line say what is most, it is of interest what is around PDR. */
static void loss_around_pdr(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .random = 1};
	struct lab_run r = run_of(&s);

	r.settings.max_rate = 0;
	r.found.top = 4e7;
	r.found.pdr = 1e6;
	assert_int_equal(run(&r, "loss"), 0);
	assert_true(real(entry(&r, "loss", 0), "pps") == 2e6);
	r.line_pps = 4e7;
	assert_int_equal(run(&r, "loss"), 0);
	assert_true(real(entry(&r, "loss", 10), "pps") == 4e7);
	lab_run_free(&r);
}

/* A rate that the tester cannot hold is no loss of the gateway. */
static void short_of_rate_is_not_valid(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .tester_pps = 1.5e6, .random = 1};
	struct lab_run r = run_of(&s);

	r.found.top = 2e6;
	assert_int_equal(run(&r, "loss"), 0);
	for (unsigned int i = 0; i < 10; i++)
		assert_true(yes(entry(&r, "loss", i), "valid") ==
			    (real(entry(&r, "loss", i), "pps") < 1.51e6));
	lab_run_free(&r);
}

/* At twice the limit a buffer of 1000 is full after 2000 packets. */
static void back_to_back(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .buffer_packets = 1000, .random = 1};
	struct lab_run r = run_of(&s);
	json_t *e;

	r.found.top = 2e6;
	r.found.ndr = 1e6;
	assert_int_equal(run(&r, "back-to-back"), 0);
	e = entry(&r, "back-to-back", 0);
	assert_int_equal(json_array_size(json_object_get(e, "bursts")), 3);
	assert_true(real(e, "mean") > 1970 && real(e, "mean") <= 2000);
	assert_true(real(e, "deviation") == 0 && real(e, "min") == real(e, "max"));
	assert_false(yes(e, "at_limit"));
	assert_true(fabs(real(e, "buffer_seconds") - 1e-3) < 2e-5);
	assert_true(fabs(real(e, "corrected_buffer_seconds") - 5e-4) < 1e-5);
	lab_run_free(&r);
}

static void back_to_back_without_limit(void **state)
{
	struct simulated s = {.limit_pps = 1e9, .random = 1};
	struct lab_run r = run_of(&s);

	r.found.top = 1e6;
	assert_int_equal(run(&r, "back-to-back"), 0);
	assert_true(yes(entry(&r, "back-to-back", 0), "at_limit"));
	assert_true(real(entry(&r, "back-to-back", 0), "mean") == 2e6);
	lab_run_free(&r);
}

static void back_to_back_of_nothing(void **state)
{
	struct simulated s = {.limit_pps = 0.001, .random = 1};
	struct lab_run r = run_of(&s);

	r.found.top = 1e6;
	assert_int_equal(run(&r, "back-to-back"), 0);
	assert_true(real(entry(&r, "back-to-back", 0), "mean") == 0);
	lab_run_free(&r);
}

static void latency(void **state)
{
	static const double percents[] = {0, 10, 50, 90};
	struct simulated s = {.limit_pps = 1e6, .latency_ns = 10000, .random = 1};
	struct lab_run r = run_of(&s);
	double before = 0;

	r.found.pdr = 1e6;
	assert_int_equal(run(&r, "latency"), 0);
	assert_int_equal(entries(&r, "latency"), 4);
	for (unsigned int i = 0; i < 4; i++) {
		json_t *e = entry(&r, "latency", i), *l = json_object_get(e, "latency");

		assert_true(real(e, "percent") == percents[i]);
		assert_true(real(e, "pps") == (i == 0 ? 100 : 1e4 * percents[i]));
		assert_true(real(l, "min") > before && real(l, "min") <= real(l, "mean"));
		assert_true(real(l, "p50") <= real(l, "p99_999") &&
			    real(l, "p99_999") <= real(l, "max"));
		before = real(l, "max");
	}
	lab_run_free(&r);
}

/* Without a rate of the user's or a found one a method is left out, with the reason. */
static void left_out(void **state)
{
	static const char *const names[] = {"latency", "recovery", "soak", "reconfiguration",
					    "bulk"};
	struct simulated s = {.limit_pps = 1e6, .random = 1};
	struct lab_run r = run_of(&s);

	r.found.searched = true;
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(run(&r, names[i]), 0);
		assert_string_equal(text(entry(&r, "skipped", i), "method"), names[i]);
		assert_non_null(strstr(text(entry(&r, "skipped", i), "why"), "loss"));
	}
	assert_int_equal(s.trials, 0);
	lab_run_free(&r);
}

/* Trial 1 is the overload; 2 to 8 lose, for whatever was left of it. */
static void recovery(void **state)
{
	struct simulated s = {.limit_pps = 1e6,
			      .pause_seconds = 0.05,
			      .pause_from = 2,
			      .pause_for = 7,
			      .random = 1};
	struct lab_run r = run_of(&s);
	json_t *e;

	r.found.ndr = 1e6;
	r.found.top = 5e6;
	assert_int_equal(run(&r, "recovery"), 0);
	e = entry(&r, "recovery", 0);
	assert_true(fabs(real(e, "overload_pps") - 1.1e6) < 1 && real(e, "pps") == 5e5);
	assert_true(fabs(real(e, "overload_loss") - 0.1 / 1.1) < 1e-6);
	assert_true(fabs(real(e, "recovery_seconds") - 0.7) < 1e-9);
	assert_true(yes(e, "recovered") && yes(e, "valid"));
	assert_int_equal(json_array_size(json_object_get(e, "slices")), 12);
	lab_run_free(&r);
}

/* Where the tester can do no more than the gateway, nothing is overloaded. */
static void no_overload(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .random = 1};
	struct lab_run r = run_of(&s);

	r.found.ndr = r.found.top = 1e6;
	assert_int_equal(run(&r, "recovery"), 0);
	assert_int_equal(s.trials, 0);
	assert_non_null(strstr(text(entry(&r, "skipped", 0), "why"), "no overload"));
	lab_run_free(&r);
}

static void never_recovers(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .noise = 1, .random = 1};
	struct lab_run r = run_of(&s);

	r.settings.rate = 1e6;
	assert_int_equal(run(&r, "recovery"), 0);
	assert_false(yes(entry(&r, "recovery", 0), "recovered"));
	lab_run_free(&r);
}

static void soak(void **state)
{
	struct simulated s = {.limit_pps = 1e6,
			      .pause_seconds = 0.5,
			      .pause_from = 3,
			      .pause_for = 1,
			      .latency_ns = 1000,
			      .random = 1};
	struct lab_run r = run_of(&s);
	json_t *e, *intervals;

	r.settings.seconds = 45;
	r.found.ndr = 1e6;
	assert_int_equal(run(&r, "soak"), 0);
	e = entry(&r, "soak", 0);
	intervals = json_object_get(e, "intervals");
	assert_int_equal(json_array_size(intervals), 5);
	assert_true(real(json_array_get(intervals, 4), "seconds") == 5);
	assert_true(real(json_array_get(intervals, 2), "lost") == 4.5e5);
	assert_true(real(e, "lost") == 4.5e5 && real(e, "sent") == 45 * 9e5);
	assert_true(real(e, "seconds") == 45 && yes(e, "valid"));
	assert_true(real(json_object_get(e, "latency"), "n") == 5000);
	lab_run_free(&r);
}

/* What has been measured until then stays, with half of the interval that was interrupted. */
static void soak_interrupted(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .interrupt_at = 3, .random = 1};
	struct lab_run r = run_of(&s);
	json_t *e;

	r.settings.rate = 1e5;
	assert_int_equal(run(&r, "soak"), -EINTR);
	e = entry(&r, "soak", 0);
	assert_true(real(e, "seconds") == 25 && real(e, "sent") == 25e5);
	assert_int_equal(json_array_size(r.trials), 3);
	assert_true(yes(json_array_get(r.trials, 2), "interrupted"));
	lab_run_free(&r);
}

static void reconfiguration(void **state)
{
	struct simulated s = {.limit_pps = 1e6,
			      .pause_seconds = 0.25,
			      .pause_from = 2,
			      .pause_for = 1,
			      .random = 1};
	struct lab_run r = run_of(&s);
	json_t *e;

	r.found.ndr = 1e6;
	/* The simulated trial takes no time: the command begins at once, or not at all. */
	assert_int_equal(run(&r, "reconfiguration"), 0);
	e = entry(&r, "reconfiguration", 0);
	assert_true(real(e, "pps") == 5e5 && real(e, "lost") == 1.25e5);
	assert_true(fabs(real(e, "blocked_seconds") - 0.25) < 1e-6);
	assert_true(real(e, "longest_gap_seconds") == 0.25);
	assert_true(real(e, "still_lost") == 0);
	assert_false(yes(e, "valid"));
	lab_run_free(&r);
}

static void bulk(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .latency_ns = 10000, .random = 1};
	struct lab_run r = run_of(&s);
	json_t *alone, *beside;

	r.found.pdr = 1e6;
	r.bulk_line_pps = 1.11e6;
	assert_int_equal(run(&r, "bulk"), 0);
	assert_int_equal(entries(&r, "bulk"), 4);
	alone = entry(&r, "bulk", 0);
	beside = entry(&r, "bulk", 3);
	assert_true(real(alone, "bulk_pps") == 0 && real(beside, "bulk_pps") == 1.1e6);
	assert_true(real(alone, "pps") == 1e4 && real(beside, "pps") == 1e4);
	assert_true(real(beside, "bulk_loss") > 0.05);
	assert_true(real(json_object_get(beside, "latency"), "p50") >
		    5 * real(json_object_get(alone, "latency"), "p50"));
	assert_non_null(json_object_get(json_array_get(r.trials, 3), "bulk_encrypt"));
	assert_null(json_object_get(json_array_get(r.trials, 0), "bulk_encrypt"));
	lab_run_free(&r);
}

/* Every method, whatever trial fails or is interrupted: it says so, and asks for no more. */
static void errors_and_interrupts(void **state)
{
	for (unsigned int i = 0; i < lab_n_methods; i++) {
		for (unsigned int at = 1; at <= 2; at++) {
			for (unsigned int way = 0; way < 2; way++) {
				struct simulated s = {
					.limit_pps = 1e6, .fail_with = -ENETDOWN, .random = 1};
				struct lab_run r = run_of(&s);

				r.settings.rate = 2e5;
				*(way ? &s.fail_at : &s.interrupt_at) = at;
				assert_int_equal(run(&r, lab_methods[i].name),
						 way ? -ENETDOWN : -EINTR);
				assert_int_equal(s.trials, at);
				assert_int_equal(json_array_size(r.trials), way ? at - 1 : at);
				assert_true(!way || strcmp(r.error, "the link is down") == 0);
				lab_run_free(&r);
			}
		}
	}
}

/* A trial as JSON has every count, and the histogram's sum is what was received. */
static void recorded(void **state)
{
	struct simulated s = {.limit_pps = 1e6, .latency_ns = 1234, .random = 1};
	struct lab_run r = run_of(&s);
	json_t *t, *c, *pair;
	double n = 0;
	size_t i;

	r.size = 0;
	r.ways = LAB_WAY(LAB_DECRYPT);
	r.settings.max_rate = 100;
	assert_int_equal(run(&r, "loss"), 0);
	t = json_array_get(r.trials, 1);
	assert_string_equal(text(t, "method"), "loss");
	assert_string_equal(text(t, "way"), "decrypt");
	assert_string_equal(text(t, "size"), "imix");
	assert_null(json_object_get(t, "encrypt"));
	c = json_object_get(t, "decrypt");
	assert_true(real(c, "sent") == 1000 && real(c, "received") == 1000);
	json_array_foreach (json_object_get(c, "latency"), i, pair) {
		double ns = json_number_value(json_array_get(pair, 0));

		assert_true(ns >= 1234 && ns <= 1250);
		n += json_number_value(json_array_get(pair, 1));
	}
	assert_true(n == 1000);
	lab_run_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(throughput),
		cmocka_unit_test(top_is_the_testers),
		cmocka_unit_test(top_is_found_again),
		cmocka_unit_test(top_is_the_lines),
		cmocka_unit_test(no_top),
		cmocka_unit_test(loss_by_rate),
		cmocka_unit_test(loss_around_pdr),
		cmocka_unit_test(short_of_rate_is_not_valid),
		cmocka_unit_test(back_to_back),
		cmocka_unit_test(back_to_back_without_limit),
		cmocka_unit_test(back_to_back_of_nothing),
		cmocka_unit_test(latency),
		cmocka_unit_test(left_out),
		cmocka_unit_test(recovery),
		cmocka_unit_test(no_overload),
		cmocka_unit_test(never_recovers),
		cmocka_unit_test(soak),
		cmocka_unit_test(soak_interrupted),
		cmocka_unit_test(reconfiguration),
		cmocka_unit_test(bulk),
		cmocka_unit_test(errors_and_interrupts),
		cmocka_unit_test(recorded),
	};

	return UNIT_RUN(tests);
}
