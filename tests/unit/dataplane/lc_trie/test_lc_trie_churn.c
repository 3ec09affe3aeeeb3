/*
 * The trie under random changes, against a naive oracle: both families, prefixes of many shapes,
 * every answer of every lookup, and every thousand changes the whole of it. At the end nothing is
 * left.
 */
#include <errno.h>

#include "tests/unit/dataplane/lc_trie/check.h"
#include "tests/unit/dataplane/lc_trie/later.h"
#include "tests/unit/dataplane/lc_trie/must.h"
#include "tests/unit/dataplane/lc_trie/oracle.h"
#include "tests/unit/dataplane/lc_trie/shapes.h"
#include "tests/unit/unit.h"

/* Changes for each family. */
#ifndef CHURN
#define CHURN 6000000u
#endif
#define SHORT	     300
#define CHECK_EACH   1000
#define PHASE_MAX    60000 /* changes with the same shapes and tendency */
#define PREFIXES_MAX 30000
#define SHAPES	     3
#define OWNERS	     40
#define BATCH_MAX    300

struct churn {
	struct dp_trie *t;
	struct oracle *o;
	struct later queue;
	size_t empty_bytes;
	uint64_t seed;
	uint8_t bits;
	bool listed;
	/* of the phase */
	struct shape shapes[SHAPES];
	unsigned int set_percent, run_each, left;
	size_t prefixes_max;
	struct owner owners[OWNERS];
};

static unsigned int below(struct churn *c, unsigned int n)
{
	return (unsigned int)((unit_random(&c->seed) >> 16) % n);
}

static void open_churn(struct churn *c, uint8_t bits, bool listed, uint64_t seed)
{
	struct dp_later later = later_of(&c->queue);

	memset(c, 0, sizeof(*c));
	c->bits = bits;
	c->listed = listed;
	c->seed = seed;
	c->t = dp_trie_new(bits, listed ? offsetof(struct owner, list) : DP_TRIE_UNLISTED, &later);
	c->o = oracle_new(bits, PREFIXES_MAX + BATCH_MAX);
	MUST(c->t != NULL);
	c->empty_bytes = dp_trie_used_bytes(c->t);
}

static void new_phase(struct churn *c)
{
	static const unsigned int set_percents[] = {85, 70, 50, 50, 30, 15};
	static const unsigned int run_each[] = {1, 7, 300, PHASE_MAX};
	static const size_t prefixes_max[] = {3, 30, 300, 3000, PREFIXES_MAX};

	for (unsigned int i = 0; i < SHAPES; i++)
		c->shapes[i] = shape_random(&c->seed, c->bits,
					    (enum shape_kind)below(c, SHAPE_KINDS));
	c->set_percent = set_percents[below(c, 6)];
	c->run_each = run_each[below(c, 4)];
	c->prefixes_max = prefixes_max[below(c, 5)];
	c->left = 1 + below(c, c->prefixes_max < 300 ? PHASE_MAX / 10 : PHASE_MAX);
}

/* ---- changes ---- */

static void change_prefix(struct churn *c, struct dp_trie_prefix *p)
{
	shape_prefix(&c->shapes[below(c, SHAPES)], &c->seed, p);
	p->value = &c->owners[below(c, OWNERS)];
}

static void change_existing(struct churn *c, struct dp_trie_prefix *p)
{
	if (c->o->n == 0)
		change_prefix(c, p);
	else
		*p = c->o->entries[below(c, (unsigned int)c->o->n)].is;
}

static void do_set(struct churn *c, struct dp_trie_prefix *p)
{
	void *old = c, *value = &c->owners[below(c, OWNERS)];

	if (below(c, 8) == 0)
		change_existing(c, p);
	else
		change_prefix(c, p);
	MUST(dp_trie_set(c->t, p->key, p->len, value, &old) == 0);
	MUST(old == oracle_set(c->o, p->key, p->len, value));
}

/* Mostly one that is there, sometimes not this length or this value. */
static void do_clear(struct churn *c, struct dp_trie_prefix *p)
{
	const void *value;

	change_existing(c, p);
	value = below(c, 2) == 0 ? NULL : p->value;
	if (below(c, 16) == 0)
		p->len = (uint8_t)below(c, c->bits + 1u);
	if (below(c, 16) == 0)
		value = &c->owners[below(c, OWNERS)];
	MUST(dp_trie_clear(c->t, p->key, p->len, value) ==
	     oracle_clear(c->o, p->key, p->len, value));
}

static void do_clear_listed(struct churn *c)
{
	const struct owner *owner = &c->owners[below(c, OWNERS)];
	size_t max = below(c, 60);

	if (c->listed)
		MUST(dp_trie_clear_listed(c->t, owner, max) ==
		     oracle_clear_listed(c->o, owner, max));
}

static void do_build(struct churn *c)
{
	struct dp_trie_prefix batch[BATCH_MAX];
	unsigned int n = below(c, BATCH_MAX);

	for (unsigned int i = 0; i < n; i++) {
		change_prefix(c, &batch[i]);
		batch[i].value = &c->owners[0];
		oracle_set(c->o, batch[i].key, batch[i].len, batch[i].value);
	}
	MUST(dp_trie_build(c->t, batch, n) == 0);
	/* They have joined their list in an order of their own: do it once more in ours. */
	for (size_t i = 0; i < c->o->n; i++) {
		struct dp_trie_prefix *p = &c->o->entries[i].is;
		void *old;

		if (p->value == &c->owners[0]) {
			MUST(dp_trie_set(c->t, p->key, p->len, p->value, &old) == 0);
			MUST(old == oracle_set(c->o, p->key, p->len, p->value));
		}
	}
}

/* ---- looks ---- */

static void look(struct churn *c, const struct dp_trie_prefix *changed)
{
	struct dp_trie_key keys[DP_TRIE_BULK_MAX];
	unsigned int n = 1 + below(c, below(c, 8) == 0 ? DP_TRIE_BULK_MAX : 8);
	struct dp_trie_prefix p;

	for (unsigned int i = 0; i < n; i++) {
		switch (below(c, 4)) {
		case 0:
			change_prefix(c, &p);
			keys[i] = p.key;
			break;
		case 1:
			change_existing(c, &p);
			keys[i] = shape_near(&c->seed, &p, c->bits);
			break;
		default:
			keys[i] = shape_near(&c->seed, changed, c->bits);
			break;
		}
	}
	oracle_expect(c->o, c->t, keys, n);
}

static void compare(struct churn *c)
{
	check_trie(c->t);
	oracle_compare(c->o, c->t);
	if (c->listed)
		oracle_compare_lists(c->o, c->t, c->owners, OWNERS);
}

/* ---- the whole ---- */

static void change(struct churn *c)
{
	struct dp_trie_prefix p = {.len = 0};
	unsigned int what = below(c, 10000);

	if (c->left-- == 0)
		new_phase(c);
	if (what == 0)
		do_build(c);
	else if (what < 10)
		do_clear_listed(c);
	else if (below(c, 100) < c->set_percent && c->o->n < c->prefixes_max)
		do_set(c, &p);
	else
		do_clear(c, &p);
	if (below(c, c->run_each) == 0)
		later_run(&c->queue);
	look(c, &p);
}

static void remove_all(struct churn *c)
{
	while (c->o->n > 0) {
		struct dp_trie_prefix p;

		change_existing(c, &p);
		MUST(dp_trie_clear(c->t, p.key, p.len, NULL) == p.value);
		MUST(oracle_clear(c->o, p.key, p.len, NULL) == p.value);
		if (c->o->n % CHECK_EACH == 0)
			compare(c);
		if (below(c, 8) == 0)
			look(c, &p);
	}
}

static void close_churn(struct churn *c)
{
	compare(c);
	remove_all(c);
	check_empty(c->t, c->empty_bytes);
	for (unsigned int i = 0; i < OWNERS; i++)
		MUST(c->owners[i].list == 0);
	later_drain(&c->queue);
	check_all_free(c->t);
	/* Deleted while readers are waited for. */
	dp_trie_free(c->t);
	later_drain(&c->queue);
	oracle_free(c->o);
}

static void run_churn(uint8_t bits, bool listed, uint64_t seed, unsigned int changes)
{
	static struct churn c;
	size_t most = 0, most_nodes = 0;

	open_churn(&c, bits, listed, seed);
	for (unsigned int i = 0; i < changes; i++) {
		change(&c);
		if (i % CHECK_EACH == 0)
			compare(&c);
		most = c.o->n > most ? c.o->n : most;
		most_nodes = dp_trie_nodes(c.t) > most_nodes ? dp_trie_nodes(c.t) : most_nodes;
	}
	if (changes > SHORT)
		print_message("# %u bits, seed %llu: at most %zu prefixes, %zu nodes\n", bits,
			      (unsigned long long)seed, most, most_nodes);
	close_churn(&c);
}

static void churn_v4(void **state)
{
	(void)state;
	run_churn(32, true, 20250411, CHURN);
}

static void churn_v6(void **state)
{
	(void)state;
	run_churn(128, true, 20250412, CHURN);
}

static void churn_unlisted(void **state)
{
	(void)state;
	run_churn(32, false, 20250413, CHURN / 10);
	run_churn(128, false, 20250414, CHURN / 10);
}

/* Many small lives: what is left over once shows. */
static void churn_short(void **state)
{
	(void)state;
	print_message("# seeds from 1000 on\n");
	for (unsigned int i = 0; i < TIMES(100); i++)
		run_churn(i % 2 == 0 ? 32 : 128, true, 1000 + i, SHORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(churn_short),
		cmocka_unit_test(churn_v4),
		cmocka_unit_test(churn_v6),
		cmocka_unit_test(churn_unlisted),
	};

	return UNIT_RUN(tests);
}
