/*
 * Poly1305 (RFC 8439 section 2.5) over many messages at once. Inside crypto/: the authenticator of
 * the "avx512" back end. Only where cr_cpu_avx512() (cpu.h) is true; any thread.
 *
 * Eight lanes of 64 bits make a group. A short message has one lane. A long one can have 2, 4 or 8:
 * each takes every 2nd, 4th, 8th chunk of 64 bytes, and their sums are put together at the end.
 */
#ifndef CRYPTO_POLY1305_AVX512_H
#define CRYPTO_POLY1305_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR_POLY1305_LANES	 8
#define CR_POLY1305_MESSAGES_MAX 64

/* The factors R, r^3, r^2, r by lane, as limbs 0, 1, 2 and 20 times limbs 1 and 2; the sums. */
struct cr_poly1305_lanes {
	__m512i factor[4][5];
	__m512i sum[3];
};

/* A chunk for every lane; the bit above each block (or none) of the chunks: top[block]. */
struct cr_poly1305_step {
	const uint8_t *chunk[CR_POLY1305_LANES];
	const __m512i *top;
	struct cr_poly1305_lanes *lanes;
	uint64_t unused[6];
} __attribute__((aligned(64)));

_Static_assert(sizeof(struct cr_poly1305_lanes) == 23 * 64, "crypto/asm/poly1305.py: SUM_AT");
_Static_assert(sizeof(struct cr_poly1305_step) == 128, "crypto/asm/poly1305.py: STEP_BYTES");

/*
 * n (> 0) times, sum = sum R + m0 r^3 + m1 r^2 + m2 r + m3 for the four blocks of each chunk.
 * Vector registers are not zeroed.
 */
void cr_poly1305_avx512_steps(const struct cr_poly1305_step *steps, size_t n);

#define CR_POLY1305_GROUPS_MAX (CR_POLY1305_MESSAGES_MAX / CR_POLY1305_LANES)
#define CR_POLY1305_STEPS_MAX  64
#define CR_POLY1305_TOPS_MAX   20

/* The eight messages, or fewer with several lanes each, that are worked on together. */
struct cr_poly1305_group {
	struct cr_poly1305_lanes lanes;
	__m512i s[2];		      /* what is added at the end; then the tags */
	__m512i power[3][5];	      /* r^4, 8, 16, only for messages with several lanes */
	unsigned int first;	      /* message */
	unsigned int n;		      /* messages */
	unsigned int lanes_each_log2; /* 0 to 3 */
	bool only_tags;		      /* short messages: of the vectors only s is in use */
};

/* One thread's. The groups hold secrets after use: cr_poly1305_avx512_wipe(). */
struct cr_poly1305_scratch {
	struct cr_poly1305_group groups[3 * CR_POLY1305_GROUPS_MAX];
	unsigned int n_groups;
	__m512i top[CR_POLY1305_TOPS_MAX][4];
	struct cr_poly1305_step steps[CR_POLY1305_STEPS_MAX];
	__m512i words[2][8];
	unsigned int n_tops;
	unsigned int n_steps;
	uint8_t head[CR_POLY1305_MESSAGES_MAX][64] __attribute__((aligned(64)));
	uint8_t tail[CR_POLY1305_MESSAGES_MAX][64];
};

/*
 * Tags, as two words each, of n messages (1 to CR_POLY1305_MESSAGES_MAX) as the AEAD makes them
 * without AAD: padded text, then the lengths (RFC 8439 section 2.8). Message i has len_bytes[i] at
 * text[i] and its one-time key in the first half of keys[i], aligned to 32 bytes. They come sorted
 * by length, the longest first.
 */
void cr_poly1305_avx512_tags(struct cr_poly1305_scratch *scratch, uint64_t (*tags)[2],
			     const uint8_t *const *text, const uint32_t *len_bytes,
			     const uint8_t (*keys)[64], unsigned int n);

/*
 * The messages from first to n - 1, all of up to CR_POLY1305_SHORT_MAX_BYTES, for the above: adds
 * their groups to the scratch, and leaves their tags there.
 */
#define CR_POLY1305_SHORT_MAX_BYTES 112
void cr_poly1305_avx512_short(struct cr_poly1305_scratch *scratch, const uint8_t *const *text,
			      const uint32_t *len_bytes, const uint8_t (*keys)[64],
			      unsigned int first, unsigned int n);

/* Zeroes what of the scratch the last call has used for secrets. */
void cr_poly1305_avx512_wipe(struct cr_poly1305_scratch *scratch);

#endif
