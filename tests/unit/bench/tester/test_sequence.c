/* What becomes of a flow's packets: scripted arrivals, and random ones against a naive oracle. */
#include "bench/lab/sequence.h"
#include "tests/unit/unit.h"

#define WINDOW	 64
#define NUMBERS	 4096
#define ARRIVALS 200000

struct flow {
	struct lab_sequence s;
	uint64_t bits[1024 / 64];
};

static enum lab_arrival arrive(struct flow *f, uint32_t window, uint64_t number)
{
	return lab_sequence_arrive(&f->s, f->bits, window, (uint32_t)number);
}

static void scripted(void **state)
{
	static const struct {
		uint32_t number;
		enum lab_arrival is;
	} script[] = {
		{0, LAB_IN_ORDER},	{1, LAB_IN_ORDER},	{1, LAB_DUPLICATE},
		{4, LAB_IN_ORDER},	{2, LAB_REORDERED},	{2, LAB_DUPLICATE},
		{4, LAB_DUPLICATE},	{67, LAB_IN_ORDER},	{3, LAB_TOO_LATE},
		{4, LAB_DUPLICATE},	{5, LAB_REORDERED},	{5, LAB_DUPLICATE},
		{66, LAB_REORDERED},	{131, LAB_IN_ORDER},	{68, LAB_REORDERED},
		{67, LAB_TOO_LATE},	{100000, LAB_IN_ORDER}, {99999, LAB_REORDERED},
		{99999, LAB_DUPLICATE}, {99936, LAB_TOO_LATE},
	};
	struct flow f = {0};

	for (unsigned int i = 0; i < sizeof(script) / sizeof(script[0]); i++)
		assert_int_equal(arrive(&f, WINDOW, script[i].number), script[i].is);
}

static void first_is_late(void **state)
{
	struct flow f = {0};

	assert_int_equal(arrive(&f, WINDOW, 10), LAB_IN_ORDER);
	for (uint32_t i = 0; i < 10; i++) {
		assert_int_equal(arrive(&f, WINDOW, i), LAB_REORDERED);
		assert_int_equal(arrive(&f, WINDOW, i), LAB_DUPLICATE);
	}
}

/* 32 bits are enough for more than 2^32 packets. */
static void around(void **state)
{
	struct flow f = {.s.next = (UINT64_C(3) << 32) - 2};

	for (uint64_t n = (UINT64_C(3) << 32) - 2; n < (UINT64_C(3) << 32) + 100; n++) {
		assert_int_equal(arrive(&f, WINDOW, n), LAB_IN_ORDER);
		assert_int_equal(f.s.next, n + 1);
		assert_int_equal(arrive(&f, WINDOW, n), LAB_DUPLICATE);
	}
	assert_int_equal(arrive(&f, WINDOW, (UINT64_C(3) << 32) - 2), LAB_TOO_LATE);
}

static enum lab_arrival expected(uint8_t *came, uint32_t *next, uint32_t window, uint32_t number)
{
	bool before = came[number];

	if (number >= *next) {
		*next = number + 1;
		came[number] = 1;
		return LAB_IN_ORDER;
	}
	if (*next - number > window)
		return LAB_TOO_LATE;
	came[number] = 1;
	return before ? LAB_DUPLICATE : LAB_REORDERED;
}

static void random_arrivals(void **state)
{
	static const uint32_t windows[] = {64, 128, 1024};
	uint64_t random = 7;

	for (unsigned int w = 0; w < sizeof(windows) / sizeof(windows[0]); w++) {
		struct flow f = {0};
		uint8_t came[NUMBERS] = {0};
		uint32_t next = 0;

		for (unsigned int i = 0; i < ARRIVALS; i++) {
			uint32_t back = (uint32_t)(unit_random(&random) % (2 * windows[w]));
			uint32_t number = next + (uint32_t)(unit_random(&random) % 200 == 0);
			enum lab_arrival is;

			number = number > back ? number - back : number;
			if (unit_random(&random) % 500 == 0)
				number = next + (uint32_t)(unit_random(&random) % 300);
			if (number >= NUMBERS)
				break;
			is = arrive(&f, windows[w], number);
			assert_int_equal(is, expected(came, &next, windows[w], number));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scripted),
		cmocka_unit_test(first_is_late),
		cmocka_unit_test(around),
		cmocka_unit_test(random_arrivals),
	};

	return UNIT_RUN(tests);
}
