/*
 * Allowed-IPs of one WireGuard interface: which peer a destination belongs to, and whether a
 * source belongs to a peer. One writer (control), any number of readers (workers) without locks:
 * a lookup during a change gives the answer before or after it, never a miss in between.
 * Addresses are in network order, IPv4 in 4 bytes. Of a peer's IPv4 hosts (/32) one is in the peer
 * itself as well: dp_allowed_host().
 */
#ifndef DATAPLANE_ALLOWED_H
#define DATAPLANE_ALLOWED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dp_allowed;
struct dp_peer;
struct dp_reclaim;
struct dp_keys;

/* Control. Memory that readers may still see is given to reclaim (see publish.h). */
struct dp_allowed *dp_allowed_new(struct dp_reclaim *reclaim);
/* Control, when no reader is left. */
void dp_allowed_free(struct dp_allowed *a);

/* Control. Host bits are ignored; takes the prefix from another peer. 0, -EINVAL (len too great for
 * the family) or -ENOMEM. */
int dp_allowed_insert(struct dp_allowed *a, int family, const uint8_t *addr, uint8_t len,
		      struct dp_peer *peer);
/* Control. Exactly this prefix, if it is this peer's: 0, else -ENOENT. */
int dp_allowed_remove(struct dp_allowed *a, int family, const uint8_t *addr, uint8_t len,
		      struct dp_peer *peer);
/* Control. At most max prefixes of a peer, without walking those of others; how many it were. 0:
 * none is left. For callers that have other things to do meanwhile: some 200 ns each. */
size_t dp_allowed_remove_some(struct dp_allowed *a, struct dp_peer *peer, size_t max);
/* Control. All prefixes of a peer. */
void dp_allowed_remove_peer(struct dp_allowed *a, struct dp_peer *peer);
/* Control. Calls visit for each prefix of a peer (all peers' if NULL), IPv4 first; visit returns
 * false: stop. */
void dp_allowed_list(const struct dp_allowed *a, const struct dp_peer *peer,
		     bool (*visit)(void *ctx, int family, const uint8_t *addr, uint8_t len,
				   struct dp_peer *peer),
		     void *ctx);
size_t dp_allowed_count(const struct dp_allowed *a);
/* Memory held for it. */
size_t dp_allowed_bytes(const struct dp_allowed *a);

/* Workers, control. Longest prefix; NULL: none. */
struct dp_peer *dp_allowed_lookup(const struct dp_allowed *a, int family, const uint8_t *addr);
/* The same for those of many addresses that are in the mask (tries.h). */
void dp_allowed_lookup_bulk(const struct dp_allowed *a, const struct dp_keys *keys, uint32_t mask,
			    struct dp_peer **peers);

#endif
