/* The drawing that gives a number: draw.c backwards, written again from what its comment says. */
#ifndef TESTS_UNIT_HANDSHAKE_UNDRAW_H
#define TESTS_UNIT_HANDSHAKE_UNDRAW_H

#include "handshake/draw.h"

static inline uint32_t undraw(const struct hs_draw *d, uint32_t number)
{
	uint16_t left = (uint16_t)(number >> 16), right = (uint16_t)number;

	for (uint8_t round = 8; round-- > 0;) {
		const uint8_t block[] = {round, (uint8_t)left, (uint8_t)(left >> 8)};
		uint16_t before = (uint16_t)(right ^ cr_siphash(&d->key, block, sizeof(block)));

		right = left;
		left = before;
	}
	return (uint32_t)left << 16 | right;
}

/* From now on it draws this one and what comes after it. */
static inline void undraw_to(struct hs_draw *d, uint32_t number)
{
	d->n = undraw(d, number);
}

#endif
