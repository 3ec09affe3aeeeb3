/*
 * A device: its own key, and what becomes of messages that come in. Runs on the control thread.
 * Here are the checks that need no peer, in the order of their cost; the rest is in initiator.c,
 * responder.c and cookie.c.
 */
#include "handshake/handshake.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/ct.h"
#include "crypto/x25519.h"
#include "handshake/peer.h"

/* Under load for so long after the owner's queue was last full (as Linux has it). */
#define LOAD_HYSTERESIS_NS WG_NS_PER_S

/* Wheel entries in one call of hs_device_advance(); each may cost three DHs, about 0.1 ms. */
#define ADVANCE_MAX 64

const char *hs_verdict_name(enum hs_verdict v)
{
	static const char *const names[HS_VERDICT_N] = {
#define NAME(name, text) #name,
		HS_VERDICTS(NAME)
#undef NAME
	};

	return (unsigned int)v < HS_VERDICT_N ? names[v] : "";
}

const char *hs_verdict_text(enum hs_verdict v)
{
	static const char *const texts[HS_VERDICT_N] = {
#define TEXT(name, text) text,
		HS_VERDICTS(TEXT)
#undef TEXT
	};

	return (unsigned int)v < HS_VERDICT_N ? texts[v] : "";
}

struct hs_device *hs_device_new(const struct hs_ops *ops, void *ctx)
{
	struct hs_device *dev = calloc(1, sizeof(*dev));
	struct cr_siphash_key key;
	uint32_t first;

	if (!dev)
		return NULL;
	dev->ops = *ops;
	dev->ctx = ctx;
	hs_wheel_init(&dev->wheel);
	ops->random(ctx, &key, sizeof(key));
	if (hs_peers_init(&dev->peers, &key))
		goto no_peers;
	ops->random(ctx, &key, sizeof(key));
	dev->ratelimit = hs_ratelimit_new(&key, HS_RATELIMIT_SOURCES);
	if (!dev->ratelimit)
		goto no_ratelimit;
	ops->random(ctx, &key, sizeof(key));
	ops->random(ctx, &first, sizeof(first));
	hs_draw_init(&dev->draw, &key, first);
	cr_wipe(&key, sizeof(key));
	return dev;

no_ratelimit:
	hs_peers_fini(&dev->peers);
no_peers:
	cr_wipe(&key, sizeof(key));
	free(dev);
	return NULL;
}

void hs_device_free(struct hs_device *dev)
{
	if (!dev)
		return;
	for (struct hs_peer *p = hs_peers_next(&dev->peers, NULL), *next; p; p = next) {
		next = hs_peers_next(&dev->peers, p);
		hs_peer_remove(p);
	}
	hs_ratelimit_free(dev->ratelimit);
	hs_peers_fini(&dev->peers);
	cr_wipe(dev, sizeof(*dev));
	free(dev);
}

void hs_device_set_key(struct hs_device *dev, const struct hs_now *now, const uint8_t *private_key)
{
	uint8_t key[WG_KEY_BYTES] = {0};
	bool has_key = private_key && !cr_is_zero(private_key, sizeof(key));

	if (has_key) {
		memcpy(key, private_key, sizeof(key));
		cr_x25519_clamp(key);
	}
	/* Without a key private_key is all zero, which no clamped key is. */
	if (cr_equal(key, dev->private_key, sizeof(key)))
		return;
	memcpy(dev->private_key, key, sizeof(key));
	cr_wipe(key, sizeof(key));
	dev->has_key = has_key;
	dev->key_generation++;
	if (has_key) {
		cr_x25519_base(dev->public_key, dev->private_key);
		hs_cookie_checker_set_key(&dev->checker, dev->public_key);
	}
	for (struct hs_peer *p = hs_peers_next(&dev->peers, NULL); p;
	     p = hs_peers_next(&dev->peers, p))
		hs_peer_key_changed(p, now);
}

bool hs_device_public_key(const struct hs_device *dev, uint8_t out[WG_KEY_BYTES])
{
	if (dev->has_key)
		memcpy(out, dev->public_key, WG_KEY_BYTES);
	return dev->has_key;
}

bool hs_device_private_key(const struct hs_device *dev, uint8_t out[WG_KEY_BYTES])
{
	if (dev->has_key)
		memcpy(out, dev->private_key, WG_KEY_BYTES);
	return dev->has_key;
}

/* ---- input ---- */

static enum hs_verdict send_cookie(struct hs_device *dev, const struct hs_now *now,
				   const uint8_t *msg, size_t len, const struct wg_endpoint *from)
{
	uint8_t nonce[HS_COOKIE_NONCE_BYTES];
	uint8_t secret[HS_SECRET_BYTES];
	struct wg_cookie reply;

	if (hs_cookie_stale(&dev->checker, now->mono_ns)) {
		dev->ops.random(dev->ctx, secret, sizeof(secret));
		hs_cookie_renew(&dev->checker, now->mono_ns, secret);
		cr_wipe(secret, sizeof(secret));
	}
	dev->ops.random(dev->ctx, nonce, sizeof(nonce));
	hs_cookie_reply(&dev->checker, &reply, msg, len, from, nonce);
	dev->ops.send(dev->ctx, NULL, from, &reply, sizeof(reply));
	return HS_cookie_sent;
}

/* It changes nothing but what is put into the next message. */
static enum hs_verdict input_cookie(struct hs_device *dev, const struct hs_now *now,
				    const struct wg_cookie *msg)
{
	struct hs_index *index = hs_index_find(&dev->peers, le32toh(msg->receiver));

	if (!index || !index->peer->cookie.sent)
		return HS_no_handshake;
	return hs_cookie_consume(&index->peer->cookie, now->mono_ns, msg) ? HS_cookie_accepted
									  : HS_bad_cookie;
}

static bool under_load(struct hs_device *dev, const struct hs_now *now, bool is_now)
{
	if (is_now)
		dev->load_end_ns = now->mono_ns + LOAD_HYSTERESIS_NS;
	return now->mono_ns < dev->load_end_ns;
}

enum hs_verdict hs_device_input(struct hs_device *dev, const struct hs_now *now, bool load,
				const uint8_t *msg, size_t len, const struct wg_endpoint *from)
{
	uint32_t type = 0;

	load = under_load(dev, now, load);
	if (len >= sizeof(type))
		memcpy(&type, msg, sizeof(type));
	type = le32toh(type);
	if (type == WG_COOKIE && len == sizeof(struct wg_cookie))
		return input_cookie(dev, now, (const struct wg_cookie *)msg);
	if (!(type == WG_INITIATION && len == sizeof(struct wg_initiation)) &&
	    !(type == WG_RESPONSE && len == sizeof(struct wg_response)))
		return HS_bad_length;
	if (!dev->has_key)
		return HS_no_private_key;
	if (!hs_cookie_check_mac1(&dev->checker, msg, len))
		return HS_bad_mac1;
	if (load) {
		if (!hs_cookie_check_mac2(&dev->checker, now->mono_ns, msg, len, from))
			return send_cookie(dev, now, msg, len, from);
		if (!hs_ratelimit_allow(dev->ratelimit, now->mono_ns, from))
			return HS_rate_limited;
	}
	if (type == WG_INITIATION)
		return hs_input_initiation(dev, now, (const struct wg_initiation *)msg, from);
	return hs_input_response(dev, now, (const struct wg_response *)msg, from);
}

/* ---- time ---- */

uint64_t hs_device_advance(struct hs_device *dev, const struct hs_now *now)
{
	unsigned int work = ADVANCE_MAX;
	struct hs_wheel_entry *e;

	while ((e = hs_wheel_expire(&dev->wheel, now->mono_ns, &work))) {
		struct hs_timers *t =
			(struct hs_timers *)((char *)e - offsetof(struct hs_timers, entry));

		hs_timers_run((struct hs_peer *)((char *)t - offsetof(struct hs_peer, timers)),
			      now);
	}
	return hs_device_due_ns(dev);
}

uint64_t hs_device_due_ns(const struct hs_device *dev)
{
	return hs_wheel_due_ns(&dev->wheel);
}
