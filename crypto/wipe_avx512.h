/*
 * Wiping for code that runs only where cr_cpu_avx512() (cpu.h) is true. Header only, any thread.
 */
#ifndef CRYPTO_WIPE_AVX512_H
#define CRYPTO_WIPE_AVX512_H

#include <immintrin.h>
#include <stddef.h>

/* Zeroes len bytes at p, both multiples of 64, also where they are dead afterwards. */
static inline void cr_avx512_wipe(void *p, size_t len)
{
	for (size_t at = 0; at < len; at += 64)
		_mm512_store_si512((char *)p + at, _mm512_setzero_si512());
	__asm__ __volatile__("" : : "r"(p) : "memory");
}

/* Zeroes all vector registers; call it last. */
static inline void cr_avx512_wipe_registers(void)
{
	__asm__ __volatile__("vzeroall\n\t"
			     "vpxord %%zmm16, %%zmm16, %%zmm16\n\t"
			     "vpxord %%zmm17, %%zmm17, %%zmm17\n\t"
			     "vpxord %%zmm18, %%zmm18, %%zmm18\n\t"
			     "vpxord %%zmm19, %%zmm19, %%zmm19\n\t"
			     "vpxord %%zmm20, %%zmm20, %%zmm20\n\t"
			     "vpxord %%zmm21, %%zmm21, %%zmm21\n\t"
			     "vpxord %%zmm22, %%zmm22, %%zmm22\n\t"
			     "vpxord %%zmm23, %%zmm23, %%zmm23\n\t"
			     "vpxord %%zmm24, %%zmm24, %%zmm24\n\t"
			     "vpxord %%zmm25, %%zmm25, %%zmm25\n\t"
			     "vpxord %%zmm26, %%zmm26, %%zmm26\n\t"
			     "vpxord %%zmm27, %%zmm27, %%zmm27\n\t"
			     "vpxord %%zmm28, %%zmm28, %%zmm28\n\t"
			     "vpxord %%zmm29, %%zmm29, %%zmm29\n\t"
			     "vpxord %%zmm30, %%zmm30, %%zmm30\n\t"
			     "vpxord %%zmm31, %%zmm31, %%zmm31"
			     :
			     :
			     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
			       "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",
			       "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29",
			       "xmm30", "xmm31", "memory");
}

#endif
