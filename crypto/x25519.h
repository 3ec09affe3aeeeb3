/* X25519 (RFC 7748), one or many. Any thread, constant time in scalars. */
#ifndef CRYPTO_X25519_H
#define CRYPTO_X25519_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CR_POINT_BYTES 32

/*
 * One multiplication of a batch: out = scalar * point. Pointers, because what handshakes multiply
 * lies where it is needed: the same private key for many, points in the messages of many peers.
 * Scalars need not be clamped; the top bit of a point is ignored, and a point from 2^255 - 19 on
 * stands for itself minus 2^255 - 19 (RFC 7748 section 5).
 */
struct cr_x25519_job {
	const uint8_t *scalar; /* CR_POINT_BYTES */
	const uint8_t *point;  /* CR_POINT_BYTES */
	uint8_t *out;	       /* CR_POINT_BYTES */
	bool ok; /* written: false, with out zeroed, if the result is all zero (low-order point) */
};

/*
 * Runs n jobs, each as cr_x25519() would; for n = 0 jobs may be NULL. No job changes the result of
 * another. With AVX-512 the time depends on n alone, a job costs least when n is a multiple of 32,
 * and eight cost what one does. Without, jobs run one by one, and a low-order point, which is not
 * secret, takes less time.
 *
 * Scalars and points may be shared; nothing needs alignment. An out must overlap no scalar, point,
 * other out or struct of the batch. Debug builds (CR_DEBUG) abort if one does, before anything is
 * written. Other builds do not look: results are undefined then.
 */
void cr_x25519_batch(struct cr_x25519_job *jobs, size_t n);

/* Clamps a private key in place (RFC 7748 section 5). */
void cr_x25519_clamp(uint8_t scalar[CR_POINT_BYTES]);

/*
 * out = scalar * point. False, with out zeroed, when the result is all zero (low-order point). out
 * must overlap neither scalar nor point.
 */
bool cr_x25519(uint8_t out[CR_POINT_BYTES], const uint8_t scalar[CR_POINT_BYTES],
	       const uint8_t point[CR_POINT_BYTES]);

/* The public key of a scalar. */
void cr_x25519_base(uint8_t out[CR_POINT_BYTES], const uint8_t scalar[CR_POINT_BYTES]);

#endif
