/*
 * wgdp-bench lookup: the names of all that there is to measure, and the structures of a set: each
 * is filled with it, or left out with the reason. Timing is in lookup_time.c.
 */
#include "bench/lookup_cells.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* Units. */
static const char cycles[] = "tsc_cycles/lookup", millions[] = "million/s",
		  microseconds[] = "us/update", count[] = "updates";

#define LARGE		  100000     /* prefixes */
#define KEYS_MANY	  (1u << 20) /* of a large set */
#define KEYS_FEW	  (1u << 16)
#define BUILD_SECONDS_MIN 5
#define BUILD_SHARE	  6.0 /* of --seconds, if that is more */

const struct lookup_structure *const lookup_structures[LOOKUP_STRUCTURES] = {
	&lookup_ours, &lookup_allowed, &lookup_lpm,  &lookup_lpm6,
	&lookup_fib,  &lookup_fib6,    &lookup_hash, &lookup_binary};

static const char *const loads[LOOKUP_LOADS] = {"hits", "zipf", "misses"};
static const char *const updates[LOOKUP_UPDATES] = {"insert", "replace", "remove"};

static const struct lookup_set_kind kinds[LOOKUP_SETS] = {
	{"hosts-16", LOOKUP_HOSTS, 16, false},
	{"hosts-1k", LOOKUP_HOSTS, 1000, false},
	{"hosts-100k", LOOKUP_HOSTS, 100000, false},
	{"hosts-1m", LOOKUP_HOSTS, 1000000, true},
	{"dense-100k", LOOKUP_DENSE, 100000, false},
	{"dense-1m", LOOKUP_DENSE, 1000000, true},
	{"bgp", LOOKUP_BGP, 0, true},
};

struct bench_result *lookup_result(struct bench_report *r, const struct bench_options *o,
				   const char *unit, const char *format, ...)
{
	char name[BENCH_NAME_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	return bench_wanted(o, name) ? bench_result(r, unit, "%s", name) : NULL;
}

/* ---- what there is to measure ---- */

static bool takes(const struct lookup_cell *c, unsigned int structure)
{
	const struct lookup_structure *s = lookup_structures[structure];

	return s->name[c->v6] && (!s->hosts_only || c->kind->kind != LOOKUP_BGP);
}

static void name_of(char name[BENCH_NAME_BYTES], const struct lookup_cell *c, const char *what,
		    unsigned int structure)
{
	snprintf(name, BENCH_NAME_BYTES, "%s/%s/%s/%s", c->v6 ? "v6" : "v4", c->kind->name, what,
		 lookup_structures[structure]->name[c->v6]);
}

/* NULL: not asked for. */
static struct bench_result *wanted(struct lookup_run *r, struct lookup_cell *c, const char *unit,
				   const char *what, unsigned int structure)
{
	char name[BENCH_NAME_BYTES];
	struct bench_result *result;

	name_of(name, c, what, structure);
	result = lookup_result(&r->report, r->o, unit, "%s", name);
	c->wanted |= result != NULL;
	return result;
}

/* What ratios are to is measured too. */
static struct bench_result *needed(struct lookup_run *r, struct lookup_cell *c, const char *what,
				   unsigned int structure)
{
	char name[BENCH_NAME_BYTES];

	name_of(name, c, what, structure);
	return bench_result(&r->report, cycles, "%s", name);
}

static void add_lookups(struct lookup_run *r, struct lookup_cell *c)
{
	for (unsigned int k = 0; k < LOOKUP_LOADS; k++) {
		struct bench_result **x = c->lookups[k];
		bool any = false;

		for (unsigned int i = 0; i < LOOKUP_STRUCTURES; i++) {
			x[i] = takes(c, i) ? wanted(r, c, cycles, loads[k], i) : NULL;
			any |= x[i] != NULL;
		}
		if (any && !x[LOOKUP_BINARY])
			x[LOOKUP_BINARY] = needed(r, c, loads[k], LOOKUP_BINARY);
		for (unsigned int i = 0; i < LOOKUP_BINARY; i++) {
			if (x[i])
				x[i]->ratio_to = x[LOOKUP_BINARY];
		}
	}
	c->updated = wanted(r, c, cycles, "hits+updates", LOOKUP_OURS);
	if (c->updated) {
		if (!c->lookups[LOOKUP_HITS][LOOKUP_OURS])
			c->lookups[LOOKUP_HITS][LOOKUP_OURS] = needed(r, c, loads[LOOKUP_HITS],
								      LOOKUP_OURS);
		c->updated->ratio_to = c->lookups[LOOKUP_HITS][LOOKUP_OURS];
	}
}

/* Enough prefixes that what a structure starts with hardly counts. */
static bool is_large(const struct lookup_cell *c)
{
	return c->kind->kind == LOOKUP_BGP || c->kind->n >= LARGE;
}

static void add_memory(struct lookup_run *r, struct lookup_cell *c)
{
	for (unsigned int i = 0; i < LOOKUP_STRUCTURES; i++) {
		if (takes(c, i) && is_large(c))
			c->bytes[i] = wanted(r, c, "bytes/prefix", "memory", i);
	}
	for (unsigned int i = 0; i < LOOKUP_STRUCTURES; i++) {
		if (takes(c, i) && is_large(c) && lookup_structures[i]->table_bytes)
			c->table[i] = wanted(r, c, "bytes/prefix", "memory-table", i);
	}
}

/* Those with that unit. */
static void add_rates(struct lookup_run *r, struct lookup_cell *c, const char *unit)
{
	for (unsigned int k = 0; c->kind->rates && k < LOOKUP_UPDATES; k++) {
		struct lookup_rates *x = &c->rates[k];
		struct {
			struct bench_result **result;
			const char *unit, *name;
		} all[] = {{&x->rate, millions, "rate"},
			   {k == LOOKUP_INSERT ? &x->bulk_rate : NULL, millions, "bulk-rate"},
			   {&x->p50, microseconds, "p50"},
			   {&x->p99, microseconds, "p99"},
			   {&x->p9999, microseconds, "p99.99"},
			   {&x->longest[0], microseconds, "longest"},
			   {&x->longest[1], microseconds, "longest-2nd"},
			   {&x->longest[2], microseconds, "longest-3rd"},
			   {&x->longest_cpu, microseconds, "longest-cpu"},
			   {&x->over, count, "over-1ms"},
			   {&x->over_cpu, count, "over-1ms-cpu"}};

		for (unsigned int i = 0; i < N(all); i++) {
			if (all[i].unit != unit || !all[i].result)
				continue;
			*all[i].result = lookup_result(
				&r->report, r->o, unit, "%s/%s/%s-%s/%s", c->v6 ? "v6" : "v4",
				c->kind->name, lookup_ours.name[c->v6], updates[k], all[i].name);
			c->wanted |= *all[i].result != NULL;
		}
	}
}

static void add_all_rates(struct lookup_run *r)
{
	static const char *const units[] = {millions, microseconds, count};

	for (unsigned int k = 0; k < N(units); k++) {
		for (unsigned int i = 0; i < 2 * LOOKUP_SETS; i++)
			add_rates(r, &r->cells[i], units[k]);
	}
}

static void add_filling(struct lookup_run *r, struct lookup_cell *c)
{
	for (unsigned int i = 0; i < LOOKUP_STRUCTURES; i++) {
		if (takes(c, i) && is_large(c))
			c->insert[i] = wanted(r, c, millions, "fill", i);
	}
}

static void add_pages(struct lookup_run *r, struct lookup_cell *c)
{
	for (unsigned int i = 0; i < LOOKUP_STRUCTURES; i++) {
		if (takes(c, i) && is_large(c))
			c->pages[i] = wanted(r, c, "% in huge pages", "pages", i);
	}
}

static void add(struct lookup_run *r, void (*add_to)(struct lookup_run *r, struct lookup_cell *c))
{
	for (unsigned int i = 0; i < 2 * LOOKUP_SETS; i++)
		add_to(r, &r->cells[i]);
}

/* A unit after the other: results are printed in the order in which they are added. */
void lookup_cells_add(struct lookup_run *r)
{
	for (unsigned int i = 0; i < 2 * LOOKUP_SETS; i++)
		r->cells[i] = (struct lookup_cell){.kind = &kinds[i % LOOKUP_SETS],
						   .v6 = i >= LOOKUP_SETS};
	add(r, add_lookups);
	add(r, add_filling);
	add_all_rates(r);
	add(r, add_memory);
	add(r, add_pages);
	for (unsigned int i = 0; i < 2 * LOOKUP_SETS; i++)
		r->n_wanted += r->cells[i].wanted;
}

/* ---- a set and its structures ---- */

static bool measured(const struct lookup_cell *c, unsigned int structure)
{
	bool any = c->insert[structure] || c->bytes[structure] || c->table[structure] ||
		   c->pages[structure];

	for (unsigned int k = 0; k < LOOKUP_LOADS; k++)
		any |= c->lookups[k][structure] != NULL;
	return any;
}

static void leave_out(struct lookup_cell *c, unsigned int structure)
{
	struct bench_result *all[] = {c->insert[structure],
				      c->bytes[structure],
				      c->table[structure],
				      c->pages[structure],
				      c->lookups[LOOKUP_HITS][structure],
				      c->lookups[LOOKUP_ZIPF][structure],
				      c->lookups[LOOKUP_MISSES][structure]};

	for (unsigned int i = 0; i < N(all); i++) {
		if (all[i])
			snprintf(all[i]->note, sizeof(all[i]->note), "%s", c->built[structure].why);
	}
}

static void sample(struct bench_result *result, double value)
{
	if (result)
		bench_sample(result, value);
}

static void build(const struct lookup_run *r, struct lookup_cell *c, unsigned int structure)
{
	const struct lookup_structure *s = lookup_structures[structure];
	struct lookup_built *b = &c->built[structure];
	size_t before, huge_before, after, huge;

	bench_progress("lookup: %s/%s: filling %s", c->v6 ? "v6" : "v4", c->kind->name,
		       s->name[c->v6]);
	*b = (struct lookup_built){.seconds_max = r->o->seconds / BUILD_SHARE};
	if (b->seconds_max < BUILD_SECONDS_MIN)
		b->seconds_max = BUILD_SECONDS_MIN;
	lookup_resident(&before, &huge_before);
	s->build(b, &c->set);
	if (!b->state) {
		leave_out(c, structure);
		return;
	}
	lookup_resident(&after, &huge);
	sample(c->insert[structure], c->set.n / b->insert_seconds / 1e6);
	sample(c->bytes[structure], (double)s->bytes(b->state) / c->set.n);
	if (s->table_bytes)
		sample(c->table[structure], (double)s->table_bytes(b->state) / c->set.n);
	if (s->in_heap)
		sample(c->pages[structure], lookup_heap_huge());
	else if (c->pages[structure] && after <= before)
		snprintf(c->pages[structure]->note, BENCH_NOTE_BYTES,
			 "memory that was there already");
	else
		sample(c->pages[structure],
		       100 * ((double)huge - (double)huge_before) / (double)(after - before));
}

static void make_keys(struct lookup_cell *c)
{
	for (unsigned int k = 0; k < LOOKUP_LOADS; k++) {
		bool any = k == LOOKUP_HITS && c->updated;

		for (unsigned int i = 0; i < LOOKUP_STRUCTURES; i++)
			any |= c->lookups[k][i] != NULL;
		if (!any)
			continue;
		bench_progress("lookup: %s/%s: addresses", c->v6 ? "v6" : "v4", c->kind->name);
		lookup_keys_make(&c->keys[k], &c->set, c->built[LOOKUP_BINARY].state,
				 (enum lookup_load)k, c->set.n < LARGE ? KEYS_FEW : KEYS_MANY);
	}
}

/* The binary trie is what others are checked with: always there. */
void lookup_cell_open(const struct lookup_run *r, struct lookup_cell *c)
{
	bench_progress("lookup: %s/%s: making the set", c->v6 ? "v6" : "v4", c->kind->name);
	lookup_set_make(&c->set, c->v6, c->kind->kind, c->kind->n);
	for (unsigned int i = 0; i < LOOKUP_STRUCTURES; i++) {
		if (i == LOOKUP_BINARY || measured(c, i))
			build(r, c, i);
	}
	make_keys(c);
}

void lookup_cell_close(struct lookup_cell *c)
{
	for (unsigned int i = 0; i < LOOKUP_STRUCTURES; i++) {
		if (c->built[i].state)
			lookup_structures[i]->free(c->built[i].state);
	}
	lookup_heap_empty();
	for (unsigned int k = 0; k < LOOKUP_LOADS; k++)
		lookup_keys_free(&c->keys[k]);
	lookup_set_free(&c->set);
}
