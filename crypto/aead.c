/*
 * The burst AEAD: which back ends there are, which one a context uses, and what a debug build
 * checks of a burst before the back end sees it. A context runs in the thread that owns it. The
 * work is in the back ends (aead_*.c); single messages are in aead_single.c.
 */
#include "crypto/aead.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/aead_backend.h"

struct cr_aead {
	const struct cr_aead_backend *backend;
	void *state;
};

/* Fastest first. */
static const struct cr_aead_backend *const backends[] = {
	&cr_aead_avx512,
	&cr_aead_avx2,
	&cr_aead_ipsec_mb,
	&cr_aead_ref,
};

#define N_BACKENDS (sizeof(backends) / sizeof(backends[0]))

_Static_assert(CR_BURST_MAX == 64, "the mask of a burst has 64 bits");

static const struct cr_aead_backend *find_backend(const char *name)
{
	for (size_t i = 0; i < N_BACKENDS; i++) {
		if (name ? strcmp(backends[i]->name, name) == 0 : backends[i]->available())
			return backends[i];
	}
	return NULL;
}

struct cr_aead *cr_aead_new(const char *backend)
{
	struct cr_aead *aead;

	aead = calloc(1, sizeof(*aead));
	if (!aead)
		return NULL;
	aead->backend = find_backend(backend);
	if (!aead->backend) {
		errno = ENOENT;
		goto fail;
	}
	if (!aead->backend->available()) {
		errno = ENOTSUP;
		goto fail;
	}
	if (aead->backend->state_new) {
		aead->state = aead->backend->state_new();
		if (!aead->state)
			goto fail;
	}
	return aead;
fail:
	free(aead);
	return NULL;
}

void cr_aead_free(struct cr_aead *aead)
{
	if (!aead)
		return;
	if (aead->backend->state_free)
		aead->backend->state_free(aead->state);
	free(aead);
}

const char *cr_aead_backend(const struct cr_aead *aead)
{
	return aead->backend->name;
}

const struct cr_aead_backend *cr_aead_backend_at(unsigned int i)
{
	return i < N_BACKENDS ? backends[i] : NULL;
}

const char *cr_aead_backend_name(unsigned int i)
{
	return i < N_BACKENDS ? backends[i]->name : NULL;
}

static void broken(const char *what, unsigned int i)
{
	fprintf(stderr, "crypto: AEAD burst, packet %u: %s\n", i, what);
	abort();
}

#ifdef CR_DEBUG
static bool overlap(const uint8_t *a, size_t a_len, const uint8_t *b, size_t b_len)
{
	return a_len > 0 && b_len > 0 && (uintptr_t)a < (uintptr_t)b + b_len &&
	       (uintptr_t)b < (uintptr_t)a + a_len;
}

/* What is written for packet i, against all that the burst reads and else writes. */
static void check_dst(const struct cr_packet *packets, unsigned int n, unsigned int i,
		      size_t src_extra, size_t dst_extra)
{
	const uint8_t *dst = packets[i].dst;
	size_t len = packets[i].len_bytes + dst_extra;

	if (overlap(dst, len, (const uint8_t *)packets, n * sizeof(*packets)))
		broken("dst overlaps the packets of the burst", i);
	for (unsigned int j = 0; j < n; j++) {
		const struct cr_packet *p = &packets[j];

		if (overlap(dst, len, p->key, CR_KEY_BYTES))
			broken("dst overlaps a key", i);
		if (j == i && p->src == dst)
			continue;
		if (overlap(dst, len, p->src, p->len_bytes + src_extra))
			broken("dst overlaps a src", i);
		if (j != i && overlap(dst, len, p->dst, p->len_bytes + dst_extra))
			broken("dst overlaps another dst", i);
	}
}

/* A packet is len_bytes + src_extra at its src and len_bytes + dst_extra at its dst. */
static void check_burst(const struct cr_packet *packets, unsigned int n, size_t src_extra,
			size_t dst_extra)
{
	for (unsigned int i = 0; i < n; i++) {
		if (packets[i].len_bytes > CR_LEN_MAX_BYTES)
			broken("longer than CR_LEN_MAX_BYTES", i);
		if (!packets[i].key)
			broken("no key", i);
	}
	for (unsigned int i = 0; i < n; i++)
		check_dst(packets, n, i, src_extra, dst_extra);
}
#else
static void check_burst(const struct cr_packet *packets, unsigned int n, size_t src_extra,
			size_t dst_extra)
{
}
#endif

uint64_t cr_seal_burst(struct cr_aead *aead, const struct cr_packet *packets, unsigned int n)
{
	if (n == 0)
		return 0;
	/* In every build: the scratch of the back ends has that many places. */
	if (n > CR_BURST_MAX)
		broken("more than CR_BURST_MAX packets", n);
	check_burst(packets, n, 0, CR_TAG_BYTES);
	return aead->backend->seal(aead->state, packets, n);
}

uint64_t cr_open_burst(struct cr_aead *aead, const struct cr_packet *packets, unsigned int n)
{
	if (n == 0)
		return 0;
	if (n > CR_BURST_MAX)
		broken("more than CR_BURST_MAX packets", n);
	check_burst(packets, n, CR_TAG_BYTES, 0);
	return aead->backend->open(aead->state, packets, n);
}
