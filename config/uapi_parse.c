/*
 * The requests of the cross-platform `wg` protocol, line by line: which keys there are, where they
 * may stand, what their values may be. No input or output: sockets are in uapi.c, the answer to a
 * get is written in uapi_get.c. Runs where the socket is served.
 */
#include "config/uapi_parse.h"

#include <errno.h>
#include <string.h>

#include <sodium.h>

#include "config/keytext.h"

/* What the handler of a key gets. */
struct line {
	struct cf_uapi_request *request;
	const struct cf_uapi_ops *ops;
	void *ctx;
	const char *value;
};

static int section_end(struct line *l)
{
	struct cf_uapi_request *request = l->request;
	int rc = 0;

	if (request->section == CF_UAPI_NEW)
		rc = l->ops->add_peer(l->ctx, request->public_key);
	if (request->section == CF_UAPI_ACTIVE || (request->section == CF_UAPI_NEW && rc == 0))
		l->ops->peer_done(l->ctx, request->public_key);
	request->section = CF_UAPI_IGNORED;
	return rc;
}

static int set_private_key(struct line *l)
{
	uint8_t key[CF_KEY_BYTES];
	int rc;

	if (!cf_key_from_hex(key, l->value))
		return -EINVAL;
	if (sodium_is_zero(key, sizeof(key)))
		return l->ops->set_private_key(l->ctx, NULL);
	key[0] &= 248;
	key[31] = (key[31] & 127) | 64;
	rc = l->ops->set_private_key(l->ctx, key);
	explicit_bzero(key, sizeof(key));
	return rc;
}

static int set_listen_port(struct line *l)
{
	uint64_t port;

	if (!cf_decimal_from_text(&port, l->value, UINT16_MAX))
		return -EINVAL;
	return l->ops->set_listen_port(l->ctx, (uint16_t)port);
}

static int set_fwmark(struct line *l)
{
	uint64_t mark;

	if (!cf_decimal_from_text(&mark, l->value, UINT32_MAX))
		return -EINVAL;
	return l->ops->set_fwmark(l->ctx, (uint32_t)mark);
}

static int set_replace_peers(struct line *l)
{
	return strcmp(l->value, "true") ? -EINVAL : l->ops->remove_all_peers(l->ctx);
}

static int set_public_key(struct line *l)
{
	struct cf_uapi_request *request = l->request;
	uint8_t key[CF_KEY_BYTES];
	int rc = section_end(l);

	if (rc)
		return rc;
	if (!cf_key_from_hex(key, l->value))
		return -EINVAL;
	memcpy(request->public_key, key, sizeof(key));
	request->added = false;
	if (l->ops->is_own_key(l->ctx, key))
		request->section = CF_UAPI_IGNORED;
	else if (l->ops->has_peer(l->ctx, key))
		request->section = CF_UAPI_ACTIVE;
	else
		request->section = CF_UAPI_NEW;
	return 0;
}

static int set_remove(struct line *l)
{
	struct cf_uapi_request *request = l->request;
	int rc = 0;

	if (strcmp(l->value, "true"))
		return -EINVAL;
	if (request->section == CF_UAPI_ACTIVE) {
		rc = l->ops->remove_peer(l->ctx, request->public_key);
		l->ops->peer_done(l->ctx, request->public_key);
	}
	request->section = CF_UAPI_IGNORED;
	return rc;
}

static int set_update_only(struct line *l)
{
	struct cf_uapi_request *request = l->request;

	if (strcmp(l->value, "true"))
		return -EINVAL;
	if (request->section == CF_UAPI_ACTIVE && request->added)
		return set_remove(l);
	if (request->section == CF_UAPI_NEW)
		request->section = CF_UAPI_IGNORED;
	return 0;
}

static int set_preshared_key(struct line *l)
{
	uint8_t key[CF_KEY_BYTES];
	int rc = 0;

	if (!cf_key_from_hex(key, l->value))
		return -EINVAL;
	if (l->request->section == CF_UAPI_ACTIVE)
		rc = l->ops->set_psk(l->ctx, l->request->public_key, key);
	explicit_bzero(key, sizeof(key));
	return rc;
}

static int set_endpoint(struct line *l)
{
	struct cf_endpoint endpoint;

	if (!cf_endpoint_from_text(&endpoint, l->value))
		return -EINVAL;
	if (l->request->section != CF_UAPI_ACTIVE)
		return 0;
	return l->ops->set_endpoint(l->ctx, l->request->public_key, &endpoint);
}

static int set_keepalive(struct line *l)
{
	uint64_t seconds;

	if (!cf_decimal_from_text(&seconds, l->value, UINT16_MAX))
		return -EINVAL;
	if (l->request->section != CF_UAPI_ACTIVE)
		return 0;
	return l->ops->set_keepalive(l->ctx, l->request->public_key, (uint16_t)seconds);
}

static int set_replace_allowed_ips(struct line *l)
{
	if (strcmp(l->value, "true"))
		return -EINVAL;
	if (l->request->section != CF_UAPI_ACTIVE)
		return 0;
	return l->ops->clear_allowed(l->ctx, l->request->public_key);
}

static int set_allowed_ip(struct line *l)
{
	bool remove = l->value[0] == '-';
	struct cf_prefix prefix;

	if (!cf_prefix_from_text(&prefix, l->value + remove, true))
		return -EINVAL;
	cf_prefix_mask(&prefix);
	if (l->request->section != CF_UAPI_ACTIVE)
		return 0;
	return remove ? l->ops->remove_allowed(l->ctx, l->request->public_key, &prefix)
		      : l->ops->add_allowed(l->ctx, l->request->public_key, &prefix);
}

static int set_protocol_version(struct line *l)
{
	return strcmp(l->value, "1") ? -EINVAL : 0;
}

static const struct key {
	const char *name;
	int (*set)(struct line *l);
	enum { DEVICE, PEER, OPENS_PEER, SETTLES_PEER } scope;
} keys[] = {
	{"private_key", set_private_key, DEVICE},
	{"listen_port", set_listen_port, DEVICE},
	{"fwmark", set_fwmark, DEVICE},
	{"replace_peers", set_replace_peers, DEVICE},
	{"public_key", set_public_key, OPENS_PEER},
	/* These two say what becomes of a peer that does not exist. */
	{"remove", set_remove, SETTLES_PEER},
	{"update_only", set_update_only, SETTLES_PEER},
	{"preshared_key", set_preshared_key, PEER},
	{"endpoint", set_endpoint, PEER},
	{"persistent_keepalive_interval", set_keepalive, PEER},
	{"replace_allowed_ips", set_replace_allowed_ips, PEER},
	{"allowed_ip", set_allowed_ip, PEER},
	{"protocol_version", set_protocol_version, PEER},
};

/* Any line but `remove` and `update_only` makes the section's peer exist, even a wrong one. */
static int settle_peer(struct line *l)
{
	struct cf_uapi_request *request = l->request;
	int rc;

	if (request->section != CF_UAPI_NEW)
		return 0;
	rc = l->ops->add_peer(l->ctx, request->public_key);
	request->section = rc ? CF_UAPI_IGNORED : CF_UAPI_ACTIVE;
	request->added = rc == 0;
	return rc;
}

static int set_line(struct line *l, const char *name)
{
	const struct key *key = NULL;
	bool in_peer = l->request->section != CF_UAPI_NO_PEER;
	int rc;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(keys[i].name, name))
			key = &keys[i];
	if (!key || key->scope == DEVICE || key->scope == PEER) {
		rc = settle_peer(l);
		if (rc)
			return rc;
	}
	if (!key || (key->scope == DEVICE && in_peer))
		return -EINVAL;
	if ((key->scope == PEER || key->scope == SETTLES_PEER) && !in_peer)
		return -EINVAL;
	return key->set(l);
}

/* A line of a set without an error so far. */
static int split_line(struct line *l, char *text, size_t len)
{
	char *equals = strchr(text, '=');

	if (!equals || equals == text)
		return -EPROTO;
	if (strlen(text) != len)
		return -EINVAL; /* a NUL */
	*equals = '\0';
	l->value = equals + 1;
	return set_line(l, text);
}

static enum cf_uapi_verdict first_line(struct cf_uapi_request *request, const char *text,
				       size_t len)
{
	if (len != 5 || (memcmp(text, "get=1", 5) && memcmp(text, "set=1", 5)))
		return CF_UAPI_UNKNOWN;
	*request = (struct cf_uapi_request){
		.state = text[0] == 'g' ? CF_UAPI_IN_GET : CF_UAPI_IN_SET,
	};
	return CF_UAPI_MORE;
}

enum cf_uapi_verdict cf_uapi_line(struct cf_uapi_request *request, const struct cf_uapi_ops *ops,
				  void *ctx, char *line, size_t len)
{
	struct line l = {.request = request, .ops = ops, .ctx = ctx};

	if (request->state == CF_UAPI_IDLE)
		return first_line(request, line, len);
	if (len == 0 && request->state == CF_UAPI_IN_GET)
		return CF_UAPI_GET;
	if (len == 0) {
		int rc = section_end(&l);

		if (!request->error)
			request->error = rc;
		return CF_UAPI_SET;
	}
	if (request->error)
		goto out;
	if (request->state == CF_UAPI_IN_GET)
		request->error = -EINVAL;
	else
		request->error = split_line(&l, line, len);
	/* The section of the line in error is over. */
	if (request->error && request->section != CF_UAPI_NO_PEER)
		section_end(&l);
out:
	explicit_bzero(line, len);
	return CF_UAPI_MORE;
}

void cf_uapi_request_reset(struct cf_uapi_request *request, const struct cf_uapi_ops *ops,
			   void *ctx)
{
	if (request->section == CF_UAPI_ACTIVE)
		ops->peer_done(ctx, request->public_key);
	*request = (struct cf_uapi_request){0};
}
