/*
 * Many BLAKE2s, HMACs or KDFs: which jobs go together, and which go one after the other. Any
 * thread. The work is in blake2s_avx512.c and blake2s.c.
 */
#include <assert.h>

#include "crypto/blake2s_avx512.h"
#include "crypto/blake2s_inner.h"
#include "crypto/cpu.h"
#include "crypto/ct.h"

/* Jobs that are sorted together. */
#define CHUNK_JOBS 256

/*
 * Longer inputs go alone: beside short ones they would hold up a whole group, at twice the cost
 * that they have by themselves.
 */
#define LONG_BYTES 2048

/* Blocks of a job with its key; one that goes alone has no number of blocks, but ALONE. */
#define BLOCKS_MAX (LONG_BYTES / CR_B2S_BLOCK_BYTES + 1)
#define ALONE	   (BLOCKS_MAX + 1)

/* Fewer than this in a group cost less one after the other; measured. */
#define GROUP_MIN_JOBS 3

struct chunk {
	const void *jobs[CHUNK_JOBS];
	uint32_t total_bytes[CHUNK_JOBS];
	uint8_t blocks[CHUNK_JOBS];
	uint8_t differ; /* not zero if jobs have different numbers of blocks */
	unsigned int n;
	unsigned int n_grouped; /* the first of them, in groups; the others one by one */
};

static inline void chunk_add(struct chunk *c, const void *job, size_t prefix_bytes, size_t a_len,
			     size_t b_len)
{
	unsigned int i = c->n++, blocks = ALONE;
	size_t total = prefix_bytes + a_len + b_len;

	if (a_len <= LONG_BYTES && b_len <= LONG_BYTES && a_len + b_len <= LONG_BYTES)
		blocks = (unsigned int)(total + CR_B2S_BLOCK_BYTES - 1) / CR_B2S_BLOCK_BYTES;
	c->jobs[i] = job;
	c->total_bytes[i] = (uint32_t)total;
	c->blocks[i] = (uint8_t)blocks;
	c->differ |= c->blocks[i] ^ c->blocks[0];
}

/* Most blocks first, so that the group that is not full is one of short jobs. */
static void chunk_sort(struct chunk *c, const struct chunk *by)
{
	unsigned int at[ALONE + 1] = {0}, sum = 0;

	for (unsigned int i = 0; i < by->n; i++)
		at[by->blocks[i]]++;
	c->n_grouped = by->n - at[ALONE];
	at[ALONE] = c->n_grouped;
	for (int i = BLOCKS_MAX; i >= 0; i--) {
		unsigned int here = at[i];

		at[i] = sum;
		sum += here;
	}
	for (unsigned int i = 0; i < by->n; i++) {
		unsigned int to = at[by->blocks[i]]++;

		c->jobs[to] = by->jobs[i];
		c->total_bytes[to] = by->total_bytes[i];
	}
}

/* Says which of the chunk's jobs go in groups, after all are added. */
static void chunk_close(struct chunk *c)
{
	unsigned int rest;

	if (c->differ) {
		const struct chunk given = *c;

		chunk_sort(c, &given);
	} else {
		c->n_grouped = c->blocks[0] == ALONE ? 0 : c->n;
	}
	rest = c->n_grouped % CR_B2S_LANES;
	if (rest < GROUP_MIN_JOBS)
		c->n_grouped -= rest;
}

static bool worth_it(size_t n)
{
	return n >= GROUP_MIN_JOBS && cr_cpu_avx512();
}

/* How many of n jobs come next; begins their chunk. */
static size_t chunk_open(struct chunk *c, size_t n)
{
	c->n = 0;
	c->differ = 0;
	return n < CHUNK_JOBS ? n : CHUNK_JOBS;
}

/* Does this job have a key that it shares with another, and something to hash with it? */
static bool shares_key(const struct cr_hash_job *j, const struct cr_hash_job *with)
{
	return j->key == with->key && j->key_bytes == with->key_bytes &&
	       j->out_bytes == with->out_bytes && j->key_bytes > 0 && j->a_len + j->b_len > 0;
}

/* The grouped jobs of a chunk that have one key: its block is taken in once for all of them. */
static void hash_with_one_key(const struct chunk *c)
{
	const struct cr_hash_job *j = c->jobs[0];
	uint32_t start[8];

	cr_b2s_key_state(start, j->out_bytes, j->key, j->key_bytes);
	cr_hash_avx512((const void *)c->jobs, c->total_bytes, c->n_grouped, start);
	cr_wipe(start, sizeof(start));
}

static size_t hash_chunk(const struct cr_hash_job *jobs, size_t n)
{
	struct chunk c;
	bool one_key = true;

	n = chunk_open(&c, n);
	for (size_t i = 0; i < n; i++) {
		const struct cr_hash_job *j = &jobs[i];

		assert(j->out_bytes >= 1 && j->out_bytes <= CR_HASH_BYTES);
		assert(j->key_bytes <= CR_HASH_BYTES);
		one_key &= shares_key(j, &jobs[0]);
		chunk_add(&c, j, j->key_bytes > 0 ? CR_B2S_BLOCK_BYTES : 0, j->a_len, j->b_len);
	}
	chunk_close(&c);
	if (c.n_grouped > 0 && one_key)
		hash_with_one_key(&c);
	else if (c.n_grouped > 0)
		cr_hash_avx512((const void *)c.jobs, c.total_bytes, c.n_grouped, NULL);
	for (unsigned int i = c.n_grouped; i < c.n; i++)
		cr_hash_one(c.jobs[i]);
	return n;
}

static size_t hmac_chunk(const struct cr_hash_job *jobs, size_t n)
{
	struct chunk c;

	n = chunk_open(&c, n);
	for (size_t i = 0; i < n; i++) {
		const struct cr_hash_job *j = &jobs[i];
		bool alone = j->key_bytes > CR_B2S_LANE_KEY_MAX_BYTES;

		assert(j->out_bytes == CR_HASH_BYTES);
		chunk_add(&c, j, CR_B2S_BLOCK_BYTES, alone ? SIZE_MAX : j->a_len, j->b_len);
	}
	chunk_close(&c);
	if (c.n_grouped > 0)
		cr_hmac_avx512((const void *)c.jobs, c.total_bytes, c.n_grouped);
	for (unsigned int i = c.n_grouped; i < c.n; i++)
		cr_hmac_one(c.jobs[i]);
	return n;
}

static void kdf_one(const struct cr_kdf_job *j)
{
	cr_kdf(j->t1, j->t2, j->t3, j->ck, j->in, j->len);
}

static size_t kdf_chunk(const struct cr_kdf_job *jobs, size_t n)
{
	struct chunk c;

	n = chunk_open(&c, n);
	for (size_t i = 0; i < n; i++)
		chunk_add(&c, &jobs[i], CR_B2S_BLOCK_BYTES, jobs[i].len, 0);
	chunk_close(&c);
	if (c.n_grouped > 0)
		cr_kdf_avx512((const void *)c.jobs, c.total_bytes, c.n_grouped);
	for (unsigned int i = c.n_grouped; i < c.n; i++)
		kdf_one(c.jobs[i]);
	return n;
}

void cr_hash_batch(const struct cr_hash_job *jobs, size_t n)
{
	bool grouped = worth_it(n);

	for (size_t at = 0; grouped && at < n;)
		at += hash_chunk(jobs + at, n - at);
	for (size_t at = 0; !grouped && at < n; at++)
		cr_hash_one(&jobs[at]);
}

void cr_hmac_batch(const struct cr_hash_job *jobs, size_t n)
{
	bool grouped = worth_it(n);

	for (size_t at = 0; grouped && at < n;)
		at += hmac_chunk(jobs + at, n - at);
	for (size_t at = 0; !grouped && at < n; at++)
		cr_hmac_one(&jobs[at]);
}

void cr_kdf_batch(const struct cr_kdf_job *jobs, size_t n)
{
	bool grouped = worth_it(n);

	for (size_t at = 0; grouped && at < n;)
		at += kdf_chunk(jobs + at, n - at);
	for (size_t at = 0; !grouped && at < n; at++)
		kdf_one(&jobs[at]);
}
