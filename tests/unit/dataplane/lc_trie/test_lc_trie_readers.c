/*
 * Readers beside the writer, in threads. For each of a few keys a history says what was right one
 * after the other. The writer announces the next answer before it makes a change, and notes after
 * it that it is done; a reader notes what was done before its lookup and what was announced after
 * it, and its answer must be one of those from the one to the other. Memory comes back as soon as
 * all readers have passed, so that a sanitizer sees a reader that is still there.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "tests/unit/dataplane/lc_trie/check.h"
#include "tests/unit/dataplane/lc_trie/must.h"
#include "tests/unit/dataplane/lc_trie/oracle.h"
#include "tests/unit/dataplane/lc_trie/shapes.h"
#include "tests/unit/unit.h"

/* Changes for each family. */
#ifndef CHANGES
#define CHANGES 400000u
#endif
/* So many more until a lookup has met a change, if there is only one CPU. */
#define CHANGES_MAX  (8 * CHANGES)
#define READERS	     2
#define PROBES	     48
#define ROUND	     64 /* lookups between two quiescent states */
#define VALUES	     65536
#define LATER_MAX    4
#define BLOCK_BITS   10 /* host routes that come and go together */
#define PREFIXES_MAX 4096

/* The answers for a key, by the numbers of values, 0: none. Only the writer appends. */
struct history {
	struct dp_trie_key key;
	_Atomic uint32_t announced, done; /* how many; which one was the last */
	uint16_t *answers;
	uint32_t room;
};

struct reader {
	pthread_t thread;
	uint64_t seed;
	_Atomic uint64_t passed; /* the newest of the writer's epochs that it has seen */
	_Atomic uint64_t lookups, overlapped, answers_changed;
};

struct waiting {
	void (*fn)(void *arg);
	void *arg;
	uint64_t epoch;
};

static struct {
	struct dp_trie *t;
	struct oracle *o;
	uint8_t bits;
	uint64_t seed;
	struct history probes[PROBES];
	struct reader readers[READERS];
	_Atomic uint64_t epoch;
	_Atomic uint64_t n_changes; /* begun and ended: odd while one is being made */
	_Atomic bool stop;
	struct waiting waiting[LATER_MAX];
	unsigned int n_waiting;
	uint32_t last_value;
	size_t most_nodes;
	char values[VALUES];
} s;

static unsigned int below(uint64_t *seed, unsigned int n)
{
	return (unsigned int)((unit_random(seed) >> 16) % n);
}

static uint16_t number_of(const void *value)
{
	return value == NULL ? 0 : (uint16_t)((const char *)value - s.values);
}

/* ---- grace periods ---- */

static void later_call(void *ctx, void (*fn)(void *arg), void *arg)
{
	uint64_t epoch = atomic_fetch_add(&s.epoch, 1) + 1;

	(void)ctx;
	MUST(s.n_waiting < LATER_MAX);
	s.waiting[s.n_waiting++] = (struct waiting){fn, arg, epoch};
}

static bool has_passed(uint64_t epoch)
{
	for (unsigned int i = 0; i < READERS; i++) {
		if (atomic_load_explicit(&s.readers[i].passed, memory_order_acquire) < epoch)
			return false;
	}
	return true;
}

/* Runs what readers have passed. */
static void later_run(void)
{
	struct waiting now[LATER_MAX];
	unsigned int n = s.n_waiting;

	memcpy(now, s.waiting, sizeof(now));
	s.n_waiting = 0;
	for (unsigned int i = 0; i < n; i++) {
		if (has_passed(now[i].epoch))
			now[i].fn(now[i].arg);
		else
			s.waiting[s.n_waiting++] = now[i];
	}
}

/* ---- readers ---- */

static void expect(struct reader *r, const struct history *h, uint32_t first, const void *value)
{
	uint32_t end = atomic_load_explicit((_Atomic uint32_t *)(uintptr_t)&h->announced,
					    memory_order_acquire);
	uint16_t found = number_of(value);

	atomic_fetch_add_explicit(&r->answers_changed, end - first > 1, memory_order_relaxed);
	for (uint32_t i = first; i < end; i++) {
		if (h->answers[i] == found)
			return;
	}
	fprintf(stderr, "%016llx %016llx: %u, expected one of", (unsigned long long)h->key.hi,
		(unsigned long long)h->key.lo, found);
	for (uint32_t i = first; i < end; i++)
		fprintf(stderr, " %u", h->answers[i]);
	fprintf(stderr, "\n");
	MUST(!"right at some moment meanwhile");
}

static void look(struct reader *r)
{
	uint64_t hi[DP_TRIE_BULK_MAX], lo[DP_TRIE_BULK_MAX], changes = atomic_load(&s.n_changes);
	unsigned int n = 1 + below(&r->seed, DP_TRIE_BULK_MAX), which[DP_TRIE_BULK_MAX];
	unsigned int way = below(&r->seed, 4);
	uint32_t first[DP_TRIE_BULK_MAX];
	void *values[DP_TRIE_BULK_MAX];

	if (way < 2)
		n = 1;
	for (unsigned int i = 0; i < n; i++) {
		which[i] = below(&r->seed, PROBES);
		hi[i] = s.probes[which[i]].key.hi;
		lo[i] = s.probes[which[i]].key.lo;
		first[i] = atomic_load_explicit(&s.probes[which[i]].done, memory_order_acquire);
	}
	if (way < 2)
		values[0] = dp_trie_lookup(s.t, s.probes[which[0]].key);
	else if (way == 2)
		dp_trie_lookup_bulk_scalar(s.t, hi, lo, values, n);
	else
		dp_trie_lookup_bulk(s.t, hi, lo, values, n);
	for (unsigned int i = 0; i < n; i++)
		expect(r, &s.probes[which[i]], first[i], values[i]);
	changes = changes % 2 != 0 || changes != atomic_load(&s.n_changes);
	atomic_fetch_add_explicit(&r->overlapped, changes, memory_order_relaxed);
	atomic_fetch_add_explicit(&r->lookups, 1, memory_order_relaxed);
}

static void *read_on(void *arg)
{
	struct reader *r = arg;

	while (!atomic_load_explicit(&s.stop, memory_order_relaxed)) {
		atomic_store_explicit(&r->passed, atomic_load(&s.epoch), memory_order_release);
		for (unsigned int i = 0; i < ROUND; i++)
			look(r);
		if (below(&r->seed, 64) == 0)
			sched_yield();
	}
	atomic_store_explicit(&r->passed, UINT64_MAX, memory_order_release);
	return NULL;
}

/* ---- the writer ---- */

static void append(struct history *h, uint16_t answer)
{
	uint32_t n = atomic_load_explicit(&h->announced, memory_order_relaxed);

	MUST(n < h->room);
	h->answers[n] = answer;
	atomic_store_explicit(&h->announced, n + 1, memory_order_release);
}

/* The oracle has had the change, the trie has not. */
static void announce(void)
{
	for (unsigned int i = 0; i < PROBES; i++) {
		struct history *h = &s.probes[i];
		uint32_t last = atomic_load_explicit(&h->announced, memory_order_relaxed) - 1;
		uint16_t answer = number_of(oracle_lookup(s.o, h->key));

		if (answer != h->answers[last])
			append(h, answer);
	}
	atomic_fetch_add(&s.n_changes, 1);
}

static void done(void)
{
	atomic_fetch_add(&s.n_changes, 1);
	for (unsigned int i = 0; i < PROBES; i++) {
		struct history *h = &s.probes[i];
		uint32_t last = atomic_load_explicit(&h->announced, memory_order_relaxed) - 1;

		atomic_store_explicit(&h->done, last, memory_order_release);
	}
	if (dp_trie_nodes(s.t) > s.most_nodes)
		s.most_nodes = dp_trie_nodes(s.t);
	later_run();
}

static void set(struct dp_trie_key key, uint8_t len)
{
	void *old, *value;

	s.last_value = s.last_value % (VALUES - 1) + 1;
	value = &s.values[s.last_value];
	oracle_set(s.o, key, len, value);
	announce();
	MUST(dp_trie_set(s.t, key, len, value, &old) == 0);
	done();
}

static void clear(struct dp_trie_key key, uint8_t len)
{
	if (oracle_clear(s.o, key, len, NULL) == NULL)
		return;
	announce();
	MUST(dp_trie_clear(s.t, key, len, NULL) != NULL);
	done();
}

/* ---- what the writer does ---- */

static struct dp_trie_key a_probe(void)
{
	return s.probes[below(&s.seed, PROBES)].key;
}

/* Mostly where the probes part. */
static uint8_t a_len(void)
{
	if (below(&s.seed, 8) == 0)
		return (uint8_t)below(&s.seed, s.bits + 1u);
	return (uint8_t)(s.bits - below(&s.seed, 14));
}

static void set_one(void)
{
	struct dp_trie_prefix p = {a_probe(), a_len(), NULL};

	if (below(&s.seed, 3) == 0)
		p.key = shape_near(&s.seed, &p, s.bits);
	set(p.key, p.len);
}

static void replace_one(void)
{
	if (s.o->n > 0) {
		struct dp_trie_prefix p = s.o->entries[below(&s.seed, (unsigned int)s.o->n)].is;

		set(p.key, p.len);
	}
}

static void clear_one(void)
{
	if (s.o->n > 0) {
		struct dp_trie_prefix p = s.o->entries[below(&s.seed, (unsigned int)s.o->n)].is;

		clear(p.key, p.len);
	}
}

/* From length to length, so that there is always one of them. */
static void hand_over(void)
{
	struct dp_trie_key key = a_probe();
	uint8_t from = a_len(), to;

	set(key, from);
	for (unsigned int i = below(&s.seed, 6); i > 0; i--) {
		to = a_len();
		set(key, to);
		if (to != from)
			clear(key, from);
		from = to;
	}
	clear(key, from);
}

static struct dp_trie_key in_block(struct dp_trie_key key, unsigned int i)
{
	if (s.bits == 32)
		key.hi ^= (uint64_t)i << 32;
	else
		key.lo ^= i;
	return key;
}

/* A node doubles again and again, then is halved. */
static void block_comes_and_goes(void)
{
	unsigned int n = 1u << below(&s.seed, BLOCK_BITS + 1);
	struct dp_trie_key key = a_probe();

	for (unsigned int i = 0; i < n; i++)
		set(in_block(key, i), s.bits);
	for (unsigned int i = 0; i < n; i++)
		clear(in_block(key, i), s.bits);
}

static void change(void)
{
	unsigned int what = below(&s.seed, 1000);

	if (what < 2)
		block_comes_and_goes();
	else if (what < 200)
		hand_over();
	else if (what < 400)
		replace_one();
	else if (what < 650 && s.o->n < PREFIXES_MAX / 4)
		set_one();
	else
		clear_one();
}

/* ---- the whole ---- */

static void open_trie(uint8_t bits, uint64_t seed)
{
	const struct dp_later later = {later_call, NULL};
	struct dp_trie_key base;

	memset(&s, 0, sizeof(s));
	s.bits = bits;
	s.seed = seed;
	s.t = dp_trie_new(bits, DP_TRIE_UNLISTED, &later);
	s.o = oracle_new(bits, PREFIXES_MAX);
	MUST(s.t != NULL);
	base = shape_key(&s.seed, bits);
	for (unsigned int i = 0; i < PROBES; i++) {
		struct history *h = &s.probes[i];

		h->key = i % 8 == 7 ? shape_key(&s.seed, bits)
				    : in_block(base, below(&s.seed, 1 << BLOCK_BITS));
		h->room = CHANGES_MAX + 2 * PREFIXES_MAX;
		h->answers = calloc(h->room, sizeof(h->answers[0]));
		MUST(h->answers != NULL);
		append(h, 0);
	}
}

/* Of all readers, a number that each has at the same place. */
static uint64_t sum(size_t offset)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < READERS; i++)
		total += *(_Atomic uint64_t *)((char *)&s.readers[i] + offset);
	return total;
}

static uint64_t n_changes(void)
{
	return atomic_load_explicit(&s.n_changes, memory_order_relaxed) / 2;
}

static void change_on(void)
{
	for (unsigned int i = 0;
	     n_changes() < CHANGES ||
	     (sum(offsetof(struct reader, answers_changed)) == 0 && n_changes() < CHANGES_MAX);
	     i++) {
		change();
		if (i % 256 == 0)
			sched_yield();
	}
	while (s.o->n > 0)
		clear_one();
}

static void close_trie(size_t empty_bytes)
{
	check_empty(s.t, empty_bytes);
	while (s.n_waiting > 0)
		later_run();
	check_all_free(s.t);
	dp_trie_free(s.t);
	oracle_free(s.o);
	for (unsigned int i = 0; i < PROBES; i++)
		free(s.probes[i].answers);
}

static void run_readers(uint8_t bits, uint64_t seed)
{
	size_t empty_bytes;

	open_trie(bits, seed);
	empty_bytes = dp_trie_used_bytes(s.t);
	for (unsigned int i = 0; i < READERS; i++) {
		s.readers[i].seed = seed + 1 + i;
		MUST(pthread_create(&s.readers[i].thread, NULL, read_on, &s.readers[i]) == 0);
	}
	change_on();
	atomic_store(&s.stop, true);
	for (unsigned int i = 0; i < READERS; i++)
		pthread_join(s.readers[i].thread, NULL);
	print_message("# %u bits, seed %llu: %llu changes, at most %zu nodes, %llu lookups; %llu "
		      "while something changed, %llu answers while they changed\n",
		      bits, (unsigned long long)seed, (unsigned long long)n_changes(), s.most_nodes,
		      (unsigned long long)sum(offsetof(struct reader, lookups)),
		      (unsigned long long)sum(offsetof(struct reader, overlapped)),
		      (unsigned long long)sum(offsetof(struct reader, answers_changed)));
	assert_true(sum(offsetof(struct reader, overlapped)) > 0);
	assert_true(sum(offsetof(struct reader, answers_changed)) > 0);
	close_trie(empty_bytes);
}

static void readers_v4(void **state)
{
	(void)state;
	run_readers(32, 20250417);
}

static void readers_v6(void **state)
{
	(void)state;
	run_readers(128, 20250418);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_v4),
		cmocka_unit_test(readers_v6),
	};

	return UNIT_RUN(tests);
}
