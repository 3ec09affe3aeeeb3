/*
 * What the handshake asks of the rest: messages to send, sessions to publish and retire, packets
 * that waited. Control thread, called from within hs_*; so nothing here calls back into a running
 * hs_* function: that is deferred (ctl_peer_defer).
 */
#include <errno.h>

#include "control/control.h"
#include "control/log.h"
#include "crypto/random.h"
#include "dataplane/session.h"

static void up_random(void *ctx, void *out, size_t len)
{
	(void)ctx;
	cr_random(out, len);
}

static void up_send(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to, const void *msg,
		    size_t len)
{
	ctl_emit(ctx, peer == NULL ? NULL : hs_peer_owner(peer), to, msg, len);
}

static struct dp_session **find(struct ctl_peer *p, uint32_t local_index)
{
	for (unsigned int k = 0; k < CTL_SESSIONS_MAX; k++)
		if (p->sessions[k] != NULL && p->sessions[k]->local_index == local_index)
			return &p->sessions[k];
	return NULL;
}

static int up_session_new(void *ctx, struct hs_peer *peer, const struct hs_session *s)
{
	struct ctl_iface *i = ctx;
	struct ctl_peer *p = hs_peer_owner(peer);

	for (unsigned int k = 0; k < CTL_SESSIONS_MAX; k++) {
		if (p->sessions[k] != NULL)
			continue;
		p->sessions[k] = dp_publish_session(i->ctl->dp, p->dp, s->send_key, s->receive_key,
						    s->local_index, s->remote_index, s->birth_ns,
						    s->initiator);
		return p->sessions[k] == NULL ? -ENOMEM : 0;
	}
	ctl_log(CTL_ERROR, "%s: a peer has more than %d sessions", i->name, CTL_SESSIONS_MAX);
	return -ENOSPC;
}

static void up_session_use(void *ctx, struct hs_peer *peer, uint32_t local_index, bool confirm)
{
	struct ctl_peer *p = hs_peer_owner(peer);
	struct dp_session **s = find(p, local_index);

	(void)ctx;
	if (s == NULL)
		return;
	dp_publish_current(p->dp, *s);
	if (confirm)
		ctl_peer_stage_keepalive(p);
	ctl_peer_flush(p);
}

static void up_session_mute(void *ctx, struct hs_peer *peer)
{
	struct ctl_peer *p = hs_peer_owner(peer);

	(void)ctx;
	dp_publish_current(p->dp, NULL);
}

static void up_session_drop(void *ctx, struct hs_peer *peer, uint32_t local_index)
{
	struct ctl_iface *i = ctx;
	struct ctl_peer *p = hs_peer_owner(peer);
	struct dp_session **s = find(p, local_index);

	if (s == NULL)
		return;
	dp_retire_session(i->ctl->dp, *s);
	*s = NULL;
}

static void up_keepalive(void *ctx, struct hs_peer *peer)
{
	struct ctl_peer *p = hs_peer_owner(peer);

	(void)ctx;
	ctl_peer_stage_keepalive(p);
	ctl_peer_flush(p);
	if (!ctl_peer_usable(p)) {
		p->wants_session = true;
		ctl_peer_defer(p);
	}
}

static void up_purge(void *ctx, struct hs_peer *peer)
{
	(void)ctx;
	ctl_peer_purge(hs_peer_owner(peer), DP_DROP_staged_purged);
}

static void up_endpoint(void *ctx, struct hs_peer *peer, const struct wg_endpoint *to)
{
	(void)ctx;
	(void)to;
	ctl_peer_update_way(hs_peer_owner(peer));
}

static uint64_t load(const _Atomic uint64_t *stamp)
{
	return atomic_load_explicit((_Atomic uint64_t *)stamp, memory_order_relaxed);
}

static void up_activity(void *ctx, struct hs_peer *peer, struct hs_activity *out)
{
	const struct dp_peer *dp = ((struct ctl_peer *)hs_peer_owner(peer))->dp;

	(void)ctx;
	out->sent_any_ns = load(&dp->sent_any_ns);
	out->received_any_ns = load(&dp->received_any_ns);
	out->sent_data_ns = load(&dp->sent_data_ns);
	out->received_data_ns = load(&dp->received_data_ns);
	out->received_data_last_ns = load(&dp->received_data_last_ns);
}

static void up_stamp(void *ctx, struct hs_peer *peer, enum hs_stamp stamp, uint64_t mono_ns)
{
	struct ctl_iface *i = ctx;
	struct dp_peer *dp = ((struct ctl_peer *)hs_peer_owner(peer))->dp;

	switch (stamp) {
	case HS_STAMP_SENT:
		atomic_store_explicit(&dp->sent_any_ns, mono_ns, memory_order_relaxed);
		break;
	case HS_STAMP_RECEIVED:
		atomic_store_explicit(&dp->received_any_ns, mono_ns, memory_order_relaxed);
		/* An accepted handshake message counts in full (protocol 4.9). */
		dp->rest->rx_bytes += i->ctl->input_bytes;
		break;
	case HS_STAMP_CLEAR_DATA_SENT:
		atomic_store_explicit(&dp->sent_data_ns, 0, memory_order_relaxed);
		break;
	}
}

const struct hs_ops ctl_hs_ops = {
	.random = up_random,
	.send = up_send,
	.session_new = up_session_new,
	.session_use = up_session_use,
	.session_mute = up_session_mute,
	.session_drop = up_session_drop,
	.keepalive = up_keepalive,
	.purge = up_purge,
	.endpoint = up_endpoint,
	.activity = up_activity,
	.stamp = up_stamp,
};
