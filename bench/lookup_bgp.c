/*
 * wgdp-bench lookup: prefixes as in the Internet's BGP table, generated: how many of each length,
 * how many of these lie within a shorter one and within what, how many follow right after another,
 * and into how few blocks the space is allocated are those of a real table. Other sets are made in
 * lookup_sets.c.
 *
 * Source: a full table of a tier-1 provider with 901 899 IPv4 and 160 147 IPv6 prefixes, January
 * 2024, as published in github.com/gaissmai/bart (internal/tests/testdata/prefixes.txt.gz, commit
 * c4b30e2); counted for this bench. There 50.7 % (IPv4) and 56.9 % (IPv6) are more specific than
 * another. Geoff Huston's reports agree: 57.4 % of IPv6 on 2024-04-27
 * (bgp.potaroo.net/v6/as2.0/), and /48 is 46 % of the table (BGP in 2024, APNIC). IPv6 lengths of
 * 65 to 128, 0.05 %, stand as 128. What comes out has 52.1 % and 56.5 % more specific ones; 64 %
 * and 56 % lie right behind one of the same length (62 % and 53 % there).
 */
#include <stdlib.h>

#include "bench/lookup.h"

#define TRIES 64 /* to find a place that is free, and not within another */

/* Of one length: prefixes in 100 000 of all; percent of them within a shorter prefix; of 10 000
 * that lie within another, in how many cases that has this length. */
struct share {
	uint8_t len;
	unsigned int of_100k, within_percent, holds_of_10k;
};

static const struct share v4_shares[] = {
	{8, 2, 0, 140},	      {9, 1, 31, 80},	   {10, 4, 0, 123},	  {11, 11, 4, 200},
	{12, 33, 10, 262},    {13, 64, 17, 253},   {14, 133, 15, 427},	  {15, 233, 22, 458},
	{16, 1496, 24, 1813}, {17, 913, 46, 706},  {18, 1530, 50, 759},	  {19, 2758, 39, 1211},
	{20, 4725, 54, 1009}, {21, 5627, 55, 713}, {22, 12044, 45, 1158}, {23, 10701, 57, 681},
	{24, 59618, 51, 6},   {25, 2, 100, 0},	   {27, 1, 100, 0},	  {28, 2, 94, 0},
	{29, 2, 100, 0},      {32, 98, 99, 0},
};
static const struct share v6_shares[] = {
	{16, 1, 0, 0},	     {19, 1, 0, 0},	  {20, 10, 0, 664},	 {21, 2, 0, 0},
	{22, 4, 0, 13},	     {23, 5, 0, 1},	  {24, 19, 10, 139},	 {25, 5, 12, 1},
	{26, 9, 0, 2},	     {27, 12, 10, 27},	  {28, 121, 44, 92},	 {29, 2729, 1, 1098},
	{30, 406, 44, 195},  {31, 177, 46, 54},	  {32, 14080, 25, 4405}, {33, 1827, 81, 394},
	{34, 1625, 72, 248}, {35, 651, 62, 96},	  {36, 3744, 57, 531},	 {37, 549, 75, 62},
	{38, 1010, 52, 163}, {39, 860, 82, 52},	  {40, 8379, 76, 810},	 {41, 564, 53, 23},
	{42, 1437, 80, 241}, {43, 625, 43, 113},  {44, 8970, 72, 307},	 {45, 970, 82, 42},
	{46, 1898, 53, 66},  {47, 1969, 79, 155}, {48, 47137, 59, 5},	 {49, 7, 100, 0},
	{50, 2, 100, 0},     {52, 1, 100, 0},	  {55, 1, 100, 0},	 {56, 15, 96, 0},
	{58, 12, 100, 0},    {60, 1, 0, 0},	  {64, 115, 97, 0},	 {128, 52, 100, 0},
};

/*
 * Where prefixes are that lie in no other one: in `regions` regions of region_len bits if they are
 * shorter than block_len, else in `blocks` blocks that are drawn in these where nothing is yet
 * (some of them twice, so that some hold more). Then some follow right after the one before.
 */
static const struct family {
	unsigned int n; /* prefixes of the set */
	const struct share *shares;
	unsigned int n_shares;
	unsigned int region_len, regions, block_len, blocks;
	unsigned int follow_percent; /* the one right before it, of the same length, is there too */
} families[2] = {
	{900000, v4_shares, sizeof(v4_shares) / sizeof(v4_shares[0]), 8, 220, 16, 60000, 64},
	{200000, v6_shares, sizeof(v6_shares) / sizeof(v6_shares[0]), 20, 617, 32, 29369, 56},
};

struct maker {
	const struct family *f;
	bool v6;
	struct lookup_random *r;
	struct binary_trie *there; /* what was made already */
	struct lookup_address *regions, *blocks;
	struct lookup_prefix *prefixes;
	unsigned int n;
	bool last_within;		       /* another one */
	unsigned int first_of[129], n_of[129]; /* by length, in prefixes */
};

unsigned int lookup_bgp_n(bool v6)
{
	return families[v6].n;
}

/* Bits behind the first `from` ones drawn anew. */
static struct lookup_address drawn(struct maker *m, struct lookup_address a, unsigned int from)
{
	struct lookup_address random = {lookup_random(m->r), lookup_random(m->r)};
	struct lookup_address keep = lookup_masked(a, from), cut = lookup_masked(random, from);

	return (struct lookup_address){keep.hi | (random.hi ^ cut.hi),
				       keep.lo | (random.lo ^ cut.lo)};
}

/* IPv6 is given out from few places of 2000::/3: these first 16 bits. */
static struct lookup_address v6_region(struct maker *m)
{
	static const struct {
		uint16_t base, n;
	} given[] = {{0x2001, 1}, {0x2400, 16}, {0x2600, 17},
		     {0x2800, 7}, {0x2a00, 15}, {0x2c0f, 1}};
	unsigned int k = lookup_below(m->r, 57), i = 0;

	for (; k >= given[i].n; i++)
		k -= given[i].n;
	return drawn(m, (struct lookup_address){(uint64_t)(given[i].base + k) << 48, 0}, 16);
}

static void draw_regions(struct maker *m)
{
	m->regions = lookup_need(calloc(m->f->regions, sizeof(m->regions[0])));
	for (unsigned int i = 0; i < m->f->regions; i++)
		m->regions[i] = m->v6 ? v6_region(m)
				      : (struct lookup_address){(uint64_t)(i + 1) << 56, 0};
}

/* After all that is shorter than a block. */
static void draw_blocks(struct maker *m)
{
	m->blocks = lookup_need(calloc(m->f->blocks, sizeof(m->blocks[0])));
	for (unsigned int i = 0; i < m->f->blocks; i++) {
		for (unsigned int k = 0; k < TRIES; k++) {
			m->blocks[i] = drawn(m, m->regions[lookup_below(m->r, m->f->regions)],
					     m->f->region_len);
			if (binary_find(m->there, m->blocks[i]) == 0)
				break;
		}
	}
}

static struct lookup_address top_place(struct maker *m, unsigned int len)
{
	if (len < m->f->block_len)
		return drawn(m, m->regions[lookup_below(m->r, m->f->regions)],
			     len < m->f->region_len ? len : m->f->region_len);
	return drawn(m, m->blocks[lookup_below(m->r, m->f->blocks)], m->f->block_len);
}

/* One of those shorter than len; NULL: there are none. */
static const struct lookup_prefix *holder(struct maker *m, unsigned int len)
{
	unsigned int sum = 0, at;

	for (unsigned int i = 0; i < m->f->n_shares && m->f->shares[i].len < len; i++)
		sum += m->n_of[m->f->shares[i].len] ? m->f->shares[i].holds_of_10k : 0;
	if (sum == 0)
		return NULL;
	at = lookup_below(m->r, sum);
	for (unsigned int i = 0;; i++) {
		unsigned int l = m->f->shares[i].len;
		unsigned int holds = m->n_of[l] ? m->f->shares[i].holds_of_10k : 0;

		if (at < holds)
			return &m->prefixes[m->first_of[l] + lookup_below(m->r, m->n_of[l])];
		at -= holds;
	}
}

/* Its own value in the trie is its number, from 1 on; so is its place known. */
static bool is_there(const struct maker *m, struct lookup_address a, unsigned int len)
{
	uint32_t found = binary_find(m->there, a);

	return found && m->prefixes[found - 1].len == len;
}

static void add(struct maker *m, struct lookup_address a, unsigned int len)
{
	struct lookup_prefix *p = &m->prefixes[m->n++];

	*p = (struct lookup_prefix){lookup_masked(a, len), (uint8_t)len};
	m->n_of[len]++;
	if (!binary_insert(m->there, p, m->n))
		lookup_need(NULL);
}

/* The prefix right after the last one of this length; lengths over 64 have none. */
static struct lookup_address next_to_last(const struct maker *m, unsigned int len)
{
	struct lookup_address a = m->prefixes[m->n - 1].addr;

	if (len <= 64)
		a.hi += UINT64_C(1) << (64 - len);
	return a;
}

/* Right after the last one, if that was alike: within another or not. */
static bool follow(struct maker *m, unsigned int len)
{
	struct lookup_address a;

	if (m->n_of[len] == 0 || lookup_below(m->r, 100) >= m->f->follow_percent)
		return false;
	a = next_to_last(m, len);
	if ((binary_find(m->there, a) != 0) != m->last_within || is_there(m, a, len))
		return false;
	add(m, a, len);
	return true;
}

static void make_one(struct maker *m, const struct share *s)
{
	bool within;

	if (follow(m, s->len))
		return;
	within = lookup_below(m->r, 100) < s->within_percent;
	for (unsigned int k = 0;; k++) {
		const struct lookup_prefix *in = within ? holder(m, s->len) : NULL;
		struct lookup_address a = in ? drawn(m, in->addr, in->len) : top_place(m, s->len);

		if (k < TRIES && !in && binary_find(m->there, a) != 0)
			continue;
		if (!is_there(m, a, s->len)) {
			m->last_within = binary_find(m->there, a) != 0;
			add(m, a, s->len);
			return;
		}
	}
}

/* Rounding goes to the longest of the frequent ones, /24 and /48. */
static unsigned int how_many(const struct family *f, unsigned int share)
{
	unsigned int others = 0;

	if (f->shares[share].of_100k < 40000)
		return (unsigned int)((uint64_t)f->n * f->shares[share].of_100k / 100000);
	for (unsigned int i = 0; i < f->n_shares; i++)
		others += i == share ? 0 : how_many(f, i);
	return f->n - others;
}

void lookup_bgp_make(struct lookup_prefix *prefixes, bool v6, struct lookup_random *r)
{
	struct maker m = {.f = &families[v6],
			  .v6 = v6,
			  .r = r,
			  .there = lookup_need(binary_new()),
			  .prefixes = prefixes};

	draw_regions(&m);
	for (unsigned int i = 0; i < m.f->n_shares; i++) {
		unsigned int n = how_many(m.f, i);

		if (m.f->shares[i].len >= m.f->block_len && !m.blocks)
			draw_blocks(&m);
		m.first_of[m.f->shares[i].len] = m.n;
		for (unsigned int k = 0; k < n; k++)
			make_one(&m, &m.f->shares[i]);
	}
	binary_free(m.there);
	free(m.regions);
	free(m.blocks);
}
