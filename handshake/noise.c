/*
 * The Noise handshake of WireGuard. Pure functions, any thread. Not here: whether a message is
 * acceptable (initiator.c, responder.c), mac1 and mac2 (cookie.c).
 */
#include "handshake/noise.h"

#include <endian.h>
#include <string.h>

#include "crypto/aead.h"
#include "crypto/blake2s.h"
#include "crypto/ct.h"
#include "crypto/x25519.h"

/* HASH("Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"). */
static const uint8_t initial_ck[HS_NOISE_BYTES] = {
	0x60, 0xe2, 0x6d, 0xae, 0xf3, 0x27, 0xef, 0xc0, 0x2e, 0xc3, 0x35,
	0xe2, 0xa0, 0x25, 0xd2, 0xd0, 0x16, 0xeb, 0x42, 0x06, 0xf8, 0x72,
	0x77, 0xf5, 0x2d, 0x38, 0xd1, 0x98, 0x8b, 0x78, 0xcd, 0x36,
};

/* HASH(initial_ck || "WireGuard v1 zx2c4 Jason@zx2c4.com"). */
static const uint8_t initial_h[HS_NOISE_BYTES] = {
	0x22, 0x11, 0xb3, 0x61, 0x08, 0x1a, 0xc5, 0x66, 0x69, 0x12, 0x43,
	0xdb, 0x45, 0x8a, 0xd5, 0x32, 0x2d, 0x9c, 0x6c, 0x66, 0x22, 0x93,
	0xe8, 0xb7, 0x0e, 0xe1, 0x9c, 0x65, 0xba, 0x07, 0x9e, 0xf3,
};

static void mix_hash(struct hs_noise *n, const void *in, size_t len)
{
	cr_hash(n->h, n->h, sizeof(n->h), in, len);
}

void hs_noise_start(struct hs_noise *n, const uint8_t responder_public[32])
{
	memcpy(n->ck, initial_ck, sizeof(n->ck));
	memcpy(n->h, initial_h, sizeof(n->h));
	mix_hash(n, responder_public, 32);
}

void hs_noise_mix_ephemeral(struct hs_noise *n, const uint8_t public_key[32])
{
	cr_kdf(n->ck, NULL, NULL, n->ck, public_key, 32);
	mix_hash(n, public_key, 32);
}

void hs_noise_mix_dh(struct hs_noise *n, uint8_t key[32], const uint8_t dh[32])
{
	cr_kdf(n->ck, key, NULL, n->ck, dh, 32);
}

void hs_noise_mix_psk(struct hs_noise *n, uint8_t key[32], const uint8_t psk[32])
{
	uint8_t tau[CR_HASH_BYTES];

	cr_kdf(n->ck, tau, key, n->ck, psk, 32);
	mix_hash(n, tau, sizeof(tau));
	cr_wipe(tau, sizeof(tau));
}

void hs_noise_seal(struct hs_noise *n, uint8_t *dst, const uint8_t *src, size_t len,
		   const uint8_t key[32])
{
	cr_seal(dst, src, len, n->h, sizeof(n->h), 0, key);
	mix_hash(n, dst, len + WG_TAG_BYTES);
}

bool hs_noise_open(struct hs_noise *n, uint8_t *dst, const uint8_t *src, size_t len,
		   const uint8_t key[32])
{
	if (!cr_open(dst, src, len, n->h, sizeof(n->h), 0, key))
		return false;
	mix_hash(n, src, len + WG_TAG_BYTES);
	return true;
}

/* False: the result is all zero, nothing is mixed. */
static bool mix_x25519(struct hs_noise *n, uint8_t key[32], const uint8_t private_key[32],
		       const uint8_t public_key[32])
{
	uint8_t dh[CR_POINT_BYTES];
	bool ok = cr_x25519(dh, private_key, public_key);

	if (ok)
		hs_noise_mix_dh(n, key, dh);
	cr_wipe(dh, sizeof(dh));
	return ok;
}

bool hs_noise_initiate(struct hs_noise *n, struct wg_initiation *msg,
		       const struct hs_noise_statics *s, const uint8_t ephemeral_private[32],
		       const uint8_t timestamp[HS_TAI64N_BYTES], uint32_t index)
{
	uint8_t key[CR_KEY_BYTES];

	msg->type = htole32(WG_INITIATION);
	msg->sender = htole32(index);
	hs_noise_start(n, s->remote_public);
	cr_x25519_base(msg->ephemeral, ephemeral_private);
	hs_noise_mix_ephemeral(n, msg->ephemeral);
	if (!mix_x25519(n, key, ephemeral_private, s->remote_public))
		return false;
	hs_noise_seal(n, msg->static_key, s->public_key, 32, key);
	hs_noise_mix_dh(n, key, s->static_static);
	hs_noise_seal(n, msg->timestamp, timestamp, HS_TAI64N_BYTES, key);
	cr_wipe(key, sizeof(key));
	return true;
}

enum hs_noise_result hs_noise_open_static(struct hs_noise *n, uint8_t remote_public[32],
					  const struct wg_initiation *msg,
					  const struct hs_noise_statics *s)
{
	uint8_t key[CR_KEY_BYTES];
	bool ok;

	hs_noise_start(n, s->public_key);
	hs_noise_mix_ephemeral(n, msg->ephemeral);
	if (!mix_x25519(n, key, s->private_key, msg->ephemeral))
		return HS_NOISE_LOW_ORDER;
	ok = hs_noise_open(n, remote_public, msg->static_key, 32, key);
	cr_wipe(key, sizeof(key));
	return ok ? HS_NOISE_OK : HS_NOISE_BAD_TAG;
}

bool hs_noise_open_timestamp(struct hs_noise *n, uint8_t timestamp[HS_TAI64N_BYTES],
			     const struct wg_initiation *msg, const uint8_t static_static[32])
{
	uint8_t key[CR_KEY_BYTES];
	bool ok;

	hs_noise_mix_dh(n, key, static_static);
	ok = hs_noise_open(n, timestamp, msg->timestamp, HS_TAI64N_BYTES, key);
	cr_wipe(key, sizeof(key));
	return ok;
}

bool hs_noise_respond(struct hs_noise *n, struct wg_response *msg, const struct hs_noise_statics *s,
		      const uint8_t ephemeral_private[32], const struct wg_initiation *to,
		      uint32_t index)
{
	uint8_t key[CR_KEY_BYTES];

	msg->type = htole32(WG_RESPONSE);
	msg->sender = htole32(index);
	msg->receiver = to->sender; /* both little-endian */
	cr_x25519_base(msg->ephemeral, ephemeral_private);
	hs_noise_mix_ephemeral(n, msg->ephemeral);
	if (!mix_x25519(n, NULL, ephemeral_private, to->ephemeral) ||
	    !mix_x25519(n, NULL, ephemeral_private, s->remote_public))
		return false;
	hs_noise_mix_psk(n, key, s->psk);
	hs_noise_seal(n, msg->empty, NULL, 0, key);
	cr_wipe(key, sizeof(key));
	return true;
}

enum hs_noise_result hs_noise_finish(struct hs_noise *n, const struct wg_response *msg,
				     const struct hs_noise_statics *s,
				     const uint8_t ephemeral_private[32])
{
	uint8_t key[CR_KEY_BYTES];
	bool ok;

	hs_noise_mix_ephemeral(n, msg->ephemeral);
	if (!mix_x25519(n, NULL, ephemeral_private, msg->ephemeral) ||
	    !mix_x25519(n, NULL, s->private_key, msg->ephemeral))
		return HS_NOISE_LOW_ORDER;
	hs_noise_mix_psk(n, key, s->psk);
	ok = hs_noise_open(n, NULL, msg->empty, 0, key);
	cr_wipe(key, sizeof(key));
	return ok ? HS_NOISE_OK : HS_NOISE_BAD_TAG;
}

void hs_noise_split(const struct hs_noise *n, uint8_t from_initiator[32],
		    uint8_t from_responder[32])
{
	cr_kdf(from_initiator, from_responder, NULL, n->ck, NULL, 0);
}
