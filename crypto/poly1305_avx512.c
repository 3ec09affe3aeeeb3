/*
 * Poly1305 over many messages, around the steps in asm/poly1305.py: which messages share a group
 * and with how many lanes each, the powers of r, the chunks at either end of a message, the last
 * multiplication and the tag. Any thread; the ciphertext is public, keys and sums are not.
 *
 * A message's chunks end with its last block, so that one that is not a multiple of 64 bytes begins
 * with blocks that are zero: they leave the sum zero. Its first chunk (head) and its last (tail,
 * with the lengths) are put together in the scratch; between them, chunks are read where they are.
 */
#include "crypto/poly1305_avx512.h"

#include "crypto/wipe_avx512.h"

#define LIMB44	 ((UINT64_C(1) << 44) - 1)
#define LIMB42	 ((UINT64_C(1) << 42) - 1)
#define TOP	 (UINT64_C(1) << 40) /* 2^128, in the limb of 2^88 */
#define CLAMP_LO UINT64_C(0x0ffffffc0fffffff)
#define CLAMP_HI UINT64_C(0x0ffffffc0ffffffc)

/*
 * What a group costs beside its steps, in steps, for 1, 2, 4 and 8 lanes each: more powers, more
 * multiplications at the end.
 */
static const unsigned int group_cost_steps[4] = {4, 5, 6, 7};

/* Of long messages; as many are left for short ones as these can need. */
#define LONG_GROUPS_MAX (2 * CR_POLY1305_GROUPS_MAX)

static const __m512i no_chunk;

/* The last lane of each message, for 1, 2, 4 and 8 lanes each. */
static const __mmask8 last_lanes[4] = {0xff, 0xaa, 0x88, 0x80};

/* A number mod 2^130 - 5 in each lane, and what it is multiplied by. */
struct limbs {
	__m512i l0, l1, l2;
};

struct factor {
	__m512i r0, r1, r2, s1, s2; /* s: 20 times r */
};

static inline __m512i splat(uint64_t x)
{
	return _mm512_set1_epi64((long long)x);
}

static inline __m512i add(__m512i x, __m512i y)
{
	return _mm512_add_epi64(x, y);
}

static inline __m512i times_20(__m512i x)
{
	return add(_mm512_slli_epi64(x, 4), _mm512_slli_epi64(x, 2));
}

/* Limbs of a number below 2^128 in two words. */
static inline struct limbs split(__m512i lo, __m512i hi)
{
	return (struct limbs){_mm512_and_si512(lo, splat(LIMB44)),
			      _mm512_and_si512(_mm512_shrdi_epi64(lo, hi, 44), splat(LIMB44)),
			      _mm512_srli_epi64(hi, 24)};
}

static inline struct factor factor_of(struct limbs x)
{
	return (struct factor){x.l0, x.l1, x.l2, times_20(x.l1), times_20(x.l2)};
}

static inline void store_factor(__m512i to[5], struct factor f)
{
	to[0] = f.r0;
	to[1] = f.r1;
	to[2] = f.r2;
	to[3] = f.s1;
	to[4] = f.s2;
}

static inline struct factor load_factor(const __m512i from[5])
{
	return (struct factor){from[0], from[1], from[2], from[3], from[4]};
}

static inline __m512i dot_lo(struct limbs x, __m512i a, __m512i b, __m512i c)
{
	__m512i sum = _mm512_madd52lo_epu64(_mm512_setzero_si512(), x.l0, a);

	sum = _mm512_madd52lo_epu64(sum, x.l1, b);
	return _mm512_madd52lo_epu64(sum, x.l2, c);
}

static inline __m512i dot_hi(struct limbs x, __m512i a, __m512i b, __m512i c)
{
	__m512i sum = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x.l0, a);

	sum = _mm512_madd52hi_epu64(sum, x.l1, b);
	return _mm512_madd52hi_epu64(sum, x.l2, c);
}

/* x times f, with limbs a little over 44 bits, as those of x may be. */
static inline struct limbs multiply(struct limbs x, struct factor f)
{
	__m512i lo0 = dot_lo(x, f.r0, f.s2, f.s1), hi0 = dot_hi(x, f.r0, f.s2, f.s1);
	__m512i lo1 = dot_lo(x, f.r1, f.r0, f.s2), hi1 = dot_hi(x, f.r1, f.r0, f.s2);
	__m512i lo2 = dot_lo(x, f.r2, f.r1, f.r0), hi2 = dot_hi(x, f.r2, f.r1, f.r0);
	__m512i carry0, carry1, carry2;

	/* The high half of a product has weight 2^52: 2^8 of the next limb; beyond 2^132, 20. */
	lo0 = add(lo0, add(_mm512_slli_epi64(hi2, 10), _mm512_slli_epi64(hi2, 12)));
	lo1 = add(lo1, _mm512_slli_epi64(hi0, 8));
	lo2 = add(lo2, _mm512_slli_epi64(hi1, 8));
	carry0 = _mm512_srli_epi64(lo0, 44);
	carry1 = _mm512_srli_epi64(lo1, 44);
	carry2 = _mm512_srli_epi64(lo2, 42);
	return (struct limbs){add(_mm512_and_si512(lo0, splat(LIMB44)),
				  add(carry2, _mm512_slli_epi64(carry2, 2))),
			      add(_mm512_and_si512(lo1, splat(LIMB44)), carry0),
			      add(_mm512_and_si512(lo2, splat(LIMB42)), carry1)};
}

static inline struct limbs square(struct limbs x)
{
	return multiply(x, factor_of(x));
}

/* r, and s in two words, of a one-time key. */
struct key {
	struct limbs r;
	__m512i s[2];
};

static inline __m512i two_keys(const uint8_t *a, const uint8_t *b)
{
	__m512i x = _mm512_castsi256_si512(_mm256_load_si256((const __m256i *)a));

	return _mm512_inserti64x4(x, _mm256_load_si256((const __m256i *)b), 1);
}

/* The keys of eight lanes. */
static inline struct key load_keys(const uint8_t *const key[CR_POLY1305_LANES])
{
	__m512i a = two_keys(key[0], key[2]), b = two_keys(key[1], key[3]);
	__m512i c = two_keys(key[4], key[6]), d = two_keys(key[5], key[7]);
	__m512i lo_ab = _mm512_unpacklo_epi64(a, b), hi_ab = _mm512_unpackhi_epi64(a, b);
	__m512i lo_cd = _mm512_unpacklo_epi64(c, d), hi_cd = _mm512_unpackhi_epi64(c, d);
	__m512i r_lo = _mm512_shuffle_i64x2(lo_ab, lo_cd, 0x88);
	__m512i r_hi = _mm512_shuffle_i64x2(hi_ab, hi_cd, 0x88);
	struct key k;

	k.r = split(_mm512_and_si512(r_lo, splat(CLAMP_LO)),
		    _mm512_and_si512(r_hi, splat(CLAMP_HI)));
	k.s[0] = _mm512_shuffle_i64x2(lo_ab, lo_cd, 0xdd);
	k.s[1] = _mm512_shuffle_i64x2(hi_ab, hi_cd, 0xdd);
	return k;
}

static inline void set_powers(struct cr_poly1305_group *g, const uint8_t (*keys)[64])
{
	struct cr_poly1305_lanes *l = &g->lanes;
	const uint8_t *key[CR_POLY1305_LANES];
	struct factor by_r, by_r2;
	struct limbs r2, r3, x;
	struct key k;

	for (unsigned int lane = 0; lane < CR_POLY1305_LANES; lane++) {
		unsigned int i = lane >> g->lanes_each_log2;

		key[lane] = keys[g->first + (i < g->n ? i : 0)];
	}
	k = load_keys(key);
	g->s[0] = k.s[0];
	g->s[1] = k.s[1];
	by_r = factor_of(k.r);
	store_factor(l->factor[3], by_r);
	r2 = multiply(k.r, by_r);
	by_r2 = factor_of(r2);
	store_factor(l->factor[2], by_r2);
	r3 = multiply(r2, by_r);
	store_factor(l->factor[1], factor_of(r3));
	x = multiply(r2, by_r2);
	for (unsigned int i = 0; i < g->lanes_each_log2; i++) {
		store_factor(g->power[i], factor_of(x));
		x = square(x);
	}
	store_factor(l->factor[0], factor_of(x));
	for (int i = 0; i < 3; i++)
		l->sum[i] = _mm512_setzero_si512();
}

/* Chunks of 4 blocks, of the padded text and the block with the lengths. */
static inline unsigned int chunks_of(uint32_t len_bytes)
{
	return ((len_bytes + 15) / 16 + 1 + 3) / 4;
}

/* Blocks that are missing in the first chunk. */
static inline unsigned int lead_of(uint32_t len_bytes)
{
	return -((len_bytes + 15) / 16 + 1) & 3;
}

/* Bits from to 63, none if from is 64 or more. */
static inline __mmask64 from_byte(uint64_t from)
{
	return from < 64 ? UINT64_MAX << from : 0;
}

/*
 * The first and the last chunk of a message; one that is both is a tail. Of the text they read but
 * what is there.
 */
static inline void make_ends(uint8_t head[64], uint8_t tail[64], const uint8_t *text, uint32_t len)
{
	unsigned int lead_bytes = 16 * lead_of(len), pad_bytes = -len & 15;
	uintptr_t first = (uintptr_t)text - lead_bytes;
	uintptr_t last = (uintptr_t)text + len + pad_bytes - 48;
	__mmask64 in_head = UINT64_MAX << lead_bytes, in_tail = UINT64_MAX >> 16 >> pad_bytes;
	__m512i x;

	if (last <= first) {
		in_tail &= in_head;
		in_head = 0;
	}
	x = _mm512_maskz_loadu_epi8(in_tail, (const void *)last);
	/* No AAD, then the length of the text, little-endian: the last word. */
	_mm512_store_si512(tail, _mm512_mask_set1_epi64(x, 0x80, len));
	x = _mm512_maskz_loadu_epi8(in_head, (const void *)first);
	_mm512_store_si512(head, x);
}

/*
 * Puts messages from first on into a group: as many lanes each as cost the least per chunk, but no
 * more messages may be left over than the other groups take.
 */
static void choose_group(struct cr_poly1305_group *g, const uint32_t *len_bytes, unsigned int first,
			 unsigned int n, unsigned int groups_left)
{
	unsigned int longest = chunks_of(len_bytes[first]), chunks = 0, taken = 0;
	unsigned int best_chunks = 0, best_cost = 1;

	g->first = first;
	g->only_tags = false;
	for (unsigned int i = 0; i < 4; i++) {
		unsigned int log2 = 3 - i;
		unsigned int steps = (longest + (1u << log2) - 1) >> log2;
		unsigned int cost = steps + group_cost_steps[log2];

		while (taken < 1u << i && first + taken < n)
			chunks += chunks_of(len_bytes[first + taken++]);
		if (n - first - taken > groups_left * CR_POLY1305_LANES)
			continue;
		if (chunks * best_cost >= best_chunks * cost) {
			best_chunks = chunks;
			best_cost = cost;
			g->n = taken;
			g->lanes_each_log2 = log2;
		}
	}
}

/* Where the lanes of a group are in their messages. Chunks are counted from a message's first. */
struct walk {
	__m512i at;    /* the chunk of the next step, negative where there is none yet */
	__m512i last;  /* the last chunk */
	__m512i first; /* address of chunk 0, were it all there */
	__m512i head;  /* address */
	__m512i tail;  /* address */
	__m512i lead;  /* blocks missing in chunk 0 */
	unsigned int steps;
	unsigned int starts; /* steps until every lane is beyond chunk 0 */
};

static inline void start_walk(struct walk *w, const struct cr_poly1305_group *g,
			      const struct cr_poly1305_scratch *s, const uint8_t *const *text,
			      const uint32_t *len_bytes)
{
	const __m512i one = splat(1), iota = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
	unsigned int shift = g->lanes_each_log2, each = 1u << shift;
	__m512i message = _mm512_srli_epi64(iota, shift);
	__mmask8 some = (__mmask8)_bzhi_u32(0xff, g->n);
	__mmask8 there = _mm512_cmplt_epu64_mask(message, splat(g->n));
	unsigned int least = chunks_of(len_bytes[g->first + g->n - 1]);
	__m512i len, blocks, chunks, place;

	w->steps = (chunks_of(len_bytes[g->first]) + each - 1) >> shift;
	w->starts = w->steps;
	if (g->n << shift == CR_POLY1305_LANES && least >> shift > 0)
		w->starts = w->steps - (least >> shift) + 1;
	len = _mm512_cvtepu32_epi64(_mm256_maskz_loadu_epi32(some, len_bytes + g->first));
	len = _mm512_permutexvar_epi64(message, len);
	blocks = add(_mm512_srli_epi64(add(len, splat(15)), 4), one);
	chunks = _mm512_maskz_srli_epi64(there, add(blocks, splat(3)), 2);
	w->at = add(_mm512_sub_epi64(chunks, splat((uint64_t)each * w->steps)),
		    _mm512_and_si512(iota, splat(each - 1)));
	w->last = _mm512_sub_epi64(chunks, one);
	w->lead = _mm512_sub_epi64(_mm512_slli_epi64(chunks, 2), blocks);
	w->first = _mm512_permutexvar_epi64(message,
					    _mm512_maskz_loadu_epi64(some, text + g->first));
	w->first = _mm512_sub_epi64(w->first, _mm512_slli_epi64(w->lead, 4));
	place = _mm512_slli_epi64(add(message, splat(g->first)), 6);
	w->head = add(place, splat((uintptr_t)s->head));
	w->tail = add(place, splat((uintptr_t)s->tail));
}

/* The addresses of a step's chunks, anywhere in the messages. */
static inline __m512i addresses(const struct walk *w)
{
	__m512i a = add(w->first, _mm512_slli_epi64(w->at, 6));

	/* A message of one chunk has only a tail. */
	a = _mm512_mask_mov_epi64(a, _mm512_cmpeq_epi64_mask(w->at, _mm512_setzero_si512()),
				  w->head);
	a = _mm512_mask_mov_epi64(a, _mm512_cmpeq_epi64_mask(w->at, w->last), w->tail);
	return _mm512_mask_mov_epi64(a, _mm512_movepi64_mask(w->at), splat((uintptr_t)&no_chunk));
}

/* Which blocks are there in a step where lanes may be at or before chunk 0. */
static const __m512i *tops(const struct walk *w, struct cr_poly1305_scratch *s)
{
	__mmask8 there = _mm512_cmpge_epi64_mask(w->at, _mm512_setzero_si512());
	__mmask8 beyond = _mm512_cmpgt_epi64_mask(w->at, _mm512_setzero_si512());
	__m512i *top = s->top[s->n_tops], *before = s->top[s->n_tops - 1];
	__mmask8 differ = 0;

	for (int block = 0; block < 4; block++) {
		__mmask8 begun = _mm512_cmple_epi64_mask(w->lead, splat((uint64_t)block));

		top[block] = _mm512_maskz_mov_epi64((there & begun) | beyond, splat(TOP));
		differ |= _mm512_cmpneq_epi64_mask(top[block], before[block]);
	}
	/* Lanes begin one after the other, so that this changes but a few times. */
	if (differ == 0)
		return before;
	s->n_tops++;
	return top;
}

static void run_steps(struct cr_poly1305_scratch *s)
{
	if (s->n_steps > 0)
		cr_poly1305_avx512_steps(s->steps, s->n_steps);
	s->n_steps = 0;
	s->n_tops = 1;
}

static inline struct cr_poly1305_step *next_step(struct cr_poly1305_scratch *s,
						 struct cr_poly1305_group *g)
{
	struct cr_poly1305_step *step;

	if (s->n_steps == CR_POLY1305_STEPS_MAX || s->n_tops == CR_POLY1305_TOPS_MAX)
		run_steps(s);
	step = &s->steps[s->n_steps++];
	step->top = s->top[0];
	step->lanes = &g->lanes;
	return step;
}

static void add_steps(struct cr_poly1305_scratch *s, struct cr_poly1305_group *g,
		      const uint8_t *const *text, const uint32_t *len_bytes)
{
	struct cr_poly1305_step *step;
	__m512i stride = splat(1u << g->lanes_each_log2), address, bytes;
	struct walk w;
	unsigned int done = 0;

	start_walk(&w, g, s, text, len_bytes);
	for (; done < w.starts; done++) {
		step = next_step(s, g);
		_mm512_store_si512(step->chunk, addresses(&w));
		step->top = tops(&w, s);
		w.at = add(w.at, stride);
	}
	if (done == w.steps)
		return;
	address = add(w.first, _mm512_slli_epi64(w.at, 6));
	bytes = _mm512_slli_epi64(stride, 6);
	for (; done + 1 < w.steps; done++) {
		step = next_step(s, g);
		_mm512_store_si512(step->chunk, address);
		address = add(address, bytes);
	}
	/* The last lane of each message is at its last chunk, the others are not. */
	address = _mm512_mask_mov_epi64(address, last_lanes[g->lanes_each_log2], w.tail);
	step = next_step(s, g);
	_mm512_store_si512(step->chunk, address);
}

/* Sums of neighbouring lanes, 2, 4 or 8 at a time. */
static inline __m512i sum_lanes(__m512i x, unsigned int log2)
{
	if (log2 > 0)
		x = add(x, _mm512_permutex_epi64(x, 0xb1));
	if (log2 > 1)
		x = add(x, _mm512_permutex_epi64(x, 0x4e));
	if (log2 > 2)
		x = add(x, _mm512_shuffle_i64x2(x, x, 0x4e));
	return x;
}

/* Lane j of m has the sum of its chunks, to be multiplied by r^(4 (m - 1 - j) + 1). */
static inline struct limbs join_lanes(const struct cr_poly1305_group *g)
{
	static const __mmask8 odd[3] = {0x55, 0x33, 0x0f};
	struct limbs sum = {g->lanes.sum[0], g->lanes.sum[1], g->lanes.sum[2]};
	unsigned int log2 = g->lanes_each_log2;

	for (unsigned int i = 0; i < log2; i++) {
		struct limbs x = multiply(sum, load_factor(g->power[i]));

		sum.l0 = _mm512_mask_mov_epi64(sum.l0, odd[i], x.l0);
		sum.l1 = _mm512_mask_mov_epi64(sum.l1, odd[i], x.l1);
		sum.l2 = _mm512_mask_mov_epi64(sum.l2, odd[i], x.l2);
	}
	sum = multiply(sum, load_factor(g->lanes.factor[3]));
	sum.l0 = sum_lanes(sum.l0, log2);
	sum.l1 = sum_lanes(sum.l1, log2);
	sum.l2 = sum_lanes(sum.l2, log2);
	return sum;
}

static inline struct limbs carry_all(struct limbs a)
{
	__m512i c;

	a.l1 = add(a.l1, _mm512_srli_epi64(a.l0, 44));
	a.l2 = add(a.l2, _mm512_srli_epi64(a.l1, 44));
	c = _mm512_srli_epi64(a.l2, 42);
	a.l0 = add(_mm512_and_si512(a.l0, splat(LIMB44)), add(c, _mm512_slli_epi64(c, 2)));
	a.l1 = _mm512_and_si512(a.l1, splat(LIMB44));
	a.l2 = _mm512_and_si512(a.l2, splat(LIMB42));
	return a;
}

/* The sum mod 2^130 - 5 in full, plus s: the tags of eight lanes. */
static inline void finish_sum(__m512i tag[2], struct limbs a, const __m512i s[2])
{
	__m512i g0, g1, g2, lo, hi;
	__mmask8 over;

	a = carry_all(carry_all(a));
	/* Limb 0 can have one bit too many now, but only if the carry then ends in limb 1. */
	a.l1 = add(a.l1, _mm512_srli_epi64(a.l0, 44));
	a.l0 = _mm512_and_si512(a.l0, splat(LIMB44));
	/* a + 5 - 2^130, taken where it is not negative. */
	g0 = add(a.l0, splat(5));
	g1 = add(a.l1, _mm512_srli_epi64(g0, 44));
	g2 = _mm512_sub_epi64(add(a.l2, _mm512_srli_epi64(g1, 44)), splat(LIMB42 + 1));
	over = _knot_mask8(_mm512_movepi64_mask(g2));
	a.l0 = _mm512_mask_and_epi64(a.l0, over, g0, splat(LIMB44));
	a.l1 = _mm512_mask_and_epi64(a.l1, over, g1, splat(LIMB44));
	a.l2 = _mm512_mask_mov_epi64(a.l2, over, g2);
	lo = _mm512_or_si512(a.l0, _mm512_slli_epi64(a.l1, 44));
	hi = _mm512_or_si512(_mm512_srli_epi64(a.l1, 20), _mm512_slli_epi64(a.l2, 24));
	tag[0] = add(lo, s[0]);
	tag[1] = add(hi, s[1]);
	over = _mm512_cmplt_epu64_mask(tag[0], lo);
	tag[1] = _mm512_mask_add_epi64(tag[1], over, tag[1], splat(1));
}

static inline void finish_group(struct cr_poly1305_group *g)
{
	__m512i tag[2];

	finish_sum(tag, join_lanes(g), g->s);
	g->s[0] = tag[0];
	g->s[1] = tag[1];
}

static inline void copy_tags(uint64_t (*tags)[2], const struct cr_poly1305_group *g)
{
	const uint64_t *lo = (const uint64_t *)&g->s[0], *hi = (const uint64_t *)&g->s[1];

	for (unsigned int i = 0; i < g->n; i++) {
		tags[g->first + i][0] = lo[i << g->lanes_each_log2];
		tags[g->first + i][1] = hi[i << g->lanes_each_log2];
	}
}

/*
 * Short messages, of up to two chunks, are not worth powers of r: a = (a + m) r, block by block,
 * for a few groups in turn, as every multiplication is waited for. Each message ends with the
 * window of eight blocks; what it does not fill is zero.
 */
#define SHORT_BLOCKS	8
#define SHORT_MAX_BYTES (16 * (SHORT_BLOCKS - 1)) /* and the block with the lengths */

static inline unsigned int blocks_of(uint32_t len_bytes)
{
	return (len_bytes + 15) / 16 + 1;
}

/* Chunk c, 0 or 1, of a message's window. */
static inline __m512i short_chunk(const uint8_t *text, uint32_t len, unsigned int c)
{
	int64_t at = 64 * (int64_t)c - 16 * (int64_t)(SHORT_BLOCKS - blocks_of(len));
	__mmask64 there = _bzhi_u64(UINT64_MAX, (unsigned int)(len - at));
	__m512i x;

	if (at < 0)
		there &= from_byte((uint64_t)-at);
	x = _mm512_maskz_loadu_epi8(there, (const void *)((uintptr_t)text + (uint64_t)at));
	return c == 1 ? _mm512_mask_set1_epi64(x, 0x80, len) : x;
}

/* Eight chunks to their words: lo and hi of each block, lane by lane. */
static inline void short_words(__m512i w[8], const uint8_t *const *text, const uint32_t *len,
			       unsigned int n, unsigned int c)
{
	__m512i x[8], t[8];

	for (unsigned int i = 0; i < 8; i++)
		x[i] = i < n ? short_chunk(text[i], len[i], c) : _mm512_setzero_si512();
	for (int i = 0; i < 8; i += 2) {
		t[i] = _mm512_unpacklo_epi64(x[i], x[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi64(x[i], x[i + 1]);
	}
	for (int i = 0; i < 2; i++) {
		__m512i ab0 = _mm512_shuffle_i64x2(t[i], t[i + 2], 0x44);
		__m512i ab1 = _mm512_shuffle_i64x2(t[i], t[i + 2], 0xee);
		__m512i cd0 = _mm512_shuffle_i64x2(t[i + 4], t[i + 6], 0x44);
		__m512i cd1 = _mm512_shuffle_i64x2(t[i + 4], t[i + 6], 0xee);

		w[i] = _mm512_shuffle_i64x2(ab0, cd0, 0x88);
		w[2 + i] = _mm512_shuffle_i64x2(ab0, cd0, 0xdd);
		w[4 + i] = _mm512_shuffle_i64x2(ab1, cd1, 0x88);
		w[6 + i] = _mm512_shuffle_i64x2(ab1, cd1, 0xdd);
	}
}

/* A group of short messages in work. */
struct short_group {
	struct limbs sum;
	struct factor r;
	__m256i len;
	__mmask8 some;
};

static inline struct short_group start_short(struct cr_poly1305_group *g, const uint32_t *len,
					     const uint8_t (*keys)[64])
{
	const uint8_t *key[CR_POLY1305_LANES];
	struct short_group a;
	struct key k;

	for (unsigned int lane = 0; lane < CR_POLY1305_LANES; lane++)
		key[lane] = keys[g->first + (lane < g->n ? lane : 0)];
	k = load_keys(key);
	g->s[0] = k.s[0];
	g->s[1] = k.s[1];
	a.r = factor_of(k.r);
	a.sum = (struct limbs){_mm512_setzero_si512(), _mm512_setzero_si512(),
			       _mm512_setzero_si512()};
	a.some = (__mmask8)_bzhi_u32(0xff, g->n);
	a.len = _mm256_maskz_loadu_epi32(a.some, len + g->first);
	return a;
}

/* Adds block b of the window, with words lo and hi, and multiplies. */
static inline void short_block(struct short_group *a, const __m512i w[2], unsigned int b)
{
	struct limbs m = split(w[0], w[1]);
	__mmask8 there = a->some;

	/* A message has block b if its text has more than 16 (6 - b) bytes; the last, always. */
	if (b + 1 < SHORT_BLOCKS)
		there = _mm256_cmpgt_epu32_mask(
			a->len, _mm256_set1_epi32(16 * (SHORT_BLOCKS - 2 - (int)b)));
	m.l2 = _mm512_mask_add_epi64(m.l2, there, m.l2, splat(TOP));
	m = (struct limbs){add(m.l0, a->sum.l0), add(m.l1, a->sum.l1), add(m.l2, a->sum.l2)};
	a->sum = multiply(m, a->r);
}

static inline void finish_short(struct cr_poly1305_group *g, const struct short_group *a)
{
	__m512i tag[2];

	finish_sum(tag, a->sum, g->s);
	g->s[0] = tag[0];
	g->s[1] = tag[1];
}

/*
 * One group or two. Their sums stay in registers: through memory, a load would wait for whatever
 * store was there last.
 */
static inline void do_short(struct cr_poly1305_scratch *s, struct cr_poly1305_group *g, bool two,
			    const uint8_t *const *text, const uint32_t *len,
			    const uint8_t (*keys)[64])
{
	unsigned int first_block = SHORT_BLOCKS - blocks_of(len[g->first]);
	struct short_group a = start_short(g, len, keys), b;

	if (two)
		b = start_short(g + 1, len, keys);
	for (unsigned int c = first_block / 4; c < 2; c++) {
		short_words(s->words[0], text + g->first, len + g->first, g->n, c);
		if (two)
			short_words(s->words[1], text + g[1].first, len + g[1].first, g[1].n, c);
		for (unsigned int i = 0; i < 4; i++) {
			if (4 * c + i < first_block)
				continue;
			short_block(&a, &s->words[0][2 * i], 4 * c + i);
			if (two)
				short_block(&b, &s->words[1][2 * i], 4 * c + i);
		}
	}
	finish_short(g, &a);
	if (two)
		finish_short(g + 1, &b);
}

/* Groups of eight of messages from first on, of which all are short. */
static void do_all_short(struct cr_poly1305_scratch *s, const uint8_t *const *text,
			 const uint32_t *len, const uint8_t (*keys)[64], unsigned int first,
			 unsigned int n)
{
	unsigned int from = s->n_groups;

	for (; first < n; first += CR_POLY1305_LANES) {
		struct cr_poly1305_group *g = &s->groups[s->n_groups++];

		g->first = first;
		g->n = n - first < CR_POLY1305_LANES ? n - first : CR_POLY1305_LANES;
		g->lanes_each_log2 = 0;
		g->only_tags = true;
	}
	for (; from + 1 < s->n_groups; from += 2)
		do_short(s, &s->groups[from], true, text, len, keys);
	if (from < s->n_groups)
		do_short(s, &s->groups[from], false, text, len, keys);
}

void cr_poly1305_avx512_tags(struct cr_poly1305_scratch *s, uint64_t (*tags)[2],
			     const uint8_t *const *text, const uint32_t *len_bytes,
			     const uint8_t (*keys)[64], unsigned int n)
{
	unsigned int done = 0, long_ones = 0, n_long;

	s->n_tops = 1;
	s->n_steps = 0;
	for (int block = 0; block < 4; block++)
		_mm512_store_si512(&s->top[0][block], splat(TOP));
	for (unsigned int i = 0; i < n; i += 16) {
		__mmask16 some = (__mmask16)_bzhi_u32(0xffff, n - i);
		__m512i len = _mm512_maskz_loadu_epi32(some, len_bytes + i);

		long_ones += (unsigned int)__builtin_popcount(
			_mm512_cmpgt_epu32_mask(len, _mm512_set1_epi32(SHORT_MAX_BYTES)));
	}
	for (s->n_groups = 0; done < long_ones; s->n_groups++) {
		choose_group(&s->groups[s->n_groups], len_bytes, done, long_ones,
			     LONG_GROUPS_MAX - 1 - s->n_groups);
		done += s->groups[s->n_groups].n;
	}
	n_long = s->n_groups;
	/* Each stage for all groups before the next: they do not depend on each other. */
	for (unsigned int i = 0; i < done; i++)
		make_ends(s->head[i], s->tail[i], text[i], len_bytes[i]);
	for (unsigned int i = 0; i < n_long; i++)
		set_powers(&s->groups[i], keys);
	for (unsigned int i = 0; i < n_long; i++)
		add_steps(s, &s->groups[i], text, len_bytes);
	run_steps(s);
	for (unsigned int i = 0; i < n_long; i++)
		finish_group(&s->groups[i]);
	do_all_short(s, text, len_bytes, keys, done, n);
	for (unsigned int i = 0; i < s->n_groups; i++)
		copy_tags(tags, &s->groups[i]);
}

void cr_poly1305_avx512_wipe(struct cr_poly1305_scratch *s)
{
	for (unsigned int i = 0; i < s->n_groups; i++) {
		struct cr_poly1305_group *g = &s->groups[i];
		char *from = g->only_tags ? (char *)g->s : (char *)&g->lanes;
		char *to = (char *)(g->lanes_each_log2 > 0 ? &g->power[3] : g->power);

		cr_avx512_wipe(from, (size_t)(to - from));
	}
}
