/*
 * Numbers mod 2^130 - 5 (RFC 8439 section 2.5), one in each 64-bit lane, with AVX-512 IFMA. Header
 * only, for poly1305_avx512.c and poly1305_short_avx512.c. The same arithmetic as in
 * asm/poly1305.py.
 */
#ifndef CRYPTO_POLY1305_MOD_AVX512_H
#define CRYPTO_POLY1305_MOD_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#include "crypto/poly1305_avx512.h"

#define LIMB44	 ((UINT64_C(1) << 44) - 1)
#define LIMB42	 ((UINT64_C(1) << 42) - 1)
#define TOP	 (UINT64_C(1) << 40) /* 2^128, in the limb of 2^88 */
#define CLAMP_LO UINT64_C(0x0ffffffc0fffffff)
#define CLAMP_HI UINT64_C(0x0ffffffc0ffffffc)

/* A number mod 2^130 - 5 in each lane, and what it is multiplied by. */
struct limbs {
	__m512i l0, l1, l2;
};

struct factor {
	__m512i r0, r1, r2, s1, s2; /* s: 20 times r */
};

static inline __m512i splat(uint64_t x)
{
	return _mm512_set1_epi64((long long)x);
}

static inline __m512i add(__m512i x, __m512i y)
{
	return _mm512_add_epi64(x, y);
}

static inline __m512i times_20(__m512i x)
{
	return add(_mm512_slli_epi64(x, 4), _mm512_slli_epi64(x, 2));
}

/* Limbs of a number below 2^128 in two words. */
static inline struct limbs split(__m512i lo, __m512i hi)
{
	return (struct limbs){_mm512_and_si512(lo, splat(LIMB44)),
			      _mm512_and_si512(_mm512_shrdi_epi64(lo, hi, 44), splat(LIMB44)),
			      _mm512_srli_epi64(hi, 24)};
}

static inline struct factor factor_of(struct limbs x)
{
	return (struct factor){x.l0, x.l1, x.l2, times_20(x.l1), times_20(x.l2)};
}

static inline void store_factor(__m512i to[5], struct factor f)
{
	to[0] = f.r0;
	to[1] = f.r1;
	to[2] = f.r2;
	to[3] = f.s1;
	to[4] = f.s2;
}

static inline struct factor load_factor(const __m512i from[5])
{
	return (struct factor){from[0], from[1], from[2], from[3], from[4]};
}

static inline __m512i dot_lo(struct limbs x, __m512i a, __m512i b, __m512i c)
{
	__m512i sum = _mm512_madd52lo_epu64(_mm512_setzero_si512(), x.l0, a);

	sum = _mm512_madd52lo_epu64(sum, x.l1, b);
	return _mm512_madd52lo_epu64(sum, x.l2, c);
}

static inline __m512i dot_hi(struct limbs x, __m512i a, __m512i b, __m512i c)
{
	__m512i sum = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x.l0, a);

	sum = _mm512_madd52hi_epu64(sum, x.l1, b);
	return _mm512_madd52hi_epu64(sum, x.l2, c);
}

/* x times f, with limbs a little over 44 bits, as those of x may be. */
static inline struct limbs multiply(struct limbs x, struct factor f)
{
	__m512i lo0 = dot_lo(x, f.r0, f.s2, f.s1), hi0 = dot_hi(x, f.r0, f.s2, f.s1);
	__m512i lo1 = dot_lo(x, f.r1, f.r0, f.s2), hi1 = dot_hi(x, f.r1, f.r0, f.s2);
	__m512i lo2 = dot_lo(x, f.r2, f.r1, f.r0), hi2 = dot_hi(x, f.r2, f.r1, f.r0);
	__m512i carry0, carry1, carry2;

	/* The high half of a product has weight 2^52: 2^8 of the next limb; beyond 2^132, 20. */
	lo0 = add(lo0, add(_mm512_slli_epi64(hi2, 10), _mm512_slli_epi64(hi2, 12)));
	lo1 = add(lo1, _mm512_slli_epi64(hi0, 8));
	lo2 = add(lo2, _mm512_slli_epi64(hi1, 8));
	carry0 = _mm512_srli_epi64(lo0, 44);
	carry1 = _mm512_srli_epi64(lo1, 44);
	carry2 = _mm512_srli_epi64(lo2, 42);
	return (struct limbs){add(_mm512_and_si512(lo0, splat(LIMB44)),
				  add(carry2, _mm512_slli_epi64(carry2, 2))),
			      add(_mm512_and_si512(lo1, splat(LIMB44)), carry0),
			      add(_mm512_and_si512(lo2, splat(LIMB42)), carry1)};
}

static inline struct limbs square(struct limbs x)
{
	return multiply(x, factor_of(x));
}

static inline __m512i two_keys(const uint8_t *a, const uint8_t *b)
{
	__m512i x = _mm512_castsi256_si512(_mm256_load_si256((const __m256i *)a));

	return _mm512_inserti64x4(x, _mm256_load_si256((const __m256i *)b), 1);
}

static inline struct limbs load_eight_keys(struct cr_poly1305_group *g,
					   const uint8_t *const key[CR_POLY1305_LANES])
{
	__m512i a = two_keys(key[0], key[2]), b = two_keys(key[1], key[3]);
	__m512i c = two_keys(key[4], key[6]), d = two_keys(key[5], key[7]);
	__m512i lo_ab = _mm512_unpacklo_epi64(a, b), hi_ab = _mm512_unpackhi_epi64(a, b);
	__m512i lo_cd = _mm512_unpacklo_epi64(c, d), hi_cd = _mm512_unpackhi_epi64(c, d);
	__m512i r_lo = _mm512_shuffle_i64x2(lo_ab, lo_cd, 0x88);
	__m512i r_hi = _mm512_shuffle_i64x2(hi_ab, hi_cd, 0x88);

	g->s[0] = _mm512_shuffle_i64x2(lo_ab, lo_cd, 0xdd);
	g->s[1] = _mm512_shuffle_i64x2(hi_ab, hi_cd, 0xdd);
	return split(_mm512_and_si512(r_lo, splat(CLAMP_LO)),
		     _mm512_and_si512(r_hi, splat(CLAMP_HI)));
}

/* Takes the one-time keys of a group's lanes: s, in two words, to the group; returns r. */
static inline struct limbs load_keys(struct cr_poly1305_group *g, const uint8_t (*keys)[64])
{
	const uint8_t *key[CR_POLY1305_LANES];

	for (unsigned int lane = 0; lane < CR_POLY1305_LANES; lane++) {
		unsigned int i = lane >> g->lanes_each_log2;

		/* Lanes without a message work, too, on nothing. */
		key[lane] = keys[g->first + (i < g->n ? i : 0)];
	}
	return load_eight_keys(g, key);
}

static inline struct limbs carry_all(struct limbs a)
{
	__m512i c;

	a.l1 = add(a.l1, _mm512_srli_epi64(a.l0, 44));
	a.l2 = add(a.l2, _mm512_srli_epi64(a.l1, 44));
	c = _mm512_srli_epi64(a.l2, 42);
	a.l0 = add(_mm512_and_si512(a.l0, splat(LIMB44)), add(c, _mm512_slli_epi64(c, 2)));
	a.l1 = _mm512_and_si512(a.l1, splat(LIMB44));
	a.l2 = _mm512_and_si512(a.l2, splat(LIMB42));
	return a;
}

/* The sum mod 2^130 - 5 in full, plus s: the tags of a group's lanes, in place of s. */
static inline void finish_sum(struct cr_poly1305_group *g, struct limbs a)
{
	__m512i g0, g1, g2, lo, hi;
	__mmask8 over;

	a = carry_all(carry_all(a));
	/* Limb 0 can have one bit too many now, but only if the carry then ends in limb 1. */
	a.l1 = add(a.l1, _mm512_srli_epi64(a.l0, 44));
	a.l0 = _mm512_and_si512(a.l0, splat(LIMB44));
	/* a + 5 - 2^130, taken where it is not negative. */
	g0 = add(a.l0, splat(5));
	g1 = add(a.l1, _mm512_srli_epi64(g0, 44));
	g2 = _mm512_sub_epi64(add(a.l2, _mm512_srli_epi64(g1, 44)), splat(LIMB42 + 1));
	over = _knot_mask8(_mm512_movepi64_mask(g2));
	a.l0 = _mm512_mask_and_epi64(a.l0, over, g0, splat(LIMB44));
	a.l1 = _mm512_mask_and_epi64(a.l1, over, g1, splat(LIMB44));
	a.l2 = _mm512_mask_mov_epi64(a.l2, over, g2);
	lo = _mm512_or_si512(a.l0, _mm512_slli_epi64(a.l1, 44));
	hi = _mm512_or_si512(_mm512_srli_epi64(a.l1, 20), _mm512_slli_epi64(a.l2, 24));
	g->s[0] = add(lo, g->s[0]);
	hi = add(hi, g->s[1]);
	over = _mm512_cmplt_epu64_mask(g->s[0], lo);
	g->s[1] = _mm512_mask_add_epi64(hi, over, hi, splat(1));
}

#endif
