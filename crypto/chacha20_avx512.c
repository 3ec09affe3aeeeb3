/*
 * ChaCha20 for a burst of packets: which blocks of which packets make the jobs of sixteen that
 * asm/chacha20.py does. A scratch belongs to one thread. Nothing here depends on a key or a text.
 *
 * Packets come sorted, the longest first, in sets of sixteen: lane i is packet i. While (almost)
 * every packet of a set has a block n, a job is block n of each; such jobs share their rows. What
 * is left of longer packets is put together to mixed jobs, any block in any lane, with rows of
 * their own. Every lane takes 64 bytes: a shorter last block goes through the scratch (tail), a
 * lane without a block through sink.
 */
#include "crypto/chacha20_avx512.h"

#include "crypto/wipe_avx512.h"

/* Lanes that have a block, from which on a job of block n of each costs less than mixed ones. */
#define COLUMN_LANES_MIN 15

#define SETS_MIXED 2 /* whose packets a mixed job can take: two registers */

void cr_chacha20_avx512_init(struct cr_chacha20_scratch *s)
{
	for (unsigned int i = 0; i < CR_CHACHA20_LANES; i++)
		s->zero_src[i] = s->zero;
	for (unsigned int i = 0; i < CR_CHACHA20_PACKETS_MAX; i++)
		s->one_time_dst[i] = s->one_time[i];
}

static inline __m512i two_keys(const uint8_t *a, const uint8_t *b)
{
	__m512i x = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)a));

	return _mm512_inserti64x4(x, _mm256_loadu_si256((const __m256i *)b), 1);
}

/* Sixteen keys to eight rows. */
static inline void load_keys(__m512i row[8], const uint8_t *const *key)
{
	__m512i half[2][4];

	/* half[h][j]: 128-bit lane l has words 4h to 4h+3 of key 4l+j. */
	for (int j = 0; j < 4; j++) {
		__m512i x = two_keys(key[j], key[4 + j]);
		__m512i y = two_keys(key[8 + j], key[12 + j]);

		half[0][j] = _mm512_shuffle_i32x4(x, y, 0x88);
		half[1][j] = _mm512_shuffle_i32x4(x, y, 0xdd);
	}
	for (int h = 0; h < 2; h++) {
		__m512i ab0 = _mm512_unpacklo_epi32(half[h][0], half[h][1]);
		__m512i ab1 = _mm512_unpackhi_epi32(half[h][0], half[h][1]);
		__m512i cd0 = _mm512_unpacklo_epi32(half[h][2], half[h][3]);
		__m512i cd1 = _mm512_unpackhi_epi32(half[h][2], half[h][3]);

		row[4 * h] = _mm512_unpacklo_epi64(ab0, cd0);
		row[4 * h + 1] = _mm512_unpackhi_epi64(ab0, cd0);
		row[4 * h + 2] = _mm512_unpacklo_epi64(ab1, cd1);
		row[4 * h + 3] = _mm512_unpackhi_epi64(ab1, cd1);
	}
}

void cr_chacha20_avx512_load(struct cr_chacha20_scratch *s, const struct cr_chacha20_packets *p)
{
	const __m512i part = _mm512_set1_epi32(CR_CHACHA20_BLOCK_BYTES - 1);

	s->tails = 0;
	for (unsigned int first = 0; first < p->n; first += CR_CHACHA20_LANES) {
		struct cr_chacha20_rows *rows = &s->rows[first / CR_CHACHA20_LANES];

		load_keys(rows->key, p->key + first);
		rows->counter = _mm512_setzero_si512();
		rows->nonce[0] = _mm512_loadu_si512(p->counter_lo + first);
		rows->nonce[1] = _mm512_loadu_si512(p->counter_hi + first);
		s->tails |= (uint64_t)_mm512_test_epi32_mask(
				    _mm512_loadu_si512(p->len_bytes + first), part)
			    << first;
	}
	s->tails &= UINT64_MAX >> (CR_CHACHA20_PACKETS_MAX - p->n);
	s->most_mixed = 0;
}

static void run_jobs(struct cr_chacha20_scratch *s)
{
	struct cr_chacha20_job *end = &s->jobs[s->n_jobs];
	unsigned int pairs = s->n_jobs / 2;

	if (s->n_jobs % 2 == 1)
		cr_chacha20_avx512_16(--end, 1, s->spill);
	end[0].rows = s->rows;
	end[1].rows = s->rows;
	if (pairs > 0)
		cr_chacha20_avx512_32(s->jobs, pairs, s->spill);
	if (s->n_mixed > s->most_mixed)
		s->most_mixed = s->n_mixed;
	s->n_jobs = 0;
	s->n_tables = 0;
	s->n_mixed = 0;
}

static inline struct cr_chacha20_job *next_job(struct cr_chacha20_scratch *s)
{
	if (s->n_jobs == CR_CHACHA20_JOBS_MAX)
		run_jobs(s);
	return &s->jobs[s->n_jobs++];
}

/* Where block n of packet i is read and written. */
static inline void place(struct cr_chacha20_scratch *s, const struct cr_chacha20_packets *p,
			 struct cr_chacha20_table *t, unsigned int lane, unsigned int i, uint32_t n)
{
	uint64_t at = (uint64_t)CR_CHACHA20_BLOCK_BYTES * n;

	if (n == 0) {
		t->src[lane] = s->zero;
		t->dst[lane] = s->one_time[i];
	} else if (at > p->len_bytes[i]) {
		t->src[lane] = s->tail[i];
		t->dst[lane] = s->tail[i];
	} else {
		t->src[lane] = p->src[i] + at - CR_CHACHA20_BLOCK_BYTES;
		t->dst[lane] = p->dst[i] + at - CR_CHACHA20_BLOCK_BYTES;
	}
}

static inline struct cr_chacha20_table *next_table(struct cr_chacha20_scratch *s)
{
	/* Before the job is taken: doing jobs gives their tables back. */
	if (s->n_tables == CR_CHACHA20_TABLES_MAX || s->n_mixed == CR_CHACHA20_MIXED_MAX ||
	    s->n_jobs == CR_CHACHA20_JOBS_MAX)
		run_jobs(s);
	return &s->tables[s->n_tables++];
}

static inline void no_block(struct cr_chacha20_scratch *s, struct cr_chacha20_table *t,
			    unsigned int lane)
{
	t->src[lane] = s->zero;
	t->dst[lane] = s->sink;
}

/*
 * Jobs for block n of each packet of a set, from n = from on, as long as they pay. Returns the
 * first block that has none.
 */
static uint32_t do_columns(struct cr_chacha20_scratch *s, const struct cr_chacha20_packets *p,
			   unsigned int first, uint32_t from, uint32_t blocks_max)
{
	const struct cr_chacha20_rows *rows = &s->rows[first / CR_CHACHA20_LANES];
	unsigned int lanes = p->n - first < CR_CHACHA20_LANES ? p->n - first : CR_CHACHA20_LANES;
	uint32_t n = from, full, last;

	if (lanes < COLUMN_LANES_MIN)
		return from;
	last = cr_chacha20_blocks(p->len_bytes[first + COLUMN_LANES_MIN - 1]);
	if (last > blocks_max)
		last = blocks_max;
	full = lanes < CR_CHACHA20_LANES
		       ? 0
		       : p->len_bytes[first + CR_CHACHA20_LANES - 1] / CR_CHACHA20_BLOCK_BYTES;
	if (n == 0 && lanes == CR_CHACHA20_LANES) {
		struct cr_chacha20_job *job = next_job(s);

		*job = (struct cr_chacha20_job){rows, s->zero_src, s->one_time_dst + first,
						0,    0,	   0};
		n++;
	}
	for (; n > 0 && n <= full && n <= last; n++) {
		struct cr_chacha20_job *job = next_job(s);

		*job = (struct cr_chacha20_job){rows,
						p->src + first,
						p->dst + first,
						(uint64_t)CR_CHACHA20_BLOCK_BYTES * (n - 1),
						n,
						0};
	}
	for (; n <= last; n++) {
		struct cr_chacha20_table *t = next_table(s);
		struct cr_chacha20_job *job = next_job(s);

		for (unsigned int lane = 0; lane < CR_CHACHA20_LANES; lane++) {
			if (lane < lanes && n <= cr_chacha20_blocks(p->len_bytes[first + lane]))
				place(s, p, t, lane, first + lane, n);
			else
				no_block(s, t, lane);
		}
		*job = (struct cr_chacha20_job){rows, t->src, t->dst, 0, n, 0};
	}
	return n;
}

/* A job of blocks of any packets of two sets, as far as its lanes are given out. */
struct mixed {
	__m512i packet; /* of the two sets */
	__m512i block;
	__m512i src[2]; /* addresses, of eight lanes each */
	__m512i dst[2];
	unsigned int lanes;
};

static inline __m512i splat_address(const void *p)
{
	return _mm512_set1_epi64((long long)(uintptr_t)p);
}

static inline void start_mixed(struct mixed *m, struct cr_chacha20_scratch *s)
{
	m->packet = _mm512_setzero_si512();
	m->block = _mm512_setzero_si512();
	for (int i = 0; i < 2; i++) {
		m->src[i] = splat_address(s->zero);
		m->dst[i] = splat_address(s->sink);
	}
	m->lanes = 0;
}

/* The next count lanes: blocks from n on, 64 bytes from each other, of a packet of the sets. */
static inline void add_mixed(struct mixed *m, unsigned int count, unsigned int packet, uint32_t n,
			     const uint8_t *src, uint8_t *dst)
{
	const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
	const __m512i step = _mm512_set_epi64(448, 384, 320, 256, 192, 128, 64, 0);
	uint32_t mask = _bzhi_u32(UINT32_MAX, count) << m->lanes;
	uint64_t back = (uint64_t)CR_CHACHA20_BLOCK_BYTES * m->lanes;

	m->packet = _mm512_mask_set1_epi32(m->packet, (__mmask16)mask, (int)packet);
	m->block = _mm512_mask_add_epi32(m->block, (__mmask16)mask, lane,
					 _mm512_set1_epi32((int)(n - m->lanes)));
	for (int i = 0; i < 2; i++) {
		__mmask8 half = (__mmask8)(mask >> 8 * i);
		uint64_t from = 512 * (uint64_t)i - back;

		m->src[i] = _mm512_mask_add_epi64(
			m->src[i], half, step,
			_mm512_set1_epi64((long long)((uintptr_t)src + from)));
		m->dst[i] = _mm512_mask_add_epi64(
			m->dst[i], half, step,
			_mm512_set1_epi64((long long)((uintptr_t)dst + from)));
	}
	m->lanes += count;
}

static void end_mixed(struct cr_chacha20_scratch *s, struct mixed *m,
		      const unsigned int sets[SETS_MIXED])
{
	const struct cr_chacha20_rows *a = &s->rows[sets[0]], *b = &s->rows[sets[1]];
	struct cr_chacha20_table *table = next_table(s);
	struct cr_chacha20_rows *rows = &s->mixed[s->n_mixed++];

	for (int i = 0; i < 2; i++) {
		_mm512_storeu_si512(table->src + 8 * i, m->src[i]);
		_mm512_storeu_si512(table->dst + 8 * i, m->dst[i]);
		rows->nonce[i] = _mm512_permutex2var_epi32(a->nonce[i], m->packet, b->nonce[i]);
	}
	for (int i = 0; i < 8; i++)
		rows->key[i] = _mm512_permutex2var_epi32(a->key[i], m->packet, b->key[i]);
	rows->counter = m->block;
	*next_job(s) = (struct cr_chacha20_job){rows, table->src, table->dst, 0, 0, 0};
	start_mixed(m, s);
}

/* The blocks from n to last of packet i, whose place in the two sets is packet. */
static inline void mix_packet(struct cr_chacha20_scratch *s, const struct cr_chacha20_packets *p,
			      struct mixed *m, unsigned int i, uint32_t n, uint32_t last,
			      const unsigned int sets[SETS_MIXED])
{
	unsigned int packet = i % (SETS_MIXED * CR_CHACHA20_LANES), count;
	uint32_t full = p->len_bytes[i] / CR_CHACHA20_BLOCK_BYTES;

	for (; n <= last; n += count) {
		uint64_t at = (uint64_t)CR_CHACHA20_BLOCK_BYTES * n - CR_CHACHA20_BLOCK_BYTES;

		count = 1;
		if (n == 0) {
			add_mixed(m, count, packet, n, s->zero, s->one_time[i]);
		} else if (n > full) {
			add_mixed(m, count, packet, n, s->tail[i], s->tail[i]);
		} else {
			count = CR_CHACHA20_LANES - m->lanes;
			if (count > full - n + 1)
				count = full - n + 1;
			add_mixed(m, count, packet, n, p->src[i] + at, p->dst[i] + at);
		}
		if (m->lanes == CR_CHACHA20_LANES)
			end_mixed(s, m, sets);
	}
}

/* All blocks from block from[set] on of the packets of up to two sets. */
static void do_mixed(struct cr_chacha20_scratch *s, const struct cr_chacha20_packets *p,
		     unsigned int first, const uint32_t *from, uint32_t blocks_max)
{
	unsigned int set = first / CR_CHACHA20_LANES;
	const unsigned int sets[SETS_MIXED] = {set,
					       p->n > first + CR_CHACHA20_LANES ? set + 1 : set};
	struct mixed m;

	start_mixed(&m, s);
	for (unsigned int k = 0; k < SETS_MIXED; k++) {
		unsigned int at = first + k * CR_CHACHA20_LANES, end = at + CR_CHACHA20_LANES;

		for (unsigned int i = at; i < end && i < p->n; i++) {
			uint32_t last = cr_chacha20_blocks(p->len_bytes[i]);

			if (last > blocks_max)
				last = blocks_max;
			/* Those behind are not longer. */
			if (last < from[k])
				break;
			mix_packet(s, p, &m, i, from[k], last, sets);
		}
	}
	if (m.lanes > 0)
		end_mixed(s, &m, sets);
}

static inline __mmask64 tail_mask(uint32_t len_bytes)
{
	return _bzhi_u64(UINT64_MAX, len_bytes % CR_CHACHA20_BLOCK_BYTES);
}

static void load_tails(struct cr_chacha20_scratch *s, const struct cr_chacha20_packets *p)
{
	for (uint64_t left = s->tails; left; left &= left - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(left);
		uint32_t len = p->len_bytes[i], at = len - len % CR_CHACHA20_BLOCK_BYTES;

		_mm512_store_si512(s->tail[i],
				   _mm512_maskz_loadu_epi8(tail_mask(len), p->src[i] + at));
	}
}

static void store_tails(struct cr_chacha20_scratch *s, const struct cr_chacha20_packets *p)
{
	for (uint64_t left = s->tails; left; left &= left - 1) {
		unsigned int i = (unsigned int)__builtin_ctzll(left);
		uint32_t len = p->len_bytes[i], at = len - len % CR_CHACHA20_BLOCK_BYTES;

		_mm512_mask_storeu_epi8(p->dst[i] + at, tail_mask(len),
					_mm512_load_si512(s->tail[i]));
	}
}

void cr_chacha20_avx512_run(struct cr_chacha20_scratch *s, const struct cr_chacha20_packets *p,
			    unsigned int what)
{
	uint32_t from = what & CR_CHACHA20_KEYS ? 0 : 1;
	uint32_t blocks_max = what & CR_CHACHA20_TEXT ? UINT32_MAX : 0;

	if (what & CR_CHACHA20_TEXT)
		load_tails(s, p);
	for (unsigned int first = 0; first < p->n; first += SETS_MIXED * CR_CHACHA20_LANES) {
		uint32_t done[SETS_MIXED];

		for (unsigned int i = 0; i < SETS_MIXED; i++) {
			unsigned int at = first + i * CR_CHACHA20_LANES;

			done[i] = at < p->n ? do_columns(s, p, at, from, blocks_max) : 0;
		}
		do_mixed(s, p, first, done, blocks_max);
	}
	if (s->n_jobs > 0)
		run_jobs(s);
	if (what & CR_CHACHA20_TEXT)
		store_tails(s, p);
}

void cr_chacha20_avx512_wipe(struct cr_chacha20_scratch *s, unsigned int n)
{
	unsigned int sets = (n + CR_CHACHA20_LANES - 1) / CR_CHACHA20_LANES;

	cr_avx512_wipe(s->rows, sets * sizeof(s->rows[0]));
	cr_avx512_wipe(s->mixed, s->most_mixed * sizeof(s->mixed[0]));
	cr_avx512_wipe(s->one_time, n * sizeof(s->one_time[0]));
	if (s->tails)
		cr_avx512_wipe(s->tail, n * sizeof(s->tail[0]));
	cr_avx512_wipe(s->sink, sizeof(s->sink));
	cr_avx512_wipe(s->spill, sizeof(s->spill));
}
