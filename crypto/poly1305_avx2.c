/*
 * Poly1305 (RFC 8439, section 2.5) with AVX2, one packet to a lane of 64 bits. No branch and no
 * index depends on a secret; lengths are not. A thread's own structs.
 *
 * Numbers are five limbs of 26 bits, so that products of limbs fit a lane and many can be added.
 * A step takes four blocks: h = (h + m0) r^4 + m1 r^3 + m2 r^2 + m3 r, and carries once.
 *
 * The texts are aligned at their ends: a shorter one has blocks of nothing before it, which leave
 * its h at 0, so texts of any lengths share a group. The last block of a text is that of the
 * lengths, the same for all.
 */
#include "crypto/poly1305_avx2.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stddef.h>

#include "crypto/le.h"

#define INLINE static inline __attribute__((always_inline))

#define LIMBS	    CR_POLY_LIMBS
#define LIMB_BITS   26
#define LIMB_MASK   ((1 << LIMB_BITS) - 1)
#define BLOCK_BYTES 16

/* 2^128, which every block has on top, in the highest limb. */
#define TOP_BIT (1 << (128 - 4 * LIMB_BITS))

struct number {
	__m256i limb[LIMBS];
};

/* The blocks of a group of texts. A step is four of them. */
struct blocks {
	uint32_t steps;				 /* of the longest text */
	uint32_t whole_from;			 /* the first step that is whole blocks of all */
	uint32_t first;				 /* the first block that a text has */
	uint32_t empty[CR_POLY_LANES_AVX2];	 /* blocks of nothing before a text */
	uint32_t lane_steps[CR_POLY_LANES_AVX2]; /* steps that a text is in */
};

static const uint8_t nothing[CR_POLY_STEP_BYTES];

/* From place 16 - n on: what moves the last n bytes of 16 to the front, with zeroes behind. */
static const uint8_t to_front[2 * BLOCK_BYTES] = {
	0,    1,    2,	  3,	4,    5,    6,	  7,	8,    9,    10,
	11,   12,   13,	  14,	15,   0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
	0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
};

INLINE __m256i load(const void *p)
{
	return _mm256_loadu_si256(p);
}

INLINE void store(void *p, __m256i x)
{
	_mm256_storeu_si256(p, x);
}

INLINE __m128i load16(const uint8_t *p)
{
	return _mm_loadu_si128((const void *)p);
}

INLINE __m256i all(int64_t x)
{
	return _mm256_set1_epi64x(x);
}

/* 128 bits as limbs. */
INLINE struct number split(__m256i lo, __m256i hi)
{
	const __m256i mask = all(LIMB_MASK);
	__m256i middle = _mm256_or_si256(_mm256_srli_epi64(lo, 52), _mm256_slli_epi64(hi, 12));
	struct number n;

	n.limb[0] = _mm256_and_si256(lo, mask);
	n.limb[1] = _mm256_and_si256(_mm256_srli_epi64(lo, 26), mask);
	n.limb[2] = _mm256_and_si256(middle, mask);
	n.limb[3] = _mm256_and_si256(_mm256_srli_epi64(hi, 14), mask);
	n.limb[4] = _mm256_srli_epi64(hi, 40);
	return n;
}

/* A block of each of four lanes, without its top bit. */
INLINE struct number load_block(const uint8_t *const at[4], size_t offset)
{
	__m256i x, y;

	x = _mm256_inserti128_si256(_mm256_castsi128_si256(load16(at[0] + offset)),
				    load16(at[2] + offset), 1);
	y = _mm256_inserti128_si256(_mm256_castsi128_si256(load16(at[1] + offset)),
				    load16(at[3] + offset), 1);
	return split(_mm256_unpacklo_epi64(x, y), _mm256_unpackhi_epi64(x, y));
}

/* d += limb i of a factor, 2^(26 i), times n. What is at 2^130 or above comes back times 5. */
INLINE void multiply_limb(struct number *d, const struct number *n,
			  const uint64_t factor[CR_POLY_FACTORS][CR_POLY_LANES_AVX2], const int i)
{
	const __m256i f = load(factor[i]), f5 = load(factor[i == 0 ? 0 : LIMBS - 1 + i]);

	for (int j = 0; j < LIMBS; j++) {
		__m256i x = _mm256_mul_epu32(i + j < LIMBS ? f : f5, n->limb[j]);

		d->limb[(i + j) % LIMBS] = _mm256_add_epi64(d->limb[(i + j) % LIMBS], x);
	}
}

/* d += n * factor. With limbs of n below 2^28 and twenty products to a sum nothing overflows. */
INLINE void multiply_add(struct number *d, const struct number *n,
			 const uint64_t factor[CR_POLY_FACTORS][CR_POLY_LANES_AVX2])
{
	multiply_limb(d, n, factor, 0);
	multiply_limb(d, n, factor, 1);
	multiply_limb(d, n, factor, 2);
	multiply_limb(d, n, factor, 3);
	multiply_limb(d, n, factor, 4);
}

INLINE __m256i times5(__m256i x)
{
	return _mm256_add_epi64(x, _mm256_slli_epi64(x, 2));
}

/* Moves what limb i has above its 26 bits to limb i + 1. */
INLINE void carry(struct number *n, const int i)
{
	__m256i over = _mm256_srli_epi64(n->limb[i], LIMB_BITS);

	n->limb[i] = _mm256_and_si256(n->limb[i], all(LIMB_MASK));
	if (i == LIMBS - 1)
		n->limb[0] = _mm256_add_epi64(n->limb[0], times5(over));
	else
		n->limb[i + 1] = _mm256_add_epi64(n->limb[i + 1], over);
}

/* Brings sums of products to 26 bits a limb; limbs 1 and 4 may have a bit more. */
INLINE void reduce(struct number *n)
{
	carry(n, 0);
	carry(n, 3);
	carry(n, 1);
	carry(n, 4);
	carry(n, 2);
	carry(n, 0);
	carry(n, 3);
}

INLINE struct number zero(void)
{
	struct number n;

	for (int i = 0; i < LIMBS; i++)
		n.limb[i] = _mm256_setzero_si256();
	return n;
}

/* As a factor of multiply_add(). */
INLINE void store_power(struct cr_poly_group *p, int power, const struct number *n)
{
	for (int i = 0; i < LIMBS; i++)
		store(p->power[power - 1][i], n->limb[i]);
	for (int i = 1; i < LIMBS; i++)
		store(p->power[power - 1][LIMBS - 1 + i], times5(n->limb[i]));
}

/* r^power = n * r^by */
INLINE struct number make_power(struct cr_poly_group *p, int power, const struct number *n, int by)
{
	struct number d = zero();

	multiply_add(&d, n, p->power[by - 1]);
	reduce(&d);
	store_power(p, power, &d);
	return d;
}

/* Words 2i and 2i + 1 of the keys of four lanes. */
INLINE __m256i key_words(const struct cr_rows_avx2 *keys, unsigned int lane, int i)
{
	__m256i lo = _mm256_cvtepu32_epi64(load16((const uint8_t *)&keys->word[2 * i][lane]));
	__m256i hi = _mm256_cvtepu32_epi64(load16((const uint8_t *)&keys->word[2 * i + 1][lane]));

	return _mm256_or_si256(lo, _mm256_slli_epi64(hi, 32));
}

/* The powers of r that steps of so many blocks need. */
INLINE void make_powers(struct cr_poly_group *p, const struct cr_rows_avx2 *keys, unsigned int lane,
			uint32_t blocks)
{
	struct number r, r2;

	r = split(_mm256_and_si256(key_words(keys, lane, 0), all(0x0ffffffc0fffffff)),
		  _mm256_and_si256(key_words(keys, lane, 1), all(0x0ffffffc0ffffffc)));
	store_power(p, 1, &r);
	r2 = make_power(p, 2, &r, 1);
	if (blocks <= 2)
		return;
	make_power(p, 3, &r2, 1);
	make_power(p, 4, &r2, 2);
}

/* The last len bytes of a text of 1 to 15, padded. */
INLINE __m128i load_short(const uint8_t *at, uint32_t len)
{
	uint64_t lo = 0, hi = 0;

	if (len >= 8) {
		lo = cr_load_le64(at);
		/* Bytes 8 to len - 1 at the top, then at the bottom; in two shifts, as len may
		 * be 8. */
		hi = cr_load_le64(at + len - 8) >> 8 * (15 - len) >> 8;
	} else if (len >= 4) {
		lo = cr_load_le32(at) | (uint64_t)cr_load_le32(at + len - 4) << 8 * (len - 4);
	} else {
		lo = at[0] | (uint64_t)at[len / 2] << 8 * (len / 2) |
		     (uint64_t)at[len - 1] << 8 * (len - 1);
	}
	return _mm_set_epi64x((int64_t)hi, (int64_t)lo);
}

/* The last block of a text of 1 byte or more, padded. */
INLINE __m128i load_last(const struct cr_poly_text *text)
{
	uint32_t len = text->len_bytes, rest = len % BLOCK_BYTES;

	if (len < BLOCK_BYTES)
		return load_short(text->at, len);
	if (rest == 0)
		rest = BLOCK_BYTES;
	return _mm_shuffle_epi8(load16(text->at + len - BLOCK_BYTES),
				load16(to_front + BLOCK_BYTES - rest));
}

/* Up to three blocks of text, and that of the lengths. */
INLINE void fill_tail(uint8_t tail[CR_POLY_STEP_BYTES], const struct cr_poly_text *text)
{
	uint32_t blocks = (text->len_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	__m128i block[3] = {_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128()};

	if (blocks > 0)
		block[2] = load_last(text);
	if (blocks > 1)
		block[1] = load16(text->at + (size_t)(blocks - 2) * BLOCK_BYTES);
	if (blocks > 2)
		block[0] = load16(text->at + (size_t)(blocks - 3) * BLOCK_BYTES);
	for (int i = 0; i < 3; i++)
		_mm_storeu_si128((void *)(tail + i * BLOCK_BYTES), block[i]);
	_mm_storeu_si128((void *)(tail + 3 * BLOCK_BYTES),
			 _mm_set_epi64x((int64_t)text->len_bytes, 0));
}

/* The first whole blocks of a text of more than a step, with empty ones before them. */
INLINE void fill_head(uint8_t head[CR_POLY_STEP_BYTES], const struct cr_poly_text *text,
		      uint32_t empty)
{
	const __m128i none = _mm_setzero_si128();

	for (uint32_t i = 0; i < CR_POLY_STEP_BLOCKS; i++)
		_mm_storeu_si128((void *)(head + i * BLOCK_BYTES),
				 i < empty ? none
					   : load16(text->at + (size_t)(i - empty) * BLOCK_BYTES));
}

static void set_blocks(struct blocks *b, struct cr_poly_group *p,
		       const struct cr_poly_text text[CR_POLY_LANES_AVX2])
{
	uint32_t blocks[CR_POLY_LANES_AVX2], most_empty = 0;

	for (int i = 0; i < CR_POLY_LANES_AVX2; i++) {
		blocks[i] = (text[i].len_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES + 1;
		b->lane_steps[i] = (blocks[i] + CR_POLY_STEP_BLOCKS - 1) / CR_POLY_STEP_BLOCKS;
	}
	/* Text 0 is the longest. */
	b->steps = b->lane_steps[0];
	b->first = b->steps * CR_POLY_STEP_BLOCKS - blocks[0];
	for (int i = 0; i < CR_POLY_LANES_AVX2; i++) {
		b->empty[i] = b->steps * CR_POLY_STEP_BLOCKS - blocks[i];
		if (b->empty[i] > most_empty)
			most_empty = b->empty[i];
		fill_tail(p->tail[i], &text[i]);
		if (b->lane_steps[i] > 1)
			fill_head(p->head[i], &text[i], b->empty[i] % CR_POLY_STEP_BLOCKS);
	}
	b->whole_from = (most_empty + CR_POLY_STEP_BLOCKS - 1) / CR_POLY_STEP_BLOCKS;
}

/* Where the lanes' bytes of a step are. */
INLINE void find_step(const uint8_t *at[CR_POLY_LANES_AVX2], const struct blocks *b,
		      const struct cr_poly_group *p,
		      const struct cr_poly_text text[CR_POLY_LANES_AVX2], uint32_t step)
{
	for (int i = 0; i < CR_POLY_LANES_AVX2; i++) {
		uint32_t before = b->steps - b->lane_steps[i];

		if (step + 1 == b->steps)
			at[i] = p->tail[i];
		else if (step < before)
			at[i] = nothing;
		else if (step == before)
			at[i] = p->head[i];
		else
			at[i] = text[i].at +
				((size_t)step * CR_POLY_STEP_BLOCKS - b->empty[i]) * BLOCK_BYTES;
	}
}

INLINE struct number load_h(const struct cr_poly_group *p)
{
	struct number h;

	for (int i = 0; i < LIMBS; i++)
		h.limb[i] = load(p->h[i]);
	return h;
}

INLINE void store_h(struct cr_poly_group *p, const struct number *h)
{
	for (int i = 0; i < LIMBS; i++)
		store(p->h[i], h->limb[i]);
}

/* d += block * r^power */
INLINE void add_block(struct number *d, const struct cr_poly_group *p,
		      const uint8_t *const at[CR_POLY_LANES_AVX2], const int power)
{
	struct number m = load_block(at, (size_t)(CR_POLY_STEP_BLOCKS - power) * BLOCK_BYTES);

	m.limb[4] = _mm256_or_si256(m.limb[4], all(TOP_BIT));
	multiply_add(d, &m, p->power[power - 1]);
}

/* Four blocks that all lanes have. */
INLINE void take_whole_step(struct cr_poly_group *p, const uint8_t *const at[CR_POLY_LANES_AVX2])
{
	struct number d = zero(), h = load_h(p), m = load_block(at, 0);

	add_block(&d, p, at, 3);
	add_block(&d, p, at, 2);
	add_block(&d, p, at, 1);
	/* Last, as h is the last to be known. */
	m.limb[4] = _mm256_or_si256(m.limb[4], all(TOP_BIT));
	for (int i = 0; i < LIMBS; i++)
		h.limb[i] = _mm256_add_epi64(h.limb[i], m.limb[i]);
	multiply_add(&d, &h, p->power[3]);
	reduce(&d);
	store_h(p, &d);
}

/* The blocks of a step from one on that a lane has. */
static void take_part_step(struct cr_poly_group *p, const uint8_t *const at[CR_POLY_LANES_AVX2],
			   const struct blocks *b, uint32_t step)
{
	const __m256i empty = _mm256_cvtepu32_epi64(load16((const uint8_t *)b->empty));
	struct number d = zero(), h = load_h(p);

	for (uint32_t k = step == 0 ? b->first : 0; k < CR_POLY_STEP_BLOCKS; k++) {
		const __m256i number = all(step * CR_POLY_STEP_BLOCKS + k);
		struct number m = load_block(at, (size_t)k * BLOCK_BYTES);
		/* Not before a text. */
		__m256i top = _mm256_andnot_si256(_mm256_cmpgt_epi64(empty, number), all(TOP_BIT));

		m.limb[4] = _mm256_or_si256(m.limb[4], top);
		/* h is 0 in a step that begins later than with block 0. */
		for (int i = 0; k == 0 && i < LIMBS; i++)
			m.limb[i] = _mm256_add_epi64(m.limb[i], h.limb[i]);
		multiply_add(&d, &m, p->power[CR_POLY_STEP_BLOCKS - 1 - k]);
	}
	reduce(&d);
	store_h(p, &d);
}

INLINE void take_step(struct cr_poly_group *p, const struct blocks *b,
		      const struct cr_poly_text text[CR_POLY_LANES_AVX2], uint32_t step)
{
	const uint8_t *at[CR_POLY_LANES_AVX2];

	find_step(at, b, p, text, step);
	if (step >= b->whole_from)
		take_whole_step(p, at);
	else
		take_part_step(p, at, b, step);
}

/* h mod 2^130 - 5, below it, plus the second half of the key, mod 2^128. */
static void finish(const struct cr_poly_group *p, __m256i s_lo, __m256i s_hi,
		   uint64_t lo[CR_POLY_LANES_AVX2], uint64_t hi[CR_POLY_LANES_AVX2])
{
	const __m256i sign = all(INT64_MIN);
	struct number h = load_h(p), g;
	__m256i less, x, y, over;

	for (int i = 0; i < LIMBS; i++)
		carry(&h, i);
	for (int i = 0; i < LIMBS - 1; i++)
		carry(&h, i);
	/* g = h + 5 - 2^130: negative if h is below 2^130 - 5. */
	g = h;
	g.limb[0] = _mm256_add_epi64(g.limb[0], all(5));
	for (int i = 0; i < LIMBS - 1; i++)
		carry(&g, i);
	g.limb[4] = _mm256_sub_epi64(g.limb[4], all(1 << LIMB_BITS));
	less = _mm256_cmpgt_epi64(_mm256_setzero_si256(), g.limb[4]);
	for (int i = 0; i < LIMBS; i++)
		h.limb[i] = _mm256_blendv_epi8(g.limb[i], h.limb[i], less);

	x = _mm256_or_si256(h.limb[0], _mm256_slli_epi64(h.limb[1], 26));
	x = _mm256_or_si256(x, _mm256_slli_epi64(h.limb[2], 52));
	y = _mm256_or_si256(_mm256_srli_epi64(h.limb[2], 12), _mm256_slli_epi64(h.limb[3], 14));
	y = _mm256_or_si256(y, _mm256_slli_epi64(h.limb[4], 40));
	x = _mm256_add_epi64(x, s_lo);
	over = _mm256_cmpgt_epi64(_mm256_xor_si256(s_lo, sign), _mm256_xor_si256(x, sign));
	y = _mm256_sub_epi64(_mm256_add_epi64(y, s_hi), over);
	store(lo, x);
	store(hi, y);
}

void cr_poly1305_avx2(struct cr_poly_avx2 *p, const struct cr_rows_avx2 *keys,
		      const struct cr_poly_text text[CR_POLY_TEXTS_AVX2], unsigned int n,
		      uint64_t lo[CR_POLY_TEXTS_AVX2], uint64_t hi[CR_POLY_TEXTS_AVX2])
{
	struct cr_poly_group *p0 = &p->group[0], *p1 = &p->group[1];
	const unsigned int lanes = CR_POLY_LANES_AVX2;
	const bool two = n > lanes;
	struct blocks b0, b1 = {0};
	const struct number h = zero();

	set_blocks(&b0, p0, text);
	make_powers(p0, keys, 0, b0.steps * CR_POLY_STEP_BLOCKS - b0.first);
	store_h(p0, &h);
	if (two) {
		set_blocks(&b1, p1, text + lanes);
		make_powers(p1, keys, lanes, b1.steps * CR_POLY_STEP_BLOCKS - b1.first);
		store_h(p1, &h);
	}
	/* In turns: neither waits for what it has just begun. */
	for (uint32_t step = 0; step < b0.steps; step++) {
		take_step(p0, &b0, text, step);
		if (step + b1.steps >= b0.steps)
			take_step(p1, &b1, text + lanes, step + b1.steps - b0.steps);
	}
	finish(p0, key_words(keys, 0, 2), key_words(keys, 0, 3), lo, hi);
	if (two)
		finish(p1, key_words(keys, lanes, 2), key_words(keys, lanes, 3), lo + lanes,
		       hi + lanes);
}
