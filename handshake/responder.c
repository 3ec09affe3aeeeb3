/*
 * The responder's side of a handshake: judging an initiation, answering it. Runs on the control
 * thread. Lengths, macs and load have been checked by handshake.c before.
 */
#include <endian.h>
#include <string.h>

#include "crypto/ct.h"
#include "crypto/x25519.h"
#include "handshake/peer.h"

/* At most 50 initiations a second from one peer. */
#define FLOOD_NS (WG_NS_PER_S / 50)

/* Sends the response; n has taken in the initiation and is mixed further. */
static enum hs_verdict respond(struct hs_peer *peer, const struct hs_now *now, struct hs_noise *n,
			       const struct wg_initiation *initiation)
{
	struct hs_noise_statics statics = hs_peer_statics(peer);
	struct hs_device *dev = peer->dev;
	uint8_t ephemeral_private[32];
	struct wg_response msg;
	uint32_t index;
	bool ok;

	dev->ops.random(dev->ctx, ephemeral_private, sizeof(ephemeral_private));
	cr_x25519_clamp(ephemeral_private);
	index = hs_peer_draw_index(peer);
	ok = hs_noise_respond(n, &msg, &statics, ephemeral_private, initiation, index);
	cr_wipe(ephemeral_private, sizeof(ephemeral_private));
	if (!ok)
		return HS_bad_ephemeral;
	hs_index_insert(&dev->peers, &peer->inflight.index, peer, index, HS_INDEX_HANDSHAKE);
	if (hs_peer_begin_session(peer, now, n, le32toh(initiation->sender), false))
		return HS_no_session;
	hs_cookie_add_macs(&peer->cookie, now->mono_ns, (uint8_t *)&msg, sizeof(msg));
	hs_timers_sent_response(peer, now);
	dev->ops.send(dev->ctx, peer, &peer->endpoint, &msg, sizeof(msg));
	dev->ops.stamp(dev->ctx, peer, HS_STAMP_SENT, now->mono_ns);
	return HS_initiation_accepted;
}

/* The last checks: is it new, and not too soon? Nothing has changed until here. */
static enum hs_verdict check_timestamp(const struct hs_peer *peer, const struct hs_now *now,
				       const uint8_t timestamp[HS_TAI64N_BYTES])
{
	if (peer->has_timestamp && memcmp(timestamp, peer->latest_timestamp, HS_TAI64N_BYTES) <= 0)
		return HS_replayed_timestamp;
	if (now->mono_ns < peer->flood_end_ns)
		return HS_flood;
	return HS_initiation_accepted;
}

/* From the first look at the ephemeral key to the peer that proved itself, in *who. */
static enum hs_verdict identify(struct hs_device *dev, const struct hs_now *now, struct hs_noise *n,
				const struct wg_initiation *msg, uint8_t timestamp[HS_TAI64N_BYTES],
				struct hs_peer **who)
{
	struct hs_noise_statics statics = {
		.private_key = dev->private_key,
		.public_key = dev->public_key,
	};
	uint8_t public_key[WG_KEY_BYTES];
	const uint8_t *static_static;

	switch (hs_noise_open_static(n, public_key, msg, &statics)) {
	case HS_NOISE_LOW_ORDER:
		return HS_bad_ephemeral;
	case HS_NOISE_BAD_TAG:
		return HS_bad_static;
	default:
		break;
	}
	*who = hs_peers_find(&dev->peers, public_key);
	if (!*who)
		return HS_unknown_peer;
	static_static = hs_peer_static_static(*who);
	if (!static_static)
		return HS_bad_peer_key;
	if (!hs_noise_open_timestamp(n, timestamp, msg, static_static))
		return HS_bad_timestamp;
	return check_timestamp(*who, now, timestamp);
}

enum hs_verdict hs_input_initiation(struct hs_device *dev, const struct hs_now *now,
				    const struct wg_initiation *msg, const struct wg_endpoint *from)
{
	uint8_t timestamp[HS_TAI64N_BYTES];
	struct hs_peer *peer = NULL;
	enum hs_verdict verdict;
	struct hs_noise noise;

	verdict = identify(dev, now, &noise, msg, timestamp, &peer);
	if (verdict == HS_initiation_accepted) {
		/* One handshake per peer: ours, if one was in flight, has lost. */
		hs_peer_clear_inflight(peer);
		memcpy(peer->latest_timestamp, timestamp, sizeof(timestamp));
		peer->has_timestamp = true;
		peer->flood_end_ns = now->mono_ns + FLOOD_NS;
		hs_peer_roam(peer, from);
		verdict = respond(peer, now, &noise, msg);
		dev->ops.stamp(dev->ctx, peer, HS_STAMP_RECEIVED, now->mono_ns);
		hs_timers_arm(peer, now);
	}
	cr_wipe(&noise, sizeof(noise));
	return verdict;
}
