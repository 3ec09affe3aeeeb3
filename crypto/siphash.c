/* SipHash-2-4 from libsodium. Any thread. */
#include "crypto/siphash.h"

#include <sodium.h>

#include "crypto/ct.h"
#include "crypto/le.h"
#include "crypto/sodium_ready.h"

uint64_t cr_siphash(const struct cr_siphash_key *key, const void *in, size_t len)
{
	uint8_t k[crypto_shorthash_siphash24_KEYBYTES];
	uint8_t out[crypto_shorthash_siphash24_BYTES];

	sodium_ready();
	cr_store_le64(k, key->k0);
	cr_store_le64(k + 8, key->k1);
	(void)crypto_shorthash_siphash24(out, in, len, k);
	cr_wipe(k, sizeof(k));
	return cr_load_le64(out);
}
