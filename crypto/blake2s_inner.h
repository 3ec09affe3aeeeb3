/*
 * What the single BLAKE2s and the sixteen-way one have in common: the constants of RFC 7693 and
 * RFC 2104, and the single compression. Inside crypto/ and its tests; callers use blake2s.h.
 */
#ifndef CRYPTO_BLAKE2S_INNER_H
#define CRYPTO_BLAKE2S_INNER_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/blake2s.h"

#define CR_B2S_BLOCK_BYTES 64
#define CR_B2S_ROUNDS	   10

/* RFC 2104: what a key is XORed with, for the inner and the outer hash. */
#define CR_HMAC_IPAD 0x36
#define CR_HMAC_OPAD 0x5c

/* RFC 7693 section 2.6. */
static const uint32_t cr_b2s_iv[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

/* RFC 7693 section 2.7. */
static const uint8_t cr_b2s_sigma[CR_B2S_ROUNDS][16] = {
	{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
	{14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
	{11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
	{7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
	{9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
	{2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
	{12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
	{13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
	{6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
	{10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

/*
 * The first word of the parameter block, to be XORed to the first word of the IV: depth 1, fanout
 * 1, key length, digest length (RFC 7693 section 2.5). The others are zero.
 */
static inline uint32_t cr_b2s_param(size_t key_bytes, size_t out_bytes)
{
	return 0x01010000 ^ (uint32_t)key_bytes << 8 ^ (uint32_t)out_bytes;
}

/*
 * RFC 7693 section 3.2. counter_bytes counts this block already. last: all ones for the final
 * block, else 0. Leaves message and state on the stack below its caller.
 */
void cr_b2s_compress(uint32_t h[8], const uint8_t block[CR_B2S_BLOCK_BYTES], uint64_t counter_bytes,
		     uint32_t last);

/* The state of keyed BLAKE2s after the block of the key, of which more has to follow. */
void cr_b2s_key_state(uint32_t h[8], size_t out_bytes, const void *key, size_t key_bytes);

/* One job of cr_hash_batch() or cr_hmac_batch(), on its own. */
void cr_hash_one(const struct cr_hash_job *job);
void cr_hmac_one(const struct cr_hash_job *job);

#endif
