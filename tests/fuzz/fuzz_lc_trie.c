/*
 * Fuzz target: a list of operations on an IPv4 and an IPv6 trie, against the naive oracle of the
 * unit tests. Now and then the whole structure is checked, and at the end all is removed. An
 * operation can also make allocations fail from then on.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/dataplane/lc_trie/check.h"
#include "tests/unit/dataplane/lc_trie/later.h"
#include "tests/unit/dataplane/lc_trie/must.h"
#include "tests/unit/dataplane/lc_trie/oracle.h"

#define OWNERS	     4
#define BATCH_MAX    16
#define PREFIXES_MAX 4096
#define CHECK_EACH   64
#define ROW_MAX	     255 /* prefixes that come in a row */

/* The low bits of an operation's first byte say which it is, the highest one the family. */
enum operation { SET, SET_ROW, CLEAR, CLEAR_LISTED, BUILD, LOOK, FAIL, READERS_PASS, OPERATIONS };

struct input {
	const uint8_t *bytes;
	size_t left;
};

/* A family: key is the last one that was named, which the next one differs from in two bytes. */
struct side {
	struct dp_trie *t;
	struct oracle *o;
	size_t empty_bytes;
	struct dp_trie_key key;
	struct owner owners[OWNERS];
};

static struct later queue;
static unsigned int fail_each; /* 0: no allocation fails */
static unsigned int allocations;

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
uint32_t __real_dp_arena_alloc(struct dp_arena *a, unsigned int class);
uint32_t __wrap_dp_arena_alloc(struct dp_arena *a, unsigned int class);

uint32_t __wrap_dp_arena_alloc(struct dp_arena *a, unsigned int class)
{
	if (fail_each != 0 && ++allocations % fail_each == 0)
		return 0;
	return __real_dp_arena_alloc(a, class);
}

/* ---- what the input says ---- */

static uint8_t next(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->bytes++;
}

static struct dp_trie_key xor_at(struct dp_trie_key key, unsigned int byte, uint8_t with)
{
	if (byte < 8)
		key.hi ^= (uint64_t)with << (56 - 8 * byte);
	else
		key.lo ^= (uint64_t)with << (120 - 8 * byte);
	return key;
}

/* A length, and where in the key the next two bytes go. */
static struct dp_trie_prefix next_prefix(struct input *in, struct side *s)
{
	unsigned int n_bytes = s->o->bits / 8, at;
	struct dp_trie_prefix p = {.len = next(in)};

	at = next(in) % n_bytes;
	s->key = xor_at(s->key, at, next(in));
	s->key = xor_at(s->key, (at + 1) % n_bytes, next(in));
	p.key = s->key;
	p.value = &s->owners[p.len % OWNERS];
	p.len = (uint8_t)(p.len % (s->o->bits + 1u));
	return p;
}

/* ---- operations ---- */

static void expect(const struct side *s, const struct dp_trie_prefix *p)
{
	unsigned int last = p->len == 0 ? 0 : p->len - 1u, bit = last % 8;
	const struct dp_trie_key keys[] = {p->key, oracle_mask(p->key, p->len),
					   xor_at(p->key, last / 8, (uint8_t)(0x80 >> bit)),
					   xor_at(p->key, s->o->bits / 8 - 1, 0xff)};

	oracle_expect(s->o, s->t, keys, sizeof(keys) / sizeof(keys[0]));
}

static void set(struct side *s, const struct dp_trie_prefix *p)
{
	void *old = s;
	int rc;

	if (s->o->n == PREFIXES_MAX)
		return;
	rc = dp_trie_set(s->t, p->key, p->len, p->value, &old);
	if (rc == 0)
		MUST(old == oracle_set(s->o, p->key, p->len, p->value));
	else
		MUST(rc == -ENOMEM && fail_each != 0 && old == NULL);
}

/* Side by side, so that a node fills. */
static void set_row(struct side *s, struct dp_trie_prefix p, unsigned int n)
{
	unsigned int byte = p.len == 0 ? 0 : (p.len - 1u) / 8;

	for (unsigned int i = 0; i < n; i++) {
		struct dp_trie_prefix one = p;

		one.key = xor_at(p.key, byte, (uint8_t)i);
		if (byte > 0)
			one.key = xor_at(one.key, byte - 1, (uint8_t)(i * 7 >> 3));
		set(s, &one);
		if (i % 32 == 0)
			expect(s, &one);
	}
}

static void clear(struct side *s, const struct dp_trie_prefix *p, bool whose)
{
	const void *value = whose ? p->value : NULL;

	MUST(dp_trie_clear(s->t, p->key, p->len, value) ==
	     oracle_clear(s->o, p->key, p->len, value));
}

/* What was built goes again: how far it came with too little memory is not known. */
static void build(struct input *in, struct side *s)
{
	struct dp_trie_prefix batch[BATCH_MAX];
	unsigned int n = next(in) % (BATCH_MAX + 1u);
	int rc;

	if (s->o->n + BATCH_MAX > PREFIXES_MAX)
		return;
	for (unsigned int i = 0; i < n; i++) {
		batch[i] = next_prefix(in, s);
		batch[i].value = &s->owners[i % OWNERS];
		oracle_set(s->o, batch[i].key, batch[i].len, batch[i].value);
	}
	rc = dp_trie_build(s->t, batch, n);
	MUST(rc == 0 || (rc == -ENOMEM && fail_each != 0));
	for (unsigned int i = 0; rc == 0 && i < n; i++)
		expect(s, &batch[i]);
	for (unsigned int i = 0; i < n; i++) {
		dp_trie_clear(s->t, batch[i].key, batch[i].len, NULL);
		oracle_clear(s->o, batch[i].key, batch[i].len, NULL);
	}
}

static void operate(struct input *in, struct side *sides)
{
	uint8_t first = next(in);
	struct side *s = &sides[first >> 7];
	struct dp_trie_prefix p = {.len = 0};
	const struct owner *owner;

	switch ((enum operation)(first % OPERATIONS)) {
	case SET:
		p = next_prefix(in, s);
		set(s, &p);
		expect(s, &p);
		break;
	case SET_ROW:
		p = next_prefix(in, s);
		set_row(s, p, next(in) % (ROW_MAX + 1u));
		break;
	case CLEAR:
		p = next_prefix(in, s);
		clear(s, &p, (first & 0x40) != 0);
		expect(s, &p);
		break;
	case CLEAR_LISTED:
		owner = &s->owners[(first >> 4) % OWNERS];
		p.len = next(in);
		MUST(dp_trie_clear_listed(s->t, owner, p.len) ==
		     oracle_clear_listed(s->o, owner, p.len));
		break;
	case BUILD:
		build(in, s);
		break;
	case LOOK:
		p = next_prefix(in, s);
		expect(s, &p);
		break;
	case FAIL:
		fail_each = (first & 0x40) != 0 ? 1 + next(in) % 8u : 0;
		break;
	case READERS_PASS:
		later_run(&queue);
		break;
	case OPERATIONS:
		break;
	}
}

/* ---- the whole ---- */

static void open_side(struct side *s, uint8_t bits)
{
	const struct dp_later later = later_of(&queue);

	memset(s, 0, sizeof(*s));
	s->t = dp_trie_new(bits, offsetof(struct owner, list), &later);
	s->o = oracle_new(bits, PREFIXES_MAX);
	MUST(s->t != NULL);
	s->empty_bytes = dp_trie_used_bytes(s->t);
}

static void compare(const struct side *s)
{
	check_trie(s->t);
	oracle_compare(s->o, s->t);
}

static void close_side(struct side *s)
{
	compare(s);
	while (s->o->n > 0) {
		struct dp_trie_prefix p = s->o->entries[s->o->n - 1].is;

		clear(s, &p, true);
		if (s->o->n % CHECK_EACH == 0) {
			compare(s);
			expect(s, &p);
		}
	}
	check_empty(s->t, s->empty_bytes);
	dp_trie_free(s->t);
	oracle_free(s->o);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	static struct side sides[2];
	struct input in = {bytes, len};

	fail_each = allocations = 0;
	open_side(&sides[0], 32);
	open_side(&sides[1], 128);
	for (unsigned int i = 1; in.left > 0; i++) {
		operate(&in, sides);
		if (i % CHECK_EACH == 0) {
			compare(&sides[0]);
			compare(&sides[1]);
		}
	}
	close_side(&sides[0]);
	close_side(&sides[1]);
	later_drain(&queue);
	return 0;
}
