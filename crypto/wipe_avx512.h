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

#define CR_ZERO_ZMM(n) "vpxord %%xmm" #n ", %%xmm" #n ", %%xmm" #n "\n\t"
#define CR_ZERO_K(n)   "kxorq %%k" #n ", %%k" #n ", %%k" #n "\n\t"

/*
 * Zeroes all vector registers and the mask registers, which choose lanes by secrets; call it last.
 */
static inline void cr_avx512_wipe_registers(void)
{
	__asm__ __volatile__(
		CR_ZERO_ZMM(16) CR_ZERO_ZMM(17) CR_ZERO_ZMM(18) CR_ZERO_ZMM(19) CR_ZERO_ZMM(20)
			CR_ZERO_ZMM(21) CR_ZERO_ZMM(22) CR_ZERO_ZMM(23) CR_ZERO_ZMM(24)
				CR_ZERO_ZMM(25) CR_ZERO_ZMM(26) CR_ZERO_ZMM(27) CR_ZERO_ZMM(28)
					CR_ZERO_ZMM(29) CR_ZERO_ZMM(30) CR_ZERO_ZMM(31) CR_ZERO_K(0)
						CR_ZERO_K(1) CR_ZERO_K(2) CR_ZERO_K(3) CR_ZERO_K(4)
							CR_ZERO_K(5) CR_ZERO_K(6)
								CR_ZERO_K(7) "vzeroall"
		:
		:
		: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
		  "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "xmm16", "xmm17", "xmm18",
		  "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",
		  "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7",
		  "memory");
}

#endif
