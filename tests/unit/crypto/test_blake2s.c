/*
 * Many BLAKE2s, HMACs and KDFs at once: against known answers, against the single functions for
 * every number and length, at the edge of forbidden pages, and what is left of secrets.
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <jansson.h>

#include "crypto/blake2s.h"
#include "crypto/blake2s_inner.h"
#include "crypto/cpu.h"
#include "crypto/ct.h"

#define JOBS_MAX  600
#define IN_BYTES  5000
#define KEY_BYTES 128
#define OUT_BYTES (3 * CR_HASH_BYTES)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* What a job reads, what it wrote, what it has to write. */
static uint8_t in[JOBS_MAX][IN_BYTES], key[JOBS_MAX][KEY_BYTES];
static uint8_t out[JOBS_MAX][OUT_BYTES], want[JOBS_MAX][OUT_BYTES];
static struct cr_hash_job jobs[JOBS_MAX];
static struct cr_kdf_job kdfs[JOBS_MAX];

/* The sequence of RFC 7693 appendix E. */
static void sequence(uint8_t *to, size_t len, uint32_t seed)
{
	uint32_t a = 0xdead4badu * seed, b = 1;

	for (size_t i = 0; i < len; i++) {
		uint32_t t = a + b;

		a = b;
		b = t;
		to[i] = (uint8_t)(t >> 24);
	}
}

static void assert_hex(const uint8_t *got, const char *hex)
{
	uint8_t bytes[CR_HASH_BYTES];

	assert_int_equal(unit_hex(hex, bytes, sizeof(bytes)), sizeof(bytes));
	assert_memory_equal(got, bytes, sizeof(bytes));
}

/* RFC 7693 appendix E, all 48 hashes in one call. */
static void rfc7693_selftest(void **state)
{
	static const uint32_t out_lens[] = {16, 20, 28, 32};
	static const size_t in_lens[] = {0, 3, 64, 65, 255, 1024};
	struct cr_blake2s all;
	uint8_t md[CR_HASH_BYTES];
	unsigned int n = 0;

	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 6; j++) {
			sequence(in[n], in_lens[j], (uint32_t)in_lens[j]);
			sequence(key[n], out_lens[i], out_lens[i]);
			jobs[n] = (struct cr_hash_job){.out = out[n],
						       .out_bytes = out_lens[i],
						       .a = in[n],
						       .a_len = in_lens[j]};
			jobs[n + 1] = jobs[n];
			jobs[n + 1].out = out[n + 1];
			jobs[n + 1].key = key[n];
			jobs[n + 1].key_bytes = out_lens[i];
			n += 2;
		}
	}
	cr_hash_batch(jobs, n);
	cr_blake2s_init(&all, sizeof(md), NULL, 0);
	for (unsigned int i = 0; i < n; i++)
		cr_blake2s_update(&all, out[i], jobs[i].out_bytes);
	cr_blake2s_final(&all, md);
	assert_hex(md, "6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe");
}

#define N_LENGTHS 301

/*
 * Inputs of 0 to 300 bytes: hashes of all outputs one after the other. The answers are those of
 * Python 3.11 (hashlib.blake2s, hmac). Input n is sequence(n bytes, seed n + 1), its key has seed
 * n + 1000; keyed: n % 33 key bytes, 1 + n % 32 out; HMAC: n % 101 key bytes; KDF: 32, T1 || T2
 * || T3.
 */
static void known_answers(void **state)
{
	struct cr_blake2s all[3];
	uint8_t md[3][CR_HASH_BYTES];

	for (int kind = 0; kind < 3; kind++)
		cr_blake2s_init(&all[kind], CR_HASH_BYTES, NULL, 0);
	for (uint32_t n = 0; n < N_LENGTHS; n++) {
		sequence(in[n], n, n + 1);
		sequence(key[n], KEY_BYTES, n + 1000);
		jobs[n] = (struct cr_hash_job){.out = out[n],
					       .out_bytes = 1 + n % 32,
					       .key = key[n],
					       .key_bytes = n % 33,
					       .a = in[n],
					       .a_len = n};
	}
	cr_hash_batch(jobs, N_LENGTHS);
	for (uint32_t n = 0; n < N_LENGTHS; n++) {
		cr_blake2s_update(&all[0], out[n], jobs[n].out_bytes);
		jobs[n].key_bytes = n % 101;
		jobs[n].out_bytes = CR_HASH_BYTES;
	}
	cr_hmac_batch(jobs, N_LENGTHS);
	for (uint32_t n = 0; n < N_LENGTHS; n++) {
		cr_blake2s_update(&all[1], out[n], CR_HASH_BYTES);
		kdfs[n] = (struct cr_kdf_job){out[n], out[n] + 32, out[n] + 64, key[n], in[n], n};
	}
	cr_kdf_batch(kdfs, N_LENGTHS);
	for (uint32_t n = 0; n < N_LENGTHS; n++)
		cr_blake2s_update(&all[2], out[n], OUT_BYTES);
	for (int kind = 0; kind < 3; kind++)
		cr_blake2s_final(&all[kind], md[kind]);
	assert_hex(md[0], "cf74fc98c74d5d36fd794b0bea322b06486b2b6e1b431eca1313760a5fa586b2");
	assert_hex(md[1], "fc2d8b4b1f08059dc079b5c9df2475a4c832c8e6832fe3d09d838b2af05c2d30");
	assert_hex(md[2], "f81697494109fa7f77b8853e5bae01068857601600d30443fc6123cd75223260");
}

static size_t hex_of(const json_t *object, const char *name, uint8_t *to, size_t size)
{
	const char *text = json_string_value(json_object_get(object, name));

	assert_non_null(text);
	return unit_hex(text, to, size);
}

/* The same fact from the vector file n times in one call. */
static void check_fact(const json_t *row, bool hmac, uint32_t out_bytes, unsigned int n)
{
	size_t key_len = 0, len;

	assert_non_null(row);
	if (json_object_get(row, "key"))
		key_len = hex_of(row, "key", key[0], KEY_BYTES);
	len = hex_of(row, "input", in[0], IN_BYTES);
	assert_int_equal(hex_of(row, "output", want[0], CR_HASH_BYTES), out_bytes);
	for (unsigned int i = 0; i < n; i++)
		jobs[i] = (struct cr_hash_job){.out = out[i],
					       .out_bytes = out_bytes,
					       .key = key[0],
					       .key_bytes = (uint32_t)key_len,
					       .a = in[0],
					       .a_len = len};
	memset(out, 0, sizeof(out));
	if (hmac)
		cr_hmac_batch(jobs, n);
	else
		cr_hash_batch(jobs, n);
	for (unsigned int i = 0; i < n; i++)
		assert_memory_equal(out[i], want[0], out_bytes);
}

static void check_kdf_fact(const json_t *row, unsigned int n)
{
	json_t *outputs = json_object_get(row, "outputs");
	size_t len, made = json_array_size(outputs);

	assert_in_range(made, 1, 3);
	assert_int_equal(hex_of(row, "key", key[0], KEY_BYTES), CR_HASH_BYTES);
	len = hex_of(row, "input", in[0], IN_BYTES);
	memset(want[0], 0, OUT_BYTES);
	for (size_t i = 0; i < made; i++)
		unit_hex(json_string_value(json_array_get(outputs, i)), want[0] + 32 * i, 32);
	for (unsigned int i = 0; i < n; i++)
		kdfs[i] = (struct cr_kdf_job){out[i],
					      made > 1 ? out[i] + 32 : NULL,
					      made > 2 ? out[i] + 64 : NULL,
					      key[0],
					      in[0],
					      len};
	memset(out, 0, sizeof(out));
	cr_kdf_batch(kdfs, n);
	for (unsigned int i = 0; i < n; i++)
		assert_memory_equal(out[i], want[0], OUT_BYTES);
}

static void vector_file(void **state)
{
	static const unsigned int ns[] = {1, 3, 16, 17, 33};
	json_error_t error;
	json_t *file = json_load_file(TEST_VECTORS, JSON_DECODE_INT_AS_REAL, &error);
	json_t *facts = json_object_get(file, "primitives"), *row;
	size_t at;

	assert_non_null(facts);
	for (size_t i = 0; i < sizeof(ns) / sizeof(ns[0]); i++) {
		check_fact(json_object_get(facts, "hash"), false, 32, ns[i]);
		check_fact(json_object_get(facts, "mac"), false, 16, ns[i]);
		check_fact(json_object_get(facts, "mac_16_byte_key"), false, 16, ns[i]);
		check_fact(json_object_get(facts, "hmac"), true, 32, ns[i]);
		check_fact(json_object_get(facts, "hmac_empty_input"), true, 32, ns[i]);
		json_array_foreach (json_object_get(facts, "kdf"), at, row)
			check_kdf_fact(row, ns[i]);
		check_kdf_fact(json_object_get(facts, "kdf2_empty_input"), ns[i]);
	}
	json_decref(file);
}

static void hash_single(const struct cr_hash_job *j, uint8_t *to)
{
	struct cr_blake2s s;

	cr_blake2s_init(&s, j->out_bytes, j->key, j->key_bytes);
	cr_blake2s_update(&s, j->a, j->a_len);
	cr_blake2s_update(&s, j->b, j->b_len);
	cr_blake2s_final(&s, to);
}

static void hmac_single(const struct cr_hash_job *j, uint8_t *to)
{
	uint8_t both[IN_BYTES];

	if (j->a_len > 0)
		memcpy(both, j->a, j->a_len);
	if (j->b_len > 0)
		memcpy(both + j->a_len, j->b, j->b_len);
	cr_hmac(to, j->key, j->key_bytes, both, j->a_len + j->b_len);
}

/* Writes what the job has to give and prepares the place where it will. */
static void expect(unsigned int i, bool hmac)
{
	memset(want[i], 0xa5, OUT_BYTES);
	memset(out[i], 0xa5, OUT_BYTES);
	if (hmac)
		hmac_single(&jobs[i], want[i]);
	else
		hash_single(&jobs[i], want[i]);
}

/* A job with a || b of len bytes, cut anywhere; its key its own, job 0's, or none. */
static void random_job(uint64_t *seed, unsigned int i, size_t len, bool hmac)
{
	size_t a_len = unit_random(seed) % 3 ? len : unit_random(seed) % (len + 1);
	size_t skip = unit_random(seed) % 64;
	unsigned int key_of = unit_random(seed) % 2 ? i : 0;
	struct cr_hash_job *j = &jobs[i];

	j->out = out[i] + unit_random(seed) % 8;
	j->out_bytes = (uint32_t)(hmac ? 32 : 1 + unit_random(seed) % 32);
	if (!hmac && unit_random(seed) % 2)
		j->out_bytes = unit_random(seed) % 2 ? 16 : 32;
	j->key_bytes = (uint32_t)(unit_random(seed) % (hmac ? 101 : 33));
	j->key = j->key_bytes > 0 ? key[key_of] + unit_random(seed) % 27 : NULL;
	j->a = a_len > 0 ? in[i] + skip : NULL;
	j->a_len = a_len;
	j->b = len > a_len ? in[i] + 64 + skip + a_len : NULL;
	j->b_len = len - a_len;
}

static void run_jobs(unsigned int n, bool hmac)
{
	for (unsigned int i = 0; i < n; i++) {
		size_t before = (size_t)(jobs[i].out - out[i]);

		expect(i, hmac);
		memmove(want[i] + before, want[i], 32);
		memset(want[i], 0xa5, before);
		memset(want[i] + before + jobs[i].out_bytes, 0xa5,
		       OUT_BYTES - before - jobs[i].out_bytes);
	}
	if (hmac)
		cr_hmac_batch(jobs, n);
	else
		cr_hash_batch(jobs, n);
	for (unsigned int i = 0; i < n; i++)
		assert_memory_equal(out[i], want[i], OUT_BYTES);
}

/* Every n to 70 and some around the size of a chunk, with lengths mixed or all the same. */
static void every_number(void **state)
{
	uint64_t seed = 11;

	unit_random_fill(&seed, in, sizeof(in));
	unit_random_fill(&seed, key, sizeof(key));
	for (unsigned int round = 0; round < 3 * 75; round++) {
		unsigned int n = round % 75;
		size_t same = unit_random(&seed) % 301;
		bool hmac = unit_random(&seed) % 2;

		if (n > 70)
			n = 254 + n - 71 + 300 * (round % 2);
		for (unsigned int i = 0; i < n; i++) {
			size_t len = unit_random(&seed) % 301;

			if (round / 75 == 1)
				len = same;
			else if (unit_random(&seed) % 32 == 0)
				len = unit_random(&seed) % (IN_BYTES - 127);
			random_job(&seed, i, len, hmac);
		}
		run_jobs(n, hmac);
		for (unsigned int i = 0; i < n; i++)
			random_job(&seed, i, unit_random(&seed) % 140, !hmac);
		run_jobs(n, !hmac);
	}
}

/* Every length, for a full group and more; with one key for all, and with one for each. */
static void every_length(void **state)
{
	uint64_t seed = 12;

	for (size_t len = 0; len <= 300; len++) {
		for (int one_key = 0; one_key < 2; one_key++) {
			unsigned int n = (unsigned int)(3 + unit_random(&seed) % 40);

			for (unsigned int i = 0; i < n; i++) {
				random_job(&seed, i, len, false);
				jobs[i].out = out[i];
				jobs[i].key = key[one_key ? 0 : i];
				jobs[i].key_bytes = 32;
				jobs[i].out_bytes = 16;
			}
			/* Also where one of many has something else. */
			if (one_key && len % 3 == 0)
				jobs[n - 1].out_bytes = 32;
			else if (one_key && len % 3 == 1)
				jobs[n - 1].key_bytes = 16;
			run_jobs(n, false);
		}
	}
}

/* Lengths at which a job no longer goes into a group. */
static void long_inputs(void **state)
{
	uint64_t seed = 13;

	for (unsigned int round = 0; round < 8; round++) {
		for (unsigned int i = 0; i < 40; i++)
			random_job(&seed, i, 2030 + unit_random(&seed) % 40, round % 2);
		run_jobs(40, round % 2);
	}
}

/* KDF1 to KDF3 mixed, all lengths, outputs onto key and input. */
static void kdf_any(void **state)
{
	uint64_t seed = 14;

	for (unsigned int n = 0; n <= 70; n++) {
		for (unsigned int i = 0; i < n; i++) {
			uint64_t kind = unit_random(&seed), len = kind / 64 % 301;
			struct cr_kdf_job *j = &kdfs[i];

			if (kind / 32 % 2)
				len = 32;
			memset(out[i], 0xa5, OUT_BYTES);
			memset(want[i], 0xa5, OUT_BYTES);
			*j = (struct cr_kdf_job){out[i], NULL, NULL, key[i], in[i], len};
			if (kind % 4 > 0)
				j->t2 = out[i] + 32;
			if (kind % 4 > 1)
				j->t3 = out[i] + 64;
			cr_kdf(want[i], j->t2 ? want[i] + 32 : NULL, j->t3 ? want[i] + 64 : NULL,
			       j->ck, j->in, len);
			if (kind / 4 % 4 == 1) {
				memcpy(out[i], key[i], 32);
				j->ck = out[i];
			} else if (kind / 4 % 4 == 2 && len == 32) {
				memcpy(out[i], in[i], 32);
				j->in = out[i];
			} else if (kind / 4 % 4 == 3 && j->t2) {
				memcpy(out[i] + 32, key[i], 32);
				j->ck = out[i] + 32;
			}
			if (len == 0)
				j->in = NULL;
		}
		cr_kdf_batch(kdfs, n);
		for (unsigned int i = 0; i < n; i++)
			assert_memory_equal(out[i], want[i], OUT_BYTES);
	}
}

/* h = HASH(h || x), as a handshake mixes: the output is the first input. */
static void output_onto_input(void **state)
{
	uint64_t seed = 15;

	for (unsigned int n = 1; n <= 40; n++) {
		for (unsigned int i = 0; i < n; i++) {
			size_t x_len = unit_random(&seed) % 2 ? 32 : unit_random(&seed) % 100;

			unit_random_fill(&seed, out[i], 32);
			cr_hash(want[i], out[i], 32, in[i], x_len);
			jobs[i] = (struct cr_hash_job){.out = out[i],
						       .out_bytes = 32,
						       .a = out[i],
						       .a_len = 32,
						       .b = in[i],
						       .b_len = x_len};
		}
		cr_hash_batch(jobs, n);
		for (unsigned int i = 0; i < n; i++)
			assert_memory_equal(out[i], want[i], 32);
	}
}

#define ROOMS	   (4 * 33) /* for out, key, a and b of each job */
#define ROOM_BYTES 4096

/* All pieces of memory lie against a page that nobody may touch, with their end or their start. */
static void stays_inside(void **state)
{
	static uint8_t *rooms[ROOMS];
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint64_t seed = 16;

	assert_true(ROOM_BYTES % page == 0);
	for (unsigned int i = 0; i < ROOMS; i++) {
		uint8_t *at = mmap(NULL, ROOM_BYTES + 2 * page, PROT_NONE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_true(at != MAP_FAILED);
		assert_int_equal(mprotect(at + page, ROOM_BYTES, PROT_READ | PROT_WRITE), 0);
		rooms[i] = at + page;
		unit_random_fill(&seed, rooms[i], ROOM_BYTES);
	}
	for (unsigned int round = 0; round < 400; round++) {
		unsigned int n = (unsigned int)(3 + unit_random(&seed) % 31);
		bool at_end = round % 2, hmac = round / 2 % 2;

#define FIT(room, len) (rooms[room] + (at_end ? ROOM_BYTES - (len) : 0))
		for (unsigned int i = 0; i < n; i++) {
			struct cr_hash_job *j = &jobs[i];

			random_job(&seed, i, unit_random(&seed) % 301, hmac);
			j->out = FIT(4 * i, j->out_bytes);
			j->key = FIT(4 * i + 1, j->key_bytes);
			j->a = FIT(4 * i + 2, j->a_len);
			j->b = FIT(4 * i + 3, j->b_len);
			expect(i, hmac);
		}
		if (hmac)
			cr_hmac_batch(jobs, n);
		else
			cr_hash_batch(jobs, n);
		for (unsigned int i = 0; i < n; i++)
			assert_memory_equal(jobs[i].out, want[i], jobs[i].out_bytes);
		for (unsigned int i = 0; i < n; i++) {
			struct cr_kdf_job *j = &kdfs[i];
			size_t len = unit_random(&seed) % 301;

			*j = (struct cr_kdf_job){
				FIT(4 * i, 32),	     NULL, NULL, FIT(4 * i + 1, 32),
				FIT(4 * i + 2, len), len};
			if (round % 3)
				j->t2 = FIT(4 * i + 3, 32);
			cr_kdf(want[i], want[i] + 32, NULL, j->ck, j->in, len);
		}
		cr_kdf_batch(kdfs, n);
		for (unsigned int i = 0; i < n; i++) {
			assert_memory_equal(kdfs[i].t1, want[i], 32);
			if (kdfs[i].t2)
				assert_memory_equal(kdfs[i].t2, want[i] + 32, 32);
		}
#undef FIT
	}
	for (unsigned int i = 0; i < ROOMS; i++)
		assert_int_equal(munmap(rooms[i] - page, ROOM_BYTES + 2 * page), 0);
}

#define STACK_BYTES  (512 * 1024)
#define VAULT_JOBS   40
#define SECRET_WORDS 256

/*
 * Nothing secret is left on the stack. All jobs of the vault share key and input, so a secret word
 * is the same in all lanes, whichever way they lie; what is looked for is single words, because
 * lanes tear the others apart.
 */
static struct {
	uint32_t key[8], in[29];
	uint8_t out[VAULT_JOBS][3][CR_HASH_BYTES];
	uint32_t secrets[SECRET_WORDS];
	unsigned int n_secrets;
} * vault;

static void add_secrets(const void *words, size_t len)
{
	memcpy(vault->secrets + vault->n_secrets, words, len);
	vault->n_secrets += len / 4;
	assert_true(vault->n_secrets <= SECRET_WORDS);
}

/* The block of the key XORed with pad, and the state behind it. */
static void add_key(const void *key_words, uint8_t pad, uint32_t param)
{
	uint8_t block[CR_B2S_BLOCK_BYTES];
	uint32_t h[8];

	memset(block, pad, sizeof(block));
	for (int i = 0; i < 32; i++)
		block[i] ^= ((const uint8_t *)key_words)[i];
	add_secrets(block, 32);
	memcpy(h, cr_b2s_iv, sizeof(h));
	h[0] ^= param;
	cr_b2s_compress(h, block, CR_B2S_BLOCK_BYTES, 0);
	add_secrets(h, sizeof(h));
}

static void list_secrets(void)
{
	const uint32_t keyed = cr_b2s_param(32, 16), plain = cr_b2s_param(0, 32);
	uint8_t made[3][CR_HASH_BYTES], secret[CR_HASH_BYTES];

	add_secrets(vault->in, sizeof(vault->in));
	add_key(vault->key, 0, keyed);
	add_key(vault->key, CR_HMAC_IPAD, plain);
	add_key(vault->key, CR_HMAC_OPAD, plain);
	cr_hmac(secret, vault->key, 32, vault->in, sizeof(vault->in));
	add_secrets(secret, 32);
	add_key(secret, CR_HMAC_IPAD, plain);
	add_key(secret, CR_HMAC_OPAD, plain);
	cr_kdf(made[0], made[1], made[2], (uint8_t *)vault->key, vault->in, sizeof(vault->in));
	add_secrets(made, sizeof(made));
	cr_mac(made[0], vault->key, 32, vault->in, sizeof(vault->in));
	add_secrets(made[0], 16);
}

static void *run_kind(void *arg)
{
	unsigned int kind = (unsigned int)(uintptr_t)arg, n = kind < 4 ? VAULT_JOBS : 2;

	for (unsigned int i = 0; i < n; i++) {
		jobs[i] = (struct cr_hash_job){.out = vault->out[i][0],
					       .out_bytes = kind % 4 == 0 ? 16 : 32,
					       .key = vault->key,
					       .key_bytes = 32,
					       .a = vault->in,
					       .a_len = sizeof(vault->in)};
		kdfs[i] = (struct cr_kdf_job){vault->out[i][0], vault->out[i][1],
					      vault->out[i][2], (uint8_t *)vault->key,
					      vault->in,	sizeof(vault->in)};
	}
	if (kind % 4 == 0)
		cr_hash_batch(jobs, n);
	else if (kind % 4 == 1)
		cr_hmac_batch(jobs, n);
	else if (kind % 4 == 2)
		cr_kdf_batch(kdfs, n);
	/* With one of another key, the shared one is no shortcut. */
	if (kind % 4 == 3) {
		jobs[0].key_bytes = 0;
		for (unsigned int i = 0; i < n; i++)
			jobs[i].out_bytes = 16;
		cr_hash_batch(jobs, n);
	}
	return NULL;
}

static unsigned int search(const uint8_t *stack, unsigned int kind)
{
	unsigned int hits = 0;

	for (size_t at = 0; at < STACK_BYTES; at += 4) {
		const volatile uint32_t *word = (const void *)(stack + at);

		for (unsigned int i = 0; i < vault->n_secrets; i++) {
			if (*word == vault->secrets[i]) {
				printf("# kind %u: secret word %u, %zu below the top\n", kind, i,
				       STACK_BYTES - at);
				hits++;
			}
		}
	}
	return hits;
}

static void nothing_is_left(void **state)
{
	unsigned int hits = 0;
	uint64_t seed = 17;
	uint8_t *stack;

#ifdef SANITIZED
	printf("# AddressSanitizer keeps copies of stacks: they are not searched\n");
	return;
#endif
	vault = calloc(1, sizeof(*vault));
	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(vault && stack != MAP_FAILED);
	unit_random_fill(&seed, vault->key, sizeof(vault->key));
	unit_random_fill(&seed, vault->in, sizeof(vault->in));
	list_secrets();
	for (unsigned int kind = 0; kind < 8; kind++) {
		pthread_attr_t attr;
		pthread_t thread;

		memset(stack, 0x5a, STACK_BYTES);
		assert_int_equal(pthread_attr_init(&attr), 0);
		assert_int_equal(pthread_attr_setstack(&attr, stack, STACK_BYTES), 0);
		assert_int_equal(pthread_create(&thread, &attr, run_kind, (void *)(uintptr_t)kind),
				 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		pthread_attr_destroy(&attr);
		hits += search(stack, kind);
	}
	assert_int_equal(hits, 0);
	printf("# the search finds what is there, so one follows\n");
	memcpy(stack + 400, &vault->secrets[7], 4);
	assert_int_equal(search(stack, 0), 1);
	munmap(stack, STACK_BYTES);
	free(vault);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc7693_selftest), cmocka_unit_test(known_answers),
		cmocka_unit_test(vector_file),	    cmocka_unit_test(every_number),
		cmocka_unit_test(every_length),	    cmocka_unit_test(long_inputs),
		cmocka_unit_test(kdf_any),	    cmocka_unit_test(output_onto_input),
		cmocka_unit_test(stays_inside),	    cmocka_unit_test(nothing_is_left),
	};

	if (!cr_cpu_avx512())
		printf("# this CPU lacks AVX-512: batches run one after the other\n");
	return UNIT_RUN(tests);
}
