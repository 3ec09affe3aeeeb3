/*
 * Constant time, by the method of ctgrind: secrets are marked as undefined for valgrind's memcheck,
 * which then reports every branch on them and every address made from them. Run by itself the
 * program starts valgrind on itself; each case says how many such places there were.
 *
 * What memcheck does not see: instructions whose own time depends on their operands. What valgrind
 * does not run: AVX-512 (its CPU has none, so the library chooses other code); that is for
 * `wgdp-bench timing`. Verdicts are public, and libraries and back ends branch on them on
 * purpose: ct.supp names each such place and why it may.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SKIP_REASON "valgrind can't run what AddressSanitizer is in"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SKIP_REASON "valgrind can't run what AddressSanitizer is in"
#endif
#endif

#if !defined(SKIP_REASON) && !__has_include(<valgrind/memcheck.h>)
#define SKIP_REASON "built without valgrind/memcheck.h"
#endif

#ifdef SKIP_REASON

int main(void)
{
	printf("1..0 # SKIP " SKIP_REASON "\n");
	return 0;
}

#else

#include <intel-ipsec-mb.h>
#include <valgrind/memcheck.h>

#include "crypto/aead.h"
#include "crypto/aead_backend.h"
#include "crypto/blake2s.h"
#include "crypto/cpu.h"
#include "crypto/ct.h"
#include "crypto/siphash.h"
#include "crypto/x25519.h"
#include "crypto/xaead.h"

#define SECRET(at, len) VALGRIND_MAKE_MEM_UNDEFINED(at, len)
#define PUBLIC(at, len) VALGRIND_MAKE_MEM_DEFINED(at, len)

#define MESSAGE_BYTES 1500

/* Bytes that are neither all zero nor all the same, not from a generator of secrets. */
static void fill(void *to, size_t len, unsigned int seed)
{
	uint8_t *p = to;

	for (size_t i = 0; i < len; i++) {
		seed = seed * 1103515245 + 12345;
		p[i] = (uint8_t)(seed >> 16);
	}
}

static void secret_fill(void *to, size_t len, unsigned int seed)
{
	fill(to, len, seed);
	SECRET(to, len);
}

static unsigned int n_cases, n_failed;

static void ok(bool good, const char *what, const char *of)
{
	n_cases++;
	n_failed += !good;
	printf("%sok %u - %s%s%s\n", good ? "" : "not ", n_cases, what, *of ? ", " : "", of);
	fflush(stdout);
}

/* Runs a case: right results, and no place where memcheck saw a secret decide something. */
static void constant(bool (*run)(void *), void *arg, const char *what, const char *of)
{
	unsigned int before = VALGRIND_COUNT_ERRORS, after;
	bool right = run(arg);

	after = VALGRIND_COUNT_ERRORS;
	if (!right)
		printf("# wrong results\n");
	if (after != before)
		printf("# %u uses of secrets for branches or addresses\n", after - before);
	ok(right && after == before, what, of);
}

/* What the method has to find. */

static volatile unsigned int sink;

static __attribute__((noinline)) void leak_by_branch(const uint8_t *secret)
{
	if (secret[0] & 1)
		sink++;
}

static __attribute__((noinline)) void leak_by_index(const uint8_t *secret)
{
	static const uint8_t table[256] = {1, 2, 3};

	sink += ((const volatile uint8_t *)table)[secret[1]];
}

static __attribute__((noinline)) void leak_by_early_exit(const uint8_t *secret)
{
	for (unsigned int i = 0; i < 16 && secret[i] == i; i++)
		sink++;
}

static void finds_leaks(void)
{
	static const struct {
		void (*leak)(const uint8_t *secret);
		const char *what;
	} leaks[] = {
		{leak_by_branch, "a branch"},
		{leak_by_index, "an index"},
		{leak_by_early_exit, "a comparison that ends early"},
	};
	uint8_t secret[16];

	for (size_t i = 0; i < sizeof(leaks) / sizeof(leaks[0]); i++) {
		unsigned int before = VALGRIND_COUNT_ERRORS;

		secret_fill(secret, sizeof(secret), 1);
		leaks[i].leak(secret);
		ok(VALGRIND_COUNT_ERRORS > before, "the method finds", leaks[i].what);
	}
	SECRET((void *)&sink, sizeof(sink));
	PUBLIC((void *)&sink, sizeof(sink));
}

/* One back end: an open context of the table, or ipsec-mb held to one instruction set. */
struct backend {
	const struct cr_aead_backend *direct;
	void *state;
	struct cr_aead *aead;
	bool is_ipsec_mb;
};

static uint64_t seal(const struct backend *b, const struct cr_packet *packets, unsigned int n)
{
	return b->aead ? cr_seal_burst(b->aead, packets, n) : b->direct->seal(b->state, packets, n);
}

static uint64_t open_any(const struct backend *b, const struct cr_packet *packets, unsigned int n)
{
	return b->aead ? cr_open_burst(b->aead, packets, n) : b->direct->open(b->state, packets, n);
}

/* For ct.supp: the frame that tells that ipsec-mb's back end branches, and no other's. */
static __attribute__((noinline)) void open_ipsec_mb(const struct backend *b,
						    const struct cr_packet *packets, unsigned int n,
						    uint64_t *mask)
{
	*mask = open_any(b, packets, n);
}

static uint8_t keys[CR_BURST_MAX][CR_KEY_BYTES];
static uint8_t text[CR_BURST_MAX][MESSAGE_BYTES];
static uint8_t sealed[CR_BURST_MAX][MESSAGE_BYTES + CR_TAG_BYTES];
static uint8_t opened[CR_BURST_MAX][MESSAGE_BYTES];
static struct cr_packet packets[CR_BURST_MAX];

/* Keys and text are secret; what has been sealed is public, and so are verdicts. */
static bool aead_burst(const struct backend *b, unsigned int n, bool mixed)
{
	uint64_t all = UINT64_MAX >> (64 - n), forged = all & UINT64_C(0x924924924924a491), mask;

	PUBLIC(keys, sizeof(keys));
	for (unsigned int i = 0; i < n; i++) {
		uint32_t len = mixed ? (uint32_t)(i * 389 % 1400 + i % 3) : 64 + n;

		secret_fill(keys[i], CR_KEY_BYTES, n + i);
		secret_fill(text[i], MESSAGE_BYTES, n + 2 * i);
		packets[i] = (struct cr_packet){keys[i], i, text[i], sealed[i], len};
	}
	mask = seal(b, packets, n);
	if (mask != all)
		return false;
	PUBLIC(sealed, sizeof(sealed));
	for (unsigned int i = 0; i < n; i++) {
		packets[i].src = sealed[i];
		packets[i].dst = opened[i];
		if (forged >> i & 1)
			sealed[i][i * 7 % (packets[i].len_bytes + CR_TAG_BYTES)] ^= 1;
	}
	if (b->is_ipsec_mb)
		open_ipsec_mb(b, packets, n, &mask);
	else
		mask = open_any(b, packets, n);
	PUBLIC(&mask, sizeof(mask));
	if (mask != (all & ~forged))
		return false;
	PUBLIC(text, sizeof(text));
	PUBLIC(opened, sizeof(opened));
	for (unsigned int i = 0; i < n; i++) {
		size_t len = packets[i].len_bytes;

		if (forged >> i & 1 ? !cr_is_zero(opened[i], len)
				    : memcmp(opened[i], text[i], len) != 0)
			return false;
	}
	return true;
}

static bool aead_bursts(void *arg)
{
	static const unsigned int ns[] = {1, 2, 5, 8, 17, 32, 64};
	bool right = true;

	for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
		right &= aead_burst(arg, ns[i], true);
		right &= aead_burst(arg, ns[i], false);
	}
	return right;
}

static void skipped(const char *name)
{
	printf("ok %u - %s # SKIP valgrind's CPU lacks what it needs\n", ++n_cases, name);
}

static void aead_backends(void)
{
	static const struct {
		int arch;
		const char *name;
	} archs[] = {
		{IMB_ARCH_SSE, "ipsec-mb SSE"},
		{IMB_ARCH_AVX, "ipsec-mb AVX"},
		{IMB_ARCH_AVX2, "ipsec-mb AVX2"},
	};
	const char *name;

	for (unsigned int i = 0; (name = cr_aead_backend_name(i)); i++) {
		struct backend b = {
			.aead = cr_aead_new(name),
			.is_ipsec_mb = strcmp(name, cr_aead_ipsec_mb.name) == 0,
		};

		if (b.aead)
			constant(aead_bursts, &b, "bursts", name);
		else
			skipped(name);
		cr_aead_free(b.aead);
	}
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++) {
		struct backend b = {
			.direct = &cr_aead_ipsec_mb,
			.state = cr_ipsec_mb_state_new(archs[i].arch),
			.is_ipsec_mb = true,
		};

		if (b.state) {
			constant(aead_bursts, &b, "bursts", archs[i].name);
			b.direct->state_free(b.state);
		} else {
			skipped(archs[i].name);
		}
	}
}

/* Single messages, with both kinds of nonces. */
static bool single(void *arg)
{
	static const size_t lens[] = {0, 1, 32, 63, 64, 400};
	const bool *extended = arg;
	uint8_t nonce[CR_XNONCE_BYTES], ad[32];
	bool right = true;

	fill(nonce, sizeof(nonce), 3);
	fill(ad, sizeof(ad), 4);
	for (size_t i = 0; i < 2 * sizeof(lens) / sizeof(lens[0]); i++) {
		size_t len = lens[i / 2];
		bool forged = i % 2, verdict;

		secret_fill(keys[0], CR_KEY_BYTES, 5);
		secret_fill(text[0], len, 6);
		if (*extended)
			cr_xseal(sealed[0], text[0], len, ad, sizeof(ad), nonce, keys[0]);
		else
			cr_seal(sealed[0], text[0], len, ad, sizeof(ad), 7, keys[0]);
		PUBLIC(sealed[0], sizeof(sealed[0]));
		sealed[0][len] ^= forged;
		if (*extended)
			verdict = cr_xopen(opened[0], sealed[0], len, ad, sizeof(ad), nonce,
					   keys[0]);
		else
			verdict = cr_open(opened[0], sealed[0], len, ad, sizeof(ad), 7, keys[0]);
		PUBLIC(&verdict, sizeof(verdict));
		right &= verdict != forged;
	}
	return right;
}

static bool x25519(void *arg)
{
	static const uint8_t zero_point[CR_POINT_BYTES];
	uint8_t a[CR_POINT_BYTES], b[CR_POINT_BYTES], a_point[CR_POINT_BYTES];
	uint8_t b_point[CR_POINT_BYTES], ab[CR_POINT_BYTES], ba[CR_POINT_BYTES];
	bool verdict[3];

	secret_fill(a, sizeof(a), 8);
	secret_fill(b, sizeof(b), 9);
	cr_x25519_clamp(a);
	cr_x25519_base(a_point, a);
	cr_x25519_base(b_point, b);
	PUBLIC(a_point, sizeof(a_point));
	/* The other point too: what is no public key (a psk in between) gets no other code. */
	verdict[0] = cr_x25519(ab, a, b_point);
	verdict[1] = cr_x25519(ba, b, a_point);
	verdict[2] = cr_x25519(b_point, a, zero_point);
	PUBLIC(verdict, sizeof(verdict));
	PUBLIC(ab, sizeof(ab));
	PUBLIC(ba, sizeof(ba));
	return verdict[0] && verdict[1] && !verdict[2] && memcmp(ab, ba, sizeof(ab)) == 0;
}

static bool x25519_batch(void *arg)
{
	static uint8_t points[9][CR_POINT_BYTES], out[9][CR_POINT_BYTES];
	struct cr_x25519_job jobs[9];
	unsigned int n_ok = 0;

	for (unsigned int i = 0; i < 9; i++) {
		secret_fill(keys[i], CR_POINT_BYTES, 20 + i);
		/* One is of low order. */
		fill(points[i], i == 4 ? 0 : CR_POINT_BYTES, 30 + i);
		jobs[i] = (struct cr_x25519_job){keys[i], points[i], out[i], false};
	}
	cr_x25519_batch(jobs, 9);
	PUBLIC(jobs, sizeof(jobs));
	for (unsigned int i = 0; i < 9; i++)
		n_ok += jobs[i].ok;
	return n_ok == 8 && !jobs[4].ok;
}

static bool blake2s(void *arg)
{
	static const size_t lens[] = {0, 1, 32, 63, 64, 65, 116, 128, 300};
	uint8_t key[100], in[300], out[3][CR_HASH_BYTES];
	struct cr_blake2s s;

	secret_fill(key, sizeof(key), 10);
	secret_fill(in, sizeof(in), 11);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		cr_hash(out[0], key, 32, in, lens[i]);
		cr_mac(out[0], key, 32, in, lens[i]);
		cr_hmac(out[0], key, 32, in, lens[i]);
		cr_hmac(out[1], key, sizeof(key), in, lens[i]);
		cr_kdf(out[0], out[1], out[2], key, in, lens[i]);
		cr_kdf(key, out[1], NULL, key, in, lens[i]);
	}
	cr_blake2s_init(&s, 20, key, 32);
	cr_blake2s_update(&s, in, 100);
	cr_blake2s_final(&s, out[0]);
	return true;
}

#define BATCH 40

static bool blake2s_batches(void *arg)
{
	struct cr_hash_job jobs[BATCH];
	struct cr_kdf_job kdfs[BATCH];
	uint8_t in[300], out[BATCH][3][CR_HASH_BYTES];

	secret_fill(keys, sizeof(keys), 12);
	secret_fill(in, sizeof(in), 13);
	for (unsigned int i = 0; i < BATCH; i++) {
		jobs[i] = (struct cr_hash_job){.out = out[i][0],
					       .out_bytes = CR_HASH_BYTES,
					       .key = keys[i],
					       .key_bytes = CR_HASH_BYTES,
					       .a = in,
					       .a_len = i * 7};
		kdfs[i] = (struct cr_kdf_job){out[i][0], out[i][1], NULL, keys[i], in, 32};
	}
	cr_hash_batch(jobs, BATCH);
	cr_hmac_batch(jobs, BATCH);
	cr_kdf_batch(kdfs, BATCH);
	return true;
}

static bool siphash(void *arg)
{
	struct cr_siphash_key key;
	uint8_t in[40];

	secret_fill(&key, sizeof(key), 14);
	secret_fill(in, sizeof(in), 15);
	for (size_t len = 0; len <= sizeof(in); len++) {
		uint64_t hash = cr_siphash(&key, in, len);

		PUBLIC(&hash, sizeof(hash));
		sink += (unsigned int)hash;
	}
	return true;
}

static bool ct_helpers(void *arg)
{
	uint8_t a[40], b[40];
	bool verdict[4];

	secret_fill(a, sizeof(a), 16);
	secret_fill(b, sizeof(b), 16);
	verdict[0] = cr_equal(a, b, sizeof(a));
	b[3] ^= 1;
	verdict[1] = cr_equal(a, b, sizeof(a));
	verdict[2] = cr_is_zero(a, sizeof(a));
	cr_wipe(a, sizeof(a));
	SECRET(a, sizeof(a));
	verdict[3] = cr_is_zero(a, sizeof(a));
	PUBLIC(verdict, sizeof(verdict));
	return verdict[0] && !verdict[1] && !verdict[2] && verdict[3];
}

static int run_cases(void)
{
	bool extended[] = {false, true};

	printf("# valgrind's CPU %s AVX-512, %s AVX2\n", cr_cpu_avx512() ? "has" : "lacks",
	       __builtin_cpu_supports("avx2") ? "has" : "lacks");
	finds_leaks();
	constant(ct_helpers, NULL, "comparisons", "");
	constant(siphash, NULL, "SipHash", "");
	constant(blake2s, NULL, "BLAKE2s, HMAC, KDF", "");
	constant(blake2s_batches, NULL, "BLAKE2s, HMAC, KDF in batches", "");
	constant(x25519, NULL, "X25519", "");
	constant(x25519_batch, NULL, "X25519 in batches", "");
	constant(single, &extended[0], "single messages", "");
	constant(single, &extended[1], "single messages, XChaCha20", "");
	aead_backends();
	printf("1..%u\n", n_cases);
	return n_failed > 0;
}

int main(int argc, char **argv)
{
	if (RUNNING_ON_VALGRIND)
		return run_cases();
	if (argc > 1) {
		printf("Bail out! valgrind was started, but does not run this\n");
		return 1;
	}
	execlp("valgrind", "valgrind", "--quiet", "--error-limit=no", "--leak-check=no",
	       "--suppressions=" CT_SUPPRESSIONS, argv[0], "under-valgrind", NULL);
	printf("1..0 # SKIP valgrind is not installed\n");
	return 0;
}

#endif
