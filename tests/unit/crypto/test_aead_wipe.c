/*
 * After a burst no key, one-time key, key stream or right tag is left: not in the context, not on
 * the stack, not in any other writable memory of the process, and not in the vector registers,
 * where the back end promises that. What is secret lives in one mapping of its own (the vault), and
 * the test looks for it everywhere else: as bytes in a row, as lanes of different packets side by
 * side, and as the limbs that Poly1305 is reckoned with.
 */
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "crypto/aead_ref.h"
#include "tests/unit/crypto/poly_num.h"
#include "tests/unit/crypto/variants.h"

#define LEN_BYTES  600 /* enough for what back ends do with long packets only */
#define LEN_BLOCKS ((LEN_BYTES + 63) / 64)
#define N_POWERS   8 /* of r, that may be precomputed */
#define HITS_SHOWN 5

/* So many secret words side by side are no chance. */
#define RUN_WORDS 3

/* The stack of the thread that runs the bursts, kept to be searched when the thread is gone. */
#define STACK_BYTES (512 * 1024)

/* Volatile: or the compiler knows that nothing below is reached, and complains of what it is. */
#if defined(__SANITIZE_ADDRESS__)
static const volatile bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
static const volatile bool sanitized = true;
#else
static const volatile bool sanitized;
#endif
#else
static const volatile bool sanitized;
#endif

enum shape { EQUAL, RAGGED, SHAPES };
enum step { SEAL, OPEN, OPEN_FORGED, STEPS };

/* A set of words; a bit says fast that a word is not in it. */
#define SET_BITS    17
#define FILTER_BITS 21

struct set {
	unsigned int n;
	uint64_t words[1 << SET_BITS]; /* 0: free */
	const char *what[1 << SET_BITS];
	uint8_t filter[(1 << FILTER_BITS) / 8];
};

#define N_REGISTERS	32
#define REGISTER_BYTES	64
#define REGISTERS_BYTES (N_REGISTERS * REGISTER_BYTES)

struct vault {
	uint8_t key[CR_BURST_MAX][CR_KEY_BYTES];
	uint8_t stream[CR_BURST_MAX][64 + 64 * LEN_BLOCKS]; /* from block 0, the one-time key */
	uint8_t text[CR_BURST_MAX][LEN_BYTES];
	uint8_t sealed[SHAPES][CR_BURST_MAX][LEN_BYTES + CR_TAG_BYTES];
	uint8_t forged[SHAPES][CR_BURST_MAX][LEN_BYTES + CR_TAG_BYTES];
	uint8_t out[CR_BURST_MAX][LEN_BYTES + CR_TAG_BYTES];
	uint8_t registers[STEPS][REGISTERS_BYTES]; /* as they were after a burst */
	struct set words32, words64;
	uint64_t limbs[RUN_WORDS]; /* the second of 44 bits of some packets' r */
};

struct run {
	const struct variant *variant;
	unsigned int n;
	enum shape shape;
};

static struct vault *vault;
static uint8_t *stack;

/* Sets of secret words */

static unsigned int hash(uint64_t word, unsigned int bits)
{
	return (unsigned int)(word * UINT64_C(0x9e3779b97f4a7c15) >> (64 - bits));
}

static void set_add(struct set *s, uint64_t word, const char *what)
{
	unsigned int at = hash(word, SET_BITS), bit = hash(word, FILTER_BITS);

	/* Small numbers are everywhere. */
	if (word < UINT16_MAX)
		return;
	assert_true(++s->n < 1 << (SET_BITS - 1));
	while (s->words[at] && s->words[at] != word)
		at = (at + 1) % (1 << SET_BITS);
	s->words[at] = word;
	s->what[at] = what;
	s->filter[bit / 8] |= (uint8_t)(1 << bit % 8);
}

static const char *set_find(const struct set *s, uint64_t word)
{
	unsigned int at = hash(word, SET_BITS), bit = hash(word, FILTER_BITS);

	if (!(s->filter[bit / 8] >> bit % 8 & 1))
		return NULL;
	while (s->words[at] && s->words[at] != word)
		at = (at + 1) % (1 << SET_BITS);
	return s->words[at] ? s->what[at] : NULL;
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static void add_words(const char *what, const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i += 4)
		set_add(&vault->words32, load32(at + i), what);
}

/* The state before the key is added at the end: who has it and the key stream has the key. */
static void add_rounds(unsigned int i)
{
	static const uint32_t constant[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};

	for (uint32_t block = 0; block <= LEN_BLOCKS; block++) {
		const uint8_t *out = vault->stream[i] + 64 * (size_t)block;

		for (unsigned int w = 0; w < 16; w++) {
			uint32_t in = w < 4 ? constant[w] : 0;

			if (w >= 4 && w < 12)
				in = load32(vault->key[i] + 4 * (w - 4));
			else if (w == 12)
				in = block;
			else if (w == 14)
				in = i;
			set_add(&vault->words32, load32(out + 4 * w) - in, "ChaCha20 state");
		}
	}
}

/* A number cut into limbs of this width; and those times what brings high limbs back down. */
static void add_limbs(struct num a, int width)
{
	for (int from = 0; from < 130; from += width) {
		uint64_t limb = 0;

		for (int bit = from; bit < from + width && bit < 130; bit++)
			limb |= (uint64_t)num_bit(a, bit) << (bit - from);
		set_add(&vault->words64, limb, "limb of r");
		set_add(&vault->words64, 4 * limb, "limb of r, times 4");
		set_add(&vault->words64, 5 * limb, "limb of r, times 5");
		set_add(&vault->words64, 20 * limb, "limb of r, times 20");
		if (width > 26)
			continue;
		set_add(&vault->words32, limb, "limb of r");
		set_add(&vault->words32, 5 * limb, "limb of r, times 5");
	}
}

static void add_secrets(void)
{
	for (unsigned int i = 0; i < CR_BURST_MAX; i++) {
		struct num r = num_r(vault->stream[i]), power = r;

		add_words("key", vault->key[i], CR_KEY_BYTES);
		add_words("key stream", vault->stream[i] + 32, sizeof(vault->stream[i]) - 32);
		add_words("one-time key", vault->stream[i], 32);
		add_rounds(i);
		for (int k = 0; k < N_POWERS; k++) {
			add_limbs(power, 26);
			add_limbs(power, 44);
			power = num_mul(power, r);
		}
	}
}

/* The vault */

static uint32_t len_of(unsigned int i, enum shape shape)
{
	return shape == EQUAL ? LEN_BYTES : (i * 37 + 11) % (LEN_BYTES + 1);
}

static void *vault_fill(void *arg)
{
	static const uint8_t zero[sizeof(vault->stream[0])];
	uint64_t seed = 40;

	unit_random_fill(&seed, vault->key, sizeof(vault->key));
	unit_random_fill(&seed, vault->text, sizeof(vault->text));
	for (unsigned int i = 0; i < CR_BURST_MAX; i++) {
		uint8_t nonce[12] = {0, 0, 0, 0, (uint8_t)i};

		cr_ref_chacha20(vault->stream[i], zero, sizeof(zero), vault->key[i], nonce, 0);
		for (enum shape shape = 0; shape < SHAPES; shape++) {
			uint8_t *sealed = vault->sealed[shape][i],
				*forged = vault->forged[shape][i];
			uint32_t len = len_of(i, shape);

			cr_ref_seal(sealed, vault->text[i], len, NULL, 0, nonce, vault->key[i]);
			memcpy(forged, sealed, len + CR_TAG_BYTES);
			/* All of it: what came with a packet is no secret and may be left. */
			for (int j = 0; j < CR_TAG_BYTES; j++)
				forged[len + j] ^= 0xff;
			add_words("right tag", sealed + len, CR_TAG_BYTES);
		}
	}
	add_secrets();
	for (int i = 0; i < RUN_WORDS; i++) {
		struct num r = num_r(vault->stream[5 - i]);

		vault->limbs[i] = r.limb[1] >> 18 | r.limb[2] << 8 | (r.limb[3] & 0x3ff) << 34;
	}
	return vault;
}

/* Vector registers */

#define STORE_ZMM(n) "vmovdqu64 %%zmm" #n ", 64*" #n "(%0)\n\t"
#define STORE_YMM(n) "vmovdqu %%ymm" #n ", 64*" #n "(%0)\n\t"
#define STORE_XMM(n) "movdqu %%xmm" #n ", 64*" #n "(%0)\n\t"

#define FIRST_16(X)                                                                                \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)
#define LAST_16(X)                                                                                 \
	X(16)                                                                                      \
	X(17) X(18) X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31)

static __attribute__((noinline, target("avx512f"))) void store_zmm(uint8_t *to)
{
	__asm__ __volatile__(FIRST_16(STORE_ZMM) LAST_16(STORE_ZMM) : : "r"(to) : "memory");
}

static __attribute__((noinline, target("avx"))) void store_ymm(uint8_t *to)
{
	__asm__ __volatile__(FIRST_16(STORE_YMM) : : "r"(to) : "memory");
}

static __attribute__((noinline)) void store_xmm(uint8_t *to)
{
	__asm__ __volatile__(FIRST_16(STORE_XMM) : : "r"(to) : "memory");
}

/* To be called at once: between the burst and this, nothing may use a vector. */
static void store_registers(uint8_t to[REGISTERS_BYTES])
{
	if (__builtin_cpu_supports("avx512f"))
		store_zmm(to);
	else if (__builtin_cpu_supports("avx"))
		store_ymm(to);
	else
		store_xmm(to);
}

static __attribute__((noinline, target("avx512f"))) void load_zmm25(const uint8_t *from)
{
	__asm__ __volatile__("vmovdqu64 (%0), %%zmm25" : : "r"(from) : "memory");
}

static __attribute__((noinline)) void load_xmm7(const uint8_t *from)
{
	__asm__ __volatile__("movdqu (%0), %%xmm7" : : "r"(from) : "memory");
}

/*
 * "reference" is what the compiler makes of it, and "ipsec-mb" another's library: version 1.3 as
 * Debian builds it leaves nothing that this test finds, but nobody says that it won't.
 */
static bool promises_registers(const struct variant *v)
{
	return v->backend != &cr_aead_ref && v->backend != &cr_aead_ipsec_mb;
}

/* Bursts */

/* Seals, opens, and opens forgeries. */
static void *run_bursts(void *arg)
{
	const struct run *run = arg;
	const struct variant *v = run->variant;
	struct cr_packet packets[CR_BURST_MAX];
	uint64_t all = all_of(run->n), masks[STEPS];

	for (unsigned int i = 0; i < run->n; i++)
		packets[i] = (struct cr_packet){vault->key[i], i, vault->text[i], vault->out[i],
						len_of(i, run->shape)};
	masks[SEAL] = variant_seal(v, packets, run->n);
	store_registers(vault->registers[SEAL]);
	for (unsigned int i = 0; i < run->n; i++)
		packets[i].src = vault->sealed[run->shape][i];
	masks[OPEN] = variant_open(v, packets, run->n);
	store_registers(vault->registers[OPEN]);
	for (unsigned int i = 0; i < run->n; i++)
		packets[i].src = vault->forged[run->shape][i];
	masks[OPEN_FORGED] = variant_open(v, packets, run->n);
	store_registers(vault->registers[OPEN_FORGED]);
	return masks[SEAL] == all && masks[OPEN] == all && masks[OPEN_FORGED] == 0 ? vault : NULL;
}

/*
 * Runs something in a thread on our stack, which is then as it left it. The vault is filled there
 * too, so that what this test leaves behind is gone when the bursts begin.
 */
static void run_in_thread(void *(*run)(void *), void *arg)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *went_well;

	memset(stack, 0x5a, STACK_BYTES);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, stack, STACK_BYTES), 0);
	assert_int_equal(pthread_create(&thread, &attr, run, arg), 0);
	assert_int_equal(pthread_join(thread, &went_well), 0);
	pthread_attr_destroy(&attr);
	assert_non_null(went_well);
}

/* How many secrets are in [from, to); said if where isn't NULL. Leaves no copy itself. */
static unsigned int search_range(const char *where, const uint8_t *from, const uint8_t *to)
{
	unsigned int hits = 0;

	for (const uint8_t *p = from; p + 4 * RUN_WORDS <= to; p++) {
		const char *what = set_find(&vault->words32, load32(p));

		for (int i = 1; what && i < RUN_WORDS; i++)
			what = set_find(&vault->words32, load32(p + 4 * i));
		if (!what && (uintptr_t)p % 8 == 0 && p + 8 * RUN_WORDS <= to) {
			what = set_find(&vault->words64, load64(p));
			for (int i = 1; what && i < RUN_WORDS; i++)
				what = set_find(&vault->words64, load64(p + 8 * i));
		}
		if (!what)
			continue;
		if (hits++ < HITS_SHOWN && where)
			printf("# %s: %s at %p\n", where, what, (const void *)p);
		p += 4 * RUN_WORDS - 1;
	}
	return hits;
}

/* Searches all writable memory but the vault. */
static unsigned int search(const char *where)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	unsigned int hits = 0;
	uintptr_t from, to;
	char line[512], mode[8];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s", &from, &to, mode) != 3 ||
		    strncmp(mode, "rw", 2) != 0)
			continue;
		if (from <= (uintptr_t)vault && (uintptr_t)vault < to)
			continue;
		hits += search_range(where, (const uint8_t *)from, (const uint8_t *)to);
	}
	fclose(maps);
	return hits;
}

static void *map(size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	/* A page of its own, which the kernel doesn't merge with a neighbour's mapping. */
	assert_int_equal(madvise(at, len, MADV_DONTFORK), 0);
	return at;
}

static int begin(void **state)
{
	vault = map(sizeof(*vault));
	assert_int_equal(madvise(vault, sizeof(*vault), MADV_DONTDUMP), 0);
	stack = map(STACK_BYTES);
	run_in_thread(vault_fill, NULL);
	return 0;
}

/* The same in the registers; where can be NULL. */
static unsigned int search_registers(const char *where)
{
	static const char *const steps[STEPS] = {"seal", "open", "open of forgeries"};
	unsigned int hits = 0;
	char here[160];

	for (unsigned int i = 0; i < STEPS * N_REGISTERS; i++) {
		const uint8_t *r = vault->registers[i / N_REGISTERS] +
				   REGISTER_BYTES * (i % N_REGISTERS);

		snprintf(here, sizeof(here), "%s, vector register %u after %s", where ? where : "",
			 i % N_REGISTERS, steps[i / N_REGISTERS]);
		hits += search_range(where ? here : NULL, r, r + REGISTER_BYTES);
	}
	return hits;
}

static void nothing_is_left(void **state)
{
	static const unsigned int sizes[] = {1, 2, 4, 8, 9, 16, 17, 32, 33, 64};
	struct variant v[VARIANTS_MAX];
	unsigned int n_v = variants_open(v), hits = 0;
	char where[100];

	for (unsigned int k = 0; k < n_v; k++) {
		unsigned int in_registers = 0;

		for (size_t s = 0; s < 2 * sizeof(sizes) / sizeof(sizes[0]); s++) {
			struct run run = {&v[k], sizes[s / 2], s % 2 ? RAGGED : EQUAL};

			run_in_thread(run_bursts, &run);
			snprintf(where, sizeof(where), "%s, %u packets %s", v[k].name, run.n,
				 run.shape == EQUAL ? "of one length" : "of many lengths");
			hits += search(where);
			if (promises_registers(&v[k]))
				hits += search_registers(where);
			else
				in_registers += search_registers(NULL);
		}
		if (in_registers > 0)
			printf("# %s leaves secrets in registers, and promises nothing else\n",
			       v[k].name);
	}
	variants_close(v, n_v);
	assert_int_equal(hits, 0);
}

/* What the other test doesn't find is not there. */
static void search_finds(void **state)
{
	const uint8_t *secret = vault->stream[CR_BURST_MAX - 1] + 128;
	uint8_t *at = stack + 1000;

	memset(stack, 0, STACK_BYTES);
	printf("# the search finds what is there, so finds are to follow\n");
	memcpy(at + 1, secret, 16);
	assert_int_equal(search("a row"), 1);
	/* The fourth word of some packets' keys; byte by byte, or it is on our stack as well. */
	for (int i = 0; i < 16; i++)
		*(volatile uint8_t *)(at + i) = vault->key[7 * (i / 4)][12 + i % 4];
	assert_int_equal(search("lanes"), 1);
	memset(at, 0, 100);
	memcpy(at, vault->limbs, sizeof(vault->limbs));
	assert_int_equal(search("limbs"), 1);
	memset(at, 0, 100);
	assert_int_equal(search("nothing"), 0);

	load_xmm7(secret);
	store_registers(vault->registers[0]);
	assert_true(search_range("xmm7", vault->registers[0], vault->registers[1]) > 0);
	if (!__builtin_cpu_supports("avx512f"))
		return;
	load_zmm25(secret);
	store_registers(vault->registers[0]);
	assert_true(search_range("zmm25", vault->registers[0] + 25 * 64, vault->registers[1]) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left),
		cmocka_unit_test(search_finds),
	};

	if (sanitized) {
		printf("1..0 # SKIP AddressSanitizer keeps copies of stacks\n");
		return 0;
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, begin, NULL);
}
