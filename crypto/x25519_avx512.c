/*
 * X25519 eight at a time, with the field of fe25519_avx512.h. Any thread. Lane = job: eight jobs
 * are a group and climb one Montgomery ladder (RFC 7748 section 5) together; up to four groups
 * share one inversion. Lanes without a job multiply the point 0.
 *
 * No secret is left behind: what lies in memory is in struct run, in the frames below run_jobs(),
 * or in vector registers, and all three are wiped.
 */
#include "crypto/x25519_avx512.h"

#include <string.h>

#include "crypto/ct.h"
#include "crypto/fe25519_avx512.h"
#include "crypto/le.h"
#include "crypto/wipe_avx512.h"

#define LANES  8
#define GROUPS 4
#define WORDS  4 /* of 64 bits, in a scalar, a point or a result */

/* (A - 2) / 4 of Curve25519 (RFC 7748 section 5: a24). */
#define A24 121665

/* Scalars are clamped: bit 254 is set, bits 2 to 0 are not. */
#define TOP_BIT	     254
#define LOWEST_BIT   3
#define DOUBLINGS    3
#define LOW_WORD_AND (~UINT64_C(7))
#define TOP_WORD_AND (UINT64_MAX >> 1)
#define TOP_WORD_OR  (UINT64_C(1) << 62)

/*
 * How far the frames of run_jobs() and below reach, with the words of scalars and spilt vectors in
 * them: up to 4.7 KiB by the frame sizes of gcc 12 and clang 14; and a margin. Not with
 * AddressSanitizer, whose frames are larger.
 */
#define STACK_WIPE_BYTES 8192

/* A point as a fraction; the limbs that step() leaves are products, not narrow. */
struct fraction {
	struct fe8 x, z;
};

/* Up to four groups on their way. */
struct run {
	uint64_t words[WORDS][LANES]; /* of the points coming, and of the results going */
	/* Bit i says whether bits i and i + 1 of the clamped scalar differ. */
	uint64_t bit_changes[WORDS][LANES];
	struct fe8 x[GROUPS], z[GROUPS]; /* results: x / z; narrow */
	struct fe8 products[GROUPS];	 /* z[0] * ... * z[g]; narrow */
};

/* Brings up to eight scalars and points to their lanes. */
static void load_lanes(struct run *r, const struct cr_x25519_job *jobs, unsigned int n)
{
	memset(r->words, 0, sizeof(r->words));
	memset(r->bit_changes, 0, sizeof(r->bit_changes));
	for (unsigned int lane = 0; lane < n; lane++) {
		uint64_t scalar[WORDS + 1] = {0};

		for (unsigned int w = 0; w < WORDS; w++) {
			scalar[w] = cr_load_le64(jobs[lane].scalar + 8 * w);
			r->words[w][lane] = cr_load_le64(jobs[lane].point + 8 * w);
		}
		r->words[WORDS - 1][lane] &= TOP_WORD_AND;
		scalar[0] &= LOW_WORD_AND;
		scalar[WORDS - 1] = (scalar[WORDS - 1] & TOP_WORD_AND) | TOP_WORD_OR;
		for (unsigned int w = 0; w < WORDS; w++)
			r->bit_changes[w][lane] = scalar[w] ^
						  (scalar[w] >> 1 | scalar[w + 1] << 63);
	}
}

/* Four words of 64 bits to five limbs of 51; a point below 2^255 is narrow whatever it is. */
static struct fe8 load_point(const struct run *r)
{
	const __m512i mask = fe8_all(FE8_LIMB_MASK);
	__m512i w[WORDS];
	struct fe8 p;

	for (int i = 0; i < WORDS; i++)
		w[i] = _mm512_loadu_si512(r->words[i]);
	p.limb[0] = _mm512_and_si512(w[0], mask);
	p.limb[1] = _mm512_and_si512(_mm512_shrdi_epi64(w[0], w[1], 51), mask);
	p.limb[2] = _mm512_and_si512(_mm512_shrdi_epi64(w[1], w[2], 38), mask);
	p.limb[3] = _mm512_and_si512(_mm512_shrdi_epi64(w[2], w[3], 25), mask);
	p.limb[4] = _mm512_srli_epi64(w[3], 12);
	return p;
}

/* The lanes whose scalar has different bits at i and i + 1. */
static inline __mmask8 changes(const struct run *r, int i)
{
	return _mm512_test_epi64_mask(_mm512_loadu_si512(r->bit_changes[i / 64]),
				      fe8_all((long long)(UINT64_C(1) << i % 64)));
}

/*
 * One step of the ladder (RFC 7748 section 5, with its names): a is doubled, b becomes a + b; in
 * the lanes of swap, b is doubled. The sum is the same either way, as DA and CB change places only
 * and their difference is squared, so it is enough to choose what is doubled.
 *
 * The order is that which measures fastest: what a carry waits for is a multiplication back.
 */
FE8_INLINE void step(struct fe8 x1, struct fraction *a, struct fraction *b, __mmask8 swap)
{
	struct fe8 A = fe8_carry(fe8_add(a->x, a->z));
	struct fe8 B = fe8_carry(fe8_sub(a->x, a->z));
	struct fe8 C = fe8_carry(fe8_add(b->x, b->z));
	struct fe8 D = fe8_carry(fe8_sub(b->x, b->z));
	struct fe8 AA = fe8_square(fe8_select(swap, A, C));
	struct fe8 BB = fe8_square(fe8_select(swap, B, D));
	struct fe8 DA = fe8_mul(D, A);
	struct fe8 E = fe8_carry(fe8_sub(AA, BB));
	struct fe8 AA_narrow = fe8_carry(AA);
	struct fe8 BB_narrow = fe8_carry(BB);
	struct fe8 CB = fe8_mul(C, B);
	struct fe8 F = fe8_carry(fe8_add_small_mul(AA, A24, E));
	struct fe8 sum, difference;

	a->x = fe8_mul(AA_narrow, BB_narrow);
	sum = fe8_carry(fe8_add(DA, CB));
	difference = fe8_carry(fe8_sub(DA, CB));
	a->z = fe8_mul(E, F);
	difference = fe8_carry(fe8_square(difference));
	b->x = fe8_square(sum);
	b->z = fe8_mul(x1, difference);
}

FE8_INLINE void point_double(struct fraction *a)
{
	struct fe8 AA = fe8_square(fe8_carry(fe8_add(a->x, a->z)));
	struct fe8 BB = fe8_square(fe8_carry(fe8_sub(a->x, a->z)));
	struct fe8 E = fe8_carry(fe8_sub(AA, BB));
	struct fe8 F = fe8_carry(fe8_add_small_mul(AA, A24, E));

	a->x = fe8_mul(fe8_carry(AA), fe8_carry(BB));
	a->z = fe8_mul(E, F);
}

/* scalar * point as a fraction, of the lanes in r, into x[g] and z[g]. */
static __attribute__((noinline)) void climb(struct run *r, unsigned int g)
{
	const struct fe8 x1 = load_point(r);
	struct fraction a = {fe8_small(1), fe8_small(0)};
	struct fraction b = {x1, fe8_small(1)};
	__mmask8 swap;

	for (int i = TOP_BIT; i >= LOWEST_BIT; i--)
		step(x1, &a, &b, changes(r, i));
	swap = changes(r, LOWEST_BIT - 1);
	a.x = fe8_select(swap, a.x, b.x);
	a.z = fe8_select(swap, a.z, b.z);
	for (int i = 0; i < DOUBLINGS; i++)
		point_double(&a);
	r->x[g] = fe8_carry(a.x);
	r->z[g] = fe8_carry(a.z);
}

/* r = a^(2^n); r may be a. Narrow, as all that follows. */
static __attribute__((noinline)) void square_times(struct fe8 *r, const struct fe8 *a, int n)
{
	struct fe8 t = *a;

	for (int i = 0; i < n; i++)
		t = fe8_carry(fe8_square(t));
	*r = t;
}

/* r = a b; r may be a or b. */
static __attribute__((noinline)) void multiply(struct fe8 *r, const struct fe8 *a,
					       const struct fe8 *b)
{
	*r = fe8_carry(fe8_mul(*a, *b));
}

/* r = a^(2^n) b. */
static void square_multiply(struct fe8 *r, const struct fe8 *a, int n, const struct fe8 *b)
{
	square_times(r, a, n);
	multiply(r, r, b);
}

/* 1 / a = a^(p - 2). The names tell the exponents: e5 is 2^5 - 1. */
static __attribute__((noinline)) struct fe8 invert(const struct fe8 *a)
{
	struct fe8 two, nine, eleven, e5, e10, e20, e40, e50, e100, r;

	square_times(&two, a, 1);
	square_multiply(&nine, &two, 2, a);
	multiply(&eleven, &nine, &two);
	square_multiply(&e5, &eleven, 1, &nine);
	square_multiply(&e10, &e5, 5, &e5);
	square_multiply(&e20, &e10, 10, &e10);
	square_multiply(&e40, &e20, 20, &e20);
	square_multiply(&e50, &e40, 10, &e10);
	square_multiply(&e100, &e50, 50, &e50);
	square_multiply(&r, &e100, 100, &e100);
	square_multiply(&r, &r, 50, &e50);
	square_multiply(&r, &r, 5, &eleven);
	return r;
}

/*
 * x[g] = x[g] / z[g] for all groups, with one inversion of the product of all z (Montgomery's
 * trick). A zero z, of a low-order point, would make that product zero for the same lane of every
 * group: such a z is taken as 1 and its x as 0, which is the result X25519 wants.
 */
static void divide(struct run *r, unsigned int groups)
{
	struct fe8 inverse, t;

	for (unsigned int g = 0; g < groups; g++) {
		__mmask8 some = fe8_not_zero(fe8_canonical(r->z[g]));

		r->z[g] = fe8_select(some, fe8_small(1), r->z[g]);
		r->x[g] = fe8_select(some, fe8_small(0), r->x[g]);
	}
	r->products[0] = r->z[0];
	for (unsigned int g = 1; g < groups; g++)
		multiply(&r->products[g], &r->products[g - 1], &r->z[g]);
	inverse = invert(&r->products[groups - 1]);
	for (unsigned int g = groups - 1; g > 0; g--) {
		multiply(&t, &inverse, &r->products[g - 1]);
		multiply(&r->x[g], &r->x[g], &t);
		multiply(&inverse, &inverse, &r->z[g]);
	}
	multiply(&r->x[0], &r->x[0], &inverse);
}

/* Results of a group to up to eight jobs. */
static void store_lanes(struct run *r, unsigned int g, struct cr_x25519_job *jobs, unsigned int n)
{
	const struct fe8 a = fe8_canonical(r->x[g]);
	const unsigned int ok = fe8_not_zero(a);
	__m512i w[WORDS];

	/* Limb i + 1 goes above what is left of limb i. */
	for (int i = 0; i < WORDS; i++) {
		w[i] = _mm512_or_si512(
			_mm512_srli_epi64(a.limb[i], (unsigned int)(13 * i)),
			_mm512_slli_epi64(a.limb[i + 1], (unsigned int)(FE8_LIMB_BITS - 13 * i)));
		_mm512_storeu_si512(r->words[i], w[i]);
	}
	for (unsigned int lane = 0; lane < n; lane++) {
		for (unsigned int i = 0; i < WORDS; i++)
			cr_store_le64(jobs[lane].out + 8 * i, r->words[i][lane]);
		jobs[lane].ok = ok >> lane & 1;
	}
}

/* Jobs of the group g of a run with n. */
static unsigned int in_group(unsigned int n, unsigned int g)
{
	unsigned int left = n - g * LANES;

	return left < LANES ? left : LANES;
}

/* One run: 1 to 32 jobs. Noinline, so that all frames with secrets are below the caller's. */
static __attribute__((noinline)) void run_jobs(struct run *r, struct cr_x25519_job *jobs,
					       unsigned int n)
{
	unsigned int groups = (n + LANES - 1) / LANES;

	for (unsigned int g = 0; g < groups; g++) {
		load_lanes(r, jobs + g * LANES, in_group(n, g));
		climb(r, g);
	}
	divide(r, groups);
	for (unsigned int g = 0; g < groups; g++)
		store_lanes(r, g, jobs + g * LANES, in_group(n, g));
}

static __attribute__((noinline)) void wipe_stack(void)
{
	uint8_t below[STACK_WIPE_BYTES];

	cr_wipe(below, sizeof(below));
}

void cr_x25519_avx512(struct cr_x25519_job *jobs, size_t n)
{
	struct run r;

	if (n == 0)
		return;
	while (n > 0) {
		unsigned int now = n < GROUPS * LANES ? (unsigned int)n : GROUPS * LANES;

		run_jobs(&r, jobs, now);
		jobs += now;
		n -= now;
	}
	cr_wipe(&r, sizeof(r));
	wipe_stack();
	cr_avx512_wipe_registers();
}
