/*
 * wgdp-bench timing: the functions it tests, and the two classes of inputs of each. All inputs of a
 * target have the same lengths and lie in the same places, so that they differ in secrets only.
 */
#include "bench/timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "bench/tsc.h"
#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "crypto/x25519.h"

#define BURST_PACKETS 32
#define PACKET_BYTES  211 /* not a multiple of anything */
#define COMPARE_BYTES 32
#define X25519_JOBS   32
#define BLAKE2S_JOBS  32
#define BLAKE2S_BYTES 116 /* what mac1 of a handshake initiation covers */
#define BACKENDS_MAX  8

static struct cr_aead *backends[BACKENDS_MAX];

void timing_random(void *out, size_t bytes)
{
	static uint8_t seed[randombytes_SEEDBYTES];
	static uint64_t calls;

	calls++;
	memcpy(seed, &calls, sizeof(calls));
	randombytes_buf_deterministic(out, bytes, seed);
}

/* ---- the burst AEAD ---- */

struct burst_input {
	uint8_t keys[BURST_PACKETS][CR_KEY_BYTES];
	uint8_t src[BURST_PACKETS][PACKET_BYTES + CR_TAG_BYTES];
	uint64_t right; /* which packets are */
};

_Static_assert(sizeof(struct burst_input) <= TIMING_INPUT_BYTES, "an input has that much room");

static uint8_t burst_dst[BURST_PACKETS][PACKET_BYTES + CR_TAG_BYTES];

static void burst_packets(struct burst_input *in, struct cr_packet packets[BURST_PACKETS],
			  uint8_t (*dst)[PACKET_BYTES + CR_TAG_BYTES])
{
	for (unsigned int i = 0; i < BURST_PACKETS; i++)
		packets[i] = (struct cr_packet){in->keys[i], i, in->src[i], dst[i], PACKET_BYTES};
}

static void random_burst(struct burst_input *in)
{
	timing_random(in, sizeof(*in));
	in->right = UINT64_MAX >> (64 - BURST_PACKETS);
}

static void seal_input(const struct timing_target *t, struct burst_input *in)
{
	struct cr_packet packets[BURST_PACKETS];

	burst_packets(in, packets, in->src);
	cr_seal_burst(t->state, packets, BURST_PACKETS);
}

/* Zero against random: what is special about numbers shows most with zeros. */
static void make_seal_keys(const struct timing_target *t, void *input, bool second)
{
	struct burst_input *in = input;

	random_burst(in);
	if (!second)
		memset(in->keys, 0, sizeof(in->keys));
}

static void make_seal_plaintexts(const struct timing_target *t, void *input, bool second)
{
	struct burst_input *in = input;

	random_burst(in);
	if (!second)
		memset(in->src, 0, sizeof(in->src));
}

static void make_open_keys(const struct timing_target *t, void *input, bool second)
{
	make_seal_keys(t, input, second);
	seal_input(t, input);
}

static void make_open_plaintexts(const struct timing_target *t, void *input, bool second)
{
	make_seal_plaintexts(t, input, second);
	seal_input(t, input);
}

/* One wrong bit in that byte of the tag. */
static void forge(struct burst_input *in, unsigned int packet, unsigned int byte)
{
	in->src[packet][PACKET_BYTES + byte] ^= 0x10;
	in->right &= ~(UINT64_C(1) << packet);
}

/* All tags are wrong: in the first byte, in the last byte. */
static void make_open_tag_bytes(const struct timing_target *t, void *input, bool second)
{
	struct burst_input *in = input;

	random_burst(in);
	seal_input(t, in);
	for (unsigned int i = 0; i < BURST_PACKETS; i++)
		forge(in, i, second ? CR_TAG_BYTES - 1 : 0);
}

/* Half of the tags are wrong: those of the first half, any. So each input has as much zeroed. */
static void make_open_places(const struct timing_target *t, void *input, bool second)
{
	struct burst_input *in = input;
	unsigned int places[BURST_PACKETS];
	uint32_t random[BURST_PACKETS];

	random_burst(in);
	seal_input(t, in);
	timing_random(random, sizeof(random));
	for (unsigned int i = 0; i < BURST_PACKETS; i++)
		places[i] = i;
	for (unsigned int i = BURST_PACKETS - 1; second && i > 0; i--) {
		unsigned int j = random[i] % (i + 1), place = places[i];

		places[i] = places[j];
		places[j] = place;
	}
	for (unsigned int i = 0; i < BURST_PACKETS / 2; i++)
		forge(in, places[i], i % CR_TAG_BYTES);
}

static void make_open_all_wrong(const struct timing_target *t, void *input, bool second)
{
	struct burst_input *in = input;

	random_burst(in);
	seal_input(t, in);
	for (unsigned int i = 0; second && i < BURST_PACKETS; i++)
		forge(in, i, i % CR_TAG_BYTES);
}

static void make_open_alternating(const struct timing_target *t, void *input, bool second)
{
	struct burst_input *in = input;

	random_burst(in);
	seal_input(t, in);
	for (unsigned int i = 0; second && i < BURST_PACKETS; i += 2)
		forge(in, i, i % CR_TAG_BYTES);
}

static bool run_seal(const struct timing_target *t, void *input)
{
	struct burst_input *in = input;
	struct cr_packet packets[BURST_PACKETS];

	burst_packets(in, packets, burst_dst);
	return cr_seal_burst(t->state, packets, BURST_PACKETS) == in->right;
}

static bool run_open(const struct timing_target *t, void *input)
{
	struct burst_input *in = input;
	struct cr_packet packets[BURST_PACKETS];

	burst_packets(in, packets, burst_dst);
	return cr_open_burst(t->state, packets, BURST_PACKETS) == in->right;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* What it takes to zero each packet by itself, at the median. */
static double zeroing(const struct timing_target *t)
{
	enum { TIMES = 1001 };
	static double cycles[TIMES];

	for (unsigned int k = 0; k < TIMES; k++) {
		uint64_t begin = bench_tsc();

		for (unsigned int i = 0; i < BURST_PACKETS; i++) {
			memset(burst_dst[i], 0, PACKET_BYTES);
			__asm__ volatile("" : : "r"(burst_dst[i]) : "memory");
		}
		cycles[k] = (double)(bench_tsc() - begin);
	}
	qsort(cycles, TIMES, sizeof(cycles[0]), compare);
	return cycles[TIMES / 2];
}

static const struct timing_target burst_targets[] = {
	{"seal/keys", "zero, random", TIMING_EQUAL, sizeof(struct burst_input), make_seal_keys,
	 run_seal, NULL, NULL, ""},
	{"seal/plaintexts", "zero, random", TIMING_EQUAL, sizeof(struct burst_input),
	 make_seal_plaintexts, run_seal, NULL, NULL, ""},
	{"open/keys", "zero, random", TIMING_EQUAL, sizeof(struct burst_input), make_open_keys,
	 run_open, NULL, NULL, ""},
	{"open/plaintexts", "zero, random", TIMING_EQUAL, sizeof(struct burst_input),
	 make_open_plaintexts, run_open, NULL, NULL, ""},
	{"open/tag-bytes", "all wrong: first byte, last byte", TIMING_EQUAL,
	 sizeof(struct burst_input), make_open_tag_bytes, run_open, NULL, NULL, ""},
	{"open/places", "half are wrong: the first, any", TIMING_BOUNDED,
	 sizeof(struct burst_input), make_open_places, run_open, NULL, NULL, ""},
	{"open/alternating", "all are right, every other wrong", TIMING_BOUNDED,
	 sizeof(struct burst_input), make_open_alternating, run_open, zeroing, NULL, ""},
	{"open/all-wrong", "all are right, all are wrong", TIMING_BOUNDED,
	 sizeof(struct burst_input), make_open_all_wrong, run_open, zeroing, NULL, ""},
};

/* ---- X25519 ---- */

struct x25519_input {
	uint8_t scalars[X25519_JOBS][CR_POINT_BYTES], points[X25519_JOBS][CR_POINT_BYTES];
};

/* The shortest there is against all there are: clamped, a zero is 2^254. */
static void make_scalars(const struct timing_target *t, void *input, bool second)
{
	struct x25519_input *in = input;

	timing_random(in, sizeof(*in));
	if (!second)
		memset(in->scalars, 0, sizeof(in->scalars));
}

/* One key against many: what they share must not be seen either. */
static void make_scalar(const struct timing_target *t, void *input, bool second)
{
	static const uint8_t seed[randombytes_SEEDBYTES] = {4};
	struct x25519_input *in = input;

	timing_random(in, sizeof(*in));
	if (!second)
		randombytes_buf_deterministic(in->scalars, sizeof(in->scalars), seed);
}

/* 9, as all public keys begin, against any. */
static void make_points(const struct timing_target *t, void *input, bool second)
{
	struct x25519_input *in = input;

	timing_random(in, sizeof(*in));
	if (second)
		return;
	memset(in->points, 0, sizeof(in->points));
	for (unsigned int i = 0; i < X25519_JOBS; i++)
		in->points[i][0] = 9;
}

static bool x25519_batch(struct x25519_input *in, unsigned int n)
{
	static uint8_t out[X25519_JOBS][CR_POINT_BYTES];
	struct cr_x25519_job jobs[X25519_JOBS];
	bool right = true;

	for (unsigned int i = 0; i < n; i++)
		jobs[i] = (struct cr_x25519_job){in->scalars[i], in->points[i], out[i], false};
	cr_x25519_batch(jobs, n);
	for (unsigned int i = 0; i < n; i++)
		right &= jobs[i].ok;
	return right;
}

static bool run_x25519(const struct timing_target *t, void *input)
{
	return x25519_batch(input, X25519_JOBS);
}

static bool run_x25519_one(const struct timing_target *t, void *input)
{
	return x25519_batch(input, 1);
}

/* ---- BLAKE2s ---- */

struct blake2s_input {
	uint8_t keys[BLAKE2S_JOBS][CR_HASH_BYTES];
	uint8_t inputs[BLAKE2S_JOBS][BLAKE2S_BYTES];
};

static void make_hash_keys(const struct timing_target *t, void *input, bool second)
{
	struct blake2s_input *in = input;

	timing_random(in, sizeof(*in));
	if (!second)
		memset(in->keys, 0, sizeof(in->keys));
}

static void make_hash_inputs(const struct timing_target *t, void *input, bool second)
{
	struct blake2s_input *in = input;

	timing_random(in, sizeof(*in));
	if (!second)
		memset(in->inputs, 0, sizeof(in->inputs));
}

static bool run_macs(const struct timing_target *t, void *input)
{
	static uint8_t out[BLAKE2S_JOBS][CR_MAC_BYTES];
	struct blake2s_input *in = input;
	struct cr_hash_job jobs[BLAKE2S_JOBS];

	for (unsigned int i = 0; i < BLAKE2S_JOBS; i++)
		jobs[i] = (struct cr_hash_job){
			.out = out[i],
			.key = in->keys[i],
			.a = in->inputs[i],
			.a_len = BLAKE2S_BYTES,
			.key_bytes = CR_HASH_BYTES,
			.out_bytes = CR_MAC_BYTES,
		};
	cr_hash_batch(jobs, BLAKE2S_JOBS);
	return true;
}

static bool run_kdfs(const struct timing_target *t, void *input)
{
	static uint8_t out[BLAKE2S_JOBS][2][CR_HASH_BYTES];
	struct blake2s_input *in = input;
	struct cr_kdf_job jobs[BLAKE2S_JOBS];

	for (unsigned int i = 0; i < BLAKE2S_JOBS; i++)
		jobs[i] = (struct cr_kdf_job){
			.t1 = out[i][0],
			.t2 = out[i][1],
			.ck = in->keys[i],
			.in = in->inputs[i],
			.len = CR_HASH_BYTES,
		};
	cr_kdf_batch(jobs, BLAKE2S_JOBS);
	return true;
}

static const struct timing_target handshake_targets[] = {
	{"x25519/zero-scalars", "zero, random", TIMING_EQUAL, sizeof(struct x25519_input),
	 make_scalars, run_x25519, NULL, NULL, ""},
	{"x25519/fixed-scalars", "the same, random", TIMING_EQUAL, sizeof(struct x25519_input),
	 make_scalar, run_x25519, NULL, NULL, ""},
	{"x25519/points", "9, random", TIMING_EQUAL, sizeof(struct x25519_input), make_points,
	 run_x25519, NULL, NULL, ""},
	{"x25519/one-scalar", "the same, random; a batch of 1", TIMING_EQUAL,
	 sizeof(struct x25519_input), make_scalar, run_x25519_one, NULL, NULL, ""},
	{"blake2s/mac-keys", "zero, random", TIMING_EQUAL, sizeof(struct blake2s_input),
	 make_hash_keys, run_macs, NULL, NULL, ""},
	{"blake2s/mac-inputs", "zero, random", TIMING_EQUAL, sizeof(struct blake2s_input),
	 make_hash_inputs, run_macs, NULL, NULL, ""},
	{"blake2s/kdf-keys", "zero, random", TIMING_EQUAL, sizeof(struct blake2s_input),
	 make_hash_keys, run_kdfs, NULL, NULL, ""},
	{"blake2s/kdf-inputs", "zero, random", TIMING_EQUAL, sizeof(struct blake2s_input),
	 make_hash_inputs, run_kdfs, NULL, NULL, ""},
};

/* ---- what shows that the test sees something, and that it does not see what is not there ---- */

struct compare_input {
	uint8_t a[COMPARE_BYTES], b[COMPARE_BYTES];
};

static void make_compare(const struct timing_target *t, void *input, bool second)
{
	struct compare_input *in = input;

	timing_random(in, sizeof(*in));
	memcpy(in->b, in->a, sizeof(in->b));
	in->b[second ? COMPARE_BYTES - 1 : 0] ^= 1;
}

static void make_same(const struct timing_target *t, void *input, bool second)
{
	make_compare(t, input, true);
}

/* Ends at the first difference, as nothing that compares secrets may. */
static __attribute__((noinline)) bool leaky_equal(const uint8_t *a, const uint8_t *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (a[i] != b[i])
			return false;
		__asm__ volatile("" : : : "memory"); /* byte by byte */
	}
	return true;
}

static bool run_leaky_compare(const struct timing_target *t, void *input)
{
	struct compare_input *in = input;

	return !leaky_equal(in->a, in->b, sizeof(in->a));
}

static const struct timing_target control_targets[] = {
	{"control/leaky-compare", "wrong first byte, wrong last byte", TIMING_LEAK,
	 sizeof(struct compare_input), make_compare, run_leaky_compare, NULL, NULL, ""},
	{"control/no-difference", "the same twice", TIMING_EQUAL, sizeof(struct compare_input),
	 make_same, run_leaky_compare, NULL, NULL, ""},
};

/* ---- all ---- */

#define N(array) (sizeof(array) / sizeof((array)[0]))

static unsigned int add(struct timing_target *targets, const struct timing_target *more,
			unsigned int n, const char *backend, void *state)
{
	for (unsigned int i = 0; i < n; i++) {
		targets[i] = more[i];
		targets[i].state = state;
		snprintf(targets[i].name, sizeof(targets[i].name), "%s%s%s", more[i].what,
			 backend ? "/" : "", backend ? backend : "");
	}
	return n;
}

unsigned int timing_targets_open(struct timing_target targets[TIMING_TARGETS_MAX])
{
	unsigned int n = 0;
	const char *name;

	if (sodium_init() < 0) {
		fputs("wgdp-bench: libsodium does not start\n", stderr);
		return 0;
	}
	n += add(targets + n, control_targets, N(control_targets), NULL, NULL);
	for (unsigned int i = 0; (name = cr_aead_backend_name(i)) && i < BACKENDS_MAX; i++) {
		backends[i] = cr_aead_new(name);
		if (!backends[i])
			fprintf(stderr, "wgdp-bench: left out: %s: %m\n", name);
		else
			n += add(targets + n, burst_targets, N(burst_targets), name, backends[i]);
	}
	n += add(targets + n, handshake_targets, N(handshake_targets), NULL, NULL);
	return n;
}

void timing_targets_close(void)
{
	for (unsigned int i = 0; i < BACKENDS_MAX; i++)
		cr_aead_free(backends[i]);
}
