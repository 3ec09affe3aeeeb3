/*
 * libsodium wants sodium_init() before its first use: it picks the code for this CPU. Every file of
 * crypto/ that calls libsodium calls sodium_ready() first, so nobody outside has to. Any thread.
 */
#ifndef CRYPTO_SODIUM_READY_H
#define CRYPTO_SODIUM_READY_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include <sodium.h>

/* After the first call one load. sodium_init() may be called again and from many threads. */
static inline void sodium_ready(void)
{
	static bool ready; /* written by whoever comes first, always with true */

	if (__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		return;
	if (sodium_init() < 0) {
		fprintf(stderr, "crypto: sodium_init() failed\n");
		abort();
	}
	__atomic_store_n(&ready, true, __ATOMIC_RELEASE);
}

#endif
