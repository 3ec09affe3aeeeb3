/*
 * wgdp-bench lookup: what the driver (lookup.c), sets and keys (lookup_sets.c, lookup_bgp.c,
 * lookup_keys.c), the structures that are compared (lookup_ours.c, lookup_binary.c, lookup_rte*.c)
 * and the other measurements (lookup_updates.c, lookup_sessions.c, lookup_memory.c) share. One
 * thread, and lookup_updates.c's.
 */
#ifndef BENCH_LOOKUP_H
#define BENCH_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bench/bench.h"

#define LOOKUP_BULK	 32
#define LOOKUP_VALUES	 65536 /* prefix i has the value i % that + 1; 0 is "no prefix" */
#define LOOKUP_WHY_BYTES BENCH_NOTE_BYTES

/* Most significant bit first; IPv4 is the upper 32 bits of hi. */
struct lookup_address {
	uint64_t hi, lo;
};

struct lookup_prefix {
	struct lookup_address addr; /* host bits are zero */
	uint8_t len;
};

/* In random order. */
struct lookup_set {
	bool v6;
	unsigned int n;
	struct lookup_prefix *prefixes;
};

/* The same addresses in the form that each structure takes. */
struct lookup_keys {
	unsigned int n; /* a multiple of LOOKUP_BULK */
	struct lookup_address *wide;
	uint64_t *hi, *lo;    /* the halves of these */
	uint32_t *v4;	      /* host order; NULL: IPv6 */
	uint8_t (*bytes)[16]; /* network order, IPv4 in the first 4 */
};

static inline uint32_t lookup_value(unsigned int i)
{
	return i % LOOKUP_VALUES + 1;
}

static inline struct lookup_address lookup_masked(struct lookup_address a, unsigned int len)
{
	a.hi = len >= 64 ? a.hi : len == 0 ? 0 : a.hi & ~UINT64_C(0) << (64 - len);
	a.lo = len >= 128 ? a.lo : len <= 64 ? 0 : a.lo & ~UINT64_C(0) << (128 - len);
	return a;
}

static inline bool lookup_covers(const struct lookup_prefix *p, struct lookup_address a)
{
	a = lookup_masked(a, p->len);
	return a.hi == p->addr.hi && a.lo == p->addr.lo;
}

/* ---- random numbers: the same ones in each run ---- */

struct lookup_random {
	uint64_t state;
};

/* SplitMix64. */
static inline uint64_t lookup_random(struct lookup_random *r)
{
	uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static inline unsigned int lookup_below(struct lookup_random *r, unsigned int n)
{
	return (unsigned int)((lookup_random(r) >> 32) * n >> 32);
}

/* An address that a network could be given: neither multicast nor loopback nor reserved. */
struct lookup_address lookup_unicast(struct lookup_random *r, bool v6);

/* ---- sets ---- */

enum lookup_kind { LOOKUP_HOSTS, LOOKUP_DENSE, LOOKUP_BGP };

/* n: how many, except for BGP, which has its own number. Ends the program if memory is short. */
void lookup_set_make(struct lookup_set *set, bool v6, enum lookup_kind kind, unsigned int n);
void lookup_set_free(struct lookup_set *set);
/* lookup_bgp.c: fills room for lookup_bgp_n() prefixes, in no particular order. */
unsigned int lookup_bgp_n(bool v6);
void lookup_bgp_make(struct lookup_prefix *prefixes, bool v6, struct lookup_random *r);

/* ---- keys ---- */

enum lookup_load { LOOKUP_HITS, LOOKUP_ZIPF, LOOKUP_MISSES, LOOKUP_LOADS };

struct binary_trie;
/* trie: of the set. Ends the program if memory is short. */
void lookup_keys_make(struct lookup_keys *keys, const struct lookup_set *set,
		      const struct binary_trie *trie, enum lookup_load load, unsigned int n);
void lookup_keys_free(struct lookup_keys *keys);

/* ---- structures ---- */

struct lookup_built {
	void *state; /* NULL: see why */
	char why[LOOKUP_WHY_BYTES];
	double insert_seconds; /* of all prefixes */
	double seconds_max;    /* gives up then */
};

struct lookup_structure {
	const char *name[2]; /* for IPv4, IPv6; NULL: not for that */
	bool hosts_only;
	bool in_heap; /* its memory is from lookup_heap.c */
	void (*build)(struct lookup_built *b, const struct lookup_set *set);
	/* Looks up the LOOKUP_BULK keys from `first` on. values: 0 or the prefix's; NULL: only
	 * looks up, for timing. */
	void (*lookup)(void *state, const struct lookup_keys *keys, unsigned int first,
		       uint32_t *values);
	size_t (*bytes)(const void *state);	  /* all memory */
	size_t (*table_bytes)(const void *state); /* what lookups read; NULL: the same */
	void (*free)(void *state);
};

extern const struct lookup_structure lookup_ours, lookup_allowed, lookup_lpm, lookup_lpm6,
	lookup_fib, lookup_fib6, lookup_hash, lookup_binary;

/* ---- the plain binary trie ---- */

struct binary_trie *binary_new(void);
void binary_free(struct binary_trie *t);
/* False: out of memory. Value 0 is not allowed. */
bool binary_insert(struct binary_trie *t, const struct lookup_prefix *p, uint32_t value);
/* 0: none. */
uint32_t binary_find(const struct binary_trie *t, struct lookup_address a);

/* ---- ours: one writer at a time, one thread that looks up ---- */

struct ours;
struct ours *ours_new(bool v6);
void ours_free(struct ours *o);
/* Adds or replaces. */
bool ours_insert(struct ours *o, const struct lookup_prefix *p, uint32_t value);
bool ours_remove(struct ours *o, const struct lookup_prefix *p, uint32_t value);
/* All of a set at once, into an empty one. */
bool ours_build(struct ours *o, const struct lookup_set *set);
/* The writer, now and then: frees what no reader sees any more. */
void ours_reclaim(struct ours *o);
/* The thread that looks up, now and then: it holds nothing. */
void ours_quiescent(struct ours *o);

/* ---- memory of rte_*: a heap of DPDK's, in transparent huge pages if the kernel gives them ----
 */

bool lookup_heap_open(void);
void lookup_heap_close(void);
int lookup_heap_socket(void);
size_t lookup_heap_used(void);
/* For a table with that many bytes, from now on. False: too many. */
bool lookup_heap_reserve(size_t bytes);
/* After all tables have been freed. */
void lookup_heap_empty(void);
/* Percent of what was reserved last that lies in huge pages. */
double lookup_heap_huge(void);
/* Of this process, in bytes: resident anonymous memory, and of that in huge pages. */
void lookup_resident(size_t *bytes, size_t *huge);

/* ---- updates ---- */

struct lookup_updates; /* 10 000 a second from another CPU */
/* Before DPDK starts: notes which CPUs there are. */
void lookup_updates_init(void);
/* NULL, with why: only one CPU. Returns after the first update. It ends by itself after a while. */
struct lookup_updates *lookup_updates_start(struct ours *o, const struct lookup_set *set,
					    char why[LOOKUP_WHY_BYTES]);
void lookup_updates_stop(struct lookup_updates *u);

struct lookup_rates {
	struct bench_result *rate, *bulk_rate, *p50, *p99, *p9999, *longest[3], *longest_cpu, *over,
		*over_cpu;
};

enum lookup_update { LOOKUP_INSERT, LOOKUP_REPLACE, LOOKUP_REMOVE, LOOKUP_UPDATES };
/* Into an empty table, in it, and until it is empty. False: an update failed. */
bool lookup_update_rates(const struct lookup_set *set, const struct lookup_rates *rates);

/* ---- other tables: each adds its results, then measures those asked for ---- */

/* NULL: nobody asks for that result. */
struct bench_result *lookup_result(struct bench_report *r, const struct bench_options *o,
				   const char *unit, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

void lookup_sessions_add(struct bench_report *r, const struct bench_options *o);
bool lookup_sessions_run(const struct bench_options *o);
void lookup_memory_add(struct bench_report *r, const struct bench_options *o);
bool lookup_memory_run(const struct bench_options *o);

/* Ends the program if p is NULL. */
void *lookup_need(void *p);

#endif
