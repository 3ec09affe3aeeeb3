/*
 * The compression of BLAKE2s for one or two sets of 16 inputs: lane i of a register belongs to
 * input i. Part of blake2s_avx512.c, which alone includes it.
 *
 * One set of 16 lanes has four chains of dependent instructions, too few to keep the CPU busy. So
 * for more than 16 inputs two sets run side by side, their instructions interleaved by hand: 22
 * cycles for a compression on Zen 5 instead of 34. The working states of two sets are exactly the
 * 32 registers, which is why message words are only ever operands in memory.
 */
#ifndef CRYPTO_BLAKE2S_MIX_AVX512_H
#define CRYPTO_BLAKE2S_MIX_AVX512_H

#include <immintrin.h>

#include "crypto/blake2s_inner.h"

#define LANES 16
#define SETS  2

#define always_inline inline __attribute__((always_inline))

/* What a compression is told of its blocks (RFC 7693 section 3.2). */
struct step {
	__m512i counter_bytes[SETS];
	__mmask16 last[SETS];
	__mmask16 active[SETS]; /* other lanes keep their state */
};

/*
 * The instructions of the rounds. volatile, so that they stay in the order of the source: with
 * intrinsics, clang 14 undoes the interleaving and is 40 % slower, gcc 12 spills and is 15 %
 * slower. By value: with pointers, gcc 12 keeps 2 KiB of stack for v, which would have to be wiped.
 */
static always_inline __m512i add(__m512i x, __m512i y)
{
	__asm__ volatile("vpaddd %1, %0, %0" : "+v"(x) : "v"(y));
	return x;
}

static always_inline __m512i add_word(__m512i x, const __m512i *m)
{
	__asm__ volatile("vpaddd %1, %0, %0" : "+v"(x) : "m"(*m));
	return x;
}

static always_inline __m512i xor
	(__m512i x, __m512i y) {
		__asm__ volatile("vpxord %1, %0, %0" : "+v"(x) : "v"(y));
		return x;
	}

	static always_inline __m512i rotate(__m512i x, const int bits)
{
	__asm__ volatile("vprord %1, %0, %0" : "+v"(x) : "n"(bits));
	return x;
}

#define HALF_STEPS 14 /* instructions in each chain of half a round */
#define ALL_STEPS  (2 * CR_B2S_ROUNDS * HALF_STEPS)
#define LAG_STEPS  2 /* the second set behind the first; measured, 0 is 3 % slower */

/*
 * Instruction number `at` of a set, in its four chains: columns in the first half of a round,
 * diagonals in the second.
 */
static always_inline void mix_step(__m512i v[16], const __m512i m[16], int at)
{
	const int half = at / HALF_STEPS, turn = half % 2;
	const uint8_t *const o = cr_b2s_sigma[half / 2] + 8 * turn;

	for (int i = 0; i < 4; i++) {
		const int a = i, b = 4 + (i + turn) % 4;
		const int c = 8 + (i + 2 * turn) % 4, d = 12 + (i + 3 * turn) % 4;

		switch (at % HALF_STEPS) {
		case 0:
			v[a] = add_word(v[a], &m[o[2 * i]]);
			break;
		case 7:
			v[a] = add_word(v[a], &m[o[2 * i + 1]]);
			break;
		case 1:
		case 8:
			v[a] = add(v[a], v[b]);
			break;
		case 2:
		case 9:
			v[d] = xor(v[d], v[a]);
			break;
		case 3:
			v[d] = rotate(v[d], 16);
			break;
		case 10:
			v[d] = rotate(v[d], 8);
			break;
		case 4:
		case 11:
			v[c] = add(v[c], v[d]);
			break;
		case 5:
		case 12:
			v[b] = xor(v[b], v[c]);
			break;
		case 6:
			v[b] = rotate(v[b], 12);
			break;
		case 13:
			v[b] = rotate(v[b], 7);
			break;
		}
	}
}

static always_inline void mix_sets(__m512i v[SETS][16], __m512i m[SETS][16], unsigned int sets,
				   int at)
{
	if (at < ALL_STEPS)
		mix_step(v[0], m[0], at);
	if (sets > 1 && at >= LAG_STEPS)
		mix_step(v[1], m[1], at - LAG_STEPS);
}

/* A loop that is sure to be unrolled: every index into v has to be known, or v is in memory. */
#define MIX_2(at)                                                                                  \
	mix_sets(v, m, sets, at);                                                                  \
	mix_sets(v, m, sets, (at) + 1)
#define MIX_HALF(half)                                                                             \
	MIX_2(HALF_STEPS *(half));                                                                 \
	MIX_2(HALF_STEPS *(half) + 2);                                                             \
	MIX_2(HALF_STEPS *(half) + 4);                                                             \
	MIX_2(HALF_STEPS *(half) + 6);                                                             \
	MIX_2(HALF_STEPS *(half) + 8);                                                             \
	MIX_2(HALF_STEPS *(half) + 10);                                                            \
	MIX_2(HALF_STEPS *(half) + 12)
#define MIX_ROUND(round)                                                                           \
	MIX_HALF(2 * (round));                                                                     \
	MIX_HALF(2 * (round) + 1)

/* h, m and s for `sets` sets of 16 lanes (1 or 2, known to the compiler). */
static always_inline void compress_sets(__m512i h[SETS][8], __m512i m[SETS][16],
					const struct step *s, unsigned int sets)
{
	__m512i v[SETS][16];

	for (unsigned int k = 0; k < sets; k++) {
		for (int i = 0; i < 8; i++) {
			v[k][i] = h[k][i];
			v[k][8 + i] = _mm512_set1_epi32((int)cr_b2s_iv[i]);
		}
		v[k][12] = _mm512_xor_si512(v[k][12], s->counter_bytes[k]);
		v[k][14] = _mm512_mask_xor_epi32(v[k][14], s->last[k], v[k][14],
						 _mm512_set1_epi32(-1));
	}
	MIX_ROUND(0);
	MIX_ROUND(1);
	MIX_ROUND(2);
	MIX_ROUND(3);
	MIX_ROUND(4);
	MIX_ROUND(5);
	MIX_ROUND(6);
	MIX_ROUND(7);
	MIX_ROUND(8);
	MIX_ROUND(9);
	if (sets > 1) {
		MIX_2(ALL_STEPS);
	}
	for (unsigned int k = 0; k < sets; k++) {
		for (int i = 0; i < 8; i++)
			h[k][i] = _mm512_mask_xor_epi32(h[k][i], s->active[k], h[k][i],
							_mm512_xor_si512(v[k][i], v[k][8 + i]));
	}
}

_Static_assert(LAG_STEPS == 2, "the MIX_2() behind the last round is the lag");

#endif
