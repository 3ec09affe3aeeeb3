/* Random bursts through every variant of the burst AEAD, against the reference and libsodium. */
#include "tests/unit/unit.h"

#include <sodium.h>

#include "crypto/aead_ref.h"
#include "crypto/ct.h"
#include "tests/unit/crypto/variants.h"

#define LEN_MAX_BYTES 9000
#define SLOT_BYTES    (64 + LEN_MAX_BYTES + CR_TAG_BYTES + 64)
#define CANARY	      0xc5

/* What a burst is made of, and the right answer. */
struct burst {
	unsigned int n;
	struct cr_packet packets[CR_BURST_MAX];
	uint8_t keys[CR_BURST_MAX][CR_KEY_BYTES];
	uint8_t text[CR_BURST_MAX][LEN_MAX_BYTES];
	uint8_t sealed[CR_BURST_MAX][LEN_MAX_BYTES + CR_TAG_BYTES];
	uint64_t bad; /* packets whose ciphertext, tag, key or counter is not right */
};

static struct burst burst;
static uint8_t src_slots[CR_BURST_MAX][SLOT_BYTES], dst_slots[CR_BURST_MAX][SLOT_BYTES];

static void nonce_of(uint8_t nonce[12], uint64_t counter)
{
	memset(nonce, 0, 4);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(counter >> 8 * i);
}

static uint32_t random_len(uint64_t *seed, unsigned int kind)
{
	static const uint32_t edges[] = {0,   1,   15,	16,  17,  63,	64,   65,   127, 128,
					 192, 255, 256, 257, 512, 1023, 1024, 1025, 1420};
	const unsigned int n_edges = sizeof(edges) / sizeof(edges[0]);

	switch (kind) {
	case 0:
		return (uint32_t)(unit_random(seed) % 65);
	case 1:
		return (uint32_t)(unit_random(seed) % 1501);
	case 2:
		return (uint32_t)(unit_random(seed) % (LEN_MAX_BYTES + 1));
	default:
		return edges[unit_random(seed) % n_edges];
	}
}

/* Texts, keys (some shared), counters, and the sealed packets as reference and libsodium agree. */
static void make_burst(struct burst *b, uint64_t *seed)
{
	unsigned int n_keys, kind = (unsigned int)(unit_random(seed) % 5);
	uint8_t nonce[12], other[LEN_MAX_BYTES + CR_TAG_BYTES];

	b->n = (unsigned int)(1 + unit_random(seed) % CR_BURST_MAX);
	n_keys = (unsigned int)(1 + unit_random(seed) % b->n);
	unit_random_fill(seed, b->keys, sizeof(b->keys));
	for (unsigned int i = 0; i < b->n; i++) {
		struct cr_packet *p = &b->packets[i];

		p->key = b->keys[unit_random(seed) % n_keys];
		p->counter = unit_random(seed) >> unit_random(seed) % 64;
		p->len_bytes = random_len(seed, kind == 4 ? unit_random(seed) % 3 : kind);
		unit_random_fill(seed, b->text[i], p->len_bytes);
		nonce_of(nonce, p->counter);
		cr_ref_seal(b->sealed[i], b->text[i], p->len_bytes, NULL, 0, nonce, p->key);
		crypto_aead_chacha20poly1305_ietf_encrypt(other, NULL, b->text[i], p->len_bytes,
							  NULL, 0, NULL, nonce, p->key);
		assert_memory_equal(b->sealed[i], other, p->len_bytes + CR_TAG_BYTES);
	}
}

/* Places every packet at a random alignment, in place or apart, and fills its source. */
static void place(struct burst *b, uint64_t *seed, bool sealed)
{
	memset(src_slots, CANARY, sizeof(src_slots));
	memset(dst_slots, CANARY, sizeof(dst_slots));
	for (unsigned int i = 0; i < b->n; i++) {
		struct cr_packet *p = &b->packets[i];
		uint8_t *src = src_slots[i] + unit_random(seed) % 65;

		p->src = src;
		p->dst = unit_random(seed) % 2 ? src : dst_slots[i] + unit_random(seed) % 65;
		memcpy(src, sealed ? b->sealed[i] : b->text[i],
		       p->len_bytes + (sealed ? CR_TAG_BYTES : 0));
	}
}

/* Nothing around what dst may be written is touched; keep: how much of an in-place src follows. */
static void check_canary(const uint8_t slot[SLOT_BYTES], const uint8_t *from, size_t len)
{
	size_t start = (size_t)(from - slot);

	for (size_t i = 0; i < SLOT_BYTES; i++) {
		if (i < start || i >= start + len)
			assert_int_equal(slot[i], CANARY);
	}
}

static void check_sealed(const struct burst *b, uint64_t mask)
{
	assert_true(mask == all_of(b->n));
	for (unsigned int i = 0; i < b->n; i++) {
		const struct cr_packet *p = &b->packets[i];
		size_t len = p->len_bytes + CR_TAG_BYTES;

		assert_memory_equal(p->dst, b->sealed[i], len);
		if (p->dst == p->src) {
			check_canary(src_slots[i], p->dst, len);
			continue;
		}
		assert_int_equal(memcmp(p->src, b->text[i], p->len_bytes), 0);
		check_canary(dst_slots[i], p->dst, len);
	}
}

static void check_opened(const struct burst *b, uint64_t mask)
{
	assert_true(mask == (all_of(b->n) & ~b->bad));
	for (unsigned int i = 0; i < b->n; i++) {
		const struct cr_packet *p = &b->packets[i];

		if (b->bad >> i & 1)
			assert_true(cr_is_zero(p->dst, p->len_bytes));
		else
			assert_int_equal(memcmp(p->dst, b->text[i], p->len_bytes), 0);
		if (p->dst == p->src)
			check_canary(src_slots[i], p->dst, p->len_bytes + CR_TAG_BYTES);
		else
			check_canary(dst_slots[i], p->dst, p->len_bytes);
	}
}

/* Which packets are to fail: none, all, every other, one, or any. */
static uint64_t pick_bad(uint64_t *seed, unsigned int n)
{
	switch (unit_random(seed) % 6) {
	case 0:
		return 0;
	case 1:
		return all_of(n);
	case 2:
		return all_of(n) & UINT64_C(0x5555555555555555);
	case 3:
		return all_of(n) & ~UINT64_C(0x5555555555555555);
	case 4:
		return UINT64_C(1) << unit_random(seed) % n;
	default:
		return all_of(n) & unit_random(seed);
	}
}

/* Spoils the packets of b->bad: a bit of text or tag, the counter, or the key. */
static void spoil(struct burst *b, uint64_t *seed)
{
	for (unsigned int i = 0; i < b->n; i++) {
		struct cr_packet *p = &b->packets[i];
		size_t at = unit_random(seed) % (p->len_bytes + CR_TAG_BYTES);

		if (!(b->bad >> i & 1))
			continue;
		switch (unit_random(seed) % 4) {
		case 0:
			p->counter ^= UINT64_C(1) << unit_random(seed) % 64;
			break;
		case 1:
			((uint8_t *)(uintptr_t)p->src)[p->len_bytes + at % CR_TAG_BYTES] ^= 0x80;
			break;
		default:
			((uint8_t *)(uintptr_t)p->src)[at] ^= (uint8_t)(1 << unit_random(seed) % 8);
		}
	}
}

static void random_bursts(void **state)
{
	struct variant v[VARIANTS_MAX];
	unsigned int n_v = variants_open(v);
	uint64_t seed = 20, counters[CR_BURST_MAX];

	printf("# seed %d\n", (int)seed);
	for (int round = 0; round < 150; round++) {
		make_burst(&burst, &seed);
		for (unsigned int k = 0; k < n_v; k++) {
			place(&burst, &seed, false);
			check_sealed(&burst, variant_seal(&v[k], burst.packets, burst.n));

			place(&burst, &seed, true);
			for (unsigned int i = 0; i < burst.n; i++)
				counters[i] = burst.packets[i].counter;
			burst.bad = pick_bad(&seed, burst.n);
			spoil(&burst, &seed);
			check_opened(&burst, variant_open(&v[k], burst.packets, burst.n));
			for (unsigned int i = 0; i < burst.n; i++)
				burst.packets[i].counter = counters[i];
		}
	}
	variants_close(v, n_v);
}

/* Flips one bit in each packet of a burst; the last packet stays right. */
static void flip_bits_from(const struct variant *v, size_t len, size_t first_bit)
{
	const size_t n_bits = 8 * (len + CR_TAG_BYTES);
	unsigned int n = CR_BURST_MAX - 1;

	if (n > n_bits - first_bit)
		n = (unsigned int)(n_bits - first_bit);
	for (unsigned int i = 0; i <= n; i++) {
		struct cr_packet *p = &burst.packets[i];
		size_t bit = first_bit + i;

		memcpy(src_slots[i], burst.sealed[0], len + CR_TAG_BYTES);
		if (i < n)
			src_slots[i][bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(dst_slots[i], CANARY, len + 1);
		*p = (struct cr_packet){burst.keys[0], 77, src_slots[i], dst_slots[i],
					(uint32_t)len};
	}
	burst.n = n + 1;
	burst.bad = all_of(n);
	assert_true(variant_open(v, burst.packets, n + 1) == UINT64_C(1) << n);
	for (unsigned int i = 0; i <= n; i++) {
		if (i < n)
			assert_true(cr_is_zero(dst_slots[i], len));
		else
			assert_int_equal(memcmp(dst_slots[i], burst.text[0], len), 0);
		assert_int_equal(dst_slots[i][len], CANARY);
	}
}

static void every_bit_counts(void **state)
{
	static const size_t lens[] = {0, 1, 15, 16, 17, 63, 64, 65, 129, 256, 511, 577};
	struct variant v[VARIANTS_MAX];
	unsigned int n_v = variants_open(v);
	uint64_t seed = 21;
	uint8_t nonce[12];

	nonce_of(nonce, 77);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		unit_random_fill(&seed, burst.keys[0], CR_KEY_BYTES);
		unit_random_fill(&seed, burst.text[0], lens[i]);
		cr_ref_seal(burst.sealed[0], burst.text[0], lens[i], NULL, 0, nonce, burst.keys[0]);
		for (unsigned int k = 0; k < n_v; k++) {
			for (size_t bit = 0; bit < 8 * (lens[i] + CR_TAG_BYTES);
			     bit += CR_BURST_MAX - 1)
				flip_bits_from(&v[k], lens[i], bit);
		}
	}
	variants_close(v, n_v);
}

static void longest_packets(void **state)
{
	static uint8_t text[CR_LEN_MAX_BYTES], got[CR_LEN_MAX_BYTES + CR_TAG_BYTES];
	static uint8_t want[CR_LEN_MAX_BYTES + CR_TAG_BYTES];
	struct variant v[VARIANTS_MAX];
	unsigned int n_v = variants_open(v);
	uint8_t key[CR_KEY_BYTES], nonce[12];
	uint64_t seed = 22;

	unit_random_fill(&seed, text, sizeof(text));
	unit_random_fill(&seed, key, sizeof(key));
	nonce_of(nonce, UINT64_MAX);
	cr_ref_seal(want, text, sizeof(text), NULL, 0, nonce, key);
	for (unsigned int k = 0; k < n_v; k++) {
		struct cr_packet p = {key, UINT64_MAX, text, got, CR_LEN_MAX_BYTES};

		assert_true(variant_seal(&v[k], &p, 1) == 1);
		assert_memory_equal(got, want, sizeof(want));
		p.src = got;
		assert_true(variant_open(&v[k], &p, 1) == 1);
		assert_memory_equal(got, text, sizeof(text));
	}
	variants_close(v, n_v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_bursts),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(longest_packets),
	};

	if (sodium_init() < 0)
		return 1;
	return UNIT_RUN(tests);
}
