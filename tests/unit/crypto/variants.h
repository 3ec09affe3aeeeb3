/*
 * Every way that the burst AEAD can run on this machine: each back end, and ipsec-mb once for every
 * instruction set that this CPU has. Also where test packets live.
 */
#ifndef TESTS_UNIT_CRYPTO_VARIANTS_H
#define TESTS_UNIT_CRYPTO_VARIANTS_H

#include <intel-ipsec-mb.h>

#include "crypto/aead_backend.h"
#include "tests/unit/unit.h"

#define VARIANTS_MAX 8

struct variant {
	const char *name;
	const struct cr_aead_backend *backend;
	void *state;
};

static inline unsigned int variants_open(struct variant *v)
{
	static const struct {
		const char *name;
		int arch;
	} sets[] = {
		{"ipsec-mb", IMB_ARCH_NONE},	       {"ipsec-mb SSE", IMB_ARCH_SSE},
		{"ipsec-mb AVX", IMB_ARCH_AVX},	       {"ipsec-mb AVX2", IMB_ARCH_AVX2},
		{"ipsec-mb AVX-512", IMB_ARCH_AVX512},
	};
	unsigned int n = 0;

	v[n++] = (struct variant){"reference", &cr_aead_ref, NULL};
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		void *state = NULL;

		if (cr_aead_ipsec_mb.available())
			state = cr_ipsec_mb_state_new(sets[i].arch);
		if (state)
			v[n++] = (struct variant){sets[i].name, &cr_aead_ipsec_mb, state};
		else
			printf("# this CPU lacks %s\n", sets[i].name);
	}
	return n;
}

static inline void variants_close(struct variant *v, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (v[i].state)
			v[i].backend->state_free(v[i].state);
	}
}

static inline uint64_t all_of(unsigned int n)
{
	return n == 0 ? 0 : UINT64_MAX >> (64 - n);
}

#endif
