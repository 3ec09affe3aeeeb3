/* The interface that is only data. */
#include "tests/unit/config/fake_interface.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

static struct fake_peer **find_slot(struct fake_interface *f, const uint8_t *public_key)
{
	struct fake_peer **slot = &f->peers;

	while (*slot && memcmp((*slot)->peer.public_key, public_key, CF_KEY_BYTES) < 0)
		slot = &(*slot)->next;
	return slot;
}

struct fake_peer *fake_find(struct fake_interface *f, const uint8_t *public_key)
{
	struct fake_peer *p = *find_slot(f, public_key);

	return p && !memcmp(p->peer.public_key, public_key, CF_KEY_BYTES) ? p : NULL;
}

static int get_device(void *ctx, struct cf_uapi_device *out)
{
	struct fake_interface *f = ctx;

	*out = f->device;
	return f->fail;
}

static bool get_peer(void *ctx, const uint8_t *after, struct cf_uapi_peer *out)
{
	struct fake_interface *f = ctx;
	struct fake_peer *p = f->peers;

	while (p && after && memcmp(p->peer.public_key, after, CF_KEY_BYTES) <= 0)
		p = p->next;
	if (!p)
		return false;
	*out = p->peer;
	out->allowed = NULL;
	if (out->n_allowed) {
		out->allowed = malloc(out->n_allowed * sizeof(*out->allowed));
		if (!out->allowed)
			abort();
		memcpy(out->allowed, p->peer.allowed, out->n_allowed * sizeof(*out->allowed));
	}
	return true;
}

static int remove_peer(void *ctx, const uint8_t *public_key)
{
	struct fake_interface *f = ctx;
	struct fake_peer **slot = find_slot(f, public_key), *p = fake_find(f, public_key);

	f->upcalls++;
	if (!p)
		return -ENOENT; /* the server asks has_peer first */
	*slot = p->next;
	free(p->peer.allowed);
	free(p);
	return 0;
}

static int set_private_key(void *ctx, const uint8_t *key)
{
	struct fake_interface *f = ctx;
	uint8_t own[CF_KEY_BYTES];

	f->upcalls++;
	f->device.has_private_key = key != NULL;
	memset(f->device.private_key, 0, CF_KEY_BYTES);
	if (!key)
		return 0;
	memcpy(f->device.private_key, key, CF_KEY_BYTES);
	crypto_scalarmult_base(own, key);
	if (fake_find(f, own))
		remove_peer(f, own);
	return 0;
}

static int set_listen_port(void *ctx, uint16_t port)
{
	struct fake_interface *f = ctx;

	f->upcalls++;
	if (!f->fail)
		f->device.listen_port = port;
	return f->fail;
}

static int set_fwmark(void *ctx, uint32_t mark)
{
	struct fake_interface *f = ctx;

	f->upcalls++;
	f->device.fwmark = mark;
	return 0;
}

static int remove_all_peers(void *ctx)
{
	struct fake_interface *f = ctx;

	f->upcalls++;
	while (f->peers)
		remove_peer(f, f->peers->peer.public_key);
	return 0;
}

static bool is_own_key(void *ctx, const uint8_t *public_key)
{
	struct fake_interface *f = ctx;
	uint8_t own[CF_KEY_BYTES];

	return f->device.has_private_key &&
	       crypto_scalarmult_base(own, f->device.private_key) == 0 &&
	       !memcmp(own, public_key, CF_KEY_BYTES);
}

static bool has_peer(void *ctx, const uint8_t *public_key)
{
	return fake_find(ctx, public_key) != NULL;
}

static int add_peer(void *ctx, const uint8_t *public_key)
{
	struct fake_interface *f = ctx;
	struct fake_peer **slot = find_slot(f, public_key), *p;

	f->upcalls++;
	if (fake_find(f, public_key))
		return -EEXIST;
	p = calloc(1, sizeof(*p));
	if (!p)
		abort();
	memcpy(p->peer.public_key, public_key, CF_KEY_BYTES);
	p->next = *slot;
	*slot = p;
	return 0;
}

/* All that follow are only called for a peer that exists. */
static struct fake_peer *change(void *ctx, const uint8_t *public_key)
{
	struct fake_interface *f = ctx;
	struct fake_peer *p = fake_find(f, public_key);

	if (!p)
		abort();
	f->upcalls++;
	p->in_section = true;
	return p;
}

static int set_psk(void *ctx, const uint8_t *public_key, const uint8_t *psk)
{
	memcpy(change(ctx, public_key)->peer.psk, psk, CF_KEY_BYTES);
	return 0;
}

static int set_endpoint(void *ctx, const uint8_t *public_key, const struct cf_endpoint *e)
{
	change(ctx, public_key)->peer.endpoint = *e;
	return 0;
}

static int set_keepalive(void *ctx, const uint8_t *public_key, uint16_t interval_s)
{
	change(ctx, public_key)->peer.keepalive_s = interval_s;
	return 0;
}

static int clear_allowed(void *ctx, const uint8_t *public_key)
{
	change(ctx, public_key)->peer.n_allowed = 0;
	return 0;
}

static bool take(struct fake_peer *p, const struct cf_prefix *prefix)
{
	for (size_t i = 0; i < p->peer.n_allowed; i++)
		if (!cf_prefix_compare(&p->peer.allowed[i], prefix)) {
			memmove(&p->peer.allowed[i], &p->peer.allowed[i + 1],
				(p->peer.n_allowed - i - 1) * sizeof(*prefix));
			p->peer.n_allowed--;
			return true;
		}
	return false;
}

static int add_allowed(void *ctx, const uint8_t *public_key, const struct cf_prefix *prefix)
{
	struct fake_interface *f = ctx;
	struct fake_peer *p = change(ctx, public_key);

	for (struct fake_peer *other = f->peers; other; other = other->next)
		take(other, prefix);
	if (p->peer.n_allowed == p->allowed_size) {
		p->allowed_size = p->allowed_size ? p->allowed_size * 2 : 4;
		p->peer.allowed = realloc(p->peer.allowed,
					  p->allowed_size * sizeof(*p->peer.allowed));
		if (!p->peer.allowed)
			abort();
	}
	p->peer.allowed[p->peer.n_allowed++] = *prefix;
	return 0;
}

static int remove_allowed(void *ctx, const uint8_t *public_key, const struct cf_prefix *prefix)
{
	take(change(ctx, public_key), prefix);
	return 0;
}

static void peer_done(void *ctx, const uint8_t *public_key)
{
	struct fake_interface *f = ctx;
	struct fake_peer *p = fake_find(f, public_key);

	f->peer_done++;
	if (p)
		p->in_section = false;
}

const struct cf_uapi_ops fake_ops = {
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

void fake_clear(struct fake_interface *f)
{
	remove_all_peers(f);
	memset(f, 0, sizeof(*f));
}
