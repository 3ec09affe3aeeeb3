/*
 * The initiator's side of a handshake: sending an initiation, accepting its response. Runs on the
 * control thread. Lengths, macs and load have been checked by handshake.c before; when to send is
 * decided in timers.c.
 */
#include <endian.h>
#include <string.h>

#include "crypto/ct.h"
#include "crypto/x25519.h"
#include "handshake/peer.h"

bool hs_peer_can_initiate(struct hs_peer *peer)
{
	return peer->endpoint.family != 0 && hs_peer_static_static(peer);
}

/* Greater than all before, whatever the wall clock did: the peer would refuse it. */
static void next_timestamp(struct hs_peer *peer, const struct hs_now *now)
{
	uint8_t t[HS_TAI64N_BYTES];

	hs_tai64n_from(t, now->wall_s, now->wall_ns);
	if (peer->has_sent_timestamp && memcmp(t, peer->sent_timestamp, sizeof(t)) <= 0)
		hs_tai64n_after(t, peer->sent_timestamp);
	memcpy(peer->sent_timestamp, t, sizeof(t));
	peer->has_sent_timestamp = true;
}

void hs_peer_initiate(struct hs_peer *peer, const struct hs_now *now)
{
	struct hs_noise_statics statics = hs_peer_statics(peer);
	struct hs_inflight *inflight = &peer->inflight;
	struct hs_device *dev = peer->dev;
	struct wg_initiation msg;
	uint32_t index;

	hs_peer_clear_inflight(peer);
	next_timestamp(peer, now);
	dev->ops.random(dev->ctx, inflight->ephemeral_private, 32);
	cr_x25519_clamp(inflight->ephemeral_private);
	index = hs_peer_draw_index(peer);
	if (!hs_noise_initiate(&inflight->noise, &msg, &statics, inflight->ephemeral_private,
			       peer->sent_timestamp, index)) {
		hs_peer_clear_inflight(peer);
		return;
	}
	hs_index_insert(&dev->peers, &inflight->index, peer, index, HS_INDEX_HANDSHAKE);
	hs_cookie_add_macs(&peer->cookie, now->mono_ns, (uint8_t *)&msg, sizeof(msg));
	hs_timers_sent_initiation(peer, now);
	dev->ops.send(dev->ctx, peer, &peer->endpoint, &msg, sizeof(msg));
	dev->ops.stamp(dev->ctx, peer, HS_STAMP_SENT, now->mono_ns);
}

static enum hs_verdict accept(struct hs_peer *peer, const struct hs_now *now,
			      const struct hs_noise *noise, const struct wg_response *msg,
			      const struct wg_endpoint *from)
{
	struct hs_device *dev = peer->dev;

	hs_peer_roam(peer, from);
	if (hs_peer_begin_session(peer, now, noise, le32toh(msg->sender), true))
		return HS_no_session;
	dev->ops.stamp(dev->ctx, peer, HS_STAMP_RECEIVED, now->mono_ns);
	hs_timers_arm(peer, now);
	return HS_response_accepted;
}

enum hs_verdict hs_input_response(struct hs_device *dev, const struct hs_now *now,
				  const struct wg_response *msg, const struct wg_endpoint *from)
{
	struct hs_index *index = hs_index_find(&dev->peers, le32toh(msg->receiver));
	struct hs_noise_statics statics;
	enum hs_verdict verdict;
	struct hs_noise noise;
	struct hs_peer *peer;

	if (!index || index->kind != HS_INDEX_HANDSHAKE)
		return HS_no_handshake;
	peer = index->peer;
	statics = hs_peer_statics(peer);
	noise = peer->inflight.noise; /* the right response may come after a wrong one */
	switch (hs_noise_finish(&noise, msg, &statics, peer->inflight.ephemeral_private)) {
	case HS_NOISE_LOW_ORDER:
		verdict = HS_bad_ephemeral;
		break;
	case HS_NOISE_BAD_TAG:
		verdict = HS_bad_response;
		break;
	default:
		verdict = accept(peer, now, &noise, msg, from);
	}
	cr_wipe(&noise, sizeof(noise));
	return verdict;
}
