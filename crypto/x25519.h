/* X25519 (RFC 7748). Any thread, constant time. From libsodium. */
#ifndef CRYPTO_X25519_H
#define CRYPTO_X25519_H

#include <stdbool.h>
#include <stdint.h>

#define CR_POINT_BYTES 32

/* Clamps a private key in place (RFC 7748 section 5). */
void cr_x25519_clamp(uint8_t scalar[CR_POINT_BYTES]);

/* out = scalar * point. False, with out zeroed, when the result is all zero (low-order point). */
bool cr_x25519(uint8_t out[CR_POINT_BYTES], const uint8_t scalar[CR_POINT_BYTES],
	       const uint8_t point[CR_POINT_BYTES]);

/* The public key of a scalar. */
void cr_x25519_base(uint8_t out[CR_POINT_BYTES], const uint8_t scalar[CR_POINT_BYTES]);

#endif
