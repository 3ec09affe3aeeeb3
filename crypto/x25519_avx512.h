/*
 * The two ways that cr_x25519_batch() can go, under names of their own. Inside crypto/, its tests
 * and bench; callers use x25519.h, which says what a job is and what its pointers may be.
 */
#ifndef CRYPTO_X25519_AVX512_H
#define CRYPTO_X25519_AVX512_H

#include <stddef.h>

#include "crypto/x25519.h"

/* Eight at a time. Only where cr_cpu_avx512() (cpu.h) is true. */
void cr_x25519_avx512(struct cr_x25519_job *jobs, size_t n);

/* One by one, with libsodium; on any CPU. */
void cr_x25519_sodium(struct cr_x25519_job *jobs, size_t n);

#endif
