/*
 * Numbers for our indices: unpredictable, and none comes again before all 2^32 have come. A peer
 * names a session by its index only; were an index given anew soon after its session has gone, a
 * packet that was long under way would reach a session that it was not meant for. For files of this
 * directory.
 */
#ifndef HANDSHAKE_DRAW_H
#define HANDSHAKE_DRAW_H

#include <stdint.h>

#include "crypto/siphash.h"

/* A keyed permutation of a counter: who does not know the key can't tell which number is next. */
struct hs_draw {
	struct cr_siphash_key key;
	uint32_t n;
};

/* The key must be random, n should be: where it begins. */
void hs_draw_init(struct hs_draw *d, const struct cr_siphash_key *key, uint32_t n);
uint32_t hs_draw_next(struct hs_draw *d);

#endif
