/*
 * Bursts of packets for the tests of the AEAD, with the right answers from libsodium. Packets and
 * keys lie in one arena, in any order and alignment; what a burst must leave of the whole arena is
 * known to the byte, so a byte too many or too few anywhere shows.
 */
#ifndef TESTS_UNIT_CRYPTO_BURST_H
#define TESTS_UNIT_CRYPTO_BURST_H

#include <stdbool.h>

#include "tests/unit/crypto/variants.h"

#define BURST_PIECES_MAX (3 * CR_BURST_MAX + 1)

/* What a packet is forged by: burst_forge(). */
enum forgery {
	FORGED_TAG_BIT,	     /* any bit of the tag */
	FORGED_TAG_TWICE,    /* the same bit in both halves, which cancel if added or xored */
	FORGED_TAG_ZERO,     /* all of it */
	FORGED_TAG_OF_OTHER, /* the tag of the next packet */
	FORGED_FIRST,	     /* the first byte of the text, and so on */
	FORGED_LAST,	     /* its last byte */
	FORGED_MIDDLE,	     /* any byte */
	FORGED_LAST_BLOCK,   /* the first byte of its last 16 or fewer */
	FORGED_BLOCK_END,    /* the last byte of a block of 16 */
	FORGED_COLUMN,	     /* the first or last byte of a block of 64 */
	FORGED_COUNTER_BIT,
	FORGED_COUNTER_NEXT,
	FORGED_KEY,
	FORGED_LEN_LESS, /* by one byte, so that the tag is read from a byte before it */
	FORGED_LEN_MORE,
	FORGERIES,
};

struct burst {
	unsigned int n;
	struct cr_packet seal[CR_BURST_MAX], open[CR_BURST_MAX];
	uint64_t good; /* what open must return */

	/* Before burst_lay(): what the packets are. */
	uint32_t len[CR_BURST_MAX];
	uint64_t counter[CR_BURST_MAX];
	unsigned int key[CR_BURST_MAX]; /* packet i has the key_at[key[i]] */
	unsigned int n_keys;
	uint8_t keys[CR_BURST_MAX][CR_KEY_BYTES];
	bool in_place[CR_BURST_MAX];

	/* The arena that packets point into, and what of it must be before and after. */
	size_t used;
	uint8_t *arena, *seal_in, *seal_out, *open_in, *open_out;
	size_t src_at[CR_BURST_MAX], dst_at[CR_BURST_MAX], key_at[CR_BURST_MAX], wrong_key_at;
};

/* Zero, and then burst_make() or burst_make_equal() as often as wanted; burst_free() at the end. */
void burst_init(struct burst *b);
void burst_free(struct burst *b);

/* n packets of any kind, all good. */
void burst_make(struct burst *b, uint64_t *seed, unsigned int n);

/* The same with all of one length. */
void burst_make_equal(struct burst *b, uint64_t *seed, unsigned int n, uint32_t len);

/* The right answers again, after a test has changed texts in seal_in; all packets are good. */
void burst_answer(struct burst *b);

/* All packets good again. */
void burst_mend(struct burst *b);

/* Forges packet i, which was good. What a text too short has no place for goes to the tag. */
void burst_forge(struct burst *b, uint64_t *seed, unsigned int i, enum forgery how);

/* Flips a bit of packet i's text or, from bit 8 * len on, of its tag. */
void burst_flip(struct burst *b, unsigned int i, size_t bit);

/* Which of n packets are to fail: none, all, every other, one, or any. */
uint64_t burst_pick_bad(uint64_t *seed, unsigned int n);

/* Seals or opens; is everything as known? */
bool burst_seals_right(struct burst *b, const struct variant *v);
bool burst_opens_right(struct burst *b, const struct variant *v);

/* The same; fails the test, with what is wrong in the output, if anything is not as known. */
void burst_check_seal(struct burst *b, const struct variant *v);
void burst_check_open(struct burst *b, const struct variant *v);

/* libsodium's verdict on every packet is that of the burst. */
void burst_check_libsodium(const struct burst *b);

/*
 * How much less a test has to do, because it runs with a sanitizer or in valgrind: 1, or
 * BURST_SLOW_DIVISOR, which is then said in the output.
 */
#define BURST_SLOW_DIVISOR 20
unsigned int burst_divisor(void);

#endif
