/*
 * What became of the packets of one flow, by their sequence numbers: a window in which each number
 * that came is marked, so that a packet that comes twice is seen. Header only, one thread.
 */
#ifndef BENCH_LAB_SEQUENCE_H
#define BENCH_LAB_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Bits of the window: a power of two from 64 on, the same for all flows of a stream. */
#define LAB_WINDOW_MIN 64

enum lab_arrival {
	LAB_IN_ORDER,  /* greater than all before */
	LAB_REORDERED, /* came after a greater one, for the first time */
	LAB_DUPLICATE, /* came before */
	LAB_TOO_LATE,  /* before the window: whether it came before is not known */
};

struct lab_sequence {
	uint64_t next; /* greatest that came + 1; 0: none */
};

/*
 * A packet came, with the low 32 bits of its number; it is within 2^31 of the greatest one. bits:
 * the flow's window, all zero at first.
 */
static inline enum lab_arrival lab_sequence_arrive(struct lab_sequence *s, uint64_t *bits,
						   uint32_t window, uint32_t low)
{
	uint64_t number = s->next + (uint64_t)(int64_t)(int32_t)(low - (uint32_t)s->next);
	uint64_t at = number & (window - 1), bit = UINT64_C(1) << (at % 64);

	if (number >= s->next) {
		/* Those between did not come yet, and their bits are of numbers a window before. */
		if (number - s->next >= window)
			memset(bits, 0, window / 8);
		else
			for (uint64_t n = s->next; n < number; n++)
				bits[(n & (window - 1)) / 64] &= ~(UINT64_C(1)
								   << ((n & (window - 1)) % 64));
		bits[at / 64] |= bit;
		s->next = number + 1;
		return LAB_IN_ORDER;
	}
	if (s->next - number > window)
		return LAB_TOO_LATE;
	if (bits[at / 64] & bit)
		return LAB_DUPLICATE;
	bits[at / 64] |= bit;
	return LAB_REORDERED;
}

#endif
