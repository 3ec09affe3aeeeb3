/*
 * wgdp-bench crypto: the burst AEAD, all back ends of crypto/aead.h and other libraries
 * (crypto_peers.c) on the same packets.
 */
#include <stdio.h>
#include <string.h>

#include <rte_malloc.h>
#include <sodium.h>

#include "bench/crypto.h"
#include "bench/crypto_peers.h"
#include "crypto/aead.h"
#include "crypto/le.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

#define IMIX	      0 /* as a size */
#define MIX_PACKETS   32
#define SUMMARY_BATCH 32
#define KEYS_MANY     32

/* Not a multiple of 2048, or the same lines of all packets would share one set of the cache. */
#define STRIDE_BYTES	   2368
#define STRIDE_JUMBO_BYTES 9408
#define HEADER_BYTES	   16 /* of a data message: what is sealed lies behind it */

#define UNIT "tsc_cycles/packet"

enum { SEAL, OPEN, SEAL_IN_PLACE, OPEN_IN_PLACE, DIRECTIONS };

static const char *const directions[DIRECTIONS] = {"seal", "open", "seal-in-place",
						   "open-in-place"};
static const unsigned int sizes[] = {16, 64, 128, 256, 512, 576, 1024, 1420, 8900, IMIX};
static const unsigned int summary_sizes[] = {64, 256, 576, 1420, IMIX};
static const unsigned int batches[] = {1, 2, 3, 4, 8, 16, 32, 64};
static const unsigned int usual_batches[] = {1, 4, SUMMARY_BATCH};
static const struct aead_peer *const peers[] = {&peer_ipsec_mb_raw, &peer_libsodium, &peer_openssl};

struct variant {
	const char *name;
	struct cr_aead *aead; /* or: */
	const struct aead_peer *peer;
	void *state;
};

static struct {
	struct variant variants[CRYPTO_VARIANTS_MAX]; /* own first, the fastest first */
	unsigned int n_variants, raw;		      /* the place of ipsec-mb-raw */
	struct cr_aead *reference;
	/* A packet each STRIDE: plaintexts, what they are sealed, and where timed runs write. */
	uint8_t *plain, *sealed, *out;
	uint8_t keys[CR_BURST_MAX + 1][CR_KEY_BYTES]; /* libraries read past a key: room behind */
	/* The packets of the cell that was prepared last. */
	struct cr_packet packets[CR_BURST_MAX];
	uint8_t nonces[CR_BURST_MAX][PEER_NONCE_BYTES];
	unsigned int key_of[CR_BURST_MAX];
	unsigned int n_packets; /* of a run: one burst, or those that make the mix */
	size_t stride;
} a;

static bool opens(const struct crypto_cell *cell)
{
	return cell->what == OPEN || cell->what == OPEN_IN_PLACE;
}

static bool in_place(const struct crypto_cell *cell)
{
	return cell->what == SEAL_IN_PLACE || cell->what == OPEN_IN_PLACE;
}

/* ---- the packets ---- */

/* As many packets of the mix as are asked for, always in the same order. */
static void mix(unsigned int lengths[CR_BURST_MAX], unsigned int n)
{
	static const struct {
		unsigned int size, of_32;
	} parts[] = {{64, 19}, {576, 10}, {1420, 3}};
	unsigned int deck = n > MIX_PACKETS ? 2 * MIX_PACKETS : MIX_PACKETS, k = 0;
	uint64_t random = 1;

	for (unsigned int i = 0; i < N(parts); i++) {
		for (unsigned int j = 0; j < parts[i].of_32 * (deck / MIX_PACKETS); j++)
			lengths[k++] = parts[i].size;
	}
	for (unsigned int i = deck - 1; i > 0; i--) {
		unsigned int j, length = lengths[i];

		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		j = (unsigned int)(random >> 33) % (i + 1);
		lengths[i] = lengths[j];
		lengths[j] = length;
	}
}

/* Of a mix, as many bursts as make the whole of it (one packet more with bursts of 3). */
static unsigned int packets_of_run(unsigned int size, unsigned int batch)
{
	if (size != IMIX || batch >= MIX_PACKETS)
		return batch;
	return (MIX_PACKETS + batch - 1) / batch * batch;
}

static void make_packets(const struct crypto_cell *cell)
{
	unsigned int lengths[CR_BURST_MAX];

	a.n_packets = packets_of_run(cell->size, cell->batch);
	a.stride = cell->size > STRIDE_BYTES - HEADER_BYTES - CR_TAG_BYTES ? STRIDE_JUMBO_BYTES
									   : STRIDE_BYTES;
	mix(lengths, a.n_packets);
	for (unsigned int i = 0; i < a.n_packets; i++) {
		a.key_of[i] = i % cell->keys;
		a.packets[i] = (struct cr_packet){
			.key = a.keys[a.key_of[i]],
			.counter = 1000 + i,
			.src = a.plain + i * a.stride,
			.dst = a.sealed + i * a.stride + HEADER_BYTES,
			.len_bytes = cell->size == IMIX ? lengths[i] : cell->size,
		};
		memset(a.nonces[i], 0, PEER_NONCE_BYTES);
		cr_store_le64(a.nonces[i] + PEER_NONCE_BYTES - 8, a.packets[i].counter);
	}
}

/* In place, a run leaves nothing to repeat it with. */
static void renew(const struct crypto_cell *cell)
{
	for (unsigned int i = 0; i < a.n_packets; i++) {
		if (cell->what == SEAL_IN_PLACE)
			memcpy(a.packets[i].dst, a.plain + i * a.stride, a.packets[i].len_bytes);
		else
			memcpy(a.packets[i].dst, a.sealed + i * a.stride + HEADER_BYTES,
			       a.packets[i].len_bytes + CR_TAG_BYTES);
	}
}

/* ---- runs ---- */

static bool run(const struct crypto_cell *cell, unsigned int variant)
{
	const struct variant *v = &a.variants[variant];
	bool right = true;

	for (unsigned int i = 0; i < a.n_packets; i += cell->batch) {
		const struct aead_load load = {a.packets + i, a.nonces + i, a.key_of + i,
					       cell->batch};
		uint64_t all = UINT64_MAX >> (64 - load.n);

		if (!v->aead)
			right &= opens(cell) ? v->peer->unseal(v->state, &load)
					     : v->peer->seal(v->state, &load);
		else if (opens(cell))
			right &= cr_open_burst(v->aead, load.packets, load.n) == all;
		else
			right &= cr_seal_burst(v->aead, load.packets, load.n) == all;
	}
	return right;
}

static bool output_is_right(const struct crypto_cell *cell)
{
	for (unsigned int i = 0; i < a.n_packets; i++) {
		const struct cr_packet *p = &a.packets[i];
		const uint8_t *sealed = a.sealed + i * a.stride + HEADER_BYTES;

		if (opens(cell) ? memcmp(p->dst, a.plain + i * a.stride, p->len_bytes) != 0
				: memcmp(p->dst, sealed, p->len_bytes + CR_TAG_BYTES) != 0)
			return false;
	}
	return true;
}

/* Is one wrong bit in the last packet's tag found? */
static bool forgery_is_found(const struct crypto_cell *cell, unsigned int variant)
{
	const struct cr_packet *last = &a.packets[a.n_packets - 1];
	uint8_t *tag = (uint8_t *)(uintptr_t)last->src + last->len_bytes;
	bool found;

	if (cell->kind->renew)
		renew(cell);
	tag[CR_TAG_BYTES - 1] ^= 0x80;
	found = !run(cell, variant);
	tag[CR_TAG_BYTES - 1] ^= 0x80;
	return found;
}

static bool check(const struct crypto_cell *cell)
{
	for (unsigned int i = 0; i < cell->n_variants; i++) {
		if (!cell->results[i])
			continue;
		memset(a.out, 0x5a, a.n_packets * a.stride);
		if (cell->kind->renew)
			renew(cell);
		if (run(cell, i) && output_is_right(cell) &&
		    (!opens(cell) || forgery_is_found(cell, i)))
			continue;
		bench_progress_end();
		fprintf(stderr, "wgdp-bench: %s: the output is wrong\n", cell->results[i]->name);
		return false;
	}
	return true;
}

static bool prepare(struct crypto_cell *cell)
{
	make_packets(cell);
	for (unsigned int i = 0; i < a.n_packets; i++) {
		if (cr_seal_burst(a.reference, a.packets + i, 1) != 1)
			return false;
	}
	for (unsigned int i = 0; i < a.n_packets; i++) {
		struct cr_packet *p = &a.packets[i];

		p->src = opens(cell) ? p->dst : p->src;
		p->dst = a.out + i * a.stride + HEADER_BYTES;
		if (in_place(cell))
			p->src = p->dst;
	}
	if (!cell->checked && !check(cell))
		return false;
	cell->checked = true;
	return true;
}

/* ---- what there is to measure ---- */

static const struct crypto_kind kind = {.unit = UNIT, .prepare = prepare, .run = run};
static const struct crypto_kind kind_in_place = {
	.unit = UNIT, .prepare = prepare, .run = run, .renew = renew};

static bool among(unsigned int x, const unsigned int *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i] == x)
			return true;
	}
	return false;
}

static void add(struct crypto_run *r, unsigned int what, unsigned int size, unsigned int keys,
		unsigned int batch)
{
	struct crypto_cell *cell = crypto_cell(r);
	bool usual = (what == SEAL || what == OPEN) &&
		     among(size, summary_sizes, N(summary_sizes)) &&
		     among(batch, usual_batches, N(usual_batches));

	cell->what = what;
	cell->size = size;
	cell->keys = keys;
	cell->batch = batch;
	cell->kind = in_place(cell) ? &kind_in_place : &kind;
	cell->n_variants = a.n_variants;
	if (usual && batch == SUMMARY_BATCH)
		snprintf(cell->summary, sizeof(cell->summary), "%s, batch of %u",
			 a.variants[0].name, batch);
	for (unsigned int i = 0; i < a.n_variants; i++) {
		char name[BENCH_NAME_BYTES], size_name[16] = "imix";

		if (size != IMIX)
			snprintf(size_name, sizeof(size_name), "%u", size);
		snprintf(name, sizeof(name), "%s/%s/%ukey%s/%u/%s", directions[what], size_name,
			 keys, keys == 1 ? "" : "s", batch, a.variants[i].name);
		crypto_variant(r, i, packets_of_run(size, batch), usual, name);
	}
	crypto_cell_end(r, a.raw);
}

static bool open_variants(void)
{
	const char *name;

	for (unsigned int i = 0;
	     (name = cr_aead_backend_name(i)) && i < CRYPTO_VARIANTS_MAX - N(peers); i++) {
		struct cr_aead *aead = cr_aead_new(name);

		if (!aead)
			fprintf(stderr, "wgdp-bench: left out: %s: %m\n", name);
		else
			a.variants[a.n_variants++] = (struct variant){.name = name, .aead = aead};
	}
	a.reference = cr_aead_new("reference");
	for (unsigned int i = 0; i < N(peers); i++) {
		void *state = peers[i]->open((const uint8_t(*)[CR_KEY_BYTES])a.keys);

		if (peers[i] == &peer_ipsec_mb_raw)
			a.raw = a.n_variants;
		if (!state) {
			fprintf(stderr, "wgdp-bench: %s does not start\n", peers[i]->name);
			return false;
		}
		a.variants[a.n_variants++] =
			(struct variant){.name = peers[i]->name, .peer = peers[i], .state = state};
	}
	return a.reference != NULL;
}

static bool open_buffers(void)
{
	static const uint8_t seed[randombytes_SEEDBYTES] = {1};
	size_t bytes = CR_BURST_MAX * STRIDE_JUMBO_BYTES;

	a.plain = rte_zmalloc("plain", bytes, 4096);
	a.sealed = rte_zmalloc("sealed", bytes, 4096);
	a.out = rte_zmalloc("out", bytes, 4096);
	if (!a.plain || !a.sealed || !a.out) {
		fputs("wgdp-bench: no memory for packets\n", stderr);
		return false;
	}
	randombytes_buf_deterministic(a.plain, bytes, seed);
	randombytes_buf_deterministic(a.keys, sizeof(a.keys), seed);
	return true;
}

bool crypto_aead_add(struct crypto_run *r)
{
	if (!open_buffers() || !open_variants())
		return false;
	for (unsigned int what = 0; what < DIRECTIONS; what++) {
		for (unsigned int i = 0; i < N(sizes); i++) {
			for (unsigned int k = 0; k < N(batches); k++) {
				add(r, what, sizes[i], 1, batches[k]);
				if (batches[k] > 1)
					add(r, what, sizes[i],
					    batches[k] > KEYS_MANY ? batches[k] : KEYS_MANY,
					    batches[k]);
			}
		}
	}
	return true;
}

void crypto_aead_close(void)
{
	for (unsigned int i = 0; i < a.n_variants; i++) {
		if (a.variants[i].peer)
			a.variants[i].peer->close(a.variants[i].state);
		cr_aead_free(a.variants[i].aead);
	}
	cr_aead_free(a.reference);
	rte_free(a.plain);
	rte_free(a.sealed);
	rte_free(a.out);
}

void crypto_aead_worst(struct crypto_run *r)
{
	const struct bench_result *worst = NULL;

	for (unsigned int i = 0; i < r->n_cells; i++) {
		const struct crypto_cell *cell = &r->cells[i];
		const struct bench_result *result = cell->results[0];

		if ((cell->kind != &kind && cell->kind != &kind_in_place) || !result)
			continue;
		if (!worst || bench_ratio(result) < bench_ratio(worst))
			worst = result;
	}
	if (worst)
		bench_summarise(&r->report, worst, "%s, its worst of all", a.variants[0].name);
}
