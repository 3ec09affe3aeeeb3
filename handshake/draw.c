/*
 * A Feistel network over 32 bits with SipHash as its round function, which makes a permutation of
 * whatever that is (Luby and Rackoff, 1988: four rounds do against chosen inputs; halves of 16 bits
 * are short, so it is eight). Runs on the control thread.
 */
#include "handshake/draw.h"

#define ROUNDS 8

static uint32_t permuted(const struct cr_siphash_key *key, uint32_t in)
{
	uint16_t left = (uint16_t)(in >> 16), right = (uint16_t)in;

	for (uint8_t round = 0; round < ROUNDS; round++) {
		const uint8_t block[] = {round, (uint8_t)right, (uint8_t)(right >> 8)};
		uint16_t mixed = (uint16_t)(left ^ cr_siphash(key, block, sizeof(block)));

		left = right;
		right = mixed;
	}
	return (uint32_t)left << 16 | right;
}

void hs_draw_init(struct hs_draw *d, const struct cr_siphash_key *key, uint32_t n)
{
	d->key = *key;
	d->n = n;
}

uint32_t hs_draw_next(struct hs_draw *d)
{
	return permuted(&d->key, d->n++);
}
