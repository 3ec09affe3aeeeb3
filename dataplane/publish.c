/*
 * The order in which workers come to see things, and cease to see them: each function is a list of
 * numbered steps. Control only; nothing here waits for workers. The tables themselves are in
 * files of their own (peers.c, sessions.c, allowed.c, route.c, locals.c).
 */
#include "dataplane/publish.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/allowed.h"
#include "dataplane/locals.h"
#include "dataplane/outs.h"
#include "dataplane/peers.h"
#include "dataplane/session.h"
#include "dataplane/sessions.h"

/* ---- interfaces ---- */

/* What is freed with an interface or a peer has to find the whole. */
struct published_iface {
	struct dp_iface iface;
	struct dp *dp;
};

static_assert(DP_IFACES_MAX == 64, "bits of dp.ifaces_used");

/* Round and round, so that what is still on a ring for an old one finds nothing. */
static int free_iface_id(const struct dp *dp)
{
	for (unsigned int i = 1; i <= DP_IFACES_MAX; i++) {
		unsigned int id = (dp->iface_last + i) % DP_IFACES_MAX;

		if ((dp->ifaces_used & UINT64_C(1) << id) == 0)
			return (int)id;
	}
	return -1;
}

struct dp_iface *dp_publish_iface(struct dp *dp, const char *name, uint16_t mtu)
{
	struct published_iface *p;
	int id = free_iface_id(dp);

	if (id < 0 || strlen(name) >= sizeof(p->iface.name)) {
		errno = id < 0 ? ENOSPC : ENAMETOOLONG;
		return NULL;
	}
	/* 1. build */
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->dp = dp;
	p->iface.id = (uint16_t)id;
	memcpy(p->iface.name, name, strlen(name));
	atomic_store_explicit(&p->iface.mtu, mtu, memory_order_relaxed);
	p->iface.allowed = dp_allowed_new(dp->reclaim);
	if (p->iface.allowed == NULL) {
		free(p);
		errno = ENOMEM;
		return NULL;
	}
	/* 2. workers find it by its id */
	dp->ifaces_used |= UINT64_C(1) << id;
	dp->iface_last = (uint16_t)id;
	atomic_store_explicit(&dp->ifaces[id], &p->iface, memory_order_release);
	return &p->iface;
}

/* After RCU: nobody counts for it any more, so that the next one of this id starts from zero. */
static void free_iface(void *arg)
{
	struct published_iface *p = arg;
	struct dp *dp = p->dp;

	for (unsigned int i = 0; i < dp->n_workers; i++)
		memset(&dp->workers[i]->iface_counters[p->iface.id], 0, sizeof(struct dp_counters));
	dp->ifaces_used &= ~(UINT64_C(1) << p->iface.id);
	dp_allowed_free(p->iface.allowed);
	free(p);
}

void dp_retire_iface(struct dp *dp, struct dp_iface *iface)
{
	/* 1. no worker finds it by port or id */
	dp_publish_listen(iface, 0, 0);
	atomic_store_explicit(&dp->ifaces[iface->id], NULL, memory_order_release);
	/* 2. RCU, free; its peers, queued before, have gone by then */
	dp_reclaim_later(dp->reclaim, free_iface, iface);
}

void dp_publish_listen(struct dp_iface *iface, uint16_t first, uint16_t n)
{
	struct dp_listen listen = {.first = first, .n = n};

	assert(first + n <= UINT16_MAX + 1);
	atomic_store_explicit(&iface->listen, listen, memory_order_release);
}

void dp_publish_mtu(struct dp_iface *iface, uint16_t mtu)
{
	atomic_store_explicit(&iface->mtu, mtu, memory_order_release);
}

/* ---- peers ---- */

struct dp_peer *dp_publish_peer(struct dp *dp, struct dp_iface *iface, void *owner)
{
	/* 1. build; no sessions and no endpoint yet */
	struct dp_peer *peer = dp_peers_take(dp->peers);

	if (peer == NULL) {
		errno = ENOMEM;
		return NULL;
	}
	peer->iface = iface;
	peer->owner = owner;
	/* 2. found by reference; by address once control inserts its allowed-ips */
	dp_peers_add(dp->peers, peer);
	return peer;
}

/* Where the peer is and when it was last heard is its own affair: it is wiped. */
static void free_peer(void *arg)
{
	struct dp_peer *peer = arg;
	struct dp *dp = ((struct published_iface *)peer->iface)->dp;
	void (*gone)(void *arg) = peer->rest->gone;
	void *gone_arg = peer->rest->gone_arg;

	dp_peers_give_back(dp->peers, peer);
	if (gone != NULL)
		gone(gone_arg);
}

void dp_retire_peer(struct dp *dp, struct dp_peer *peer, void (*done)(void *arg), void *arg)
{
	struct dp_out *out;

	assert(atomic_load_explicit(&peer->current, memory_order_relaxed) == NULL);
	/* 1. allowed-ips: no packet finds it by address */
	dp_allowed_remove_peer(peer->iface->allowed, peer);
	/* 2. reference: packets and events on rings find nothing */
	dp_peers_remove(dp->peers, peer);
	/* 3. out */
	out = atomic_exchange_explicit(&peer->out, NULL, memory_order_acq_rel);
	if (out != NULL)
		dp_outs_retire(dp->outs, out);
	/* 4. RCU, free, tell who asked */
	peer->rest->gone = done;
	peer->rest->gone_arg = arg;
	dp_reclaim_later(dp->reclaim, free_peer, peer);
}

struct dp_peer *dp_peer_by_ref(const struct dp *dp, uint64_t ref)
{
	return dp_peers_by_ref(dp->peers, ref);
}

/* ---- sessions ---- */

struct dp_session *dp_publish_session(struct dp *dp, struct dp_peer *peer,
				      const uint8_t send_key[WG_KEY_BYTES],
				      const uint8_t receive_key[WG_KEY_BYTES], uint32_t local_index,
				      uint32_t remote_index, uint64_t birth_ns, bool initiator)
{
	/* 1. build */
	struct dp_session *s = dp_session_new(peer, send_key, receive_key, local_index,
					      remote_index, birth_ns, initiator);

	if (s == NULL)
		return NULL;
	/* 2. index table: we can receive */
	if (dp_sessions_insert(dp->sessions, s) != 0) {
		dp_session_free(s);
		return NULL;
	}
	/* 3. current, and 4. the packets that wait: dp_publish_current(), when control says so */
	return s;
}

void dp_publish_current(struct dp_peer *peer, struct dp_session *s)
{
	assert(s == NULL || s->peer == peer);
	atomic_store_explicit(&peer->current, s, memory_order_release);
}

/* Adds to the peer what the session has carried since the last time. */
static void sum_session(struct dp_session *s)
{
	struct dp_peer_rest *rest = s->peer->rest;
	uint64_t tx_bytes = dp_session_sent_bytes(s);
	uint64_t tx_packets = dp_counted(&s->send_counter);
	uint64_t rx_bytes = dp_counted(&s->rx_bytes);
	uint64_t rx_packets = dp_counted(&s->rx_packets);

	rest->tx_bytes += tx_bytes - s->summed_tx_bytes;
	rest->tx_packets += tx_packets - s->summed_tx_packets;
	rest->rx_bytes += rx_bytes - s->summed_rx_bytes;
	rest->rx_packets += rx_packets - s->summed_rx_packets;
	s->summed_tx_bytes = tx_bytes;
	s->summed_tx_packets = tx_packets;
	s->summed_rx_bytes = rx_bytes;
	s->summed_rx_packets = rx_packets;
}

/* After RCU: what workers counted until they saw it gone is added, too. Its peer is freed later. */
static void free_session(void *arg)
{
	sum_session(arg);
	dp_session_free(arg);
}

void dp_retire_session(struct dp *dp, struct dp_session *s)
{
	struct dp_session *current = s;

	/* 1. current: nobody sends with it */
	atomic_compare_exchange_strong_explicit(&s->peer->current, &current, NULL,
						memory_order_acq_rel, memory_order_relaxed);
	/* 2. index table: nobody receives with it */
	dp_sessions_remove(dp->sessions, s);
	/* 3. its counts so far, so that the peer's sums do not step back */
	sum_session(s);
	/* 4. RCU, wipe, free */
	dp_reclaim_later(dp->reclaim, free_session, s);
}

/* ---- ways out ---- */

int dp_publish_out(struct dp *dp, struct dp_peer *peer, const struct dp_out *out)
{
	struct dp_out *copy = NULL, *old;

	/* 1. build */
	if (out != NULL) {
		copy = dp_outs_copy(dp->outs, out);
		if (copy == NULL) {
			/* Workers shall tell again, or the peer would be lost where it was. */
			atomic_store_explicit(&peer->roam_told, false, memory_order_relaxed);
			return -ENOMEM;
		}
	}
	/* 2. workers send this way */
	old = atomic_exchange_explicit(&peer->out, copy, memory_order_acq_rel);
	/* 3. who compares with it may tell of another one */
	atomic_store_explicit(&peer->roam_told, false, memory_order_release);
	/* 4. RCU, free */
	if (old != NULL)
		dp_outs_retire(dp->outs, old);
	return 0;
}

/* ---- this host's addresses ---- */

int dp_publish_locals(struct dp *dp, const uint8_t (*addrs)[16], const uint8_t *families, size_t n)
{
	/* 1. build */
	struct dp_locals *set = dp_locals_new(addrs, families, n), *old;

	if (set == NULL)
		return -ENOMEM;
	/* 2. swap */
	old = atomic_exchange_explicit(&dp->locals, set, memory_order_acq_rel);
	/* 3. RCU, free */
	if (old != NULL)
		dp_reclaim_later(dp->reclaim, free, old);
	return 0;
}
