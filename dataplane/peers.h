/*
 * Peers by reference: a slot and the slot's generation, so that a reference that was put on a ring
 * finds its peer or nothing, never another one. Control adds and removes, workers look up without
 * locks (dp_peer_by_ref() in publish.h).
 */
#ifndef DATAPLANE_PEERS_H
#define DATAPLANE_PEERS_H

#include <stddef.h>
#include <stdint.h>

struct dp_peers;
struct dp_peer;

#define DP_PEERS_MAX (UINT32_C(1) << 24) /* at once */

struct dp_peers *dp_peers_new(void);
/* Control, when no reader is left. The peers themselves are the caller's. */
void dp_peers_free(struct dp_peers *t);

/* Control. Sets peer->ref (never 0) and makes it known. 0, -ENOMEM or -ENOSPC. */
int dp_peers_add(struct dp_peers *t, struct dp_peer *peer);
/* Control. Its reference finds nothing from now on. */
void dp_peers_remove(struct dp_peers *t, struct dp_peer *peer);
/* Control. The first at or after slot (0: of all), which is moved past it. NULL: no more. */
struct dp_peer *dp_peers_next(const struct dp_peers *t, uint32_t *slot);
size_t dp_peers_count(const struct dp_peers *t);

/* Workers, control. NULL: gone. */
struct dp_peer *dp_peers_by_ref(const struct dp_peers *t, uint64_t ref);

#endif
