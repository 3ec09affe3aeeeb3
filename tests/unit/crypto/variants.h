/*
 * Every way that the burst AEAD can run on this machine: each back end of the table that this CPU
 * can run, through the functions that callers use; and ipsec-mb once for every instruction set that
 * this CPU has. A back end that is new in the table is in every test by that.
 */
#ifndef TESTS_UNIT_CRYPTO_VARIANTS_H
#define TESTS_UNIT_CRYPTO_VARIANTS_H

#include <intel-ipsec-mb.h>

#include "crypto/aead_backend.h"
#include "tests/unit/unit.h"

#define VARIANTS_MAX 16

struct variant {
	const char *name;
	const struct cr_aead_backend *backend;
	struct cr_aead *aead; /* NULL: the back end is called with this state */
	void *state;
};

/* Those of the table, fastest first. */
static inline unsigned int variants_open_table(struct variant *v)
{
	const struct cr_aead_backend *b;
	unsigned int n = 0;

	for (unsigned int i = 0; (b = cr_aead_backend_at(i)); i++) {
		if (!b->available()) {
			printf("# this CPU lacks what %s needs\n", b->name);
			continue;
		}
		assert_true(n < VARIANTS_MAX);
		v[n] = (struct variant){b->name, b, cr_aead_new(b->name), NULL};
		assert_non_null(v[n++].aead);
	}
	return n;
}

/* Those of the table, then ipsec-mb's instruction sets. Returns how many. */
static inline unsigned int variants_open(struct variant *v)
{
	static const struct {
		const char *name;
		int arch;
	} sets[] = {
		{"ipsec-mb SSE", IMB_ARCH_SSE},
		{"ipsec-mb AVX", IMB_ARCH_AVX},
		{"ipsec-mb AVX2", IMB_ARCH_AVX2},
		{"ipsec-mb AVX-512", IMB_ARCH_AVX512},
	};
	unsigned int n = variants_open_table(v);

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		void *state = NULL;

		assert_true(n < VARIANTS_MAX);
		if (cr_aead_ipsec_mb.available())
			state = cr_ipsec_mb_state_new(sets[i].arch);
		if (state)
			v[n++] = (struct variant){sets[i].name, &cr_aead_ipsec_mb, NULL, state};
		else
			printf("# this CPU lacks %s\n", sets[i].name);
	}
	return n;
}

static inline void variants_close(struct variant *v, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		cr_aead_free(v[i].aead);
		if (v[i].state)
			v[i].backend->state_free(v[i].state);
	}
}

static inline uint64_t variant_seal(const struct variant *v, const struct cr_packet *packets,
				    unsigned int n)
{
	return v->aead ? cr_seal_burst(v->aead, packets, n)
		       : v->backend->seal(v->state, packets, n);
}

static inline uint64_t variant_open(const struct variant *v, const struct cr_packet *packets,
				    unsigned int n)
{
	return v->aead ? cr_open_burst(v->aead, packets, n)
		       : v->backend->open(v->state, packets, n);
}

static inline uint64_t all_of(unsigned int n)
{
	return n == 0 ? 0 : UINT64_MAX >> (64 - n);
}

#endif
