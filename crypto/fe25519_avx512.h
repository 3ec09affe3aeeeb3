/*
 * Eight elements of the field mod p = 2^255 - 19 at a time, with AVX-512 IFMA: lane i of every
 * vector belongs to element i. For x25519_avx512.c only. Constant time: no branch and no address
 * depends on a value.
 *
 * An element is five limbs to the base 2^51, limb i of weight 2^(51 i). vpmadd52 multiplies the
 * low 52 bits of its operands and adds the low or the high 52 bits of the product. So there are two
 * kinds of elements, and every function says which it takes and gives:
 *
 *   narrow  limbs below 2^51 + 2^15: what can be multiplied;
 *   wide    limbs below 2^61: products, and sums and differences of narrow ones or products.
 *
 * Only fe8_carry() makes wide narrow. Sums are made of products before their carry, not after, so
 * that a carry serves for both; base 2^51 leaves no room to multiply sums of narrow elements.
 */
#ifndef CRYPTO_FE25519_AVX512_H
#define CRYPTO_FE25519_AVX512_H

#include <immintrin.h>
#include <stdint.h>

#define FE8_LIMBS     5
#define FE8_LIMB_BITS 51
#define FE8_LIMB_MASK ((1LL << FE8_LIMB_BITS) - 1)

/* 2^255 mod p. */
#define FE8_FOLD 19

/* Inlined wherever it is used: as calls, elements would travel through memory. */
#define FE8_INLINE static inline __attribute__((always_inline))

struct fe8 {
	__m512i limb[FE8_LIMBS];
};

FE8_INLINE __m512i fe8_all(long long word)
{
	return _mm512_set1_epi64(word);
}

/* The same small number (narrow) in every lane. */
FE8_INLINE struct fe8 fe8_small(long long number)
{
	struct fe8 r = {{fe8_all(number)}};

	return r;
}

/*
 * Wide to narrow. All limbs pass their carries on at the same time, so a chain is as long as one
 * limb's. Carries are below 2^10 and the last comes back 19 times: hence the 2^15 above.
 */
FE8_INLINE struct fe8 fe8_carry(struct fe8 a)
{
	const __m512i mask = fe8_all(FE8_LIMB_MASK);
	__m512i carry[FE8_LIMBS];
	struct fe8 r;

	for (int i = 0; i < FE8_LIMBS; i++) {
		carry[i] = _mm512_srli_epi64(a.limb[i], FE8_LIMB_BITS);
		r.limb[i] = _mm512_and_si512(a.limb[i], mask);
	}
	r.limb[0] = _mm512_madd52lo_epu64(r.limb[0], carry[4], fe8_all(FE8_FOLD));
	for (int i = 1; i < FE8_LIMBS; i++)
		r.limb[i] = _mm512_add_epi64(r.limb[i], carry[i - 1]);
	return r;
}

/* a + b, of narrow elements or products; wide. */
FE8_INLINE struct fe8 fe8_add(struct fe8 a, struct fe8 b)
{
	struct fe8 r;

	for (int i = 0; i < FE8_LIMBS; i++)
		r.limb[i] = _mm512_add_epi64(a.limb[i], b.limb[i]);
	return r;
}

/* a - b, of narrow elements or products; wide. No limb gets negative: 512 p is added first. */
FE8_INLINE struct fe8 fe8_sub(struct fe8 a, struct fe8 b)
{
	const __m512i first = fe8_all((FE8_LIMB_MASK + 1 - FE8_FOLD) * 512);
	const __m512i others = fe8_all(FE8_LIMB_MASK * 512);
	struct fe8 r;

	for (int i = 0; i < FE8_LIMBS; i++) {
		r.limb[i] = _mm512_add_epi64(a.limb[i], i == 0 ? first : others);
		r.limb[i] = _mm512_sub_epi64(r.limb[i], b.limb[i]);
	}
	return r;
}

/* Lanes of b where the mask has a bit, of a elsewhere. */
FE8_INLINE struct fe8 fe8_select(__mmask8 from_b, struct fe8 a, struct fe8 b)
{
	struct fe8 r;

	for (int i = 0; i < FE8_LIMBS; i++)
		r.limb[i] = _mm512_mask_mov_epi64(a.limb[i], from_b, b.limb[i]);
	return r;
}

/*
 * The ten columns of a product to five limbs: column i + 5 has 19 times the weight of column i.
 * Columns are below 7.5 * 2^52, so limbs are below 150 * 2^52 < 2^60.
 *
 * vpmullq is one instruction of three cycles on AMD's Zen 4 and 5. gcc and clang know better when
 * they see that the factor is 19, and shifts and adds take 12 % more time for the whole ladder.
 */
FE8_INLINE struct fe8 fe8_fold(const __m512i column[2 * FE8_LIMBS])
{
	__m512i factor = fe8_all(FE8_FOLD);
	struct fe8 r;

	__asm__("" : "+v"(factor));
	for (int i = 0; i < FE8_LIMBS; i++)
		r.limb[i] = _mm512_add_epi64(column[i],
					     _mm512_mullo_epi64(column[i + FE8_LIMBS], factor));
	return r;
}

/*
 * a b, of narrow elements. The product is below 2^60 in every limb, wide. High halves have the
 * weight 2^52 = 2 * 2^51, so they are summed up first and doubled at once.
 */
FE8_INLINE struct fe8 fe8_mul(struct fe8 a, struct fe8 b)
{
	__m512i column[2 * FE8_LIMBS];

	for (int i = 0; i < 2 * FE8_LIMBS; i++)
		column[i] = _mm512_setzero_si512();
	for (int i = 0; i < FE8_LIMBS; i++) {
		for (int j = 0; j < FE8_LIMBS; j++)
			column[i + j + 1] = _mm512_madd52hi_epu64(column[i + j + 1], a.limb[i],
								  b.limb[j]);
	}
	for (int i = 1; i < 2 * FE8_LIMBS; i++)
		column[i] = _mm512_add_epi64(column[i], column[i]);
	for (int i = 0; i < FE8_LIMBS; i++) {
		for (int j = 0; j < FE8_LIMBS; j++)
			column[i + j] = _mm512_madd52lo_epu64(column[i + j], a.limb[i], b.limb[j]);
	}
	return fe8_fold(column);
}

/*
 * a^2 of a narrow element, as fe8_mul(a, a). Products of different limbs count twice; their high
 * halves four times, and what counts twice is added between two doublings.
 */
FE8_INLINE struct fe8 fe8_square(struct fe8 a)
{
	__m512i column[2 * FE8_LIMBS];

	for (int i = 0; i < 2 * FE8_LIMBS; i++)
		column[i] = _mm512_setzero_si512();
	for (int i = 0; i < FE8_LIMBS - 1; i++) {
		for (int j = i + 1; j < FE8_LIMBS; j++)
			column[i + j + 1] = _mm512_madd52hi_epu64(column[i + j + 1], a.limb[i],
								  a.limb[j]);
	}
	for (int i = 2; i < 2 * FE8_LIMBS - 1; i++)
		column[i] = _mm512_add_epi64(column[i], column[i]);
	for (int i = 0; i < FE8_LIMBS; i++)
		column[2 * i + 1] = _mm512_madd52hi_epu64(column[2 * i + 1], a.limb[i], a.limb[i]);
	for (int i = 0; i < FE8_LIMBS - 1; i++) {
		for (int j = i + 1; j < FE8_LIMBS; j++)
			column[i + j] = _mm512_madd52lo_epu64(column[i + j], a.limb[i], a.limb[j]);
	}
	for (int i = 1; i < 2 * FE8_LIMBS; i++)
		column[i] = _mm512_add_epi64(column[i], column[i]);
	for (int i = 0; i < FE8_LIMBS; i++)
		column[2 * i] = _mm512_madd52lo_epu64(column[2 * i], a.limb[i], a.limb[i]);
	return fe8_fold(column);
}

/* a + factor * b, of a product or narrow a, narrow b and a factor below 2^17; wide. */
FE8_INLINE struct fe8 fe8_add_small_mul(struct fe8 a, long long factor, struct fe8 b)
{
	const __m512i f = fe8_all(factor);
	__m512i column[FE8_LIMBS + 1];
	struct fe8 r;

	for (int i = 0; i < FE8_LIMBS; i++)
		column[i + 1] = _mm512_madd52hi_epu64(_mm512_setzero_si512(), b.limb[i], f);
	for (int i = 1; i < FE8_LIMBS; i++)
		column[i] = _mm512_add_epi64(column[i], column[i]);
	column[0] = _mm512_madd52lo_epu64(_mm512_setzero_si512(), column[FE8_LIMBS],
					  fe8_all(2 * FE8_FOLD));
	for (int i = 0; i < FE8_LIMBS; i++)
		r.limb[i] = _mm512_add_epi64(a.limb[i],
					     _mm512_madd52lo_epu64(column[i], b.limb[i], f));
	return r;
}

/* Carries from limb to limb; the last gives what is over 2^255. Limbs are below 2^51 then. */
FE8_INLINE __m512i fe8_carry_chain(struct fe8 *a)
{
	const __m512i mask = fe8_all(FE8_LIMB_MASK);
	__m512i carry = _mm512_setzero_si512();

	for (int i = 0; i < FE8_LIMBS; i++) {
		a->limb[i] = _mm512_add_epi64(a->limb[i], carry);
		carry = _mm512_srli_epi64(a->limb[i], FE8_LIMB_BITS);
		a->limb[i] = _mm512_and_si512(a->limb[i], mask);
	}
	return carry;
}

/* The representative below p of a narrow element, with limbs below 2^51. */
FE8_INLINE struct fe8 fe8_canonical(struct fe8 a)
{
	const __m512i fold = fe8_all(FE8_FOLD);
	__m512i over;

	/*
	 * A narrow element is below 2^255 + 2^220, so over is 0 or 1, and what remains is so small
	 * if it is 1 that the second chain ends below 2^255.
	 */
	over = fe8_carry_chain(&a);
	a.limb[0] = _mm512_madd52lo_epu64(a.limb[0], over, fold);
	(void)fe8_carry_chain(&a);
	/* a >= p if and only if a + 19 >= 2^255, and then a - p = a + 19 - 2^255. */
	over = fold;
	for (int i = 0; i < FE8_LIMBS; i++)
		over = _mm512_srli_epi64(_mm512_add_epi64(a.limb[i], over), FE8_LIMB_BITS);
	a.limb[0] = _mm512_madd52lo_epu64(a.limb[0], over, fold);
	(void)fe8_carry_chain(&a);
	return a;
}

/* Which lanes of a canonical element are not zero. */
FE8_INLINE __mmask8 fe8_not_zero(struct fe8 a)
{
	__m512i any = a.limb[0];

	for (int i = 1; i < FE8_LIMBS; i++)
		any = _mm512_or_si512(any, a.limb[i]);
	return _mm512_test_epi64_mask(any, any);
}

#endif
