/* ChaCha20-Poly1305 of one message with AAD, from libsodium. Any thread. Bursts are in aead.c. */
#include "crypto/aead.h"

#include <sodium.h>

#include "crypto/ct.h"
#include "crypto/le.h"
#include "crypto/sodium_ready.h"

#define NONCE_BYTES 12

void cr_seal(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
	     uint64_t counter, const uint8_t key[CR_KEY_BYTES])
{
	uint8_t nonce[NONCE_BYTES] = {0};

	sodium_ready();
	cr_store_le64(nonce + 4, counter);
	(void)crypto_aead_chacha20poly1305_ietf_encrypt(dst, NULL, src, len, ad, ad_len, NULL,
							nonce, key);
}

bool cr_open(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
	     uint64_t counter, const uint8_t key[CR_KEY_BYTES])
{
	uint8_t nonce[NONCE_BYTES] = {0};

	sodium_ready();
	cr_store_le64(nonce + 4, counter);
	if (crypto_aead_chacha20poly1305_ietf_decrypt_detached(dst, NULL, src, len, src + len, ad,
							       ad_len, nonce, key) == 0)
		return true;
	if (len > 0)
		cr_wipe(dst, len);
	return false;
}
