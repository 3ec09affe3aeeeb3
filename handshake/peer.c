/*
 * One peer: its configuration, its three keypair slots, rotation and confirmation (whitepaper 6.3
 * and the Linux kernel's rules for crossed handshakes). Runs on the control thread. Not here: when
 * something happens (timers.c), the messages (initiator.c, responder.c).
 */
#include "handshake/peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/ct.h"
#include "crypto/x25519.h"

struct hs_peer *hs_peer_add(struct hs_device *dev, const uint8_t public_key[WG_KEY_BYTES],
			    void *owner)
{
	struct hs_peer *peer;

	if (dev->has_key && memcmp(dev->public_key, public_key, WG_KEY_BYTES) == 0) {
		errno = EINVAL;
		return NULL;
	}
	if (hs_peers_find(&dev->peers, public_key)) {
		errno = EEXIST;
		return NULL;
	}
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	peer->dev = dev;
	peer->owner = owner;
	memcpy(peer->public_key, public_key, WG_KEY_BYTES);
	hs_cookie_maker_init(&peer->cookie, public_key);
	hs_peers_add(&dev->peers, peer);
	return peer;
}

void hs_peer_remove(struct hs_peer *peer)
{
	struct hs_device *dev = peer->dev;

	hs_wheel_remove(&dev->wheel, &peer->timers.entry);
	hs_peers_remove(&dev->peers, peer);
	hs_peer_clear_inflight(peer);
	hs_peer_drop_sessions(peer, UINT64_MAX);
	cr_wipe(peer, sizeof(*peer));
	free(peer);
}

struct hs_peer *hs_peer_find(const struct hs_device *dev, const uint8_t public_key[WG_KEY_BYTES])
{
	return hs_peers_find(&dev->peers, public_key);
}

void *hs_peer_owner(const struct hs_peer *peer)
{
	return peer->owner;
}

const uint8_t *hs_peer_public_key(const struct hs_peer *peer)
{
	return peer->public_key;
}

void hs_peer_set_psk(struct hs_peer *peer, const uint8_t *psk)
{
	if (psk)
		memcpy(peer->psk, psk, WG_KEY_BYTES);
	else
		cr_wipe(peer->psk, WG_KEY_BYTES);
}

const uint8_t *hs_peer_psk(const struct hs_peer *peer)
{
	return peer->psk;
}

void hs_peer_set_endpoint(struct hs_peer *peer, const struct wg_endpoint *endpoint)
{
	peer->endpoint = *endpoint;
	hs_timers_unblock(peer);
}

const struct wg_endpoint *hs_peer_endpoint(const struct hs_peer *peer)
{
	return &peer->endpoint;
}

void hs_peer_last_handshake(const struct hs_peer *peer, uint64_t *wall_s, uint32_t *wall_ns)
{
	*wall_s = peer->last_handshake_s;
	*wall_ns = peer->last_handshake_ns;
}

/* A million of these when a configuration is loaded would take most of a minute: so at first use.
 */
const uint8_t *hs_peer_static_static(struct hs_peer *peer)
{
	struct hs_device *dev = peer->dev;

	if (!dev->has_key)
		return NULL;
	if (peer->key_generation != dev->key_generation) {
		peer->low_order = !cr_x25519(peer->static_static, dev->private_key,
					     peer->public_key);
		peer->key_generation = dev->key_generation;
	}
	return peer->low_order ? NULL : peer->static_static;
}

struct hs_noise_statics hs_peer_statics(struct hs_peer *peer)
{
	return (struct hs_noise_statics){
		.private_key = peer->dev->private_key,
		.public_key = peer->dev->public_key,
		.remote_public = peer->public_key,
		.static_static = hs_peer_static_static(peer),
		.psk = peer->psk,
	};
}

uint32_t hs_peer_draw_index(struct hs_peer *peer)
{
	struct hs_device *dev = peer->dev;
	uint32_t index;

	do {
		index = hs_draw_next(&dev->draw);
	} while (hs_index_find(&dev->peers, index));
	return index;
}

void hs_peer_clear_inflight(struct hs_peer *peer)
{
	hs_index_remove(&peer->dev->peers, &peer->inflight.index);
	cr_wipe(&peer->inflight, sizeof(peer->inflight));
}

void hs_peer_roam(struct hs_peer *peer, const struct wg_endpoint *from)
{
	if (memcmp(&peer->endpoint, from, sizeof(*from)) == 0)
		return;
	peer->endpoint = *from;
	peer->dev->ops.endpoint(peer->dev->ctx, peer, &peer->endpoint);
}

void hs_peer_forget_source(struct hs_peer *peer)
{
	struct wg_endpoint *e = &peer->endpoint;

	if (!e->has_local)
		return;
	e->has_local = false;
	memset(e->local, 0, sizeof(e->local));
	e->local_port = 0;
	peer->dev->ops.endpoint(peer->dev->ctx, peer, e);
}

/* ---- keypair slots ---- */

/* Indices of sessions to be dropped when workers know what to use instead. */
struct dropped {
	uint32_t indices[3];
	unsigned int n;
};

static void empty_slot(struct hs_peer *peer, struct hs_keypair **slot, struct dropped *dropped)
{
	if (!*slot)
		return;
	dropped->indices[dropped->n++] = (*slot)->index.value;
	hs_index_remove(&peer->dev->peers, &(*slot)->index);
	*slot = NULL;
}

static void drop(struct hs_peer *peer, const struct dropped *dropped)
{
	for (unsigned int i = 0; i < dropped->n; i++)
		peer->dev->ops.session_drop(peer->dev->ctx, peer, dropped->indices[i]);
}

/* Makes room in a slot for the session that we began, or the one that the peer began. */
static struct hs_keypair **free_slot(struct hs_peer *peer, bool initiator, struct dropped *dropped)
{
	empty_slot(peer, &peer->previous, dropped);
	if (!initiator) {
		empty_slot(peer, &peer->next, dropped);
		return &peer->next;
	}
	if (peer->next) {
		/* Crossed initiations: the peer may have chosen the one it began. */
		empty_slot(peer, &peer->current, dropped);
		peer->previous = peer->next;
		peer->next = NULL;
	} else {
		peer->previous = peer->current;
		peer->current = NULL;
	}
	return &peer->current;
}

static struct hs_keypair *unused_keypair(struct hs_peer *peer)
{
	struct hs_keypair *k = peer->keypairs;

	while (k == peer->previous || k == peer->current || k == peer->next)
		k++;
	return k;
}

int hs_peer_begin_session(struct hs_peer *peer, const struct hs_now *now,
			  const struct hs_noise *noise, uint32_t remote_index, bool initiator)
{
	struct hs_device *dev = peer->dev;
	struct hs_session session = {
		.local_index = peer->inflight.index.value,
		.remote_index = remote_index,
		.birth_ns = now->mono_ns,
		.initiator = initiator,
	};
	struct dropped dropped = {.n = 0};
	struct hs_keypair **slot, *keypair;
	int err;

	if (initiator)
		hs_noise_split(noise, session.send_key, session.receive_key);
	else
		hs_noise_split(noise, session.receive_key, session.send_key);
	err = dev->ops.session_new(dev->ctx, peer, &session);
	cr_wipe(session.send_key, sizeof(session.send_key));
	cr_wipe(session.receive_key, sizeof(session.receive_key));
	hs_peer_clear_inflight(peer);
	if (err)
		return err;

	slot = free_slot(peer, initiator, &dropped);
	keypair = unused_keypair(peer);
	*slot = keypair;
	keypair->birth_ns = session.birth_ns;
	keypair->sends = true;
	hs_index_insert(&dev->peers, &keypair->index, peer, session.local_index, HS_INDEX_KEYPAIR);
	hs_timers_session(peer, now);
	if (initiator) {
		hs_timers_complete(peer, now);
		dev->ops.session_use(dev->ctx, peer, session.local_index, true);
	}
	drop(peer, &dropped);
	return 0;
}

void hs_peer_confirmed(struct hs_peer *peer, const struct hs_now *now, uint32_t local_index)
{
	struct dropped dropped = {.n = 0};

	if (!peer->next || peer->next->index.value != local_index)
		return;
	empty_slot(peer, &peer->previous, &dropped);
	peer->previous = peer->current;
	peer->current = peer->next;
	peer->next = NULL;
	if (peer->current->sends) {
		hs_timers_complete(peer, now);
		peer->dev->ops.session_use(peer->dev->ctx, peer, local_index, false);
	}
	drop(peer, &dropped);
	hs_timers_arm(peer, now);
}

bool hs_peer_drop_sessions(struct hs_peer *peer, uint64_t born_ns)
{
	struct hs_keypair **slots[] = {&peer->next, &peer->current, &peer->previous};
	struct dropped dropped = {.n = 0};

	for (unsigned int i = 0; i < 3; i++)
		if (*slots[i] && (*slots[i])->birth_ns <= born_ns)
			empty_slot(peer, slots[i], &dropped);
	drop(peer, &dropped);
	return dropped.n > 0;
}

void hs_peer_key_changed(struct hs_peer *peer, const struct hs_now *now)
{
	bool mute = peer->current && peer->current->sends;

	hs_peer_clear_inflight(peer);
	cr_wipe(peer->static_static, sizeof(peer->static_static));
	if (peer->current)
		peer->current->sends = false;
	if (peer->next)
		peer->next->sends = false;
	if (mute)
		peer->dev->ops.session_mute(peer->dev->ctx, peer);

	peer->timers.allowed_ns = 0;
	if (peer->timers.retry_ns) {
		peer->timers.retry_ns = 0;
		peer->timers.wanted = true; /* with the new key, at once */
	}
	peer->timers.attempts = 0;
	hs_timers_arm(peer, now);
}

void hs_peer_reset(struct hs_peer *peer)
{
	hs_peer_clear_inflight(peer);
	hs_peer_drop_sessions(peer, UINT64_MAX);
	hs_timers_reset(peer);
}
