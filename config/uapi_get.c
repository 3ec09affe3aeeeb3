/*
 * The answer to a UAPI get, written piece by piece into a buffer while the client reads: a peer's
 * keys at once, its prefixes as they fit. Requests are understood in uapi_parse.c, sockets served
 * in uapi.c.
 */
#include "config/uapi_get.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/keytext.h"

struct text {
	char *at;
	size_t used, size;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(t->at + t->used, t->size - t->used, format, args);
	va_end(args);
	t->used += (size_t)n; /* fits: the caller checked for CF_UAPI_PIECE_BYTES */
}

/* Straight into the answer: no copy of the key is left in a stdio buffer. */
static void put_key(struct text *t, const char *name, const uint8_t key[CF_KEY_BYTES])
{
	put(t, "%s=", name);
	cf_key_to_hex(t->at + t->used, key);
	t->used += CF_KEY_HEX_BYTES - 1;
	put(t, "\n");
}

static void put_device(struct cf_uapi_get *get, const struct cf_uapi_ops *ops, void *ctx,
		       struct text *t)
{
	struct cf_uapi_device device = {0};

	get->error = ops->get_device(ctx, &device);
	get->at = get->error ? CF_UAPI_GET_END : CF_UAPI_GET_PEER;
	if (get->error)
		return;
	if (device.has_private_key)
		put_key(t, "private_key", device.private_key);
	put(t, "listen_port=%u\n", device.listen_port);
	if (device.fwmark)
		put(t, "fwmark=%u\n", device.fwmark);
	explicit_bzero(&device, sizeof(device));
}

static void put_peer(struct cf_uapi_get *get, const struct cf_uapi_ops *ops, void *ctx,
		     struct text *t)
{
	uint8_t after[CF_KEY_BYTES];
	struct cf_uapi_peer *peer = &get->peer;
	char endpoint[CF_ENDPOINT_TEXT_BYTES];
	bool first = !get->has_peer;

	memcpy(after, peer->public_key, sizeof(after));
	free(peer->allowed);
	explicit_bzero(peer, sizeof(*peer));
	get->next_allowed = 0;
	get->has_peer = ops->get_peer(ctx, first ? NULL : after, peer);
	get->at = get->has_peer ? CF_UAPI_GET_ALLOWED : CF_UAPI_GET_END;
	if (!get->has_peer)
		return;
	put_key(t, "public_key", peer->public_key);
	put_key(t, "preshared_key", peer->psk);
	explicit_bzero(peer->psk, sizeof(peer->psk));
	put(t, "protocol_version=1\n");
	if (peer->endpoint.family) {
		cf_endpoint_to_text(endpoint, &peer->endpoint);
		put(t, "endpoint=%s\n", endpoint);
	}
	put(t, "last_handshake_time_sec=%llu\n", (unsigned long long)peer->last_handshake_s);
	put(t, "last_handshake_time_nsec=%u\n", peer->last_handshake_ns);
	put(t, "tx_bytes=%llu\n", (unsigned long long)peer->tx_bytes);
	put(t, "rx_bytes=%llu\n", (unsigned long long)peer->rx_bytes);
	put(t, "persistent_keepalive_interval=%u\n", peer->keepalive_s);
}

static void put_allowed(struct cf_uapi_get *get, struct text *t)
{
	char prefix[CF_PREFIX_TEXT_BYTES];

	if (get->next_allowed == get->peer.n_allowed) {
		get->at = CF_UAPI_GET_PEER;
		return;
	}
	cf_prefix_to_text(prefix, &get->peer.allowed[get->next_allowed++]);
	put(t, "allowed_ip=%s\n", prefix);
}

size_t cf_uapi_get_write(struct cf_uapi_get *get, const struct cf_uapi_ops *ops, void *ctx,
			 char *out, size_t size)
{
	struct text t = {.at = out, .size = size};

	while (get->at != CF_UAPI_GET_DONE && size - t.used >= CF_UAPI_PIECE_BYTES) {
		switch (get->at) {
		case CF_UAPI_GET_DEVICE:
			put_device(get, ops, ctx, &t);
			break;
		case CF_UAPI_GET_PEER:
			put_peer(get, ops, ctx, &t);
			break;
		case CF_UAPI_GET_ALLOWED:
			put_allowed(get, &t);
			break;
		default:
			/* Positive, as `wg` expects of a get. */
			put(&t, "errno=%d\n\n", get->error < 0 ? -get->error : get->error);
			get->at = CF_UAPI_GET_DONE;
			break;
		}
	}
	return t.used;
}

void cf_uapi_get_reset(struct cf_uapi_get *get)
{
	free(get->peer.allowed);
	explicit_bzero(get, sizeof(*get));
}
