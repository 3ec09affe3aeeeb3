/* The Internet checksum's sum, 64 bytes at a time: see sum.h. Compiled for AVX-512. */
#include "crypto/cpu.h"
#include "dataplane/sum.h"

#ifdef __AVX512BW__

#include <immintrin.h>

bool dp_sum_avx512_usable(void)
{
	return cr_cpu_avx512();
}

/* Halves of 32 bits in lanes of 64. */
static inline __m512i add(__m512i sum, __m512i x)
{
	const __m512i low = _mm512_set1_epi64(UINT32_MAX);

	sum = _mm512_add_epi64(sum, _mm512_and_si512(x, low));
	return _mm512_add_epi64(sum, _mm512_srli_epi64(x, 32));
}

uint16_t dp_sum_avx512(const uint8_t *p, uint32_t len)
{
	__m512i even = _mm512_setzero_si512(), odd = even;

	for (; len >= 128; len -= 128, p += 128) {
		even = add(even, _mm512_loadu_si512(p));
		odd = add(odd, _mm512_loadu_si512(p + 64));
	}
	if (len >= 64) {
		even = add(even, _mm512_loadu_si512(p));
		len -= 64;
		p += 64;
	}
	odd = add(odd, _mm512_maskz_loadu_epi8(_cvtu64_mask64((UINT64_C(1) << len) - 1), p));
	return dp_sum_fold((uint64_t)_mm512_reduce_add_epi64(_mm512_add_epi64(even, odd)));
}

#else

bool dp_sum_avx512_usable(void)
{
	return false;
}

uint16_t dp_sum_avx512(const uint8_t *p, uint32_t len)
{
	return dp_sum_scalar(p, len);
}

#endif
