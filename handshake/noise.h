/*
 * Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, the two messages of WireGuard (whitepaper 5.4.2 to
 * 5.4.5). Pure: ephemeral keys, timestamps and indices are arguments, so that known answers can
 * be checked byte for byte. mac1 and mac2 are left to cookie.h.
 */
#ifndef HANDSHAKE_NOISE_H
#define HANDSHAKE_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handshake/tai64n.h"
#include "handshake/wire.h"

#define HS_NOISE_BYTES 32

/* What both sides compute alike. Wiped by its owner when the handshake ends. */
struct hs_noise {
	uint8_t ck[HS_NOISE_BYTES]; /* chaining key */
	uint8_t h[HS_NOISE_BYTES];  /* hash of the transcript */
};

/* What one side knows before the first message. All 32 bytes. */
struct hs_noise_statics {
	const uint8_t *private_key;
	const uint8_t *public_key;
	const uint8_t *remote_public;
	const uint8_t *static_static; /* DH of private_key and remote_public, not all zero */
	const uint8_t *psk;
};

enum hs_noise_result {
	HS_NOISE_OK,
	HS_NOISE_LOW_ORDER, /* a DH came out all zero */
	HS_NOISE_BAD_TAG,
};

/* ---- messages ---- */

/*
 * The initiator's first message, all but the macs. n is what the response will be mixed into.
 * Uses public_key, remote_public and static_static. False: remote_public is of low order.
 */
bool hs_noise_initiate(struct hs_noise *n, struct wg_initiation *msg,
		       const struct hs_noise_statics *s, const uint8_t ephemeral_private[32],
		       const uint8_t timestamp[HS_TAI64N_BYTES], uint32_t index);

/* The responder learns who initiates. Uses private_key and public_key. */
enum hs_noise_result hs_noise_open_static(struct hs_noise *n, uint8_t remote_public[32],
					  const struct wg_initiation *msg,
					  const struct hs_noise_statics *s);

/* Then, with the static-static secret of that peer, proves it. False: bad tag. */
bool hs_noise_open_timestamp(struct hs_noise *n, uint8_t timestamp[HS_TAI64N_BYTES],
			     const struct wg_initiation *msg, const uint8_t static_static[32]);

/*
 * The responder's answer, all but the macs. Uses remote_public and psk. False: a DH came out all
 * zero; n is of no use then.
 */
bool hs_noise_respond(struct hs_noise *n, struct wg_response *msg, const struct hs_noise_statics *s,
		      const uint8_t ephemeral_private[32], const struct wg_initiation *to,
		      uint32_t index);

/* The initiator ends the handshake. n is mixed in any case: give a copy. Uses private_key, psk. */
enum hs_noise_result hs_noise_finish(struct hs_noise *n, const struct wg_response *msg,
				     const struct hs_noise_statics *s,
				     const uint8_t ephemeral_private[32]);

/* The transport keys: by what the initiator sends, by what the responder sends. */
void hs_noise_split(const struct hs_noise *n, uint8_t from_initiator[32],
		    uint8_t from_responder[32]);

/* ---- the steps they are made of ---- */

void hs_noise_start(struct hs_noise *n, const uint8_t responder_public[32]);
void hs_noise_mix_ephemeral(struct hs_noise *n, const uint8_t public_key[32]);

/* Mixes a DH result; key gets the next message key, NULL if none is needed. */
void hs_noise_mix_dh(struct hs_noise *n, uint8_t key[32], const uint8_t dh[32]);
void hs_noise_mix_psk(struct hs_noise *n, uint8_t key[32], const uint8_t psk[32]);

/* One field of a message; len is that of the plaintext. */
void hs_noise_seal(struct hs_noise *n, uint8_t *dst, const uint8_t *src, size_t len,
		   const uint8_t key[32]);
bool hs_noise_open(struct hs_noise *n, uint8_t *dst, const uint8_t *src, size_t len,
		   const uint8_t key[32]);

#endif
