/* The token buckets, with a fake clock. */
#include <sys/socket.h>

#include "handshake/ratelimit.h"
#include "tests/unit/unit.h"

#define MS UINT64_C(1000000)

static const struct cr_siphash_key key = {1, 2};

static struct wg_endpoint source(unsigned int family, uint32_t high, uint32_t low)
{
	struct wg_endpoint e = {.family = (uint8_t)family};

	if (family == AF_INET) {
		memcpy(e.addr, &high, sizeof(high));
	} else {
		memcpy(e.addr, &high, sizeof(high));
		memcpy(e.addr + 12, &low, sizeof(low));
	}
	return e;
}

/* The schedule: so long after the last question, is the next one granted? */
static const struct {
	unsigned int wait_ms;
	bool allowed;
} schedule[] = {
	{0, true},  {0, true},	{0, true},   {0, true}, {0, true},  {0, false},
	{50, true}, {0, false}, {100, true}, {0, true}, {0, false},
};

#define STEPS (sizeof(schedule) / sizeof(schedule[0]))

/* Between two steps others ask: a new IPv4 address each time, and the same IPv6 /64. */
static void test_schedule(void **state)
{
	struct hs_ratelimit *r = hs_ratelimit_new(&key, 64);
	uint64_t now_ns = 1000 * MS;

	assert_non_null(r);
	for (uint32_t i = 0; i < STEPS; i++) {
		struct wg_endpoint v4 = source(AF_INET, 1, 0);
		struct wg_endpoint other_v4 = source(AF_INET, 100 + i, 0);
		struct wg_endpoint v6 = source(AF_INET6, 1, i);
		struct wg_endpoint other_v6 = source(AF_INET6, 100 + i, 0);

		now_ns += schedule[i].wait_ms * MS;
		v4.port = (uint16_t)i; /* does not count */
		assert_int_equal(hs_ratelimit_allow(r, now_ns, &v4), schedule[i].allowed);
		assert_true(hs_ratelimit_allow(r, now_ns, &other_v4));
		assert_int_equal(hs_ratelimit_allow(r, now_ns, &v6), schedule[i].allowed);
		assert_true(hs_ratelimit_allow(r, now_ns, &other_v6));
	}
	hs_ratelimit_free(r);
}

/* All of the prefix counts, and the family. */
static void test_sources(void **state)
{
	struct hs_ratelimit *r = hs_ratelimit_new(&key, 64);

	for (unsigned int i = 0; i < 16; i++) {
		struct wg_endpoint e = {.family = AF_INET6};

		e.addr[i] = 1;
		hs_ratelimit_allow(r, 1, &e);
	}
	assert_int_equal(hs_ratelimit_sources(r), 8 + 1);
	for (unsigned int i = 0; i < 4; i++) {
		struct wg_endpoint e = {.family = AF_INET};

		e.addr[i] = 1;
		hs_ratelimit_allow(r, 1, &e);
	}
	assert_int_equal(hs_ratelimit_sources(r), 8 + 1 + 4);
	hs_ratelimit_free(r);
}

/* Refusals do not cost, but elapsed time is counted once. */
static void test_refill(void **state)
{
	struct hs_ratelimit *r = hs_ratelimit_new(&key, 64);
	struct wg_endpoint e = source(AF_INET, 1, 0);
	unsigned int allowed = 0;
	uint64_t now_ns = 1;

	for (unsigned int i = 0; i < 10000; i++, now_ns += 1 * MS)
		allowed += hs_ratelimit_allow(r, now_ns, &e);
	assert_in_range(allowed, 5 + 199, 5 + 200); /* 10 s at 20 a second, and the burst */
	hs_ratelimit_free(r);
}

static void test_capacity(void **state)
{
	struct hs_ratelimit *r = hs_ratelimit_new(&key, 1000);
	struct wg_endpoint e;

	for (uint32_t i = 0; i < 1000; i++) {
		e = source(AF_INET, i, 0);
		assert_true(hs_ratelimit_allow(r, 5 * MS, &e));
	}
	assert_int_equal(hs_ratelimit_sources(r), 1000);
	e = source(AF_INET, 1000, 0);
	assert_false(hs_ratelimit_allow(r, 5 * MS, &e));
	e = source(AF_INET, 7, 0);
	assert_true(hs_ratelimit_allow(r, 5 * MS, &e)); /* a known one goes on */
	/* After a second of silence there is room again, and the table shrinks. */
	for (uint32_t i = 2000; i < 2600; i++) {
		e = source(AF_INET6, i, 0);
		assert_true(hs_ratelimit_allow(r, 1006 * MS, &e));
	}
	assert_int_equal(hs_ratelimit_sources(r), 600);
	hs_ratelimit_free(r);
}

/* Against one bucket per source in an array, at random. */
static void test_random(void **state)
{
	static struct {
		uint64_t asked_ns;
		int64_t tokens_ns;
	} naive[300];
	struct hs_ratelimit *r = hs_ratelimit_new(&key, 300);
	uint64_t random = 0x4a7e, now_ns = 10000 * MS;

	print_message("# seed 0x4a7e\n");
	for (unsigned int i = 0; i < 200000; i++) {
		uint32_t k = (uint32_t)(unit_random(&random) % 300);
		struct wg_endpoint e = source(k % 2 ? AF_INET : AF_INET6, k, i);
		bool allowed;

		now_ns += unit_random(&random) % (unit_random(&random) % 100 ? MS : 300 * MS);
		naive[k].tokens_ns += (int64_t)(now_ns - naive[k].asked_ns);
		if (naive[k].tokens_ns > (int64_t)(250 * MS))
			naive[k].tokens_ns = (int64_t)(250 * MS);
		naive[k].asked_ns = now_ns;
		allowed = naive[k].tokens_ns >= (int64_t)(50 * MS);
		if (allowed)
			naive[k].tokens_ns -= (int64_t)(50 * MS);
		assert_int_equal(hs_ratelimit_allow(r, now_ns, &e), allowed);
	}
	hs_ratelimit_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_schedule), cmocka_unit_test(test_sources),
		cmocka_unit_test(test_refill),	 cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_random),
	};

	return UNIT_RUN(tests);
}
