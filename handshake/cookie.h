/*
 * mac1, mac2 and cookie replies (whitepaper 5.4.4 and 5.4.7). Pure: random bytes and the time are
 * arguments. A checker belongs to a device and judges what comes in, a maker belongs to a peer and
 * completes what goes out to it.
 */
#ifndef HANDSHAKE_COOKIE_H
#define HANDSHAKE_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handshake/wire.h"

#define HS_MAC_BYTES	      16
#define HS_COOKIE_BYTES	      16
#define HS_SECRET_BYTES	      32
#define HS_COOKIE_NONCE_BYTES 24

/* A secret serves for 120 s (whitepaper 5.4.7); cookies made from it are used 5 s less. */
#define HS_SECRET_AGE_NS (120 * WG_NS_PER_S)
#define HS_COOKIE_AGE_NS (115 * WG_NS_PER_S)

struct hs_cookie_checker {
	uint8_t mac1_key[32];
	uint8_t cookie_key[32];
	uint8_t secret[HS_SECRET_BYTES];
	uint64_t secret_end_ns; /* 0: no secret yet */
};

struct hs_cookie_maker {
	uint8_t mac1_key[32];
	uint8_t cookie_key[32];
	uint8_t cookie[HS_COOKIE_BYTES];
	uint8_t sent_mac1[HS_MAC_BYTES]; /* of the last message sent */
	uint64_t cookie_end_ns;		 /* 0: no cookie */
	bool sent;			 /* sent_mac1 has not been answered by a cookie yet */
};

/* public_key is the device's own; the secret stays. */
void hs_cookie_checker_set_key(struct hs_cookie_checker *c, const uint8_t public_key[32]);

/* msg is a whole initiation or response: both end in mac1 and mac2. */
bool hs_cookie_check_mac1(const struct hs_cookie_checker *c, const uint8_t *msg, size_t len);
bool hs_cookie_check_mac2(const struct hs_cookie_checker *c, uint64_t now_ns, const uint8_t *msg,
			  size_t len, const struct wg_endpoint *from);

/* True when a new secret is needed before a reply can be made. */
bool hs_cookie_stale(const struct hs_cookie_checker *c, uint64_t now_ns);
void hs_cookie_renew(struct hs_cookie_checker *c, uint64_t now_ns,
		     const uint8_t secret[HS_SECRET_BYTES]);

/* What a source has to prove that it gets our packets. */
void hs_cookie_of(const struct hs_cookie_checker *c, uint8_t cookie[HS_COOKIE_BYTES],
		  const struct wg_endpoint *from);

/* The answer to msg (an initiation or response) from that source. */
void hs_cookie_reply(const struct hs_cookie_checker *c, struct wg_cookie *reply, const uint8_t *msg,
		     size_t len, const struct wg_endpoint *from,
		     const uint8_t nonce[HS_COOKIE_NONCE_BYTES]);

/* public_key is the peer's. */
void hs_cookie_maker_init(struct hs_cookie_maker *m, const uint8_t public_key[32]);

/* Fills mac1 and mac2 of a message, and remembers mac1. */
void hs_cookie_add_macs(struct hs_cookie_maker *m, uint64_t now_ns, uint8_t *msg, size_t len);

/* False: does not decrypt, or nothing was sent that it could answer. */
bool hs_cookie_consume(struct hs_cookie_maker *m, uint64_t now_ns, const struct wg_cookie *reply);

#endif
