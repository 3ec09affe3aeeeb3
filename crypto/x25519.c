/*
 * X25519: which code multiplies, and libsodium where it is that. Any thread. Eight at a time is in
 * x25519_avx512.c: that is faster for a single one, too, with seven of its eight lanes empty.
 */
#include "crypto/x25519.h"

#include <stdlib.h>

#include <sodium.h>

#include "crypto/cpu.h"
#include "crypto/ct.h"
#include "crypto/sodium_ready.h"
#include "crypto/x25519_avx512.h"

void cr_x25519_clamp(uint8_t scalar[CR_POINT_BYTES])
{
	scalar[0] &= 248;
	scalar[31] &= 127;
	scalar[31] |= 64;
}

void cr_x25519_sodium(struct cr_x25519_job *jobs, size_t n)
{
	sodium_ready();
	for (size_t i = 0; i < n; i++) {
		struct cr_x25519_job *j = &jobs[i];

		j->ok = crypto_scalarmult_curve25519(j->out, j->scalar, j->point) == 0;
		/* Whether libsodium has written then depends on the code it chose for this CPU. */
		if (!j->ok)
			cr_wipe(j->out, CR_POINT_BYTES);
	}
}

#ifdef CR_DEBUG
static bool overlap(const void *a, size_t a_len, const void *b, size_t b_len)
{
	uintptr_t x = (uintptr_t)a, y = (uintptr_t)b;

	return x < y + b_len && y < x + a_len;
}

/* What a caller of a batch promises (x25519.h). In time n^2: for debug builds. */
static void check_jobs(const struct cr_x25519_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const uint8_t *out = jobs[i].out;
		bool broken = overlap(out, CR_POINT_BYTES, jobs, n * sizeof(*jobs));

		for (size_t k = 0; k < n; k++) {
			broken |= overlap(out, CR_POINT_BYTES, jobs[k].scalar, CR_POINT_BYTES) ||
				  overlap(out, CR_POINT_BYTES, jobs[k].point, CR_POINT_BYTES) ||
				  (k != i &&
				   overlap(out, CR_POINT_BYTES, jobs[k].out, CR_POINT_BYTES));
		}
		if (broken)
			abort();
	}
}
#else
static void check_jobs(const struct cr_x25519_job *jobs, size_t n)
{
	(void)jobs;
	(void)n;
}
#endif

void cr_x25519_batch(struct cr_x25519_job *jobs, size_t n)
{
	check_jobs(jobs, n);
	if (cr_cpu_avx512())
		cr_x25519_avx512(jobs, n);
	else
		cr_x25519_sodium(jobs, n);
}

bool cr_x25519(uint8_t out[CR_POINT_BYTES], const uint8_t scalar[CR_POINT_BYTES],
	       const uint8_t point[CR_POINT_BYTES])
{
	struct cr_x25519_job job = {scalar, point, out, false};

	cr_x25519_batch(&job, 1);
	return job.ok;
}

void cr_x25519_base(uint8_t out[CR_POINT_BYTES], const uint8_t scalar[CR_POINT_BYTES])
{
	sodium_ready();
	/* A clamped scalar times the base point is never zero, so this can't fail. */
	(void)crypto_scalarmult_curve25519_base(out, scalar);
}
