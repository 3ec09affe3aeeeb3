/* The Internet checksum's sum without vectors, and the choice: see sum.h. */
#include "dataplane/sum.h"

/* Where sums are of four bytes they may be added in any order, and folded at the end. */
uint16_t dp_sum_scalar(const uint8_t *p, uint32_t len)
{
	uint64_t low = 0, high = 0, last = 0;

	for (; len >= 8; len -= 8, p += 8) {
		uint64_t x;

		memcpy(&x, p, 8);
		low += x & UINT32_MAX;
		high += x >> 32;
	}
	memcpy(&last, p, len);
	low += last & UINT32_MAX;
	high += last >> 32;
	return dp_sum_fold(low + high);
}

static bool wide;

__attribute__((constructor)) static void choose(void)
{
	wide = dp_sum_avx512_usable();
}

uint16_t dp_sum(const uint8_t *p, uint32_t len)
{
	return wide ? dp_sum_avx512(p, len) : dp_sum_scalar(p, len);
}
