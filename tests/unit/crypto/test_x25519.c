/*
 * X25519 in batches: vectors, random jobs against libsodium, low-order and non-canonical points,
 * guard pages, and what debug builds abort on. Built with the x25519.c of a debug build. That no
 * secret stays behind is in test_x25519_wipe.c.
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sodium.h>

#include "crypto/cpu.h"
#include "crypto/ct.h"
#include "crypto/x25519_avx512.h"

#define N_MAX	  70 /* two full runs of 32 and a group that is not full */
#define POINT	  CR_POINT_BYTES
#define UNTOUCHED 0x5a

static const struct way {
	const char *name;
	void (*run)(struct cr_x25519_job *jobs, size_t n);
	bool avx512;
} ways[] = {
	{"one by one", cr_x25519_sodium, false},
	{"AVX-512", cr_x25519_avx512, true},
};

#define N_WAYS (sizeof(ways) / sizeof(ways[0]))

/* A batch and what must come of it; jobs point to its arrays. */
struct batch {
	uint8_t scalar[N_MAX][POINT], point[N_MAX][POINT], out[N_MAX][POINT];
	uint8_t want[N_MAX][POINT];
	bool want_ok[N_MAX];
	struct cr_x25519_job jobs[N_MAX];
};

static struct batch b;

static bool runs_here(const struct way *w)
{
	return !w->avx512 || cr_cpu_avx512();
}

/* Random scalars and points, some points of long rows of equal bits, where carries go far. */
static void fill_random(uint64_t *seed, unsigned int n)
{
	unit_random_fill(seed, b.scalar, n * POINT);
	unit_random_fill(seed, b.point, n * POINT);
	for (unsigned int i = 0; i < n; i++) {
		unsigned int from = (unsigned int)(unit_random(seed) % POINT);
		unsigned int len = (unsigned int)(unit_random(seed) % (POINT + 1 - from));

		if (unit_random(seed) % 4 == 0)
			memset(b.point[i] + from, unit_random(seed) % 2 ? 0xff : 0, len);
		if (unit_random(seed) % 8 == 0)
			memset(b.scalar[i] + from, unit_random(seed) % 2 ? 0xff : 0, len);
	}
}

/* What libsodium says of every job. */
static void ask_libsodium(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		b.want_ok[i] = crypto_scalarmult_curve25519(b.want[i], b.scalar[i], b.point[i]) ==
			       0;
		if (!b.want_ok[i])
			memset(b.want[i], 0, POINT);
	}
}

/* Runs the first n jobs and looks at every result, and at what lies behind them. */
static void check_run(const char *name, void (*run)(struct cr_x25519_job *, size_t), unsigned int n)
{
	memset(b.out, UNTOUCHED, sizeof(b.out));
	for (unsigned int i = 0; i < N_MAX; i++)
		b.jobs[i] = (struct cr_x25519_job){b.scalar[i], b.point[i], b.out[i],
						   i < n ? !b.want_ok[i] : i % 2};
	run(b.jobs, n);
	for (unsigned int i = 0; i < n; i++) {
		bool right = memcmp(b.out[i], b.want[i], POINT) == 0;

		if (b.jobs[i].ok != b.want_ok[i] || !right)
			fail_msg("%s: job %u of %u: %s, %s", name, i, n,
				 b.jobs[i].ok ? "ok" : "all zero", right ? "right" : "wrong");
	}
	for (unsigned int i = n; i < N_MAX; i++) {
		assert_true(b.jobs[i].ok == i % 2);
		for (unsigned int j = 0; j < POINT; j++)
			assert_int_equal(b.out[i][j], UNTOUCHED);
	}
}

static void check_batch(unsigned int n)
{
	for (unsigned int k = 0; k < N_WAYS; k++) {
		if (runs_here(&ways[k]))
			check_run(ways[k].name, ways[k].run, n);
	}
}

struct vector {
	const char *scalar, *point, *out;
};

#define A_SECRET "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a"
#define B_SECRET "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
#define A_PUBLIC "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
#define B_PUBLIC "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
#define A_B	 "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
#define NINE	 "0900000000000000000000000000000000000000000000000000000000000000"

/* RFC 7748 section 5.2, and section 6.1 both ways. */
static const struct vector vectors[] = {
	{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
	 "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
	 "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
	{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
	 "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
	 "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
	{A_SECRET, NINE, A_PUBLIC},
	{B_SECRET, NINE, B_PUBLIC},
	{A_SECRET, B_PUBLIC, A_B},
	{B_SECRET, A_PUBLIC, A_B},
};

#define N_VECTORS (sizeof(vectors) / sizeof(vectors[0]))

/* Each alone, and at every position of a batch. */
static void rfc_vectors(void **state)
{
	uint8_t out[POINT];

	for (unsigned int shift = 0; shift < N_VECTORS; shift++) {
		for (unsigned int i = 0; i < N_MAX; i++) {
			const struct vector *v = &vectors[(i + shift) % N_VECTORS];

			unit_hex(v->scalar, b.scalar[i], POINT);
			unit_hex(v->point, b.point[i], POINT);
			unit_hex(v->out, b.want[i], POINT);
			b.want_ok[i] = true;
		}
		check_batch(1);
		check_batch(N_MAX);
		assert_true(cr_x25519(out, b.scalar[0], b.point[0]));
		assert_memory_equal(out, b.want[0], POINT);
	}
}

/* RFC 7748 section 5.2, the iterated vector, in all lanes of a group and the first of another. */
static void rfc_iterated(void **state)
{
	enum { N = 9 };
	uint8_t one[POINT], thousand[POINT];

	unit_hex("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079", one, POINT);
	unit_hex("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51", thousand,
		 POINT);
	for (unsigned int k = 0; k < N_WAYS; k++) {
		/* One job is enough for what has no lanes. */
		unsigned int n = ways[k].avx512 ? N : 1;

		if (!runs_here(&ways[k]))
			continue;
		for (unsigned int i = 0; i < n; i++) {
			unit_hex(NINE, b.scalar[i], POINT);
			unit_hex(NINE, b.point[i], POINT);
			b.jobs[i] = (struct cr_x25519_job){b.scalar[i], b.point[i], b.out[i], 0};
		}
		for (int round = 1; round <= 1000; round++) {
			ways[k].run(b.jobs, n);
			memcpy(b.point, b.scalar, n * POINT);
			memcpy(b.scalar, b.out, n * POINT);
			if (round == 1)
				assert_memory_equal(b.out[0], one, POINT);
		}
		for (unsigned int i = 0; i < n; i++) {
			assert_true(b.jobs[i].ok);
			assert_memory_equal(b.out[i], thousand, POINT);
		}
	}
}

/* Every n from none to N_MAX; 19880 jobs. */
static void random_batches(void **state)
{
	uint64_t seed = 7748;

	printf("# seed %d\n", (int)seed);
	for (int round = 0; round < 8; round++) {
		for (unsigned int n = 0; n <= N_MAX; n++) {
			fill_random(&seed, n);
			ask_libsodium(n);
			check_batch(n);
		}
	}
	for (unsigned int k = 0; k < N_WAYS; k++) {
		if (runs_here(&ways[k]))
			ways[k].run(NULL, 0);
	}
}

/* What callers call. */
static void chosen_way(void **state)
{
	static const unsigned int sizes[] = {1, 2, 33, N_MAX};
	uint64_t seed = 12;
	uint8_t out[POINT];

	cr_x25519_batch(NULL, 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		fill_random(&seed, sizes[i]);
		ask_libsodium(sizes[i]);
		check_run("what is chosen", cr_x25519_batch, sizes[i]);
		assert_true(cr_x25519(out, b.scalar[0], b.point[0]) == b.want_ok[0]);
		assert_memory_equal(out, b.want[0], POINT);
	}
}

/* One private key and many points, many keys and one point; nothing on a boundary of 8. */
static void shared_and_unaligned(void **state)
{
	static uint8_t room[N_MAX * 37 + 1];
	uint64_t seed = 1;

	for (int share_point = 0; share_point <= 1; share_point++) {
		for (unsigned int k = 0; k < N_WAYS; k++) {
			if (!runs_here(&ways[k]))
				continue;
			fill_random(&seed, N_MAX);
			for (unsigned int i = 0; i < N_MAX; i++) {
				const uint8_t *mine = b.scalar[i] + (i + 1 < N_MAX ? i % 8 : 0);
				const uint8_t *all = b.point[5] + 3;

				b.jobs[i] = (struct cr_x25519_job){share_point ? mine : all,
								   share_point ? all : mine,
								   room + 37 * i + 1, false};
			}
			ways[k].run(b.jobs, N_MAX);
			for (unsigned int i = 0; i < N_MAX; i++) {
				const struct cr_x25519_job *j = &b.jobs[i];

				assert_true(j->ok);
				assert_int_equal(crypto_scalarmult_curve25519(b.want[0], j->scalar,
									      j->point),
						 0);
				assert_memory_equal(j->out, b.want[0], POINT);
			}
		}
	}
}

/* All encodings of points whose order divides 8, on the curve or its twist, but for the top bit. */
static const char *const low_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

#define N_LOW_ORDER (sizeof(low_order) / sizeof(low_order[0]))

static void put_low_order(unsigned int i, unsigned int which)
{
	unit_hex(low_order[which % N_LOW_ORDER], b.point[i], POINT);
	if (which / N_LOW_ORDER % 2)
		b.point[i][POINT - 1] |= 0x80;
	memset(b.want[i], 0, POINT);
	b.want_ok[i] = false;
}

/* One at every position, then more and more of them, at last nothing else. */
static void low_order_points(void **state)
{
	uint64_t seed = 8;

	for (unsigned int at = 0; at < N_MAX; at++) {
		fill_random(&seed, N_MAX);
		ask_libsodium(N_MAX);
		put_low_order(at, at);
		check_batch(N_MAX);
		check_batch(at + 1);
	}
	for (unsigned int step = N_MAX / 2; step > 0; step /= 2) {
		fill_random(&seed, N_MAX);
		ask_libsodium(N_MAX);
		for (unsigned int i = step - 1; i < N_MAX; i += step)
			put_low_order(i, i / step);
		check_batch(N_MAX);
	}
	/* libsodium's verdict is the same for each. */
	ask_libsodium(N_MAX);
	for (unsigned int i = 0; i < N_MAX; i++)
		assert_false(b.want_ok[i]);
	assert_false(cr_x25519(b.out[0], b.scalar[0], b.point[0]));
	assert_true(cr_is_zero(b.out[0], POINT));
}

/* 2^255 - 19 + v, for all v that there are, is v; with the top bit or not. */
static void non_canonical_points(void **state)
{
	enum { OVER = 19 };
	uint64_t seed = 9;

	fill_random(&seed, N_MAX);
	for (unsigned int i = 0; i < 3 * OVER; i++) {
		unsigned int v = i % OVER;

		memset(b.point[i], i < OVER ? 0 : 0xff, POINT);
		b.point[i][0] = (uint8_t)(i < OVER ? v : 256 - OVER + v);
		if (i >= OVER)
			b.point[i][POINT - 1] = i < 2 * OVER ? 0x7f : 0xff;
		memcpy(b.scalar[i], b.scalar[v], POINT);
	}
	ask_libsodium(N_MAX);
	for (unsigned int i = OVER; i < 3 * OVER; i++) {
		assert_true(b.want_ok[i] == b.want_ok[i % OVER]);
		assert_memory_equal(b.want[i], b.want[i % OVER], POINT);
	}
	assert_true(b.want_ok[2] && !b.want_ok[1]);
	check_batch(N_MAX);
}

/* All bits, no bits, and bits that clamping sets or clears, alone. */
static void scalars_at_the_edge(void **state)
{
	uint64_t seed = 10;

	for (int round = 0; round < 4; round++) {
		fill_random(&seed, N_MAX);
		for (unsigned int i = 0; i < N_MAX; i++) {
			memset(b.scalar[i], i % 2 ? 0xff : 0, POINT);
			if (i % 4 >= 2)
				b.scalar[i][POINT - 1] ^= (uint8_t)(0x40 << round % 2);
			if (i % 8 >= 4)
				b.scalar[i][0] ^= (uint8_t)(1 << round);
		}
		ask_libsodium(N_MAX);
		check_batch(N_MAX);
	}
}

/* Room for arrays between two pages that nobody may touch. */
static uint8_t *room_open(size_t *room_bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *at;

	*room_bytes = page;
	assert_true(N_MAX * sizeof(struct cr_x25519_job) <= page);
	at = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(at != MAP_FAILED);
	assert_int_equal(mprotect(at + page, page, PROT_READ | PROT_WRITE), 0);
	return at + page;
}

/* The arrays end or begin where reading or writing on is a crash. */
static void stays_inside(void **state)
{
	uint64_t seed = 11;
	uint8_t *rooms[4];
	size_t len;

	for (int i = 0; i < 4; i++)
		rooms[i] = room_open(&len);
	for (unsigned int round = 0; round < 2 * N_MAX; round++) {
		unsigned int n = 1 + round / 2;
		size_t skip = round % 2 ? len - n * POINT : 0;
		size_t skip_jobs = round % 2 ? len - n * sizeof(struct cr_x25519_job) : 0;
		struct cr_x25519_job *jobs = (void *)(rooms[3] + skip_jobs);

		fill_random(&seed, n);
		ask_libsodium(n);
		memcpy(rooms[0] + skip, b.scalar, n * POINT);
		memcpy(rooms[1] + skip, b.point, n * POINT);
		for (unsigned int k = 0; k < N_WAYS; k++) {
			if (!runs_here(&ways[k]))
				continue;
			for (unsigned int i = 0; i < n; i++)
				jobs[i] = (struct cr_x25519_job){rooms[0] + skip + i * POINT,
								 rooms[1] + skip + i * POINT,
								 rooms[2] + skip + i * POINT, 0};
			ways[k].run(jobs, n);
			assert_memory_equal(rooms[2] + skip, b.want, n * POINT);
			assert_memory_equal(rooms[0] + skip, b.scalar, n * POINT);
			assert_memory_equal(rooms[1] + skip, b.point, n * POINT);
		}
	}
}

/* Is that batch refused by SIGABRT? In a child, whose message and core file nobody wants. */
static bool aborts(struct cr_x25519_job *jobs, size_t n)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		const struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		signal(SIGABRT, SIG_DFL);
		cr_x25519_batch(jobs, n);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		assert_int_equal(WEXITSTATUS(status), 0);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void broken_promises(void **state)
{
	static uint8_t m[400];
	struct cr_x25519_job onto_jobs[2];
	struct {
		const char *what;
		struct cr_x25519_job jobs[2];
		bool aborts;
	} rows[] = {
		{"apart", {{m, m + 32, m + 64, 0}, {m + 96, m + 128, m + 160, 0}}, false},
		{"shared", {{m, m, m + 64, 0}, {m, m + 16, m + 96, 0}}, false},
		{"on its scalar", {{m, m + 32, m + 31, 0}, {m, m, m + 200, 0}}, true},
		{"on its point", {{m, m + 32, m + 32, 0}, {m, m, m + 200, 0}}, true},
		{"on the next scalar", {{m, m, m + 64, 0}, {m + 95, m, m + 200, 0}}, true},
		{"on the last point", {{m, m + 64, m + 200, 0}, {m, m, m + 33, 0}}, true},
		{"on another out", {{m, m, m + 64, 0}, {m, m, m + 80, 0}}, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (aborts(rows[i].jobs, 2) != rows[i].aborts)
			fail_msg("%s: %s", rows[i].what,
				 rows[i].aborts ? "goes through" : "aborts");
	}
	onto_jobs[0] = onto_jobs[1] = (struct cr_x25519_job){m, m, (uint8_t *)&onto_jobs[1] + 8,
							     false};
	onto_jobs[1].out = m + 64;
	assert_true(aborts(onto_jobs, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc_vectors),		cmocka_unit_test(rfc_iterated),
		cmocka_unit_test(random_batches),	cmocka_unit_test(chosen_way),
		cmocka_unit_test(shared_and_unaligned), cmocka_unit_test(low_order_points),
		cmocka_unit_test(non_canonical_points), cmocka_unit_test(scalars_at_the_edge),
		cmocka_unit_test(stays_inside),		cmocka_unit_test(broken_promises),
	};

	if (sodium_init() < 0)
		return 1;
	if (!cr_cpu_avx512())
		printf("# this CPU lacks AVX-512 IFMA: one by one only\n");
	return UNIT_RUN(tests);
}
