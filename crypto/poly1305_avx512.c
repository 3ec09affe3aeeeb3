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

#include "crypto/ct.h"

#define LIMB44	 ((UINT64_C(1) << 44) - 1)
#define LIMB42	 ((UINT64_C(1) << 42) - 1)
#define TOP	 (UINT64_C(1) << 40) /* 2^128, in the limb of 2^88 */
#define CLAMP_LO UINT64_C(0x0ffffffc0fffffff)
#define CLAMP_HI UINT64_C(0x0ffffffc0ffffffc)

/*
 * What a group costs beside its steps, in steps, for 1, 2, 4 and 8 lanes each: more powers, more
 * multiplications at the end.
 */
static const unsigned int group_cost_steps[4] = {3, 5, 6, 7};

#define N_GROUPS_MAX                                                                               \
	(sizeof(((struct cr_poly1305_scratch *)0)->groups) / sizeof(struct cr_poly1305_group))

static const __m512i no_chunk;

static inline __m512i splat(uint64_t x)
{
	return _mm512_set1_epi64((long long)x);
}

static inline __m512i add(__m512i x, __m512i y)
{
	return _mm512_add_epi64(x, y);
}

/* Limbs of a number below 2^128 in two words. */
static inline void split(__m512i limbs[3], __m512i lo, __m512i hi)
{
	limbs[0] = _mm512_and_si512(lo, splat(LIMB44));
	limbs[1] = _mm512_and_si512(_mm512_shrdi_epi64(lo, hi, 44), splat(LIMB44));
	limbs[2] = _mm512_srli_epi64(hi, 24);
}

static inline void set_factor(__m512i factor[5], const __m512i limbs[3])
{
	factor[0] = limbs[0];
	factor[1] = limbs[1];
	factor[2] = limbs[2];
	factor[3] = add(_mm512_slli_epi64(limbs[1], 4), _mm512_slli_epi64(limbs[1], 2));
	factor[4] = add(_mm512_slli_epi64(limbs[2], 4), _mm512_slli_epi64(limbs[2], 2));
}

/* out = x times factor, limbs a little over 44 bits; out may be x. */
static inline void multiply(__m512i out[3], const __m512i x[3], const __m512i factor[5])
{
	const __m512i row[3][3] = {{factor[0], factor[1], factor[2]},
				   {factor[4], factor[0], factor[1]},
				   {factor[3], factor[4], factor[0]}};
	__m512i lo[3], hi[3], carry[3];

	for (int j = 0; j < 3; j++) {
		lo[j] = _mm512_madd52lo_epu64(_mm512_setzero_si512(), x[0], row[0][j]);
		hi[j] = _mm512_madd52hi_epu64(_mm512_setzero_si512(), x[0], row[0][j]);
		for (int i = 1; i < 3; i++) {
			lo[j] = _mm512_madd52lo_epu64(lo[j], x[i], row[i][j]);
			hi[j] = _mm512_madd52hi_epu64(hi[j], x[i], row[i][j]);
		}
	}
	/* The high half of a product has weight 2^52: 2^8 of the next limb; beyond 2^132, 20. */
	lo[0] = add(lo[0], add(_mm512_slli_epi64(hi[2], 10), _mm512_slli_epi64(hi[2], 12)));
	lo[1] = add(lo[1], _mm512_slli_epi64(hi[0], 8));
	lo[2] = add(lo[2], _mm512_slli_epi64(hi[1], 8));
	carry[0] = _mm512_srli_epi64(lo[0], 44);
	carry[1] = _mm512_srli_epi64(lo[1], 44);
	carry[2] = _mm512_srli_epi64(lo[2], 42);
	out[0] = add(_mm512_and_si512(lo[0], splat(LIMB44)),
		     add(carry[2], _mm512_slli_epi64(carry[2], 2)));
	out[1] = add(_mm512_and_si512(lo[1], splat(LIMB44)), carry[0]);
	out[2] = add(_mm512_and_si512(lo[2], splat(LIMB42)), carry[1]);
}

static inline void square(__m512i out[3], const __m512i x[3])
{
	__m512i factor[5];

	set_factor(factor, x);
	multiply(out, x, factor);
}

/* Words 0 to 3 (r, then s) of the keys of eight lanes. */
static inline void load_keys(__m512i w[4], const uint8_t *const key[CR_POLY1305_LANES])
{
	__m512i z[4], lo[2], hi[2];

	for (int i = 0; i < 4; i++) {
		int lane = 4 * (i >> 1) + (i & 1);

		z[i] = _mm512_castsi256_si512(_mm256_load_si256((const __m256i *)key[lane]));
		z[i] = _mm512_inserti64x4(z[i], _mm256_load_si256((const __m256i *)key[lane + 2]),
					  1);
	}
	for (int i = 0; i < 2; i++) {
		lo[i] = _mm512_unpacklo_epi64(z[2 * i], z[2 * i + 1]);
		hi[i] = _mm512_unpackhi_epi64(z[2 * i], z[2 * i + 1]);
	}
	w[0] = _mm512_shuffle_i64x2(lo[0], lo[1], 0x88);
	w[1] = _mm512_shuffle_i64x2(hi[0], hi[1], 0x88);
	w[2] = _mm512_shuffle_i64x2(lo[0], lo[1], 0xdd);
	w[3] = _mm512_shuffle_i64x2(hi[0], hi[1], 0xdd);
}

static void set_powers(struct cr_poly1305_group *g, const uint8_t (*keys)[64])
{
	struct cr_poly1305_lanes *l = &g->lanes;
	const uint8_t *key[CR_POLY1305_LANES];
	__m512i w[4], r[3], x[3];

	for (unsigned int lane = 0; lane < CR_POLY1305_LANES; lane++) {
		unsigned int i = lane >> g->lanes_each_log2;

		key[lane] = keys[g->first + (i < g->n ? i : 0)];
	}
	load_keys(w, key);
	g->s[0] = w[2];
	g->s[1] = w[3];
	split(r, _mm512_and_si512(w[0], splat(CLAMP_LO)), _mm512_and_si512(w[1], splat(CLAMP_HI)));
	set_factor(l->factor[3], r);
	multiply(x, r, l->factor[3]);
	set_factor(l->factor[2], x);
	multiply(r, x, l->factor[3]);
	set_factor(l->factor[1], r);
	multiply(x, x, l->factor[2]);
	if (g->lanes_each_log2 > 0) {
		memcpy(g->power4, x, sizeof(x));
		square(x, x);
		memcpy(g->power8, x, sizeof(x));
	}
	if (g->lanes_each_log2 > 1) {
		square(x, x);
		memcpy(g->power16, x, sizeof(x));
	}
	if (g->lanes_each_log2 > 2)
		square(x, x);
	set_factor(l->factor[0], x);
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
	return 4 * chunks_of(len_bytes) - ((len_bytes + 15) / 16 + 1);
}

/* Bits from to 63, none if from is 64 or more. */
static inline __mmask64 from_byte(uint64_t from)
{
	return from < 64 ? UINT64_MAX << from : 0;
}

/*
 * The first and the last chunk of a message, which may be the same. Of the text they read but what
 * is there.
 */
static inline void make_ends(uint8_t head[64], uint8_t tail[64], const uint8_t *text, uint32_t len)
{
	unsigned int chunks = chunks_of(len), lead_bytes = 16 * lead_of(len);
	/* Where in the text the last chunk begins: up to 48 bytes before it if it is the only. */
	int64_t at = 64 * (int64_t)(chunks - 1) - lead_bytes;
	__mmask64 there = _bzhi_u64(UINT64_MAX, (unsigned int)(len - at));
	uint64_t first = (uintptr_t)text - lead_bytes;
	__m512i x;

	if (chunks == 1)
		there &= from_byte(lead_bytes);
	else
		_mm512_store_si512(
			head, _mm512_maskz_loadu_epi8(from_byte(lead_bytes), (const void *)first));
	x = _mm512_maskz_loadu_epi8(there, (const void *)((uintptr_t)text + (uint64_t)at));
	/* No AAD, then the length of the text, little-endian: the last word. */
	x = _mm512_mask_set1_epi64(x, 0x80, len);
	_mm512_store_si512(tail, x);
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
	__m512i last;  /* a lane's last chunk is its message's last only in its last lane */
	__m512i first; /* address of chunk 0, were it all there */
	__m512i head;  /* address */
	__m512i tail;  /* address */
	__m512i lead;  /* blocks missing in chunk 0 */
	int64_t lanes_each;
	unsigned int steps;
	unsigned int starts; /* steps until every lane is beyond chunk 0 */
};

static void start_walk(struct walk *w, const struct cr_poly1305_group *g,
		       struct cr_poly1305_scratch *s, const uint8_t *const *text,
		       const uint32_t *len_bytes)
{
	int64_t at[8], last[8], lead[8];
	uint64_t first[8], head[8], tail[8];
	unsigned int shift = g->lanes_each_log2, each = 1u << shift;
	unsigned int least = UINT32_MAX;

	w->lanes_each = each;
	w->steps = 0;
	for (unsigned int i = 0; i < g->n; i++) {
		unsigned int chunks = chunks_of(len_bytes[g->first + i]);
		unsigned int steps = (chunks + each - 1) >> shift;

		if (steps > w->steps)
			w->steps = steps;
		if (chunks < least)
			least = chunks;
	}
	for (unsigned int lane = 0; lane < CR_POLY1305_LANES; lane++) {
		unsigned int i = lane >> shift, m = g->first + i;
		bool there = i < g->n;
		uint32_t len = there ? len_bytes[m] : 0;
		int64_t chunks = there ? chunks_of(len) : 0;

		at[lane] = chunks - (int64_t)(each * w->steps) + (lane & (each - 1));
		last[lane] = there ? chunks - 1 : INT64_MAX;
		lead[lane] = lead_of(len);
		first[lane] = there ? (uintptr_t)text[m] - 16 * (uint64_t)lead[lane] : 0;
		head[lane] = there ? (uintptr_t)s->head[m] : 0;
		tail[lane] = there ? (uintptr_t)s->tail[m] : 0;
	}
	w->starts = w->steps;
	if (g->n << shift == CR_POLY1305_LANES && (least >> shift) > 1)
		w->starts = w->steps - (least >> shift) + 1;
	w->at = _mm512_loadu_si512(at);
	w->last = _mm512_loadu_si512(last);
	w->lead = _mm512_loadu_si512(lead);
	w->first = _mm512_loadu_si512(first);
	w->head = _mm512_loadu_si512(head);
	w->tail = _mm512_loadu_si512(tail);
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
static const __m512i *tops(const struct walk *w, struct cr_poly1305_scratch *s, unsigned int *used)
{
	__mmask8 there = _mm512_cmpge_epi64_mask(w->at, _mm512_setzero_si512());
	__mmask8 beyond = _mm512_cmpgt_epi64_mask(w->at, _mm512_setzero_si512());
	__m512i *top = s->top[*used];
	bool same = *used > 1;

	for (int block = 0; block < 4; block++) {
		__mmask8 begun = _mm512_cmple_epi64_mask(w->lead, splat((uint64_t)block));
		__m512i x = _mm512_maskz_mov_epi64((there & begun) | beyond, splat(TOP));

		_mm512_store_si512(&top[block], x);
		same = same && _mm512_cmpneq_epi64_mask(x, s->top[*used - 1][block]) == 0;
	}
	/* Lanes begin one after the other, so that this changes but a few times. */
	if (same)
		return s->top[*used - 1];
	(*used)++;
	return top;
}

static void run_group(struct cr_poly1305_group *g, struct cr_poly1305_scratch *s,
		      const uint8_t *const *text, const uint32_t *len_bytes)
{
	struct walk w;
	unsigned int n = 0, used = 1;
	__m512i stride;

	start_walk(&w, g, s, text, len_bytes);
	stride = splat((uint64_t)w.lanes_each);
	for (unsigned int step = 0; step < w.steps; step++) {
		struct cr_poly1305_step *to = &s->steps[n++];

		to->top = step < w.starts ? tops(&w, s, &used) : s->top[0];
		if (step < w.starts || step + 1 == w.steps)
			_mm512_storeu_si512(to->chunk, addresses(&w));
		else
			_mm512_storeu_si512(to->chunk, add(w.first, _mm512_slli_epi64(w.at, 6)));
		w.at = add(w.at, stride);
		if (n == CR_POLY1305_STEPS_MAX || step + 1 == w.steps) {
			cr_poly1305_avx512_steps(s->steps, n, &g->lanes);
			n = 0;
		}
	}
}

/* Lane j of m has the sum of its chunks, to be multiplied by r^(4 (m - 1 - j) + 1). */
static inline void join_lanes(const struct cr_poly1305_group *g, __m512i sum[3])
{
	static const __mmask8 odd[3] = {0x55, 0x33, 0x0f};
	const __m512i *power[3] = {g->power4, g->power8, g->power16};

	for (unsigned int i = 0; i < g->lanes_each_log2; i++) {
		__m512i factor[5], x[3];

		set_factor(factor, power[i]);
		multiply(x, sum, factor);
		for (int limb = 0; limb < 3; limb++)
			sum[limb] = _mm512_mask_mov_epi64(sum[limb], odd[i], x[limb]);
	}
	multiply(sum, sum, g->lanes.factor[3]);
	for (int limb = 0; limb < 3; limb++) {
		__m512i x = sum[limb];

		if (g->lanes_each_log2 > 0)
			x = add(x, _mm512_permutex_epi64(x, 0xb1));
		if (g->lanes_each_log2 > 1)
			x = add(x, _mm512_permutex_epi64(x, 0x4e));
		if (g->lanes_each_log2 > 2)
			x = add(x, _mm512_shuffle_i64x2(x, x, 0x4e));
		sum[limb] = x;
	}
}

/* The sum mod 2^130 - 5 in full, plus s: the tags of eight lanes. */
static inline void finish_sum(__m512i a[3], const __m512i s[2], __m512i tag[2])
{
	const __m512i m44 = splat(LIMB44), m42 = splat(LIMB42);
	__m512i c, g[3], lo, hi;
	__mmask8 over;

	for (int pass = 0; pass < 2; pass++) {
		c = _mm512_srli_epi64(a[0], 44);
		a[0] = _mm512_and_si512(a[0], m44);
		a[1] = add(a[1], c);
		c = _mm512_srli_epi64(a[1], 44);
		a[1] = _mm512_and_si512(a[1], m44);
		a[2] = add(a[2], c);
		c = _mm512_srli_epi64(a[2], 42);
		a[2] = _mm512_and_si512(a[2], m42);
		a[0] = add(a[0], add(c, _mm512_slli_epi64(c, 2)));
	}
	/* The second pass can leave one bit too many in limb 0 only if the others are zero then. */
	c = _mm512_srli_epi64(a[0], 44);
	a[0] = _mm512_and_si512(a[0], m44);
	a[1] = add(a[1], c);
	/* a + 5 - 2^130, taken where it is not negative. */
	g[0] = add(a[0], splat(5));
	g[1] = add(a[1], _mm512_srli_epi64(g[0], 44));
	g[2] = _mm512_sub_epi64(add(a[2], _mm512_srli_epi64(g[1], 44)), splat(LIMB42 + 1));
	over = _knot_mask8(_mm512_movepi64_mask(g[2]));
	a[0] = _mm512_mask_and_epi64(a[0], over, g[0], m44);
	a[1] = _mm512_mask_and_epi64(a[1], over, g[1], m44);
	a[2] = _mm512_mask_mov_epi64(a[2], over, g[2]);
	lo = _mm512_or_si512(a[0], _mm512_slli_epi64(a[1], 44));
	hi = _mm512_or_si512(_mm512_srli_epi64(a[1], 20), _mm512_slli_epi64(a[2], 24));
	tag[0] = add(lo, s[0]);
	tag[1] = add(hi, s[1]);
	over = _mm512_cmplt_epu64_mask(tag[0], lo);
	tag[1] = _mm512_mask_add_epi64(tag[1], over, tag[1], splat(1));
}

static void finish_group(const struct cr_poly1305_group *g, uint64_t (*tags)[2])
{
	__m512i sum[3], tag[2], pair[2];
	uint64_t out[CR_POLY1305_LANES][2] __attribute__((aligned(64)));

	memcpy(sum, g->lanes.sum, sizeof(sum));
	join_lanes(g, sum);
	finish_sum(sum, g->s, tag);
	pair[0] = _mm512_unpacklo_epi64(tag[0], tag[1]);
	pair[1] = _mm512_unpackhi_epi64(tag[0], tag[1]);
	/* pair[0]: lanes 0, 2, 4, 6; pair[1]: 1, 3, 5, 7. */
	for (unsigned int i = 0; i < 2; i++) {
		_mm_store_si128((__m128i *)out[i], _mm512_extracti64x2_epi64(pair[i], 0));
		_mm_store_si128((__m128i *)out[2 + i], _mm512_extracti64x2_epi64(pair[i], 1));
		_mm_store_si128((__m128i *)out[4 + i], _mm512_extracti64x2_epi64(pair[i], 2));
		_mm_store_si128((__m128i *)out[6 + i], _mm512_extracti64x2_epi64(pair[i], 3));
	}
	for (unsigned int i = 0; i < g->n; i++)
		memcpy(tags[g->first + i], out[i << g->lanes_each_log2], sizeof(tags[0]));
	cr_wipe(out, sizeof(out));
}

void cr_poly1305_avx512_tags(struct cr_poly1305_scratch *s, uint64_t (*tags)[2],
			     const uint8_t *const *text, const uint32_t *len_bytes,
			     const uint8_t (*keys)[64], unsigned int n)
{
	unsigned int done = 0;

	for (int block = 0; block < 4; block++)
		_mm512_store_si512(&s->top[0][block], splat(TOP));
	for (unsigned int i = 0; i < n; i++)
		make_ends(s->head[i], s->tail[i], text[i], len_bytes[i]);
	/* Each step for all groups before the next: they do not depend on each other. */
	for (s->n_groups = 0; done < n; s->n_groups++) {
		choose_group(&s->groups[s->n_groups], len_bytes, done, n,
			     N_GROUPS_MAX - 1 - s->n_groups);
		done += s->groups[s->n_groups].n;
	}
	for (unsigned int i = 0; i < s->n_groups; i++)
		set_powers(&s->groups[i], keys);
	for (unsigned int i = 0; i < s->n_groups; i++)
		run_group(&s->groups[i], s, text, len_bytes);
	for (unsigned int i = 0; i < s->n_groups; i++)
		finish_group(&s->groups[i], tags);
}

void cr_poly1305_avx512_wipe(struct cr_poly1305_scratch *s)
{
	cr_wipe(s->groups, s->n_groups * sizeof(s->groups[0]));
}
