/* BLAKE2s (RFC 7693), HMAC over it (RFC 2104) and the KDF of Noise (HKDF, revision 34, 4.3). */
#ifndef CRYPTO_BLAKE2S_H
#define CRYPTO_BLAKE2S_H

#include <stddef.h>
#include <stdint.h>

#define CR_HASH_BYTES 32

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
void cr_mac(uint8_t out[16], const void *key, size_t key_bytes, const void *in, size_t len);

/* HMAC with unkeyed BLAKE2s-256. */
void cr_hmac(uint8_t out[CR_HASH_BYTES], const void *key, size_t key_bytes, const void *in,
	     size_t len);

/*
 * KDF1 to KDF3 of WireGuard: t1, t2, t3 from HMAC(ck, in). Outputs that are NULL are not made (t2
 * NULL: KDF1; t3 NULL: KDF2). An output may be ck itself.
 */
void cr_kdf(uint8_t t1[CR_HASH_BYTES], uint8_t t2[CR_HASH_BYTES], uint8_t t3[CR_HASH_BYTES],
	    const uint8_t ck[CR_HASH_BYTES], const void *in, size_t len);

#endif
