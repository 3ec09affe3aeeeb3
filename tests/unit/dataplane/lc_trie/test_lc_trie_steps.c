/*
 * A reader that is interrupted after any of its instructions, on one CPU: the processor traps after
 * each, and at one or two of them the writer makes its changes, in the handler. The reader's answer
 * must be one that was right before, between or after them.
 *
 * Why this beside test_lc_trie_readers.c: there, a change falls between two given loads of a lookup
 * once in very many, if at all. Here it does so each time, and a lookup that puts its answer
 * together from two states is found without luck. What two CPUs show each other in another order is
 * not seen here.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <ucontext.h>

#include "tests/unit/dataplane/lc_trie/later.h"
#include "tests/unit/dataplane/lc_trie/must.h"
#include "tests/unit/dataplane/lc_trie/oracle.h"
#include "tests/unit/unit.h"

#define TRAP_FLAG    UINT64_C(0x100)
#define KEYS_MAX     4
#define CHANGES_MAX  6
#define PREFIXES_MAX 32
#define VALUES	     256

enum way { SINGLE, BULK_SCALAR, BULK_AVX512, WAYS };

static const char *const way_names[] = {"single", "scalar", "avx512"};
/* Instructions from one interruption to the next: traps are slow, and in bulk most instructions
 * have to do with other keys. */
static const unsigned int strides[] = {1, 3, 16};

struct change {
	struct dp_trie_prefix prefix; /* value NULL: it is removed */
};

static struct {
	struct dp_trie *t;
	struct oracle *o;
	struct later queue;
	char values[VALUES];
	/* of one interrupted lookup */
	struct dp_trie_key keys[KEYS_MAX];
	unsigned int n_keys;
	struct change changes[CHANGES_MAX];
	unsigned int n_changes, n_made;
	/* changes before number split are made after at[0] instructions, the others after at[1] */
	unsigned int split, at[2];
	unsigned int traps;
	void *found[KEYS_MAX], *right[CHANGES_MAX + 1][KEYS_MAX];
} s;

/* ---- the interruption ---- */

static void make_changes(unsigned int until)
{
	for (; s.n_made < until; s.n_made++) {
		const struct dp_trie_prefix *p = &s.changes[s.n_made].prefix;
		void *old;

		if (p->value == NULL)
			dp_trie_clear(s.t, p->key, p->len, NULL);
		else
			MUST(dp_trie_set(s.t, p->key, p->len, p->value, &old) == 0);
	}
}

static void trapped(int signal, siginfo_t *how, void *ctx)
{
	greg_t *registers = ((ucontext_t *)ctx)->uc_mcontext.gregs;

	(void)signal;
	(void)how;
	s.traps++;
	if (s.traps == s.at[0])
		make_changes(s.split);
	if (s.traps == s.at[1])
		make_changes(s.n_changes);
	if (s.traps >= s.at[1])
		registers[REG_EFL] &= ~(greg_t)TRAP_FLAG;
}

static bool look(enum way way)
{
	uint64_t hi[KEYS_MAX], lo[KEYS_MAX];
	bool has = way != BULK_AVX512 || dp_trie_avx512_usable();

	for (unsigned int i = 0; i < s.n_keys; i++) {
		hi[i] = s.keys[i].hi;
		lo[i] = s.keys[i].lo;
	}
	s.traps = 0;
	__builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() | TRAP_FLAG);
	if (way == SINGLE)
		s.found[0] = dp_trie_lookup(s.t, s.keys[0]);
	else if (way == BULK_SCALAR)
		dp_trie_lookup_bulk_scalar(s.t, hi, lo, s.found, s.n_keys);
	else if (has)
		dp_trie_lookup_bulk_avx512(s.t, hi, lo, s.found, s.n_keys);
	__builtin_ia32_writeeflags_u64(__builtin_ia32_readeflags_u64() & ~TRAP_FLAG);
	return has;
}

/* ---- right answers ---- */

static void foresee(void)
{
	for (unsigned int j = 0; j <= s.n_changes; j++) {
		for (unsigned int i = 0; i < s.n_keys; i++)
			s.right[j][i] = oracle_lookup(s.o, s.keys[i]);
		if (j == s.n_changes)
			break;
		if (s.changes[j].prefix.value == NULL)
			oracle_clear(s.o, s.changes[j].prefix.key, s.changes[j].prefix.len, NULL);
		else
			oracle_set(s.o, s.changes[j].prefix.key, s.changes[j].prefix.len,
				   s.changes[j].prefix.value);
	}
}

static int number_of(const void *value)
{
	return value == NULL ? -1 : (int)((const char *)value - s.values);
}

static void tell(enum way way, unsigned int i)
{
	print_message("# %s lookup of %016llx %016llx, changes 0-%u after instruction %u, 0-%u "
		      "after %u: %d\n",
		      way_names[way], (unsigned long long)s.keys[i].hi,
		      (unsigned long long)s.keys[i].lo, s.split, s.at[0], s.n_changes, s.at[1],
		      number_of(s.found[i]));
	for (unsigned int j = 0; j < s.n_changes; j++) {
		const struct dp_trie_prefix *p = &s.changes[j].prefix;

		print_message("# right: %d, then %016llx %016llx /%u: %d\n",
			      number_of(s.right[j][i]), (unsigned long long)p->key.hi,
			      (unsigned long long)p->key.lo, p->len, number_of(p->value));
	}
	print_message("# right: %d\n", number_of(s.right[s.n_changes][i]));
}

static bool is_right(unsigned int i)
{
	for (unsigned int j = 0; j <= s.n_changes; j++) {
		if (s.found[i] == s.right[j][i])
			return true;
	}
	return false;
}

/* A lookup with changes meanwhile, which the trie and the oracle have had afterwards. */
static void interrupt(enum way way)
{
	unsigned int wrong = 0;
	bool has;

	s.n_made = 0;
	foresee();
	has = look(way);
	make_changes(s.n_changes);
	for (unsigned int i = 0; has && i < (way == SINGLE ? 1 : s.n_keys); i++) {
		if (is_right(i))
			continue;
		tell(way, i);
		wrong++;
	}
	assert_int_equal(wrong, 0);
	oracle_expect(s.o, s.t, s.keys, s.n_keys);
}

static void open_steps(void)
{
	struct sigaction action = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
	struct dp_later later = later_of(&s.queue);

	memset(&s, 0, sizeof(s));
	s.t = dp_trie_new(32, DP_TRIE_UNLISTED, &later);
	s.o = oracle_new(32, PREFIXES_MAX);
	MUST(s.t != NULL && sigaction(SIGTRAP, &action, NULL) == 0);
}

static void close_steps(void)
{
	later_drain(&s.queue);
	dp_trie_free(s.t);
	oracle_free(s.o);
}

/* ---- changes that were thought of ---- */

#define WORDS_MAX 12
#define SPLITS	  2

/* Prefixes, each with the letter of its value (-: removed), before and meanwhile. */
static const struct row {
	const char *what, *key;
	const char *before[WORDS_MAX], *meanwhile[WORDS_MAX];
} rows[] = {
	{"a leaf moves after a longer one came below it",
	 "10.0.0.5",
	 {"10.0.0.0/24 a"},
	 {"10.0.0.5/32 c", "10.0.0.0/24 b"}},
	{"a local prefix moves after a longer one came below it",
	 "10.0.0.5",
	 {"10.0.0.0/24 a", "10.0.0.128/25 x", "10.0.0.64/26 y", "10.0.0.32/27 z"},
	 {"10.0.0.5/32 c", "10.0.0.0/24 b"}},
	{"a shorter one comes after a longer one",
	 "10.0.0.5",
	 {"10.0.0.0/22 a", "10.0.0.128/25 x", "10.0.1.0/24 y", "10.0.2.0/24 z", "10.0.3.0/24 w"},
	 {"10.0.0.5/32 c", "10.0.0.0/23 b"}},
	{"handed up to a shorter one",
	 "10.0.0.5",
	 {"10.0.0.0/24 a", "10.0.0.5/32 b", "10.0.0.9/32 c"},
	 {"10.0.0.0/30 d", "10.0.0.5/32 -", "10.0.0.0/29 e", "10.0.0.0/30 -"}},
	{"handed down to two longer ones and back",
	 "10.0.0.5",
	 {"10.0.0.0/29 a", "10.0.0.8/29 x"},
	 {"10.0.0.0/30 b", "10.0.0.4/30 c", "10.0.0.0/29 -", "10.0.0.0/29 d", "10.0.0.4/30 -"}},
	{"/0 moves after another one came",
	 "10.0.0.5",
	 {"0.0.0.0/0 a", "10.0.0.6/32 x"},
	 {"10.0.0.5/32 c", "0.0.0.0/0 b", "10.0.0.5/32 -"}},
	{"all is removed",
	 "10.0.0.5",
	 {"0.0.0.0/0 a", "10.0.0.0/8 b", "10.0.0.0/24 c", "10.0.0.5/32 d", "10.0.0.4/32 e"},
	 {"0.0.0.0/0 -", "10.0.0.0/8 -", "10.0.0.0/24 -", "10.0.0.5/32 -"}},
};

static struct dp_trie_prefix parse(const char *text)
{
	struct dp_trie_prefix p = {.len = 32};
	char host[32] = "", value = '-';
	unsigned int len = 32;
	uint8_t addr[4];

	MUST(sscanf(text, "%31[0-9.]/%u %c", host, &len, &value) >= 1);
	MUST(inet_pton(AF_INET, host, addr) == 1);
	p.key = dp_trie_key(AF_INET, addr);
	p.len = (uint8_t)len;
	p.value = value == '-' ? NULL : &s.values[(unsigned int)value];
	return p;
}

static void set_row(const struct row *row)
{
	open_steps();
	s.keys[0] = parse(row->key).key;
	s.n_keys = 1;
	for (unsigned int i = 0; row->before[i] != NULL; i++)
		s.changes[s.n_changes++].prefix = parse(row->before[i]);
	foresee();
	make_changes(s.n_changes);
	s.n_changes = 0;
	for (unsigned int i = 0; row->meanwhile[i] != NULL; i++)
		s.changes[s.n_changes++].prefix = parse(row->meanwhile[i]);
}

/* From the first to the last instruction; how often. */
static unsigned int try_row(const struct row *row, enum way way, unsigned int split)
{
	unsigned int at = 1 + (split - 1) * strides[way] / SPLITS, tried = 0;

	for (;; at += strides[way]) {
		set_row(row);
		s.split = split;
		s.at[0] = at;
		s.at[1] = at + (split < s.n_changes ? 7 : 0);
		interrupt(way);
		close_steps();
		tried++;
		if (s.traps < at)
			return tried;
	}
}

static void thought_of(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned int tried = 0;

		print_message("# %s\n", rows[i].what);
		for (enum way way = 0; way < WAYS; way++) {
			for (unsigned int split = 1; split <= SPLITS; split++)
				tried += try_row(&rows[i], way, split);
		}
		MUST(tried > 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(thought_of),
	};

	return UNIT_RUN(tests);
}
