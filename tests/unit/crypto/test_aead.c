/*
 * Every back end of the burst AEAD, case by case: known answers, every length, every bit of a
 * packet flipped, every kind of forgery, one bad packet at every place of a burst. Random ones are
 * in test_aead_random.c.
 */
#include "tests/unit/unit.h"

#include <sodium.h>

#include "tests/unit/crypto/burst.h"

#define A5_BYTES 265

static struct variant variants[VARIANTS_MAX];
static unsigned int n_variants;
static struct burst burst;

/* Around the widths of back ends: 4, 8, 16, 32 and 64 packets at a time. */
static const unsigned int sizes[] = {1,	 2,  3,	 4,  5,	 7,  8,	 9,  12, 15, 16,
				     17, 24, 31, 32, 33, 40, 47, 48, 49, 63, 64};

#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void check_all(bool seal)
{
	for (unsigned int k = 0; k < n_variants; k++) {
		if (seal)
			burst_check_seal(&burst, &variants[k]);
		burst_check_open(&burst, &variants[k]);
	}
}

/*
 * RFC 8439 appendix A.5, whose nonce is 4 zero bytes and a counter: without its AAD, so the
 * ciphertext is the RFC's, and the tag that of its one-time key.
 */
static const char a5_key[] = "1c9240a5eb55d38af333888604f6b5f0473917c1402b80099dca5cbc207075c0";
static const char a5_once[] = "bdf04aa95ce4de8995b14bb6a18fecaf26478f50c054f563dbc0a21e261572aa";
#define A5_COUNTER UINT64_C(0x0807060504030201)
static const char a5_text[] =
	"Internet-Drafts are draft documents valid for a maximum of six months and may be "
	"updated, replaced, or obsoleted by other documents at any time. It is inappropriate to "
	"use Internet-Drafts as reference material or to cite them other than as "
	"/\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
static const char a5_sealed[] =
	"64a0861575861af460f062c79be643bd5e805cfd345cf389f108670ac76c8cb24c6cfc18755d43ee"
	"a09ee94e382d26b0bdb7b73c321b0100d4f03b7f355894cf332f830e710b97ce98c8a84abd0b9481"
	"14ad176e008d33bd60f982b1ff37c8559797a06ef4f0ef61c186324e2b3506383606907b6a7c02b0"
	"f9f6157b53c867e4b9166c767b804d46a59b5216cde7a4e99040c5a40433225ee282a1b0a06c523e"
	"af4534d7f83fa1155b0047718cbc546a0d072b04b3564eea1b422273f548271a0bb2316053fa7699"
	"1955ebd63159434ecebb4e466dae5a1073a6727627097a1049e617d91d361094fa68f0ff77987130"
	"305beaba2eda04df997b714d6c6f2c29a6ad5cb4022b02709b";

/* RFC 8439 appendix A.1, vectors 1 and 2: blocks 0 and 1 of a key and nonce of zeroes. */
static const char a1_once[] = "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7";
static const char a1_sealed[] = "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
				"29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f";

/* Appends the tag of RFC 8439 section 2.8 without AAD. */
static size_t with_tag(uint8_t *sealed, size_t len, const char *once_hex)
{
	size_t padded = (len + 15) & ~(size_t)15;
	uint8_t message[320] = {0}, once[32];

	assert_true(padded + 16 <= sizeof(message));
	memcpy(message, sealed, len);
	for (int i = 0; i < 8; i++)
		message[padded + 8 + i] = (uint8_t)((uint64_t)len >> 8 * i);
	unit_hex(once_hex, once, sizeof(once));
	crypto_onetimeauth_poly1305(sealed + len, message, padded + 16, once);
	return len;
}

/* The packet in every place of a burst of n. */
static void check_known(const struct variant *v, unsigned int n, const struct cr_packet *p,
			const uint8_t *want)
{
	static uint8_t out[CR_BURST_MAX][A5_BYTES + CR_TAG_BYTES];
	struct cr_packet packets[CR_BURST_MAX];

	for (unsigned int i = 0; i < n; i++) {
		packets[i] = *p;
		packets[i].dst = out[i];
	}
	assert_true(variant_seal(v, packets, n) == all_of(n));
	for (unsigned int i = 0; i < n; i++) {
		assert_memory_equal(out[i], want, p->len_bytes + CR_TAG_BYTES);
		packets[i].src = out[i];
	}
	assert_true(variant_open(v, packets, n) == all_of(n));
	for (unsigned int i = 0; i < n; i++)
		assert_memory_equal(out[i], p->src, p->len_bytes);
}

static void known_answers(void **state)
{
	uint8_t key[CR_KEY_BYTES], a5[A5_BYTES + CR_TAG_BYTES], a1[64 + CR_TAG_BYTES];
	static const uint8_t zero[64];

	assert_int_equal(sizeof(a5_text) - 1, A5_BYTES);
	assert_int_equal(with_tag(a5, unit_hex(a5_sealed, a5, A5_BYTES), a5_once), A5_BYTES);
	assert_int_equal(with_tag(a1, unit_hex(a1_sealed, a1, 64), a1_once), 64);
	unit_hex(a5_key, key, sizeof(key));
	for (unsigned int k = 0; k < n_variants; k++) {
		for (unsigned int i = 0; i < N_SIZES; i++) {
			struct cr_packet p = {key, A5_COUNTER, (const uint8_t *)a5_text, NULL,
					      A5_BYTES};

			check_known(&variants[k], sizes[i], &p, a5);
			p = (struct cr_packet){zero, 0, zero, NULL, 64};
			check_known(&variants[k], sizes[i], &p, a1);
		}
	}
}

/* Bursts of packets of one length, for every length past a few of the steps of any back end. */
static void every_length(void **state)
{
	const unsigned int step = burst_divisor() > 1 ? 7 : 1;
	uint64_t seed = 22;

	for (uint32_t len = 0; len <= 2 * 1024 + 80; len += step) {
		for (unsigned int j = 0; j < 2; j++) {
			burst_make_equal(&burst, &seed, sizes[(len + j * N_SIZES / 2) % N_SIZES],
					 len);
			check_all(true);
		}
	}
}

/* Flips one bit in each packet of a burst but one, which stays right. */
static void every_bit_counts(void **state)
{
	static const uint32_t lens[] = {0,   1,	  15,  16,  17,	 63,  64,  65,	127,
					129, 256, 383, 384, 385, 511, 577, 1420};
	const size_t n_lens = sizeof(lens) / sizeof(lens[0]) - (burst_divisor() > 1 ? 4 : 0);
	uint64_t seed = 23;

	for (size_t i = 0; i < n_lens; i++) {
		size_t n_bits = 8 * (lens[i] + CR_TAG_BYTES), bit = 0;

		burst_make_equal(&burst, &seed, CR_BURST_MAX, lens[i]);
		while (bit < n_bits) {
			unsigned int right = (unsigned int)(unit_random(&seed) % CR_BURST_MAX);

			burst_mend(&burst);
			for (unsigned int j = 0; j < CR_BURST_MAX && bit < n_bits; j++) {
				if (j != right)
					burst_flip(&burst, j, bit++);
			}
			check_all(false);
		}
	}
}

/* One bad packet at every place of bursts of every size, and all bad but one. */
static void one_is_other(void **state)
{
	const unsigned int step = burst_divisor() > 1 ? 7 : 1;
	uint64_t seed = 24;

	for (unsigned int n = 1; n <= CR_BURST_MAX; n += step) {
		burst_make(&burst, &seed, n);
		for (unsigned int i = 0; i < n; i++) {
			burst_mend(&burst);
			burst_forge(&burst, &seed, i, (enum forgery)((n + i) % FORGERIES));
			check_all(false);
			burst_mend(&burst);
			for (unsigned int j = 0; j < n; j++) {
				if (j != i)
					burst_forge(&burst, &seed, j,
						    (enum forgery)((n + j) % FORGERIES));
			}
			check_all(false);
		}
	}
}

/* Every kind of forgery, done to all packets or to every other one. */
static void every_forgery(void **state)
{
	static const uint64_t bad[] = {UINT64_MAX, UINT64_C(0x5555555555555555),
				       UINT64_C(0xaaaaaaaaaaaaaaaa)};
	const unsigned int step = burst_divisor() > 1 ? 5 : 1;
	uint64_t seed = 25;

	for (unsigned int s = 0; s < N_SIZES; s += step) {
		for (enum forgery how = 0; how < FORGERIES; how++) {
			burst_make(&burst, &seed, sizes[s]);
			for (size_t j = 0; j < sizeof(bad) / sizeof(bad[0]); j++) {
				burst_mend(&burst);
				for (unsigned int i = 0; i < burst.n; i++) {
					if (bad[j] >> i & 1)
						burst_forge(&burst, &seed, i, how);
				}
				check_all(false);
				burst_check_libsodium(&burst);
			}
		}
	}
}

/* Block counters to 1024, where len_bytes and the tag no longer fit in 16 bits. */
static void longest_packets(void **state)
{
	uint64_t seed = 26;

	for (uint32_t len = CR_LEN_MAX_BYTES - 3; len <= CR_LEN_MAX_BYTES; len++) {
		for (unsigned int n = 1; n <= 10; n += 3) {
			burst_make_equal(&burst, &seed, n, len);
			check_all(true);
			burst_forge(&burst, &seed, n - 1, FORGED_LAST);
			check_all(false);
		}
	}
}

static int begin(void **state)
{
	n_variants = variants_open(variants);
	burst_init(&burst);
	return 0;
}

static int end(void **state)
{
	burst_free(&burst);
	variants_close(variants, n_variants);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers),    cmocka_unit_test(every_length),
		cmocka_unit_test(every_bit_counts), cmocka_unit_test(one_is_other),
		cmocka_unit_test(every_forgery),    cmocka_unit_test(longest_packets),
	};

	if (sodium_init() < 0)
		return 1;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, begin, end);
}
