/*
 * After a burst no key, one-time key, key stream or right tag is left: not in the context, not on
 * the stack, not in any other writable memory of the process. What is secret lives in one mapping
 * of its own (the vault), and the test looks for it everywhere else.
 */
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>

#include "crypto/aead_ref.h"
#include "tests/unit/crypto/variants.h"

#define N_PACKETS    8
#define LEN_BYTES    400
#define NEEDLE_BYTES 16

/* The stack of the thread that runs the bursts, kept to be searched when the thread is gone. */
#define STACK_BYTES (512 * 1024)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

struct vault {
	uint8_t key[N_PACKETS][CR_KEY_BYTES];
	uint8_t once[N_PACKETS][64];	      /* block 0: the one-time key and what nobody uses */
	uint8_t stream[N_PACKETS][LEN_BYTES]; /* from block 1 */
	uint8_t text[N_PACKETS][LEN_BYTES];
	uint8_t sealed[N_PACKETS][LEN_BYTES + CR_TAG_BYTES];
	uint8_t forged[N_PACKETS][LEN_BYTES + CR_TAG_BYTES];
	uint8_t out[N_PACKETS][LEN_BYTES + CR_TAG_BYTES];
};

static struct vault *vault;
static uint8_t *stack;

static void *vault_fill(void *arg)
{
	static const uint8_t zero[LEN_BYTES];
	uint64_t seed = 40;

	unit_random_fill(&seed, vault->key, sizeof(vault->key));
	unit_random_fill(&seed, vault->text, sizeof(vault->text));
	for (unsigned int i = 0; i < N_PACKETS; i++) {
		uint8_t nonce[12] = {0, 0, 0, 0, (uint8_t)i};

		cr_ref_chacha20(vault->once[i], zero, 64, vault->key[i], nonce, 0);
		cr_ref_chacha20(vault->stream[i], zero, LEN_BYTES, vault->key[i], nonce, 1);
		cr_ref_seal(vault->sealed[i], vault->text[i], LEN_BYTES, NULL, 0, nonce,
			    vault->key[i]);
		memcpy(vault->forged[i], vault->sealed[i], sizeof(vault->forged[i]));
		vault->forged[i][LEN_BYTES] ^= 1;
	}
	return vault;
}

/* Seals, opens, and opens forgeries. */
static void *run_bursts(void *arg)
{
	const struct variant *v = arg;
	struct cr_packet packets[N_PACKETS];
	uint64_t masks[3];

	for (unsigned int i = 0; i < N_PACKETS; i++)
		packets[i] = (struct cr_packet){vault->key[i], i, vault->text[i], vault->out[i],
						LEN_BYTES};
	masks[0] = variant_seal(v, packets, N_PACKETS);
	for (unsigned int i = 0; i < N_PACKETS; i++)
		packets[i].src = vault->sealed[i];
	masks[1] = variant_open(v, packets, N_PACKETS);
	for (unsigned int i = 0; i < N_PACKETS; i++)
		packets[i].src = vault->forged[i];
	masks[2] = variant_open(v, packets, N_PACKETS);
	return masks[0] == all_of(N_PACKETS) && masks[1] == masks[0] && masks[2] == 0 ? vault
										      : NULL;
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

struct secret {
	const char *what;
	const uint8_t *at; /* NEEDLE_BYTES in the vault */
};

#define SECRETS_MAX (N_PACKETS * (2 + 4 + LEN_BYTES / NEEDLE_BYTES + 1))

static struct secret secrets[SECRETS_MAX];
static unsigned int n_secrets;

/* By a secret's first two bytes: does one start so? */
static bool starts[UINT16_MAX + 1];

static uint16_t start_of(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static void add_secret(const char *what, const uint8_t *at, size_t len)
{
	for (size_t n = 0; n + NEEDLE_BYTES <= len; n += NEEDLE_BYTES) {
		assert_true(n_secrets < SECRETS_MAX);
		secrets[n_secrets++] = (struct secret){what, at + n};
		starts[start_of(at + n)] = true;
	}
}

static void list_secrets(void)
{
	for (unsigned int i = 0; i < N_PACKETS; i++) {
		add_secret("key", vault->key[i], CR_KEY_BYTES);
		add_secret("one-time key", vault->once[i], 64);
		add_secret("key stream", vault->stream[i], LEN_BYTES);
		add_secret("right tag", vault->sealed[i] + LEN_BYTES, CR_TAG_BYTES);
	}
}

/* How often a secret is in [from, to), at any alignment. Byte by byte, to leave no copy itself. */
static unsigned int search_range(const struct variant *v, const uint8_t *from, const uint8_t *to)
{
	unsigned int hits = 0;

	for (const uint8_t *p = from; p + NEEDLE_BYTES <= to; p++) {
		if (!starts[start_of(p)])
			continue;
		for (unsigned int i = 0; i < n_secrets; i++) {
			const volatile uint8_t *a = p, *b = secrets[i].at;
			size_t same = 0;

			while (same < NEEDLE_BYTES && a[same] == b[same])
				same++;
			if (same < NEEDLE_BYTES)
				continue;
			printf("# %s: %s at %p\n", v->name, secrets[i].what, (const void *)p);
			hits++;
		}
	}
	return hits;
}

/* Searches all writable memory but the vault. */
static unsigned int search(const struct variant *v)
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
		hits += search_range(v, (const uint8_t *)from, (const uint8_t *)to);
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

static void nothing_is_left(void **state)
{
	struct variant v[VARIANTS_MAX];
	unsigned int n_v = variants_open(v), hits = 0;

	vault = map(sizeof(*vault));
	assert_int_equal(madvise(vault, sizeof(*vault), MADV_DONTDUMP), 0);
	stack = map(STACK_BYTES);
	run_in_thread(vault_fill, NULL);
	list_secrets();
	for (unsigned int k = 0; k < n_v; k++) {
		run_in_thread(run_bursts, &v[k]);
		hits += search(&v[k]);
	}
	assert_int_equal(hits, 0);

	printf("# the search finds what is there, so one of the reference follows\n");
	memcpy(stack + 101, vault->stream[N_PACKETS - 1] + 32, NEEDLE_BYTES);
	assert_int_equal(search(&v[0]), 1);
	variants_close(v, n_v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left),
	};

#ifdef SANITIZED
	printf("1..0 # SKIP AddressSanitizer keeps copies of stacks\n");
	return 0;
#endif
	return UNIT_RUN(tests);
}
