/* Slots of a rate: how many are due when, which are skipped, and how many there are in all. */
#include "bench/lab/pace.h"
#include "tests/unit/unit.h"

#define HZ    1e9 /* a TSC cycle is a nanosecond */
#define START 1000000

static void evenly(void **state)
{
	struct lab_pace p;

	lab_pace_start(&p, START, HZ, 1000, 1, 0);
	assert_int_equal(p.slots, 1000);
	assert_int_equal(lab_pace_due(&p, START - 1), 0);
	/* One at the start, the next one a millisecond later. */
	assert_int_equal(lab_pace_due(&p, START), 1);
	lab_pace_used(&p, 1);
	assert_int_equal(lab_pace_due(&p, START + 999000), 0);
	assert_int_equal(lab_pace_due(&p, START + 1000001), 1);
	lab_pace_used(&p, 1);
	assert_int_equal(lab_pace_due(&p, START + 5500000), 4);
	lab_pace_used(&p, 3);
	assert_int_equal(lab_pace_due(&p, START + 5500000), 1);
	assert_false(lab_pace_ended(&p));
}

/* However the clock is looked at: all slots pass, none before its time, none twice. */
static void all_of_them(void **state)
{
	static const double rates[] = {0.5, 1, 3, 99.9, 1e3, 148809.52, 14.88e6};
	uint64_t random = 1;

	for (unsigned int i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		uint64_t now = START, used = 0;
		struct lab_pace p;

		lab_pace_start(&p, START, HZ, rates[i], 2.0 + 10 / rates[i], 0);
		while (!lab_pace_ended(&p) && used < 100000) {
			uint32_t due, n;

			now += unit_random(&random) % (uint64_t)(100 * HZ / rates[i] + 1);
			due = lab_pace_due(&p, now);
			/* Not all of them at once. */
			n = due > 10 ? due - (uint32_t)(unit_random(&random) % 10) : due;
			lab_pace_used(&p, n);
			used += n;
			assert_true((double)used <= (double)(now - START) * rates[i] / HZ + 1);
		}
		assert_int_equal(p.skipped, 0);
		assert_int_equal(used, p.passed);
		if (lab_pace_ended(&p))
			assert_int_equal(used, p.slots);
	}
}

static void skipped(void **state)
{
	struct lab_pace p;

	lab_pace_start(&p, START, HZ, 1e6, 1, 0);
	/* Late by a millisecond: 1001 slots, of which only the last ones are caught up with. */
	assert_int_equal(lab_pace_due(&p, START + 1000001), LAB_LATE_MAX);
	assert_int_equal(p.skipped, 1001 - LAB_LATE_MAX);
	lab_pace_used(&p, LAB_LATE_MAX);
	assert_int_equal(p.passed, 1001);
	/* Late by more than the whole: it ends, and no slot is forgotten. */
	assert_int_equal(lab_pace_due(&p, START + 5000000000), LAB_LATE_MAX);
	lab_pace_used(&p, LAB_LATE_MAX);
	assert_true(lab_pace_ended(&p));
	assert_int_equal(p.passed, p.slots);
	assert_int_equal(p.passed, p.skipped + 2 * LAB_LATE_MAX);
}

static void how_many(void **state)
{
	static const struct {
		double pps, seconds;
		uint64_t packets, slots;
	} rows[] = {
		{100, 0.1, 0, 10}, /* 0.1 is a little more than a tenth */
		{1000, 0.3, 0, 300}, {3, 0.5, 0, 2},   {1e6, 60, 0, 60000000},
		{1e6, 60, 5, 5},     {1, 1, 100, 100},
	};

	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lab_pace p;

		lab_pace_start(&p, START, HZ, rows[i].pps, rows[i].seconds, rows[i].packets);
		assert_int_equal(p.slots, rows[i].slots);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(evenly),
		cmocka_unit_test(all_of_them),
		cmocka_unit_test(skipped),
		cmocka_unit_test(how_many),
	};

	return UNIT_RUN(tests);
}
