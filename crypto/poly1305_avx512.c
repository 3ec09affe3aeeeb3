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

#include "crypto/poly1305_mod_avx512.h"
#include "crypto/wipe_avx512.h"

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

static inline void set_powers(struct cr_poly1305_group *g, const uint8_t (*keys)[64])
{
	struct cr_poly1305_lanes *l = &g->lanes;
	struct limbs r = load_keys(g, keys), r2, r3, x;
	struct factor by_r = factor_of(r), by_r2;

	store_factor(l->factor[3], by_r);
	r2 = multiply(r, by_r);
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

static inline void copy_tags(uint64_t (*tags)[2], const struct cr_poly1305_group *g)
{
	const uint64_t *lo = (const uint64_t *)&g->s[0], *hi = (const uint64_t *)&g->s[1];

	for (unsigned int i = 0; i < g->n; i++) {
		tags[g->first + i][0] = lo[i << g->lanes_each_log2];
		tags[g->first + i][1] = hi[i << g->lanes_each_log2];
	}
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

		long_ones += (unsigned int)__builtin_popcount(_mm512_cmpgt_epu32_mask(
			len, _mm512_set1_epi32(CR_POLY1305_SHORT_MAX_BYTES)));
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
		finish_sum(&s->groups[i], join_lanes(&s->groups[i]));
	cr_poly1305_avx512_short(s, text, len_bytes, keys, done, n);
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
