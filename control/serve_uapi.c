/*
 * What the `wg` tool asks, per interface: upcalls of config/uapi.h. Control thread. Edits take
 * effect one by one, in the order of the lines.
 */
#include <errno.h>
#include <string.h>

#include "control/control.h"
#include "crypto/ct.h"

static int get_device(void *ctx, struct cf_uapi_device *out)
{
	const struct ctl_iface *i = ctx;

	out->has_private_key = hs_device_private_key(i->hs, out->private_key);
	out->listen_port = i->guard.port;
	out->fwmark = i->fwmark;
	return 0;
}

static bool get_peer(void *ctx, const uint8_t *after, struct cf_uapi_peer *out)
{
	const struct ctl_iface *i = ctx;
	struct ctl_peer *p = ctl_peer_after(i, after);
	struct ctl_peer_totals t;
	const struct wg_endpoint *e;

	if (p == NULL)
		return false;
	memcpy(out->public_key, hs_peer_public_key(p->hs), sizeof(out->public_key));
	memcpy(out->psk, hs_peer_psk(p->hs), sizeof(out->psk));
	e = hs_peer_endpoint(p->hs);
	memset(&out->endpoint, 0, sizeof(out->endpoint));
	memcpy(out->endpoint.addr, e->addr, sizeof(out->endpoint.addr));
	out->endpoint.scope = e->scope;
	out->endpoint.port = e->port;
	out->endpoint.family = e->family;
	hs_peer_last_handshake(p->hs, &out->last_handshake_s, &out->last_handshake_ns);
	ctl_peer_totals(p, &t);
	out->tx_bytes = t.tx_bytes;
	out->rx_bytes = t.rx_bytes;
	out->keepalive_s = hs_peer_keepalive_s(p->hs);
	out->allowed = NULL;
	out->n_allowed = 0;
	ctl_peer_allowed(p, &out->allowed, &out->n_allowed);
	return true;
}

static int set_private_key(void *ctx, const uint8_t *key)
{
	ctl_iface_set_key(ctx, key);
	return 0;
}

static int set_listen_port(void *ctx, uint16_t port)
{
	return ctl_iface_set_listen_port(ctx, port);
}

static int set_fwmark(void *ctx, uint32_t mark)
{
	ctl_iface_set_fwmark(ctx, mark);
	return 0;
}

static int remove_all_peers(void *ctx)
{
	struct ctl_iface *i = ctx;
	struct ctl_peer *p;

	while ((p = TAILQ_FIRST(&i->peers)) != NULL)
		ctl_peer_remove(p);
	return 0;
}

static bool is_own_key(void *ctx, const uint8_t *public_key)
{
	const struct ctl_iface *i = ctx;
	uint8_t own[CF_KEY_BYTES];

	return hs_device_public_key(i->hs, own) && cr_equal(own, public_key, sizeof(own));
}

static bool has_peer(void *ctx, const uint8_t *public_key)
{
	return ctl_peer_find(ctx, public_key) != NULL;
}

static int add_peer(void *ctx, const uint8_t *public_key)
{
	return ctl_peer_new(ctx, public_key) == NULL ? -errno : 0;
}

static int remove_peer(void *ctx, const uint8_t *public_key)
{
	struct ctl_peer *p = ctl_peer_find(ctx, public_key);

	if (p != NULL)
		ctl_peer_remove(p);
	return 0;
}

static int set_psk(void *ctx, const uint8_t *public_key, const uint8_t *psk)
{
	struct ctl_peer *p = ctl_peer_find(ctx, public_key);

	if (p != NULL)
		hs_peer_set_psk(p->hs, psk);
	return p == NULL ? -ENOENT : 0;
}

static int set_endpoint(void *ctx, const uint8_t *public_key, const struct cf_endpoint *e)
{
	struct ctl_peer *p = ctl_peer_find(ctx, public_key);

	if (p != NULL)
		ctl_peer_set_endpoint(p, e);
	return p == NULL ? -ENOENT : 0;
}

static int set_keepalive(void *ctx, const uint8_t *public_key, uint16_t interval_s)
{
	struct ctl_iface *i = ctx;
	struct ctl_peer *p = ctl_peer_find(ctx, public_key);

	if (p != NULL)
		hs_peer_set_keepalive(p->hs, &i->ctl->now, interval_s);
	return p == NULL ? -ENOENT : 0;
}

static int clear_allowed(void *ctx, const uint8_t *public_key)
{
	struct ctl_peer *p = ctl_peer_find(ctx, public_key);

	if (p != NULL)
		ctl_peer_disallow_all(p);
	return p == NULL ? -ENOENT : 0;
}

static int add_allowed(void *ctx, const uint8_t *public_key, const struct cf_prefix *prefix)
{
	struct ctl_peer *p = ctl_peer_find(ctx, public_key);

	return p == NULL ? -ENOENT : ctl_peer_allow(p, prefix);
}

static int remove_allowed(void *ctx, const uint8_t *public_key, const struct cf_prefix *prefix)
{
	struct ctl_peer *p = ctl_peer_find(ctx, public_key);

	/* Not this peer's: nothing to do, and no error (protocol 6.3). */
	if (p != NULL)
		ctl_peer_disallow(p, prefix);
	return p == NULL ? -ENOENT : 0;
}

static void peer_done(void *ctx, const uint8_t *public_key)
{
	struct ctl_peer *p = ctl_peer_find(ctx, public_key);

	if (p == NULL)
		return;
	ctl_peer_flush(p);
	if (p->staged_n > 0) {
		p->wants_session = true;
		ctl_peer_defer(p);
	}
}

const struct cf_uapi_ops ctl_uapi_ops = {
	.get_device = get_device,
	.get_peer = get_peer,
	.set_private_key = set_private_key,
	.set_listen_port = set_listen_port,
	.set_fwmark = set_fwmark,
	.remove_all_peers = remove_all_peers,
	.is_own_key = is_own_key,
	.has_peer = has_peer,
	.add_peer = add_peer,
	.remove_peer = remove_peer,
	.set_psk = set_psk,
	.set_endpoint = set_endpoint,
	.set_keepalive = set_keepalive,
	.clear_allowed = clear_allowed,
	.add_allowed = add_allowed,
	.remove_allowed = remove_allowed,
	.peer_done = peer_done,
};
