/* The timing wheel against a list that is searched from end to end. */
#include "handshake/wheel.h"
#include "tests/unit/unit.h"

#define ENTRIES 200
#define SEED	UINT64_C(0x77ee1)

static struct hs_wheel wheel;

static uint64_t tick_of(uint64_t ns)
{
	return ns / HS_WHEEL_TICK_NS + (ns % HS_WHEEL_TICK_NS != 0);
}

struct oracle {
	struct hs_wheel_entry entries[ENTRIES];
	uint64_t due_ns[ENTRIES]; /* 0: not in */
	uint64_t now_ns;
};

static uint64_t first_due(const struct oracle *o)
{
	uint64_t first = UINT64_MAX;

	for (unsigned int i = 0; i < ENTRIES; i++)
		if (o->due_ns[i] && o->due_ns[i] < first)
			first = o->due_ns[i];
	return first;
}

/* Distances of all sizes: within a tick, a level, several levels, for ever. */
static uint64_t random_distance(uint64_t *random)
{
	unsigned int bits = unit_random(random) % 56;

	return unit_random(random) & ((UINT64_C(1) << bits) - 1);
}

/* With enough work, all that is due comes out, nothing else does, and in order. */
static void expire_all(struct oracle *o, unsigned int work_each)
{
	struct hs_wheel_entry *e;
	uint64_t last = 0;

	for (;;) {
		unsigned int work = work_each;

		while ((e = hs_wheel_expire(&wheel, o->now_ns, &work))) {
			size_t i = (size_t)(e - o->entries);

			assert_true(o->due_ns[i] && o->due_ns[i] <= o->now_ns);
			assert_true(e->tick >= last);
			last = e->tick;
			o->due_ns[i] = 0;
			assert_null(e->at);
		}
		if (hs_wheel_due_ns(&wheel) > o->now_ns)
			break;
		assert_int_equal(work, 0); /* else there was no reason to stop */
	}
	for (unsigned int i = 0; i < ENTRIES; i++)
		if (o->due_ns[i])
			assert_true(tick_of(o->due_ns[i]) * HS_WHEEL_TICK_NS > o->now_ns);
}

static void test_random(void **state)
{
	static struct oracle o;
	uint64_t random = SEED;

	print_message("# seed %#llx\n", (unsigned long long)SEED);
	hs_wheel_init(&wheel);
	o.now_ns = UINT64_C(123456789012345);
	for (unsigned int step = 0; step < 200000; step++) {
		unsigned int i = unit_random(&random) % ENTRIES;
		uint64_t due;

		switch (unit_random(&random) % 4) {
		case 0:
		case 1:
			/* Now and then in the past. */
			if (unit_random(&random) % 8 == 0)
				o.due_ns[i] = o.now_ns - unit_random(&random) % (UINT64_C(1) << 40);
			else
				o.due_ns[i] = o.now_ns +
					      random_distance(&random) % (UINT64_C(1) << 50);
			hs_wheel_insert(&wheel, &o.entries[i], o.due_ns[i]);
			break;
		case 2:
			hs_wheel_remove(&wheel, &o.entries[i]);
			o.due_ns[i] = 0;
			break;
		default:
			/* Sometimes up to the next deadline exactly, or one short of it. */
			due = first_due(&o);
			if (due != UINT64_MAX && due > o.now_ns && unit_random(&random) % 2)
				o.now_ns = tick_of(due) * HS_WHEEL_TICK_NS -
					   unit_random(&random) % 2;
			else
				o.now_ns += random_distance(&random) % (UINT64_C(1) << 42);
			expire_all(&o, 1 + unit_random(&random) % 300);
		}
		due = first_due(&o);
		if (due == UINT64_MAX) {
			assert_int_equal(hs_wheel_due_ns(&wheel), UINT64_MAX);
			continue;
		}
		due = tick_of(due) * HS_WHEEL_TICK_NS;
		assert_true(hs_wheel_due_ns(&wheel) <= (due > o.now_ns ? due : o.now_ns));
	}
}

/* Calling it when it asks to be called reaches each entry in time, in few calls. */
static void test_due_converges(void **state)
{
	uint64_t random = SEED;

	for (unsigned int n = 0; n < 2000; n++) {
		struct hs_wheel_entry e = {0};
		unsigned int calls = 0;
		uint64_t due_ns = 1 + random_distance(&random);
		unsigned int work = 100;

		hs_wheel_init(&wheel);
		hs_wheel_insert(&wheel, &e, due_ns);
		for (;;) {
			uint64_t at = hs_wheel_due_ns(&wheel);

			assert_true(at <= tick_of(due_ns) * HS_WHEEL_TICK_NS);
			assert_true(++calls <= HS_WHEEL_LEVELS);
			if (hs_wheel_expire(&wheel, at, &work)) {
				assert_int_equal(at, tick_of(due_ns) * HS_WHEEL_TICK_NS);
				break;
			}
		}
	}
}

static void test_edges(void **state)
{
	struct hs_wheel_entry e[3] = {{0}};
	unsigned int work = 100;

	hs_wheel_init(&wheel);
	assert_int_equal(hs_wheel_due_ns(&wheel), UINT64_MAX);
	assert_null(hs_wheel_expire(&wheel, UINT64_MAX / 2, &work));
	hs_wheel_remove(&wheel, &e[0]);		    /* in no wheel */
	hs_wheel_insert(&wheel, &e[0], 5);	    /* long past */
	hs_wheel_insert(&wheel, &e[1], UINT64_MAX); /* never in practice */
	hs_wheel_insert(&wheel, &e[2], UINT64_MAX / 2);
	assert_true(hs_wheel_due_ns(&wheel) <= UINT64_MAX / 2);
	hs_wheel_insert(&wheel, &e[2], UINT64_MAX); /* moved */
	assert_ptr_equal(hs_wheel_expire(&wheel, UINT64_MAX / 2, &work), &e[0]);
	assert_null(hs_wheel_expire(&wheel, UINT64_MAX / 2, &work));
	assert_non_null(hs_wheel_expire(&wheel, UINT64_MAX, &work));
	assert_non_null(hs_wheel_expire(&wheel, UINT64_MAX, &work));
	assert_null(hs_wheel_expire(&wheel, UINT64_MAX, &work));
	assert_int_equal(hs_wheel_due_ns(&wheel), UINT64_MAX);
}

/* A crowded slot is moved bit by bit; what comes in between is not lost. */
static void test_bounded(void **state)
{
	static struct hs_wheel_entry crowd[1000];
	struct hs_wheel_entry late = {0};
	uint64_t base = 300 * HS_WHEEL_TICK_NS;
	unsigned int n = 0, calls = 0;

	hs_wheel_init(&wheel);
	for (unsigned int i = 0; i < 1000; i++)
		hs_wheel_insert(&wheel, &crowd[i], base + i % 50 * HS_WHEEL_TICK_NS);
	while (hs_wheel_due_ns(&wheel) <= base + 60 * HS_WHEEL_TICK_NS) {
		unsigned int work = 10;

		if (++calls == 20)
			hs_wheel_insert(&wheel, &late, base);
		while (hs_wheel_expire(&wheel, base + 60 * HS_WHEEL_TICK_NS, &work))
			n++;
		assert_true(calls < 1000);
	}
	assert_int_equal(n, 1001);
	assert_true(calls >= 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_due_converges),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_bounded),
	};

	return UNIT_RUN(tests);
}
