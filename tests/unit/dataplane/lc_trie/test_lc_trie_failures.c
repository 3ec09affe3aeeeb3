/*
 * The trie when memory runs out: each allocation of a sequence of changes fails once, or all from
 * one on, or every so many. A prefix that could not be set has changed nothing; a node that could
 * not be resized is no failure. Also, as each sequence is gone through: what is retired cannot be
 * reached by new readers any more.
 */
#include <errno.h>
#include <limits.h>
#include <sys/mman.h>

#include "dataplane/lc_trie_node.h"
#include "tests/unit/dataplane/lc_trie/check.h"
#include "tests/unit/dataplane/lc_trie/later.h"
#include "tests/unit/dataplane/lc_trie/must.h"
#include "tests/unit/dataplane/lc_trie/oracle.h"
#include "tests/unit/dataplane/lc_trie/shapes.h"
#include "tests/unit/unit.h"

#define OWNERS 8
#define SHAPES 3
/* Changes of a sequence; the first half mostly sets, the second removes. */
#define STEPS	     400
#define BATCH_MAX    12
#define SEQUENCES    (SANITIZED ? 1 : 4) /* for each family */
#define MANY	     TIMES(20000)
#define PREFIXES_MAX (MANY + STEPS * BATCH_MAX)

static struct {
	struct dp_trie *t;
	struct oracle *o;
	struct later queue;
	struct owner owners[OWNERS];
	size_t empty_bytes;
	uint64_t seed, look_seed; /* the second one for what changes nothing */
	struct shape shapes[SHAPES];
	bool watch_retired;
	/* in all */
	unsigned int failed_sets, failed_resizes, failed_in_clears, failed_builds, retired;
} s;

/* ---- what fails ---- */

/* Calls are counted from 0. Those from `first` on fail, each `each`-th of them, `times` at most. */
static struct {
	unsigned int calls, first, each, times, failed;
} fail;

static void fail_from(unsigned int first, unsigned int each, unsigned int times)
{
	fail.calls = fail.failed = 0;
	fail.first = first;
	fail.each = each;
	fail.times = times;
}

static void fail_nothing(void)
{
	fail_from(0, 1, 0);
}

static bool is_failing(void)
{
	unsigned int call = fail.calls++;

	if (call < fail.first || (call - fail.first) % fail.each != 0 || fail.failed >= fail.times)
		return false;
	fail.failed++;
	return true;
}

uint32_t __real_dp_arena_alloc(struct dp_arena *a, unsigned int class);
uint32_t __wrap_dp_arena_alloc(struct dp_arena *a, unsigned int class);
void __real_dp_arena_retire(struct dp_arena *a, uint32_t ref);
void __wrap_dp_arena_retire(struct dp_arena *a, uint32_t ref);
int __real_mprotect(void *addr, size_t len, int prot);
int __wrap_mprotect(void *addr, size_t len, int prot);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
void *__real_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset);

static bool fail_mprotect; /* and not dp_arena_alloc() */
static bool fail_libc;	   /* the functions below, too */

uint32_t __wrap_dp_arena_alloc(struct dp_arena *a, unsigned int class)
{
	return !fail_mprotect && is_failing() ? 0 : __real_dp_arena_alloc(a, class);
}

int __wrap_mprotect(void *addr, size_t len, int prot)
{
	if (fail_mprotect && is_failing()) {
		errno = ENOMEM;
		return -1;
	}
	return __real_mprotect(addr, len, prot);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fail_libc && is_failing() ? NULL : __real_calloc(n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fail_libc && is_failing() ? NULL : __real_aligned_alloc(align, size);
}

void *__wrap_mmap64(void *addr, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (fail_libc && is_failing())
		return MAP_FAILED;
	return __real_mmap64(addr, len, prot, flags, fd, offset);
}

void __wrap_dp_arena_retire(struct dp_arena *a, uint32_t ref)
{
	if (s.watch_retired) {
		MUST(!check_reachable(s.t, ref));
		s.retired++;
	}
	__real_dp_arena_retire(a, ref);
}

/* ---- changes ---- */

static unsigned int below(unsigned int n)
{
	return (unsigned int)((unit_random(&s.seed) >> 16) % n);
}

static void compare(void)
{
	struct dp_trie_key keys[DP_TRIE_BULK_MAX];

	for (unsigned int i = 0; i < DP_TRIE_BULK_MAX && s.o->n > 0; i++) {
		size_t entry = (fail.calls + 7 * i) % s.o->n;

		keys[i] = shape_near(&s.look_seed, &s.o->entries[entry].is, s.o->bits);
	}
	if (s.o->n > 0)
		oracle_expect(s.o, s.t, keys, DP_TRIE_BULK_MAX);
	check_trie(s.t);
	oracle_compare(s.o, s.t);
	oracle_compare_lists(s.o, s.t, s.owners, OWNERS);
}

static void some_prefix(struct dp_trie_prefix *p)
{
	if (s.o->n > 0 && below(6) == 0)
		*p = s.o->entries[below((unsigned int)s.o->n)].is;
	else
		shape_prefix(&s.shapes[below(SHAPES)], &s.seed, p);
	p->value = &s.owners[below(OWNERS)];
}

/* What a failure may not change. */
struct before {
	size_t count, nodes, used_bytes;
	unsigned int failed;
};

static struct before note(void)
{
	return (struct before){dp_trie_count(s.t), dp_trie_nodes(s.t), dp_trie_used_bytes(s.t),
			       fail.failed};
}

static void set(const struct dp_trie_prefix *p)
{
	struct before before = note();
	void *old = &s;
	int rc = dp_trie_set(s.t, p->key, p->len, p->value, &old);

	if (rc == 0) {
		MUST(old == oracle_set(s.o, p->key, p->len, p->value));
		s.failed_resizes += fail.failed - before.failed;
		return;
	}
	MUST(rc == -ENOMEM && fail.failed > before.failed && old == NULL);
	MUST(dp_trie_count(s.t) == before.count && dp_trie_nodes(s.t) == before.nodes);
	MUST(dp_trie_used_bytes(s.t) == before.used_bytes);
	s.failed_sets++;
}

static void clear(void)
{
	unsigned int failed = fail.failed;
	struct dp_trie_prefix p;

	if (s.o->n == 0)
		return;
	p = s.o->entries[below((unsigned int)s.o->n)].is;
	MUST(dp_trie_clear(s.t, p.key, p.len, p.value) == p.value);
	oracle_clear(s.o, p.key, p.len, p.value);
	s.failed_in_clears += fail.failed - failed;
}

static void clear_listed(void)
{
	const struct owner *owner = &s.owners[below(OWNERS)];
	size_t max = below(12);
	unsigned int failed = fail.failed;

	MUST(dp_trie_clear_listed(s.t, owner, max) == oracle_clear_listed(s.o, owner, max));
	s.failed_in_clears += fail.failed - failed;
}

static void build(void)
{
	struct dp_trie_prefix batch[BATCH_MAX] = {{.len = 0}};
	unsigned int n = below(BATCH_MAX), failed = fail.failed;

	for (unsigned int i = 0; i < n; i++) {
		some_prefix(&batch[i]);
		batch[i].key = oracle_mask(batch[i].key, batch[i].len);
		batch[i].value = &s.owners[0];
	}
	if (dp_trie_build(s.t, batch, n) != 0) {
		MUST(fail.failed > failed);
		s.failed_builds++;
	}
	/* The oracle does not know which of them are there: none. */
	for (unsigned int i = 0; i < n; i++) {
		dp_trie_clear(s.t, batch[i].key, batch[i].len, NULL);
		oracle_clear(s.o, batch[i].key, batch[i].len, NULL);
	}
}

static void change(unsigned int step)
{
	struct dp_trie_prefix p;
	unsigned int what = below(100);

	if (what == 0) {
		build();
	} else if (what < 3) {
		clear_listed();
	} else if (what < (step < STEPS / 2 ? 85 : 25)) {
		some_prefix(&p);
		set(&p);
	} else {
		clear();
	}
	if (below(20) == 0)
		later_run(&s.queue);
}

/* ---- sequences ---- */

static void open_trie(uint8_t bits)
{
	struct dp_later later = later_of(&s.queue);

	memset(s.owners, 0, sizeof(s.owners));
	s.look_seed = 5;
	s.t = dp_trie_new(bits, offsetof(struct owner, list), &later);
	if (s.t == NULL)
		return;
	s.o = oracle_new(bits, PREFIXES_MAX);
	s.empty_bytes = dp_trie_used_bytes(s.t);
}

/* What is left is removed, while nothing can be allocated. */
static void close_trie(void)
{
	compare();
	fail_from(0, 1, UINT_MAX);
	while (s.o->n > 0)
		clear();
	fail_nothing();
	check_empty(s.t, s.empty_bytes);
	later_drain(&s.queue);
	check_all_free(s.t);
	dp_trie_free(s.t);
	oracle_free(s.o);
}

/* False: it was over before anything failed. */
static bool run_sequence(uint8_t bits, uint64_t seed, unsigned int first, unsigned int each,
			 unsigned int times)
{
	unsigned int failed = 0;
	bool any;

	open_trie(bits);
	s.seed = seed;
	s.shapes[0] = shape_random(&s.seed, bits, SHAPE_DENSE);
	s.shapes[1] = shape_random(&s.seed, bits, SHAPE_DENSE);
	s.shapes[2] = shape_random(&s.seed, bits, (enum shape_kind)below(SHAPE_KINDS));
	fail_from(first, each, times);
	for (unsigned int i = 0; i < STEPS; i++) {
		change(i);
		if (fail.failed != failed || i % 50 == 0)
			compare();
		failed = fail.failed;
	}
	any = failed > 0;
	close_trie();
	return any;
}

static void each_allocation(void **state)
{
	(void)state;
	s.watch_retired = true;
	for (unsigned int i = 0; i < SEQUENCES * 2; i++) {
		uint8_t bits = i % 2 == 0 ? 32 : 128;
		unsigned int k = 0, stride = SANITIZED ? 3 : 1;

		while (run_sequence(bits, 77 + i, k, 1, 1))
			k += stride;
		print_message("# %u bits, seed %u: %u allocations\n", bits, 77 + i, k);
		MUST(k > STEPS / 2);
		for (k = 0; run_sequence(bits, 77 + i, k, 1, UINT_MAX); k += 23)
			;
		for (k = 2; k < 40; k++)
			run_sequence(bits, 77 + i, 0, k, UINT_MAX);
	}
	s.watch_retired = false;
	print_message(
		"# failed: %u sets, %u resizes in sets, %u in removals, %u builds; %u retired\n",
		s.failed_sets, s.failed_resizes, s.failed_in_clears, s.failed_builds, s.retired);
	MUST(s.failed_sets > 0 && s.failed_resizes > 0 && s.failed_in_clears > 0);
	MUST(s.failed_builds > 0 && s.retired > 0);
}

/* ---- memory from the kernel ---- */

/* False: all of it could be had. */
static bool run_without_memory(uint8_t bits, unsigned int first)
{
	struct dp_trie_prefix p;
	bool any;

	fail_from(first, 1, UINT_MAX);
	open_trie(bits);
	if (s.t == NULL) {
		MUST(fail.failed > 0);
		return true;
	}
	s.seed = 4711;
	s.shapes[0] = shape_random(&s.seed, bits, SHAPE_UNIFORM);
	s.shapes[1] = shape_random(&s.seed, bits, SHAPE_DENSE);
	s.shapes[2] = shape_random(&s.seed, bits, SHAPE_SHARED);
	for (unsigned int i = 0; i < MANY; i++) {
		some_prefix(&p);
		set(&p);
		if (below(i < MANY / 2 ? 50 : 3) == 0)
			clear();
		if (below(30) == 0)
			later_run(&s.queue);
	}
	any = fail.failed > 0;
	compare();
	/* What comes back while readers have passed serves again. */
	while (s.o->n > 1)
		clear();
	later_drain(&s.queue);
	some_prefix(&p);
	MUST(first < 3 || dp_trie_set(s.t, p.key, p.len, &s.owners[0], &(void *){NULL}) == 0);
	if (first >= 3)
		oracle_set(s.o, p.key, p.len, &s.owners[0]);
	fail_nothing();
	close_trie();
	return any;
}

static void memory_of_the_kernel(void **state)
{
	(void)state;
	fail_mprotect = true;
	for (unsigned int bits = 32; bits <= 128; bits += 96) {
		unsigned int k = 0;

		while (run_without_memory((uint8_t)bits, k))
			k += 1 + k / 8;
		print_message("# %u bits: memory in up to %u parts\n", bits, k);
		MUST(k > 4);
	}
	fail_mprotect = false;
}

/* ---- what is taken once ---- */

static void of_the_whole(void **state)
{
	struct dp_later later = later_of(&s.queue);
	struct dp_trie *t = NULL;
	unsigned int k = 0;

	(void)state;
	fail_mprotect = true;
	for (; t == NULL; k++) {
		fail_from(k, 1, 1);
		fail_libc = true;
		t = dp_trie_new(128, DP_TRIE_UNLISTED, &later);
		fail_libc = false;
		MUST((t == NULL) == (fail.failed == 1));
	}
	MUST(k > 6);
	dp_trie_free(t);
	fail_nothing();
	fail_mprotect = false;
}

static void of_a_build(void **state)
{
	struct dp_trie_prefix p = {.len = 8, .value = &s.owners[0]};

	(void)state;
	open_trie(32);
	fail_from(0, 1, 1);
	fail_libc = true;
	MUST(dp_trie_build(s.t, &p, 1) == -ENOMEM);
	fail_libc = false;
	check_empty(s.t, s.empty_bytes);
	close_trie();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation),
		cmocka_unit_test(memory_of_the_kernel),
		cmocka_unit_test(of_the_whole),
		cmocka_unit_test(of_a_build),
	};

	return UNIT_RUN(tests);
}
