/* The Internet checksum's sum: against RFC 1071's definition, 16 bits at a time. */
#include "tests/unit/unit.h"

#include "dataplane/ip.h"
#include "dataplane/sum.h"

#define LEN_MAX 2100

static uint16_t by_definition(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;
	uint16_t word, folded;

	for (; len > 0; len -= len > 1 ? 2 : 1, p += 2) {
		word = (uint16_t)(p[0] << 8 | (len > 1 ? p[1] : 0));
		sum += word;
		sum = (sum & UINT16_MAX) + (sum >> 16);
	}
	folded = rte_cpu_to_be_16((uint16_t)sum);
	return folded;
}

/* Bytes right up to the end of a heap block, so that a sanitizer sees what reads beyond. */
static void check(const uint8_t *from, uint32_t len)
{
	uint8_t *exact = malloc(len ? len : 1);
	uint16_t wanted = by_definition(from, len);

	assert_non_null(exact);
	memcpy(exact, from, len);
	assert_int_equal(dp_sum(exact, len), wanted);
	assert_int_equal(dp_sum_scalar(exact, len), wanted);
	if (dp_sum_avx512_usable())
		assert_int_equal(dp_sum_avx512(exact, len), wanted);
	if (len >= DP_IPV4_MIN_BYTES)
		assert_int_equal(dp_sum_fold(dp_sum_20(exact)),
				 by_definition(exact, DP_IPV4_MIN_BYTES));
	free(exact);
}

static void test_every_length(void **state)
{
	uint8_t bytes[LEN_MAX];
	uint64_t random = 1;

	unit_random_fill(&random, bytes, sizeof(bytes));
	for (uint32_t len = 0; len <= LEN_MAX; len++)
		check(bytes, len);
}

static void test_carries(void **state)
{
	static const uint8_t fills[] = {0x00, 0xff, 0xfe, 0x80, 0x7f};
	uint8_t bytes[LEN_MAX];

	for (unsigned int k = 0; k < sizeof(fills); k++) {
		memset(bytes, fills[k], sizeof(bytes));
		for (uint32_t len = 0; len <= 300; len++)
			check(bytes, len);
		check(bytes, LEN_MAX);
	}
}

static void test_longest(void **state)
{
	uint8_t *bytes = malloc(UINT16_MAX);

	assert_non_null(bytes);
	memset(bytes, 0xff, UINT16_MAX);
	check(bytes, UINT16_MAX);
	check(bytes, UINT16_MAX - 1);
	free(bytes);
}

static void test_headers_with_options(void **state)
{
	uint64_t random = 2;
	uint8_t ip[60];
	uint16_t sum;

	for (uint32_t header = DP_IPV4_MIN_BYTES; header <= sizeof(ip); header += 4) {
		unit_random_fill(&random, ip, sizeof(ip));
		memset(ip + 10, 0, 2);
		sum = (uint16_t)~by_definition(ip, header);
		memcpy(ip + 10, &sum, sizeof(sum));
		assert_true(dp_ipv4_sum_right(ip, header));
		ip[header - 1] ^= 1;
		assert_false(dp_ipv4_sum_right(ip, header));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_length),
		cmocka_unit_test(test_carries),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_headers_with_options),
	};

	return UNIT_RUN(tests);
}
