/*
 * What wgdp-bench compares the burst AEAD with: other libraries, called directly, as well as they
 * can be called. One thread.
 */
#ifndef BENCH_CRYPTO_PEERS_H
#define BENCH_CRYPTO_PEERS_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/aead.h"

#define PEER_NONCE_BYTES 12

struct aead_load {
	const struct cr_packet *packets;
	const uint8_t (*nonces)[PEER_NONCE_BYTES]; /* of the packets, made beforehand */
	const unsigned int *keys; /* of the packets: which one of those at open() */
	unsigned int n;		  /* 1 to CR_BURST_MAX */
};

struct aead_peer {
	const char *name;
	/* NULL: this machine lacks it. keys: CR_BURST_MAX, with CR_KEY_BYTES of room behind. */
	void *(*open)(const uint8_t (*keys)[CR_KEY_BYTES]);
	void (*close)(void *state);
	/* False: a packet failed. */
	bool (*seal)(void *state, const struct aead_load *load);
	bool (*unseal)(void *state, const struct aead_load *load);
};

/*
 * ipsec-mb's IMB_SUBMIT_BURST_NOCHECK without copies of keys and without wiping; every status is
 * checked; what it opens has the tags compared by memcmp(), and stays as it is if they differ.
 */
extern const struct aead_peer peer_ipsec_mb_raw;
/* A call per packet. */
extern const struct aead_peer peer_libsodium;
/* OpenSSL's EVP with a context per key and direction that keeps the key; a nonce per packet. */
extern const struct aead_peer peer_openssl;

#endif
