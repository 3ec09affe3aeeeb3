/* XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha), for cookie replies. Any thread. From libsodium. */
#ifndef CRYPTO_XAEAD_H
#define CRYPTO_XAEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR_XNONCE_BYTES 24

/* dst gets len + 16 bytes. */
void cr_xseal(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
	      const uint8_t nonce[CR_XNONCE_BYTES], const uint8_t key[32]);

/* len is the plaintext length; src holds len + 16 bytes. False: bad tag, dst zeroed. */
bool cr_xopen(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
	      const uint8_t nonce[CR_XNONCE_BYTES], const uint8_t key[32]);

#endif
