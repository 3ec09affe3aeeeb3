/*
 * Numbers modulo 2^130 - 5 for the tests, in five limbs of 26 bits: plain, not in constant time,
 * and always reduced to the least. Slow and short on purpose.
 */
#ifndef TESTS_UNIT_CRYPTO_POLY_NUM_H
#define TESTS_UNIT_CRYPTO_POLY_NUM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NUM_LIMBS 5
#define NUM_BITS  26
#define NUM_MASK  ((UINT64_C(1) << NUM_BITS) - 1)

struct num {
	uint64_t limb[NUM_LIMBS];
};

/* What is above bit 130 comes back times 5. */
static inline uint64_t num_carry(struct num *a)
{
	uint64_t carry = 0;

	for (int i = 0; i < NUM_LIMBS; i++) {
		a->limb[i] += carry;
		carry = a->limb[i] >> NUM_BITS;
		a->limb[i] &= NUM_MASK;
	}
	return carry;
}

static inline struct num num_reduce(struct num a)
{
	struct num over;

	for (int i = 0; i < 3; i++)
		a.limb[0] += 5 * num_carry(&a);
	num_carry(&a);
	/* a + 5 reaches 2^130 exactly if a isn't below 2^130 - 5. */
	over = a;
	over.limb[0] += 5;
	return num_carry(&over) ? over : a;
}

static inline struct num num_add(struct num a, struct num b)
{
	for (int i = 0; i < NUM_LIMBS; i++)
		a.limb[i] += b.limb[i];
	return num_reduce(a);
}

/* a - b, by way of a + 2 (2^130 - 5) - b. */
static inline struct num num_sub(struct num a, struct num b)
{
	for (int i = 0; i < NUM_LIMBS; i++)
		a.limb[i] += 2 * (i ? NUM_MASK : NUM_MASK - 4) - b.limb[i];
	return num_reduce(a);
}

static inline struct num num_mul(struct num a, struct num b)
{
	struct num c = {{0}};

	for (int i = 0; i < NUM_LIMBS; i++) {
		for (int j = 0; j < NUM_LIMBS; j++)
			c.limb[(i + j) % NUM_LIMBS] += a.limb[i] * b.limb[j] *
						       (i + j < NUM_LIMBS ? 1 : 5);
	}
	return num_reduce(c);
}

/* a^(2^130 - 7), which is 1/a. Of the 130 bits of that exponent, bits 1 and 2 are zero. */
static inline struct num num_inverse(struct num a)
{
	struct num x = {{1}};

	for (int bit = 129; bit >= 0; bit--) {
		x = num_mul(x, x);
		if (bit != 1 && bit != 2)
			x = num_mul(x, a);
	}
	return x;
}

/* Bit `bit` of the number, and of one with that bit alone. */
static inline bool num_bit(struct num a, int bit)
{
	return a.limb[bit / NUM_BITS] >> bit % NUM_BITS & 1;
}

static inline struct num num_power_of_2(int bit)
{
	struct num a = {{0}};

	a.limb[bit / NUM_BITS] = UINT64_C(1) << bit % NUM_BITS;
	return a;
}

/* Little-endian, len at most 16 bytes; num_store() drops what is above bit 128. */
static inline struct num num_load(const uint8_t *in, size_t len)
{
	struct num a = {{0}};

	for (int bit = 0; bit < 8 * (int)len; bit++) {
		if (in[bit / 8] >> bit % 8 & 1)
			a.limb[bit / NUM_BITS] |= UINT64_C(1) << bit % NUM_BITS;
	}
	return a;
}

static inline void num_store(uint8_t out[16], struct num a)
{
	memset(out, 0, 16);
	for (int bit = 0; bit < 128; bit++)
		out[bit / 8] |= (uint8_t)(num_bit(a, bit) << bit % 8);
}

/* A one-time key's r: RFC 8439 section 2.5. */
static inline struct num num_r(const uint8_t once[32])
{
	uint8_t r[16];

	memcpy(r, once, 16);
	for (int i = 3; i < 16; i += 4)
		r[i] &= 15;
	for (int i = 4; i < 16; i += 4)
		r[i] &= 252;
	return num_load(r, 16);
}

#endif
