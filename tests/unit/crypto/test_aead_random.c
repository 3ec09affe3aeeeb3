/*
 * Two million random packets, some of them forged, through every back end: each must leave what
 * libsodium says, as the reference must, and not a byte else.
 */
#include "tests/unit/unit.h"

#include <sodium.h>

#include "tests/unit/crypto/burst.h"

#define N_PACKETS 2000000

/* The back ends of the table see every burst, ipsec-mb's instruction sets one of so many. */
#define SETS_EVERY 8

/* libsodium agrees that the forged ones are, in one burst of so many. */
#define VERDICTS_EVERY 8

static void check_burst(struct burst *b, uint64_t *seed, const struct variant *v, unsigned int n_v)
{
	uint64_t bad = burst_pick_bad(seed, b->n);

	for (unsigned int i = 0; i < b->n; i++) {
		if (bad >> i & 1)
			burst_forge(b, seed, i, (enum forgery)(unit_random(seed) % FORGERIES));
	}
	for (unsigned int k = 0; k < n_v; k++) {
		burst_check_seal(b, &v[k]);
		burst_check_open(b, &v[k]);
	}
}

static void random_packets(void **state)
{
	const unsigned int n_packets = N_PACKETS / burst_divisor();
	struct variant v[VARIANTS_MAX];
	unsigned int n_all = variants_open(v), n_table = 0, packets = 0, bursts = 0;
	uint64_t seed = 20;
	struct burst b;

	while (n_table < n_all && v[n_table].aead)
		n_table++;
	burst_init(&b);
	for (; packets < n_packets; bursts++) {
		burst_make(&b, &seed, bursts % CR_BURST_MAX + 1);
		check_burst(&b, &seed, v, bursts / CR_BURST_MAX % SETS_EVERY ? n_table : n_all);
		if (bursts / CR_BURST_MAX % VERDICTS_EVERY == 0)
			burst_check_libsodium(&b);
		packets += b.n;
	}
	printf("# seed 20: %u packets in %u bursts", packets, bursts);
	for (unsigned int k = 0; k < n_table; k++)
		printf("%s %s", k ? "," : ", each through", v[k].name);
	printf("\n");
	burst_free(&b);
	variants_close(v, n_all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_packets),
	};

	if (sodium_init() < 0)
		return 1;
	return UNIT_RUN(tests);
}
