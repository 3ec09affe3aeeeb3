/*
 * ChaCha20 blocks eight at a time with AVX2: a lane is one block of one packet, so a run of eight
 * may be eight packets, eight blocks of one, or any mixture. Inside crypto/; only where
 * cr_cpu_avx2() (cpu.h) is true. Each thread has its own structs.
 */
#ifndef CRYPTO_CHACHA20_AVX2_H
#define CRYPTO_CHACHA20_AVX2_H

#include <stdint.h>

#define CR_CHACHA_BLOCK_BYTES 64
#define CR_CHACHA_KEY_BYTES   32

/* Lanes that run together, and sets of so many that run interleaved. */
#define CR_AVX2_SET_LANES 8
#define CR_AVX2_SETS	  2

/*
 * How many lanes are listed before they run. The lists are written word by word and read as
 * vectors, which waits for the words to reach the cache, so it is done once for several sets.
 */
#define CR_AVX2_LANES 128

/* Nothing here is secret. */
struct cr_lanes_avx2 {
	_Alignas(32) uint32_t block[CR_AVX2_LANES];
	uint32_t counter_lo[CR_AVX2_LANES], counter_hi[CR_AVX2_LANES]; /* of the nonce */
	uint32_t len_bytes[CR_AVX2_LANES];			       /* of src and dst, 0 to 64 */
	uint32_t mask[CR_AVX2_LANES]; /* dst gets (src ^ key stream) & mask: 0 or UINT32_MAX */
	const uint8_t *key[CR_AVX2_LANES];
	const uint8_t *src[CR_AVX2_LANES];
	uint8_t *dst[CR_AVX2_LANES];
};

/* The first half of eight blocks: [word][lane]. */
struct cr_rows_avx2 {
	_Alignas(32) uint32_t word[8][CR_AVX2_SET_LANES];
};

/* Secret after cr_chacha20_avx2(); wiped by its owner. */
struct cr_chacha_avx2 {
	_Alignas(32) uint32_t keys[CR_AVX2_SETS][8][CR_AVX2_SET_LANES];
	uint32_t x[CR_AVX2_SETS][16][CR_AVX2_SET_LANES];
	uint8_t stream[CR_AVX2_SET_LANES][CR_CHACHA_BLOCK_BYTES];
};

/*
 * Runs the first n lanes of the lists, in order; dst may be src in each. Fills the lists up to a
 * multiple of 8. The first n_rows sets put the first halves of their blocks to rows too.
 */
void cr_chacha20_avx2(struct cr_chacha_avx2 *c, struct cr_lanes_avx2 *lanes, unsigned int n,
		      struct cr_rows_avx2 *rows, unsigned int n_rows);

/* dst = (src ^ stream) & mask over len bytes, 0 to 64. Reads and writes not a byte more. */
void cr_chacha20_xor_avx2(uint8_t *dst, const uint8_t *src, const uint8_t *stream, uint32_t len,
			  uint32_t mask);

#endif
