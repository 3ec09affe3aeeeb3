/*
 * wgdp-bench crypto: BLAKE2s of many inputs at once, against one after the other.
 */
#include <stdio.h>
#include <string.h>

#include <sodium.h>

#include "bench/crypto.h"
#include "crypto/blake2s.h"

#define N(array)    (sizeof(array) / sizeof((array)[0]))
#define BATCH_MAX   64
#define INPUT_BYTES 128
#define USUAL_MIN   16 /* batches from here on are measured without a filter too */
#define USUAL_MAX   32

enum { BATCH, SINGLE, VARIANTS };
enum { HASH, MAC, KDF };

static const char *const names[VARIANTS] = {"batch", "single"};
static const unsigned int batches[] = {1, 2, 4, 8, 16, 32, BATCH_MAX};

/* 60 and 116 bytes: what mac1 covers of a handshake response and of an initiation. */
static const struct {
	const char *name;
	unsigned int what, size, outputs;
	bool one_key;
} works[] = {
	{"hash-64", HASH, 64, 1, false},	   {"mac-60/keys", MAC, 60, 1, false},
	{"mac-60/1key", MAC, 60, 1, true},	   {"mac-116/keys", MAC, 116, 1, false},
	{"mac-116/1key", MAC, 116, 1, true},	   {"kdf1-32", KDF, CR_HASH_BYTES, 1, false},
	{"kdf2-32", KDF, CR_HASH_BYTES, 2, false}, {"kdf3-32", KDF, CR_HASH_BYTES, 3, false},
};

static struct {
	uint8_t inputs[BATCH_MAX][INPUT_BYTES], keys[BATCH_MAX][CR_HASH_BYTES];
	uint8_t out[BATCH_MAX][3][CR_HASH_BYTES], right[BATCH_MAX][3][CR_HASH_BYTES];
	/* Of the cell that was prepared last. */
	struct cr_hash_job hashes[BATCH_MAX];
	struct cr_kdf_job kdfs[BATCH_MAX];
} b;

static void run_batch(const struct crypto_cell *cell)
{
	if (works[cell->what].what == KDF)
		cr_kdf_batch(b.kdfs, cell->batch);
	else
		cr_hash_batch(b.hashes, cell->batch);
}

static void run_single(const struct crypto_cell *cell)
{
	for (unsigned int i = 0; i < cell->batch; i++) {
		const struct cr_hash_job *h = &b.hashes[i];
		const struct cr_kdf_job *k = &b.kdfs[i];

		switch (works[cell->what].what) {
		case HASH:
			cr_hash(h->out, h->a, h->a_len, NULL, 0);
			break;
		case MAC:
			cr_mac(h->out, h->key, h->key_bytes, h->a, h->a_len);
			break;
		default:
			cr_kdf(k->t1, k->t2, k->t3, k->ck, k->in, k->len);
			break;
		}
	}
}

static bool run(const struct crypto_cell *cell, unsigned int variant)
{
	if (variant == BATCH)
		run_batch(cell);
	else
		run_single(cell);
	return true;
}

static void make_jobs(const struct crypto_cell *cell)
{
	bool mac = works[cell->what].what == MAC;

	for (unsigned int i = 0; i < cell->batch; i++) {
		const uint8_t *key = b.keys[works[cell->what].one_key ? 0 : i];

		b.hashes[i] = (struct cr_hash_job){
			.out = b.out[i][0],
			.out_bytes = mac ? CR_MAC_BYTES : CR_HASH_BYTES,
			.key = mac ? key : NULL,
			.key_bytes = mac ? CR_HASH_BYTES : 0,
			.a = b.inputs[i],
			.a_len = cell->size,
		};
		b.kdfs[i] = (struct cr_kdf_job){
			.t1 = b.out[i][0],
			.t2 = works[cell->what].outputs > 1 ? b.out[i][1] : NULL,
			.t3 = works[cell->what].outputs > 2 ? b.out[i][2] : NULL,
			.ck = key,
			.in = b.inputs[i],
			.len = cell->size,
		};
	}
}

static bool prepare(struct crypto_cell *cell)
{
	make_jobs(cell);
	if (cell->checked)
		return true;
	memset(b.out, 0, sizeof(b.out));
	run_single(cell);
	memcpy(b.right, b.out, sizeof(b.right));
	memset(b.out, 0, sizeof(b.out));
	run_batch(cell);
	cell->checked = memcmp(b.right, b.out, sizeof(b.right)) == 0;
	if (!cell->checked) {
		bench_progress_end();
		fprintf(stderr, "wgdp-bench: blake2s/%s/%u/batch: the output is wrong\n",
			works[cell->what].name, cell->batch);
	}
	return cell->checked;
}

static const struct crypto_kind kind = {.unit = "tsc_cycles/input", .prepare = prepare, .run = run};

static void add(struct crypto_run *r, unsigned int what, unsigned int batch)
{
	struct crypto_cell *cell = crypto_cell(r);

	cell->kind = &kind;
	cell->what = what;
	cell->size = works[what].size;
	cell->batch = batch;
	cell->n_variants = VARIANTS;
	if (batch >= USUAL_MIN && batch <= USUAL_MAX)
		snprintf(cell->summary, sizeof(cell->summary), "BLAKE2s, batch of %u", batch);
	for (unsigned int i = 0; i < VARIANTS; i++) {
		char name[BENCH_NAME_BYTES];

		snprintf(name, sizeof(name), "blake2s/%s/%u/%s", works[what].name, batch, names[i]);
		crypto_variant(r, i, batch, batch >= USUAL_MIN && batch <= USUAL_MAX, name);
	}
	crypto_cell_end(r, SINGLE);
}

bool crypto_blake2s_add(struct crypto_run *r)
{
	static const uint8_t seed[randombytes_SEEDBYTES] = {3};

	randombytes_buf_deterministic(b.inputs, sizeof(b.inputs), seed);
	randombytes_buf_deterministic(b.keys, sizeof(b.keys), seed);
	for (unsigned int what = 0; what < N(works); what++) {
		for (unsigned int k = 0; k < N(batches); k++)
			add(r, what, batches[k]);
	}
	return true;
}
