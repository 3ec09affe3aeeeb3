/*
 * BLAKE2s sixteen at a time with AVX-512. Inside crypto/, its tests and bench; callers use
 * blake2s.h. Only where cr_cpu_avx512() (cpu.h) is true.
 *
 * A call does n jobs, each as blake2s.h says, in groups of up to CR_B2S_LANES. Jobs with more
 * blocks have to come first: a group costs as many steps as its first job has blocks. total_bytes
 * is what each job hashes, with the 64 bytes of its key where it has one (HMAC and KDF always do).
 */
#ifndef CRYPTO_BLAKE2S_AVX512_H
#define CRYPTO_BLAKE2S_AVX512_H

#include <stdint.h>

#include "crypto/blake2s.h"

/* Jobs in flight: two sets of 16. */
#define CR_B2S_LANES 32

/* key_bytes of a job of cr_hmac_avx512() is at most this. */
#define CR_B2S_LANE_KEY_MAX_BYTES 64

/*
 * start: NULL; or the state after the block of the key, if all jobs have the same key and
 * out_bytes, and none has an empty input.
 */
void cr_hash_avx512(const struct cr_hash_job *const *jobs, const uint32_t *total_bytes,
		    unsigned int n, const uint32_t start[8]);
void cr_hmac_avx512(const struct cr_hash_job *const *jobs, const uint32_t *total_bytes,
		    unsigned int n);
void cr_kdf_avx512(const struct cr_kdf_job *const *jobs, const uint32_t *total_bytes,
		   unsigned int n);

#endif
