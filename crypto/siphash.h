/* SipHash-2-4 (Aumasson and Bernstein, 2012), for tables that an attacker can fill. */
#ifndef CRYPTO_SIPHASH_H
#define CRYPTO_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct cr_siphash_key {
	uint64_t k0, k1;
};

/* From libsodium (crypto_shorthash); a key is 16 random bytes. Any thread. */
uint64_t cr_siphash(const struct cr_siphash_key *key, const void *in, size_t len);

#endif
