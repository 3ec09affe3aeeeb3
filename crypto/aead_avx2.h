/*
 * The work of the "avx2" back end (aead_avx2.c): bursts with AVX2, all packets of a burst together.
 * Inside crypto/; only where cr_cpu_avx2() (cpu.h) is true. Each thread has its own struct.
 */
#ifndef CRYPTO_AEAD_AVX2_H
#define CRYPTO_AEAD_AVX2_H

#include "crypto/aead.h"
#include "crypto/chacha20_avx2.h"
#include "crypto/poly1305_avx2.h"

/* Lanes of the first run of an open, past those of the one-time keys. */
#define CR_AVX2_EARLY_MAX (CR_AVX2_SETS * CR_AVX2_SET_LANES - 1)

struct cr_burst_avx2 {
	struct cr_lanes_avx2 lanes;
	struct cr_packet packets[CR_BURST_MAX]; /* longest first */
	uint8_t order[CR_BURST_MAX];		/* where in the burst they were */

	/* Secret from here on, until the end of a burst. */
	struct cr_chacha_avx2 chacha;
	struct cr_poly_avx2 poly;
	struct cr_rows_avx2 once[CR_BURST_MAX / CR_AVX2_SET_LANES]; /* one-time keys */
	uint64_t tag_lo[CR_BURST_MAX], tag_hi[CR_BURST_MAX];
	uint8_t early[CR_AVX2_EARLY_MAX][CR_CHACHA_BLOCK_BYTES]; /* key stream */
};

/* As cr_seal_burst() and cr_open_burst() (aead.h), for 1 to CR_BURST_MAX packets. */
uint64_t cr_seal_avx2(struct cr_burst_avx2 *b, const struct cr_packet *packets, unsigned int n);
uint64_t cr_open_avx2(struct cr_burst_avx2 *b, const struct cr_packet *packets, unsigned int n);

#endif
