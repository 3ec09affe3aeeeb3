/*
 * The cross-platform `wg` protocol (wireguard.com/xplatform): a server for one interface on
 * /var/run/wireguard/NAME.sock. Never blocks: run it when its descriptor is readable. What a
 * request means is decided by the owner, through upcalls, line by line in the order they come.
 */
#ifndef CONFIG_UAPI_H
#define CONFIG_UAPI_H

#include "config/model.h"

struct cf_uapi;

/* What `get` shows. Filled by the owner. */
struct cf_uapi_device {
	uint8_t private_key[CF_KEY_BYTES]; /* wiped by the server after use */
	bool has_private_key;
	uint16_t listen_port;
	uint32_t fwmark;
};

struct cf_uapi_peer {
	uint8_t public_key[CF_KEY_BYTES];
	uint8_t psk[CF_KEY_BYTES]; /* wiped by the server after use */
	struct cf_endpoint endpoint;
	uint64_t last_handshake_s;
	uint32_t last_handshake_ns;
	uint64_t tx_bytes, rx_bytes;
	uint16_t keepalive_s;
	struct cf_prefix *allowed; /* malloc'd by the owner, freed by the server */
	size_t n_allowed;
};

/*
 * Upcalls. Each set_* returns 0 or a negative errno, which ends the request with that errno; what
 * was applied before stays. public_key names the peer of the current section.
 */
struct cf_uapi_ops {
	int (*get_device)(void *ctx, struct cf_uapi_device *out);
	/*
	 * The peer after `after` in a fixed order (NULL: the first). False: no more. Peers may come
	 * and go between two calls: a removed `after` must not end the list early if avoidable.
	 */
	bool (*get_peer)(void *ctx, const uint8_t *after, struct cf_uapi_peer *out);

	int (*set_private_key)(void *ctx, const uint8_t *key); /* NULL: remove */
	int (*set_listen_port)(void *ctx, uint16_t port);
	int (*set_fwmark)(void *ctx, uint32_t mark);
	int (*remove_all_peers)(void *ctx);
	bool (*is_own_key)(void *ctx, const uint8_t *public_key);
	bool (*has_peer)(void *ctx, const uint8_t *public_key);
	int (*add_peer)(void *ctx, const uint8_t *public_key);
	int (*remove_peer)(void *ctx, const uint8_t *public_key);
	int (*set_psk)(void *ctx, const uint8_t *public_key, const uint8_t *psk); /* zeros: none */
	int (*set_endpoint)(void *ctx, const uint8_t *public_key, const struct cf_endpoint *e);
	int (*set_keepalive)(void *ctx, const uint8_t *public_key, uint16_t interval_s);
	int (*clear_allowed)(void *ctx, const uint8_t *public_key);
	int (*add_allowed)(void *ctx, const uint8_t *public_key, const struct cf_prefix *p);
	int (*remove_allowed)(void *ctx, const uint8_t *public_key, const struct cf_prefix *p);
	/* A peer's section is over: also when it ended in an error, or removed the peer. */
	void (*peer_done)(void *ctx, const uint8_t *public_key);
};

/*
 * Listens at path (its directory is made, 0755; the socket is 0600; a stale socket is replaced).
 * NULL with errno: EADDRINUSE when another process answers there.
 */
struct cf_uapi *cf_uapi_open(const char *path, const struct cf_uapi_ops *ops, void *ctx);
/* Closes clients and removes the socket. NULL is allowed. */
void cf_uapi_close(struct cf_uapi *uapi);
/* A descriptor that is readable (an epoll instance) when cf_uapi_run() has something to do. */
int cf_uapi_fd(const struct cf_uapi *uapi);
/* Serves what can be served without blocking, a bounded amount a call. */
void cf_uapi_run(struct cf_uapi *uapi);

#endif
