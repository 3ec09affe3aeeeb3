/*
 * The portable ChaCha20-Poly1305 of RFC 8439 behind the "reference" back end. Inside crypto/ and
 * its tests: the vectors of the RFC have AAD and nonces that bursts don't. Any thread, constant
 * time.
 */
#ifndef CRYPTO_AEAD_REF_H
#define CRYPTO_AEAD_REF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Section 2.4; dst == src is allowed. */
void cr_ref_chacha20(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t key[32],
		     const uint8_t nonce[12], uint32_t block);

/* Section 2.5. */
void cr_ref_poly1305(uint8_t tag[16], const uint8_t *in, size_t len, const uint8_t key[32]);

/* Section 2.8. dst gets len + 16 bytes; dst == src is allowed. */
void cr_ref_seal(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
		 const uint8_t nonce[12], const uint8_t key[32]);

/* src holds len + 16 bytes. False: bad tag, dst zeroed, in the same time. */
bool cr_ref_open(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
		 const uint8_t nonce[12], const uint8_t key[32]);

#endif
