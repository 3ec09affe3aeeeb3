/*
 * ChaCha20 (RFC 8439 section 2.4) sixteen blocks at a time, for any mix of packets. Inside crypto/:
 * the cipher of the "avx512" back end. Only where cr_cpu_avx512() (cpu.h) is true; one scratch
 * belongs to one thread.
 */
#ifndef CRYPTO_CHACHA20_AVX512_H
#define CRYPTO_CHACHA20_AVX512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define CR_CHACHA20_LANES	16
#define CR_CHACHA20_BLOCK_BYTES 64
#define CR_CHACHA20_PACKETS_MAX 64
#define CR_CHACHA20_SETS_MAX	(CR_CHACHA20_PACKETS_MAX / CR_CHACHA20_LANES)

/* Blocks of a text. */
static inline uint32_t cr_chacha20_blocks(uint32_t len_bytes)
{
	return (len_bytes + CR_CHACHA20_BLOCK_BYTES - 1) / CR_CHACHA20_BLOCK_BYTES;
}

/*
 * The words of the initial states that differ, a lane each: key, counter, and the second and third
 * word of the nonce (WireGuard's first is zero).
 */
struct cr_chacha20_rows {
	__m512i key[8];
	__m512i counter;
	__m512i nonce[2];
};

/*
 * Sixteen blocks. Lane i: the block with its row's counter plus counter, added to the 64 bytes at
 * src[i] + offset_bytes, goes to dst[i] + offset_bytes. The assembler code knows this layout.
 */
struct cr_chacha20_job {
	const struct cr_chacha20_rows *rows;
	const uint8_t *const *src;
	uint8_t *const *dst;
	uint64_t offset_bytes;
	uint32_t counter;
	uint32_t unused;
};

_Static_assert(sizeof(struct cr_chacha20_rows) == 704, "crypto/asm/chacha20.py: ROW");
_Static_assert(sizeof(struct cr_chacha20_job) == 40, "crypto/asm/chacha20.py: JOB_BYTES");

/* What the functions below put aside while they work: key stream. */
#define CR_CHACHA20_SPILL_BYTES (2 * 7 * 64)

/*
 * Does 2 * pairs jobs (pairs > 0), in order. The two places behind them need valid rows as well:
 * their states are loaded, nothing else. Vector registers are
 * not zeroed.
 */
void cr_chacha20_avx512_32(const struct cr_chacha20_job *jobs, size_t pairs, void *spill);

/* The same for n jobs one by one, which takes longer for two of them; reads none behind them. */
void cr_chacha20_avx512_16(const struct cr_chacha20_job *jobs, size_t n, void *spill);

/* Packets, the longest first. In unused places up to a multiple of 16, key is valid as well. */
struct cr_chacha20_packets {
	const uint8_t *key[CR_CHACHA20_PACKETS_MAX] __attribute__((aligned(64)));
	const uint8_t *src[CR_CHACHA20_PACKETS_MAX];
	uint8_t *dst[CR_CHACHA20_PACKETS_MAX];
	uint32_t counter_lo[CR_CHACHA20_PACKETS_MAX];
	uint32_t counter_hi[CR_CHACHA20_PACKETS_MAX];
	uint32_t len_bytes[CR_CHACHA20_PACKETS_MAX];
	unsigned int n;
};

#define CR_CHACHA20_JOBS_MAX   64
#define CR_CHACHA20_TABLES_MAX 32
#define CR_CHACHA20_MIXED_MAX  16

/* Where the lanes of one job are, if they are not where the packets are. */
struct cr_chacha20_table {
	const uint8_t *src[CR_CHACHA20_LANES];
	uint8_t *dst[CR_CHACHA20_LANES];
};

struct cr_chacha20_scratch {
	/* Secrets after use, until cr_chacha20_avx512_wipe(). */
	struct cr_chacha20_rows rows[CR_CHACHA20_SETS_MAX]; /* of 16 packets each */
	struct cr_chacha20_rows mixed[CR_CHACHA20_MIXED_MAX];
	/* First half: the one-time key of packet i, for Poly1305. */
	uint8_t one_time[CR_CHACHA20_PACKETS_MAX][CR_CHACHA20_BLOCK_BYTES];
	uint8_t tail[CR_CHACHA20_PACKETS_MAX][CR_CHACHA20_BLOCK_BYTES];
	uint8_t sink[CR_CHACHA20_BLOCK_BYTES];
	uint8_t spill[CR_CHACHA20_SPILL_BYTES];

	uint8_t zero[CR_CHACHA20_BLOCK_BYTES];
	const uint8_t *zero_src[CR_CHACHA20_LANES];
	uint8_t *one_time_dst[CR_CHACHA20_PACKETS_MAX];
	struct cr_chacha20_table tables[CR_CHACHA20_TABLES_MAX];
	struct cr_chacha20_job jobs[CR_CHACHA20_JOBS_MAX + 2];
	unsigned int n_tables;
	unsigned int n_mixed;
	unsigned int most_mixed;
	unsigned int n_jobs;
	uint64_t tails; /* bit i: packet i ends with a part of a block */
};

/* Once, in memory aligned to 64 and zeroed. */
void cr_chacha20_avx512_init(struct cr_chacha20_scratch *s);

/* Loads the packets' keys and counters; before the next two. */
void cr_chacha20_avx512_load(struct cr_chacha20_scratch *s, const struct cr_chacha20_packets *p);

/*
 * Block 0 of every packet to one_time (what & CR_CHACHA20_KEYS), src + key stream from block 1 on
 * to dst (what & CR_CHACHA20_TEXT).
 */
#define CR_CHACHA20_KEYS 1u
#define CR_CHACHA20_TEXT 2u
void cr_chacha20_avx512_run(struct cr_chacha20_scratch *s, const struct cr_chacha20_packets *p,
			    unsigned int what);

/* Zeroes what work on n packets has left in the scratch. */
void cr_chacha20_avx512_wipe(struct cr_chacha20_scratch *s, unsigned int n);

#endif
