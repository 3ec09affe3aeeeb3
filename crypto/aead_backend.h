/*
 * What a back end of the burst AEAD is. Inside crypto/ and its tests; callers use aead.h. A new
 * back end is one file with one of these, and a line in the table of aead.c.
 */
#ifndef CRYPTO_AEAD_BACKEND_H
#define CRYPTO_AEAD_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "crypto/aead.h"

/*
 * seal and open obey the contract of cr_seal_burst() and cr_open_burst() for n from 1 to
 * CR_BURST_MAX; aead.c has checked n. state is what state_new() gave: one thread's scratch. After a
 * burst it must hold no key, key stream, one-time key or computed tag, nor may the stack; nor the
 * vector registers, except after "ipsec-mb" (a library's code) and "reference" (compiled C).
 */
struct cr_aead_backend {
	const char *name;
	/* Has this CPU what it takes? */
	bool (*available)(void);
	/* NULL with errno. A back end without state leaves both NULL. */
	void *(*state_new)(void);
	void (*state_free)(void *state);
	uint64_t (*seal)(void *state, const struct cr_packet *packets, unsigned int n);
	uint64_t (*open)(void *state, const struct cr_packet *packets, unsigned int n);
};

extern const struct cr_aead_backend cr_aead_avx512;
extern const struct cr_aead_backend cr_aead_ref;
extern const struct cr_aead_backend cr_aead_ipsec_mb;
extern const struct cr_aead_backend cr_aead_avx2;

/* The i-th back end, fastest first, NULL past the last; on any CPU, so ask available(). For tests.
 */
const struct cr_aead_backend *cr_aead_backend_at(unsigned int i);

/*
 * State for cr_aead_ipsec_mb held to one of the library's instruction sets, an IMB_ARCH from
 * IMB_ARCH_SSE on, so that one machine can test them all. NULL with errno = ENOTSUP or ENOMEM.
 */
void *cr_ipsec_mb_state_new(int arch);

#endif
