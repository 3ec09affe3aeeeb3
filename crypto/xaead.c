/* XChaCha20-Poly1305 from libsodium. Any thread. */
#include "crypto/xaead.h"

#include <sodium.h>

#include "crypto/ct.h"
#include "crypto/sodium_ready.h"

void cr_xseal(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
	      const uint8_t nonce[CR_XNONCE_BYTES], const uint8_t key[32])
{
	sodium_ready();
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(dst, NULL, src, len, ad, ad_len, NULL,
							 nonce, key);
}

bool cr_xopen(uint8_t *dst, const uint8_t *src, size_t len, const uint8_t *ad, size_t ad_len,
	      const uint8_t nonce[CR_XNONCE_BYTES], const uint8_t key[32])
{
	sodium_ready();
	if (crypto_aead_xchacha20poly1305_ietf_decrypt_detached(dst, NULL, src, len, src + len, ad,
								ad_len, nonce, key) == 0)
		return true;
	if (len > 0)
		cr_wipe(dst, len);
	return false;
}
