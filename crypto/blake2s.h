/*
 * BLAKE2s (RFC 7693), HMAC over it (RFC 2104) and the KDF of Noise (HKDF, revision 34, 4.3). Any
 * thread. Time depends on lengths and numbers only. Nothing secret is left on the stack; outputs
 * are written after all inputs have been read.
 */
#ifndef CRYPTO_BLAKE2S_H
#define CRYPTO_BLAKE2S_H

#include <stddef.h>
#include <stdint.h>

#define CR_HASH_BYTES 32
#define CR_MAC_BYTES  16

struct cr_blake2s {
	uint32_t h[8];
	uint64_t counter_bytes;
	uint8_t block[64];
	uint32_t fill_bytes;
	uint32_t out_bytes;
};

/* out_bytes 1 to 32, key_bytes 0 to 32. */
void cr_blake2s_init(struct cr_blake2s *s, size_t out_bytes, const void *key, size_t key_bytes);
void cr_blake2s_update(struct cr_blake2s *s, const void *in, size_t len);
/* Writes out_bytes and wipes s. */
void cr_blake2s_final(struct cr_blake2s *s, uint8_t *out);

/* HASH(a || b): unkeyed, 32 bytes; b may be NULL with b_len 0. */
void cr_hash(uint8_t out[CR_HASH_BYTES], const void *a, size_t a_len, const void *b, size_t b_len);

/* MAC(key, in): keyed BLAKE2s, 16 bytes out. */
void cr_mac(uint8_t out[CR_MAC_BYTES], const void *key, size_t key_bytes, const void *in,
	    size_t len);

/* HMAC with unkeyed BLAKE2s-256. */
void cr_hmac(uint8_t out[CR_HASH_BYTES], const void *key, size_t key_bytes, const void *in,
	     size_t len);

/*
 * KDF1 to KDF3 of WireGuard: t1, t2, t3 from HMAC(ck, in). Outputs that are NULL are not made (t2
 * NULL: KDF1; t3 NULL: KDF2). An output may be ck itself.
 */
void cr_kdf(uint8_t t1[CR_HASH_BYTES], uint8_t t2[CR_HASH_BYTES], uint8_t t3[CR_HASH_BYTES],
	    const uint8_t ck[CR_HASH_BYTES], const void *in, size_t len);

/*
 * Many at once. Each call takes n jobs (0 to any number), independent of each other, and gives for
 * each what the function above gives. Jobs of one call may differ in everything: lengths, keys,
 * outputs. They may share keys and inputs; a job's outputs may overlap its own inputs and key, but
 * not its own other outputs, nor anything of another job. No alignment and no room is needed:
 * nothing outside the buffers is read or written. Pointers to nothing (length 0) may be NULL.
 *
 * Where the CPU has AVX-512 (cpu.h), 32 jobs or more cost a sixth or less of what they cost one
 * after the other, a few jobs still a half; multiples of 32 are best. Jobs are sorted by length
 * inside, so mixing costs little; one key for all (the same pointer) is faster still. Inputs over
 * 2 KiB, and everything on other CPUs, go one after the other.
 */

/*
 * a || b into out_bytes (1 to 32) at out, keyed if key_bytes (0 to 32) is not 0. So cr_hash() is
 * {.out, .out_bytes = CR_HASH_BYTES, .a, .a_len, .b, .b_len}, and cr_mac() is
 * {.out, .out_bytes = CR_MAC_BYTES, .key, .key_bytes, .a, .a_len}.
 */
struct cr_hash_job {
	uint8_t *out;
	const void *key;
	const void *a;
	const void *b;
	size_t a_len;
	size_t b_len;
	uint32_t key_bytes;
	uint32_t out_bytes;
};

void cr_hash_batch(const struct cr_hash_job *jobs, size_t n);

/* HMAC(key, a || b). Here a key may have any length, and out_bytes is CR_HASH_BYTES. */
void cr_hmac_batch(const struct cr_hash_job *jobs, size_t n);

/* The arguments of cr_kdf(). */
struct cr_kdf_job {
	uint8_t *t1;
	uint8_t *t2;
	uint8_t *t3;
	const uint8_t *ck;
	const void *in;
	size_t len;
};

void cr_kdf_batch(const struct cr_kdf_job *jobs, size_t n);

#endif
