/*
 * wgdp-bench handshakes: what a handshake would take at least with X25519 of other libraries: its
 * multiplications alone, one after the other.
 */
#include <stdio.h>

#include <openssl/evp.h>
#include <sodium.h>

#include "bench/handshakes.h"
#include "crypto/random.h"
#include "crypto/x25519.h"

const char *const handshakes_library_names[HANDSHAKES_LIBRARIES] = {"openssl", "libsodium"};

static struct {
	uint8_t scalar[CR_POINT_BYTES], point[CR_POINT_BYTES], out[CR_POINT_BYTES];
	EVP_PKEY *private, *public;
	EVP_PKEY_CTX *derive; /* ready: the key and the point are in it */
} x;

bool handshakes_x25519_open(void)
{
	cr_random(x.scalar, sizeof(x.scalar));
	cr_x25519_clamp(x.scalar);
	if (sodium_init() >= 0 && crypto_scalarmult_base(x.point, x.scalar) == 0) {
		x.private = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, x.scalar,
							 sizeof(x.scalar));
		x.public = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, x.point,
						       sizeof(x.point));
	}
	if (x.private && x.public)
		x.derive = EVP_PKEY_CTX_new(x.private, NULL);
	if (x.derive && EVP_PKEY_derive_init(x.derive) == 1 &&
	    EVP_PKEY_derive_set_peer(x.derive, x.public) == 1)
		return true;
	fputs("wgdp-bench: X25519 of libsodium or OpenSSL does not start\n", stderr);
	return false;
}

void handshakes_x25519_close(void)
{
	EVP_PKEY_CTX_free(x.derive);
	EVP_PKEY_free(x.public);
	EVP_PKEY_free(x.private);
	sodium_memzero(&x, sizeof(x));
}

/* A private key comes with its public key, which is made here. */
static bool openssl_base(void)
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, NULL, x.scalar,
						     sizeof(x.scalar));

	EVP_PKEY_free(key);
	return key != NULL;
}

static bool openssl_point(void)
{
	size_t len = sizeof(x.out);

	return EVP_PKEY_derive(x.derive, x.out, &len) == 1;
}

bool handshakes_x25519_run(enum handshakes_library library, unsigned int bases, unsigned int points)
{
	bool right = true;

	for (unsigned int i = 0; i < bases; i++)
		right &= library == HANDSHAKES_OPENSSL
				 ? openssl_base()
				 : crypto_scalarmult_base(x.out, x.scalar) == 0;
	for (unsigned int i = 0; i < points; i++)
		right &= library == HANDSHAKES_OPENSSL
				 ? openssl_point()
				 : crypto_scalarmult(x.out, x.scalar, x.point) == 0;
	return right;
}
