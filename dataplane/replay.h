/*
 * The anti-replay window (RFC 6479): a ring of 8192 bits of which 8128 are effective. Header only,
 * under the session's lock, and only for packets whose tag was right. protocol: whitepaper 5.4.6.
 */
#ifndef DATAPLANE_REPLAY_H
#define DATAPLANE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

#include "handshake/wire.h"

#define DP_REPLAY_BITS	 8192
#define DP_REPLAY_WORDS	 (DP_REPLAY_BITS / 64)
#define DP_REPLAY_WINDOW (DP_REPLAY_BITS - 64)

/* Zeroed: nothing seen yet. */
struct dp_replay {
	uint64_t next; /* greatest accepted + 1; 0: none */
	uint64_t bits[DP_REPLAY_WORDS];
};

/* Where a counter's bit is, to be fetched ahead. */
static inline const void *dp_replay_place(const struct dp_replay *r, uint64_t counter)
{
	return &r->bits[counter / 64 % DP_REPLAY_WORDS];
}

/* Is the counter new and within the window? Then it is marked. */
static inline bool dp_replay_accept(struct dp_replay *r, uint64_t counter)
{
	uint64_t word = counter / 64;
	uint64_t bit = UINT64_C(1) << (counter % 64);
	uint64_t *at = &r->bits[word % DP_REPLAY_WORDS];

	if (counter >= WG_REJECT_AFTER_MESSAGES)
		return false;
	if (counter >= r->next) {
		/* Words between the old and the new maximum have not been seen: clear them. */
		uint64_t top = r->next == 0 ? 0 : (r->next - 1) / 64;
		uint64_t steps = word - top;

		if (steps > DP_REPLAY_WORDS)
			steps = DP_REPLAY_WORDS;
		for (uint64_t i = 1; i <= steps; i++)
			r->bits[(top + i) % DP_REPLAY_WORDS] = 0;
		r->next = counter + 1;
	} else if (r->next - 1 - counter > DP_REPLAY_WINDOW) {
		return false;
	}
	if (*at & bit)
		return false;
	*at |= bit;
	return true;
}

#endif
