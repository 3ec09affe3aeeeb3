/*
 * Poly1305 tags of RFC 8439, section 2.8 (without AAD) for up to eight packets at a time with AVX2:
 * a lane is a packet. Inside crypto/; only where cr_cpu_avx2() (cpu.h) is true. Each thread has its
 * own structs.
 */
#ifndef CRYPTO_POLY1305_AVX2_H
#define CRYPTO_POLY1305_AVX2_H

#include <stdint.h>

#include "crypto/chacha20_avx2.h"

/* Lanes of a vector, and groups of so many texts that are done together. */
#define CR_POLY_LANES_AVX2  4
#define CR_POLY_GROUPS_AVX2 2
#define CR_POLY_TEXTS_AVX2  (CR_POLY_GROUPS_AVX2 * CR_POLY_LANES_AVX2)

/* Blocks of 16 bytes that are taken in one step, and powers of r for that. */
#define CR_POLY_STEP_BLOCKS 4
#define CR_POLY_STEP_BYTES  64

/* A number is limbs of 26 bits; as a factor it has limbs 1 to 4 times 5 as well. */
#define CR_POLY_LIMBS	5
#define CR_POLY_FACTORS 9

struct cr_poly_group {
	_Alignas(32) uint64_t power[CR_POLY_STEP_BLOCKS][CR_POLY_FACTORS][CR_POLY_LANES_AVX2];
	uint64_t h[CR_POLY_LIMBS][CR_POLY_LANES_AVX2];
	/* First and last step of each lane, where a step of it is not just bytes of the text. */
	uint8_t head[CR_POLY_LANES_AVX2][CR_POLY_STEP_BYTES];
	uint8_t tail[CR_POLY_LANES_AVX2][CR_POLY_STEP_BYTES];
};

/* Secret after a call; wiped by its owner. */
struct cr_poly_avx2 {
	struct cr_poly_group group[CR_POLY_GROUPS_AVX2];
};

struct cr_poly_text {
	const uint8_t *at;
	uint32_t len_bytes;
};

/*
 * The tags of n texts, 1 to CR_POLY_TEXTS_AVX2, the longest first: low and high halves, of which
 * whole groups are written. Text i has the one-time key of lane i. Groups that have no text are not
 * used. Time: as if every text of a group were as long as its longest.
 */
void cr_poly1305_avx2(struct cr_poly_avx2 *p, const struct cr_rows_avx2 *keys,
		      const struct cr_poly_text text[CR_POLY_TEXTS_AVX2], unsigned int n,
		      uint64_t lo[CR_POLY_TEXTS_AVX2], uint64_t hi[CR_POLY_TEXTS_AVX2]);

#endif
