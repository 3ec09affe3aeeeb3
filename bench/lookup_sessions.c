/*
 * wgdp-bench lookup: the table by which a receiver index finds its session, and what a session
 * takes. Sessions are made as publish.c makes them, for one peer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_rcu_qsbr.h>

#include "bench/lookup.h"
#include "bench/tsc.h"
#include "dataplane/peer.h"
#include "dataplane/reclaim.h"
#include "dataplane/session.h"
#include "dataplane/sessions.h"

#define SEED	      9
#define SIZES	      4
#define POLL_EACH     64
#define ROUNDS	      31
#define KEYS	      (UINT32_C(1) << 20)
#define SAMPLE_KEYS   (UINT32_C(1) << 15)
#define RESERVE_PARTS 2 /* of the memory that is available, one may be taken */

static const struct size {
	const char *name;
	unsigned int n;
} sizes[SIZES] = {{"1k", 1000}, {"100k", 100000}, {"1m", 1000000}, {"3m", 3000000}};

static struct results {
	struct bench_result *hits, *insert, *removal, *table_bytes;
} results[SIZES];

/* One table and its sessions. */
struct load {
	struct dp_iface iface;
	struct dp_peer peer;
	struct rte_rcu_qsbr *rcu;
	struct dp_reclaim *reclaim;
	struct dp_sessions *table;
	struct dp_session **sessions;
	unsigned int n;
	size_t table_bytes;
	double insert_seconds, remove_seconds;
	uint32_t *keys;
	struct dp_iface *ifaces[LOOKUP_BULK];
};

/* ---- all that knows how the table is called ---- */

static bool table_new(struct load *l)
{
	l->rcu = lookup_need(aligned_alloc(RTE_CACHE_LINE_SIZE, rte_rcu_qsbr_get_memsize(1)));
	rte_rcu_qsbr_init(l->rcu, 1); /* nobody reads meanwhile */
	l->reclaim = dp_reclaim_new(l->rcu);
	l->table = l->reclaim ? dp_sessions_new(l->reclaim) : NULL;
	return l->table != NULL;
}

/* With the sessions that are in it. */
static void table_free(struct load *l)
{
	dp_sessions_free(l->table);
	dp_reclaim_free(l->reclaim);
	free(l->rcu);
}

static bool table_insert(struct load *l, struct dp_session *s)
{
	return dp_sessions_insert(l->table, s) == 0;
}

static void table_remove(struct load *l, struct dp_session *s)
{
	dp_sessions_remove(l->table, s);
}

static void table_poll(struct load *l)
{
	dp_reclaim_poll(l->reclaim);
}

static size_t table_bytes(const struct load *l)
{
	return dp_sessions_bytes(l->table);
}

static void table_lookup(const struct load *l, struct dp_iface *const *ifaces,
			 const uint32_t *indices, struct dp_session **found)
{
	dp_sessions_lookup_bulk(l->table, ifaces, indices, found, LOOKUP_BULK);
}

/* ---- a load ---- */

static bool fits(unsigned int n)
{
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemAvailable: %lu", &kib) == 1)
			break;
	}
	if (f)
		fclose(f);
	return (uint64_t)n * sizeof(struct dp_session) < ((uint64_t)kib << 10) / RESERVE_PARTS;
}

/* Indices as control draws them: random, each once. An odd factor makes all of them different. */
static bool make_sessions(struct load *l, struct lookup_random *r)
{
	static const uint8_t key[WG_KEY_BYTES];
	uint32_t odd = (uint32_t)lookup_random(r) | 1, from = (uint32_t)lookup_random(r);

	for (unsigned int i = 0; i < l->n; i++) {
		uint32_t x = (from + i) * odd;

		x ^= x >> 16;
		x *= UINT32_C(0x7feb352d);
		x ^= x >> 15;
		l->sessions[i] = dp_session_new(&l->peer, key, key, x, x, 1, true);
		if (!l->sessions[i])
			return false;
	}
	return true;
}

static bool fill(struct load *l)
{
	double begin;

	if (!table_new(l))
		return false;
	begin = bench_seconds();
	for (unsigned int i = 0; i < l->n; i++) {
		if (!table_insert(l, l->sessions[i]))
			return false;
		if (i % POLL_EACH == 0)
			table_poll(l);
	}
	l->insert_seconds = bench_seconds() - begin;
	l->table_bytes = table_bytes(l);
	return true;
}

/* Half of them, so that a table that shrinks has to. They are put back. */
static bool take_out(struct load *l)
{
	double begin = bench_seconds();
	bool right = true;

	for (unsigned int i = 0; i < l->n / 2; i++) {
		table_remove(l, l->sessions[i]);
		if (i % POLL_EACH == 0)
			table_poll(l);
	}
	l->remove_seconds = bench_seconds() - begin;
	for (unsigned int i = 0; right && i < l->n / 2; i++)
		right = table_insert(l, l->sessions[i]);
	return right;
}

/* Which sessions are looked up: so many that a large table does not stay in the caches. */
static bool make_keys(struct load *l, struct lookup_random *r)
{
	struct dp_session *found[LOOKUP_BULK];

	l->keys = lookup_need(malloc(KEYS * sizeof(l->keys[0])));
	for (unsigned int i = 0; i < LOOKUP_BULK; i++)
		l->ifaces[i] = &l->iface;
	for (unsigned int k = 0; k < KEYS; k += LOOKUP_BULK) {
		struct dp_session *wanted[LOOKUP_BULK];

		for (unsigned int i = 0; i < LOOKUP_BULK; i++) {
			wanted[i] = l->sessions[lookup_below(r, l->n)];
			l->keys[k + i] = wanted[i]->local_index;
		}
		table_lookup(l, l->ifaces, l->keys + k, found);
		if (memcmp(found, wanted, sizeof(found)) != 0)
			return false;
	}
	return true;
}

static void sample(const struct load *l, unsigned int round, struct bench_result *to)
{
	const uint32_t *keys = l->keys + round * SAMPLE_KEYS % KEYS;
	struct dp_session *found[LOOKUP_BULK];
	uint64_t begin = bench_tsc();

	for (unsigned int k = 0; k < SAMPLE_KEYS; k += LOOKUP_BULK)
		table_lookup(l, l->ifaces, keys + k, found);
	bench_sample(to, (double)(bench_tsc() - begin) / SAMPLE_KEYS);
}

static void report(const struct load *l, const struct results *to)
{
	if (to->insert)
		bench_sample(to->insert, l->n / l->insert_seconds / 1e6);
	if (to->removal)
		bench_sample(to->removal, l->n / 2 / l->remove_seconds / 1e6);
	if (to->table_bytes)
		bench_sample(to->table_bytes, (double)l->table_bytes / l->n);
	for (unsigned int round = 0; to->hits && round < ROUNDS; round++)
		sample(l, round, to->hits);
}

static void close_load(struct load *l)
{
	if (l->table)
		table_free(l);
	free(l->sessions);
	free(l->keys);
}

static bool measure(const struct size *size, const struct results *to)
{
	struct lookup_random r = {SEED};
	struct load l = {.n = size->n, .peer = {.iface = NULL}};
	bool right;

	l.peer.iface = &l.iface;
	l.sessions = lookup_need(calloc(l.n, sizeof(l.sessions[0])));
	right = make_sessions(&l, &r) && fill(&l) && take_out(&l) && make_keys(&l, &r);
	if (right)
		report(&l, to);
	close_load(&l);
	return right;
}

/* ---- what there is to measure ---- */

static bool wanted(const struct results *x)
{
	return x->hits || x->insert || x->removal || x->table_bytes;
}

static struct bench_result *sizeof_result;

void lookup_sessions_add(struct bench_report *r, const struct bench_options *o)
{
	for (unsigned int i = 0; i < SIZES; i++)
		results[i].hits = lookup_result(r, o, "tsc_cycles/lookup", "sessions/hits/%s",
						sizes[i].name);
	for (unsigned int i = 0; i < SIZES; i++)
		results[i].insert = lookup_result(r, o, "million/s", "sessions/insert/%s",
						  sizes[i].name);
	for (unsigned int i = 0; i < SIZES; i++)
		results[i].removal = lookup_result(r, o, "million/s", "sessions/remove/%s",
						   sizes[i].name);
	for (unsigned int i = 0; i < SIZES; i++)
		results[i].table_bytes = lookup_result(r, o, "bytes/session", "sessions/table/%s",
						       sizes[i].name);
	sizeof_result = lookup_result(r, o, "bytes/session", "sessions/sizeof");
}

static void leave_out(const struct results *x)
{
	struct bench_result *all[] = {x->hits, x->insert, x->removal, x->table_bytes};

	for (unsigned int i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (all[i])
			snprintf(all[i]->note, sizeof(all[i]->note), "too little memory");
	}
}

bool lookup_sessions_run(const struct bench_options *o)
{
	(void)o;
	if (sizeof_result)
		bench_sample(sizeof_result, sizeof(struct dp_session));
	for (unsigned int i = 0; i < SIZES; i++) {
		if (!wanted(&results[i]))
			continue;
		bench_progress("lookup: %s sessions", sizes[i].name);
		if (!fits(sizes[i].n)) {
			leave_out(&results[i]);
			continue;
		}
		if (!measure(&sizes[i], &results[i])) {
			bench_progress_end();
			fprintf(stderr,
				"wgdp-bench: %s sessions: out of memory, or a wrong one "
				"was found\n",
				sizes[i].name);
			return false;
		}
	}
	return true;
}
