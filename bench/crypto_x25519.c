/*
 * wgdp-bench crypto: X25519 in batches, against a single one of OpenSSL and of libsodium.
 */
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>
#include <sodium.h>

#include "bench/crypto.h"
#include "crypto/x25519.h"

#define N(array)  (sizeof(array) / sizeof((array)[0]))
#define BATCH_MAX 64

enum { BATCH, LIBSODIUM, OPENSSL, VARIANTS };

static const char *const names[VARIANTS] = {"batch", "libsodium", "openssl"};
static const unsigned int batches[] = {1, 2, 4, 8, 16, 32, BATCH_MAX};

static struct {
	uint8_t scalars[BATCH_MAX][CR_POINT_BYTES], points[BATCH_MAX][CR_POINT_BYTES];
	uint8_t right[BATCH_MAX][CR_POINT_BYTES]; /* of libsodium */
	uint8_t out[BATCH_MAX][CR_POINT_BYTES];
	struct cr_x25519_job jobs[BATCH_MAX];
	/* Of the first scalar and point; ready before anything is timed. */
	EVP_PKEY *private, *public;
	EVP_PKEY_CTX *derive;
} x;

static bool run(const struct crypto_cell *cell, unsigned int variant)
{
	size_t len = CR_POINT_BYTES;

	switch (variant) {
	case BATCH:
		cr_x25519_batch(x.jobs, cell->batch);
		return x.jobs[0].ok;
	case LIBSODIUM:
		return crypto_scalarmult(x.out[0], x.scalars[0], x.points[0]) == 0;
	default:
		return EVP_PKEY_derive(x.derive, x.out[0], &len) == 1;
	}
}

static bool prepare(struct crypto_cell *cell)
{
	for (unsigned int i = 0; !cell->checked && i < cell->n_variants; i++) {
		if (!cell->results[i])
			continue;
		memset(x.out, 0, sizeof(x.out));
		if (run(cell, i) && memcmp(x.out, x.right, cell->ops[i] * CR_POINT_BYTES) == 0)
			continue;
		bench_progress_end();
		fprintf(stderr, "wgdp-bench: %s: the output is wrong\n", cell->results[i]->name);
		return false;
	}
	cell->checked = true;
	return true;
}

static const struct crypto_kind kind = {
	.unit = "tsc_cycles/multiplication", .prepare = prepare, .run = run};

static bool open_openssl(void)
{
	x.private = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, x.scalars[0],
						 CR_POINT_BYTES);
	x.public = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, x.points[0], CR_POINT_BYTES);
	if (!x.private || !x.public)
		return false;
	x.derive = EVP_PKEY_CTX_new(x.private, NULL);
	return x.derive && EVP_PKEY_derive_init(x.derive) == 1 &&
	       EVP_PKEY_derive_set_peer(x.derive, x.public) == 1;
}

static bool open_inputs(void)
{
	static const uint8_t seed[randombytes_SEEDBYTES] = {2};
	bool right = sodium_init() >= 0;

	randombytes_buf_deterministic(x.scalars, sizeof(x.scalars), seed);
	for (unsigned int i = 0; right && i < BATCH_MAX; i++) {
		right = crypto_scalarmult_base(x.points[i], x.scalars[BATCH_MAX - 1 - i]) == 0 &&
			crypto_scalarmult(x.right[i], x.scalars[i], x.points[i]) == 0;
		x.jobs[i] = (struct cr_x25519_job){
			.scalar = x.scalars[i], .point = x.points[i], .out = x.out[i]};
	}
	return right;
}

bool crypto_x25519_add(struct crypto_run *r)
{
	if (!open_inputs() || !open_openssl()) {
		fputs("wgdp-bench: X25519 of libsodium or OpenSSL does not start\n", stderr);
		return false;
	}
	for (unsigned int k = 0; k < N(batches); k++) {
		struct crypto_cell *cell = crypto_cell(r);

		cell->kind = &kind;
		cell->batch = batches[k];
		cell->n_variants = VARIANTS;
		snprintf(cell->summary, sizeof(cell->summary), "X25519, batch of %u", batches[k]);
		for (unsigned int i = 0; i < VARIANTS; i++) {
			char name[BENCH_NAME_BYTES];

			snprintf(name, sizeof(name), "x25519/%u/%s", batches[k], names[i]);
			crypto_variant(r, i, i == BATCH ? batches[k] : 1, true, name);
		}
		crypto_cell_end(r, OPENSSL);
	}
	return true;
}

void crypto_x25519_close(void)
{
	EVP_PKEY_CTX_free(x.derive);
	EVP_PKEY_free(x.public);
	EVP_PKEY_free(x.private);
	sodium_memzero(&x, sizeof(x));
}
