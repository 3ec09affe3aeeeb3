/* X25519 from libsodium. Any thread. Handshakes in bulk want several at a time: not here. */
#include "crypto/x25519.h"

#include <sodium.h>

#include "crypto/ct.h"
#include "crypto/sodium_ready.h"

void cr_x25519_clamp(uint8_t scalar[CR_POINT_BYTES])
{
	scalar[0] &= 248;
	scalar[31] &= 127;
	scalar[31] |= 64;
}

bool cr_x25519(uint8_t out[CR_POINT_BYTES], const uint8_t scalar[CR_POINT_BYTES],
	       const uint8_t point[CR_POINT_BYTES])
{
	sodium_ready();
	if (crypto_scalarmult_curve25519(out, scalar, point) == 0)
		return true;
	/* Whether libsodium has written by then depends on the code it chose for this CPU. */
	cr_wipe(out, CR_POINT_BYTES);
	return false;
}

void cr_x25519_base(uint8_t out[CR_POINT_BYTES], const uint8_t scalar[CR_POINT_BYTES])
{
	sodium_ready();
	/* A clamped scalar times the base point is never zero, so this can't fail. */
	(void)crypto_scalarmult_curve25519_base(out, scalar);
}
