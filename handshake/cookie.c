/*
 * mac1, mac2 and cookie replies. Pure functions on the thread of the device (control). When a mac2
 * is asked for, and who counts as a flooder, is decided in handshake.c and ratelimit.c.
 */
#include "handshake/cookie.h"

#include <endian.h>
#include <string.h>
#include <sys/socket.h>

#include "crypto/blake2s.h"
#include "crypto/ct.h"
#include "crypto/xaead.h"

static const char label_mac1[8] = {'m', 'a', 'c', '1', '-', '-', '-', '-'};
static const char label_cookie[8] = {'c', 'o', 'o', 'k', 'i', 'e', '-', '-'};

void hs_cookie_checker_set_key(struct hs_cookie_checker *c, const uint8_t public_key[32])
{
	cr_hash(c->mac1_key, label_mac1, sizeof(label_mac1), public_key, 32);
	cr_hash(c->cookie_key, label_cookie, sizeof(label_cookie), public_key, 32);
}

bool hs_cookie_check_mac1(const struct hs_cookie_checker *c, const uint8_t *msg, size_t len)
{
	size_t at = len - 2 * HS_MAC_BYTES;
	uint8_t mac[HS_MAC_BYTES];

	cr_mac(mac, c->mac1_key, sizeof(c->mac1_key), msg, at);
	return cr_equal(mac, msg + at, sizeof(mac));
}

bool hs_cookie_check_mac2(const struct hs_cookie_checker *c, uint64_t now_ns, const uint8_t *msg,
			  size_t len, const struct wg_endpoint *from)
{
	size_t at = len - HS_MAC_BYTES;
	uint8_t cookie[HS_COOKIE_BYTES];
	uint8_t mac[HS_MAC_BYTES];
	bool ok;

	if (hs_cookie_stale(c, now_ns))
		return false;
	hs_cookie_of(c, cookie, from);
	cr_mac(mac, cookie, sizeof(cookie), msg, at);
	ok = cr_equal(mac, msg + at, sizeof(mac));
	cr_wipe(cookie, sizeof(cookie));
	cr_wipe(mac, sizeof(mac));
	return ok;
}

bool hs_cookie_stale(const struct hs_cookie_checker *c, uint64_t now_ns)
{
	return now_ns >= c->secret_end_ns;
}

void hs_cookie_renew(struct hs_cookie_checker *c, uint64_t now_ns,
		     const uint8_t secret[HS_SECRET_BYTES])
{
	memcpy(c->secret, secret, sizeof(c->secret));
	c->secret_end_ns = now_ns + HS_SECRET_AGE_NS;
}

/* The port counts: else all hosts behind one NAT would share a cookie. */
void hs_cookie_of(const struct hs_cookie_checker *c, uint8_t cookie[HS_COOKIE_BYTES],
		  const struct wg_endpoint *from)
{
	size_t addr_bytes = from->family == AF_INET ? 4 : 16;
	uint16_t port = htobe16(from->port);
	uint8_t in[16 + sizeof(port)];

	memcpy(in, from->addr, addr_bytes);
	memcpy(in + addr_bytes, &port, sizeof(port));
	cr_mac(cookie, c->secret, sizeof(c->secret), in, addr_bytes + sizeof(port));
}

void hs_cookie_reply(const struct hs_cookie_checker *c, struct wg_cookie *reply, const uint8_t *msg,
		     size_t len, const struct wg_endpoint *from,
		     const uint8_t nonce[HS_COOKIE_NONCE_BYTES])
{
	const uint8_t *mac1 = msg + len - 2 * HS_MAC_BYTES;
	uint8_t cookie[HS_COOKIE_BYTES];

	reply->type = htole32(WG_COOKIE);
	/* The sender's index lies behind the type in initiations and responses alike. */
	memcpy(&reply->receiver, msg + sizeof(reply->type), sizeof(reply->receiver));
	memcpy(reply->nonce, nonce, sizeof(reply->nonce));
	hs_cookie_of(c, cookie, from);
	cr_xseal(reply->cookie, cookie, sizeof(cookie), mac1, HS_MAC_BYTES, reply->nonce,
		 c->cookie_key);
	cr_wipe(cookie, sizeof(cookie));
}

void hs_cookie_maker_init(struct hs_cookie_maker *m, const uint8_t public_key[32])
{
	memset(m, 0, sizeof(*m));
	cr_hash(m->mac1_key, label_mac1, sizeof(label_mac1), public_key, 32);
	cr_hash(m->cookie_key, label_cookie, sizeof(label_cookie), public_key, 32);
}

void hs_cookie_add_macs(struct hs_cookie_maker *m, uint64_t now_ns, uint8_t *msg, size_t len)
{
	uint8_t *mac1 = msg + len - 2 * HS_MAC_BYTES;
	uint8_t *mac2 = msg + len - HS_MAC_BYTES;

	cr_mac(mac1, m->mac1_key, sizeof(m->mac1_key), msg, len - 2 * HS_MAC_BYTES);
	memcpy(m->sent_mac1, mac1, sizeof(m->sent_mac1));
	m->sent = true;
	if (now_ns < m->cookie_end_ns)
		cr_mac(mac2, m->cookie, sizeof(m->cookie), msg, len - HS_MAC_BYTES);
	else
		memset(mac2, 0, HS_MAC_BYTES);
}

bool hs_cookie_consume(struct hs_cookie_maker *m, uint64_t now_ns, const struct wg_cookie *reply)
{
	uint8_t cookie[HS_COOKIE_BYTES];

	if (!m->sent || !cr_xopen(cookie, reply->cookie, sizeof(cookie), m->sent_mac1,
				  sizeof(m->sent_mac1), reply->nonce, m->cookie_key))
		return false;
	memcpy(m->cookie, cookie, sizeof(m->cookie));
	m->cookie_end_ns = now_ns + HS_COOKIE_AGE_NS;
	m->sent = false;
	cr_wipe(cookie, sizeof(cookie));
	return true;
}
