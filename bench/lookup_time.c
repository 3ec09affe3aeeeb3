/*
 * wgdp-bench lookup: the lookups of a set. First all structures must give the right answers; then
 * they take turns, sample by sample, each going through the keys from where it stopped, so that
 * a sample does not find in the caches what the one before has fetched.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/lookup_cells.h"
#include "bench/tsc.h"

#define ROUNDS_MIN  7
#define ROUNDS_MAX  501
#define SAMPLE_KEYS (1u << 16)
/* Before a sample: what ran before has cooled the caches. The binary trie, which would take long,
 * profits from little of it. */
#define WARM_KEYS	 (1u << 18)
#define WARM_KEYS_BINARY (1u << 15)
#define QUIESCENT_EACH	 (1u << 10)
#define CHECKED_KEYS	 (1u << 18)
#define NAIVE_KEYS	 32 /* per load: compared with a walk over all prefixes */

/* ---- answers ---- */

static uint32_t naive(const struct lookup_set *set, struct lookup_address a)
{
	const struct lookup_prefix *best = NULL;

	for (unsigned int i = 0; i < set->n; i++) {
		const struct lookup_prefix *p = &set->prefixes[i];

		if ((!best || p->len > best->len) && lookup_covers(p, a))
			best = p;
	}
	return best ? lookup_value((unsigned int)(best - set->prefixes)) : 0;
}

/* All of a small set's keys, some of those of a large one, which would take long. */
static unsigned int check_step(const struct lookup_keys *keys)
{
	return keys->n <= CHECKED_KEYS ? LOOKUP_BULK : keys->n / CHECKED_KEYS * LOOKUP_BULK;
}

static void complain(const struct lookup_cell *c, unsigned int structure, struct lookup_address a,
		     uint32_t right, uint32_t value)
{
	bench_progress_end();
	fprintf(stderr,
		"wgdp-bench: %s/%s: %s: %016llx%016llx has the value %u, not %u (0: none)\n",
		c->v6 ? "v6" : "v4", c->kind->name, lookup_structures[structure]->name[c->v6],
		(unsigned long long)a.hi, (unsigned long long)a.lo, right, value);
}

static bool is_right(const struct lookup_cell *c, const struct lookup_keys *keys,
		     unsigned int structure, const uint32_t *right)
{
	uint32_t values[LOOKUP_BULK];

	for (unsigned int k = 0; k < keys->n; k += check_step(keys)) {
		lookup_structures[structure]->lookup(c->built[structure].state, keys, k, values);
		for (unsigned int i = 0; i < LOOKUP_BULK; i++) {
			if (values[i] == right[k + i])
				continue;
			complain(c, structure, keys->wide[k + i], right[k + i], values[i]);
			return false;
		}
	}
	return true;
}

/* Those of the binary trie; some of them are compared with what is too slow for all. */
static bool right_answers(const struct lookup_cell *c, const struct lookup_keys *keys,
			  uint32_t *right)
{
	for (unsigned int k = 0; k < keys->n; k += check_step(keys))
		lookup_binary.lookup(c->built[LOOKUP_BINARY].state, keys, k, right + k);
	for (unsigned int i = 0; i < NAIVE_KEYS; i++) {
		uint32_t answer = naive(&c->set, keys->wide[i]);

		if (answer == right[i])
			continue;
		complain(c, LOOKUP_BINARY, keys->wide[i], answer, right[i]);
		return false;
	}
	return true;
}

static bool check_load(const struct lookup_cell *c, const struct lookup_keys *keys)
{
	uint32_t *right = lookup_need(malloc(keys->n * sizeof(right[0])));
	bool same = right_answers(c, keys, right);

	for (unsigned int i = 0; same && i < LOOKUP_BINARY; i++)
		same = !c->built[i].state || is_right(c, keys, i, right);
	free(right);
	return same;
}

bool lookup_cell_check(const struct lookup_cell *c)
{
	for (unsigned int k = 0; k < LOOKUP_LOADS; k++) {
		if (c->keys[k].n && !check_load(c, &c->keys[k]))
			return false;
	}
	return true;
}

/* ---- time ---- */

static void look_up(const struct lookup_cell *c, unsigned int structure,
		    const struct lookup_keys *keys, unsigned int *at, unsigned int n)
{
	void (*lookup)(void *state, const struct lookup_keys *keys, unsigned int first,
		       uint32_t *values) = lookup_structures[structure]->lookup;
	void *state = c->built[structure].state;

	for (unsigned int k = 0; k < n; k += LOOKUP_BULK) {
		lookup(state, keys, *at, NULL);
		*at = *at + LOOKUP_BULK == keys->n ? 0 : *at + LOOKUP_BULK;
		if (structure == LOOKUP_OURS && k % QUIESCENT_EACH == 0)
			ours_quiescent(state);
	}
}

static void sample(struct lookup_cell *c, unsigned int load, unsigned int structure,
		   struct bench_result *to)
{
	unsigned int *at = &c->at[load][structure];
	uint64_t begin;

	look_up(c, structure, &c->keys[load], at,
		structure == LOOKUP_BINARY ? WARM_KEYS_BINARY : WARM_KEYS);
	begin = bench_tsc();
	look_up(c, structure, &c->keys[load], at, SAMPLE_KEYS);
	bench_sample(to, (double)(bench_tsc() - begin) / SAMPLE_KEYS);
}

static void sample_updated(struct lookup_cell *c)
{
	struct lookup_updates *u;

	u = lookup_updates_start(c->built[LOOKUP_OURS].state, &c->set, c->updated->note);
	if (!u)
		return;
	sample(c, LOOKUP_HITS, LOOKUP_OURS, c->updated);
	lookup_updates_stop(u);
}

static void sample_round(struct lookup_cell *c)
{
	for (unsigned int k = 0; k < LOOKUP_LOADS; k++) {
		for (unsigned int i = 0; i < LOOKUP_STRUCTURES; i++) {
			if (c->lookups[k][i] && c->built[i].state)
				sample(c, k, i, c->lookups[k][i]);
		}
	}
	if (c->updated && c->built[LOOKUP_OURS].state)
		sample_updated(c);
}

void lookup_cell_time(struct lookup_cell *c, double deadline)
{
	for (unsigned int round = 0; round < ROUNDS_MAX; round++) {
		if (bench_stopped() || (round >= ROUNDS_MIN && bench_seconds() >= deadline))
			break;
		bench_progress("lookup: %s/%s: round %u", c->v6 ? "v6" : "v4", c->kind->name,
			       round + 1);
		sample_round(c);
	}
}
