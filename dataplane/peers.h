/*
 * Peers: the memory of their records, and how they are found by reference: a slot and the slot's
 * generation, so that a reference that was put on a ring finds its peer or nothing, never another
 * one. Control adds and removes, workers look up without locks (dp_peer_by_ref() in publish.h).
 */
#ifndef DATAPLANE_PEERS_H
#define DATAPLANE_PEERS_H

#include <stddef.h>
#include <stdint.h>

struct dp_peers;
struct dp_peer;
struct dp_reclaim;

#define DP_PEERS_MAX (UINT32_C(1) << 24) /* at once */

struct dp_peers *dp_peers_new(struct dp_reclaim *reclaim);
/* Control, when no reader is left; reclaim may be freed before or after. With the peers in it. */
void dp_peers_free(struct dp_peers *t);

/* Control, in this order. */

/* A zeroed record with ref (never 0) and drops set, not yet known. NULL: out of memory or slots. */
struct dp_peer *dp_peers_take(struct dp_peers *t);
/* Makes it known. */
void dp_peers_add(struct dp_peers *t, struct dp_peer *peer);
/* Its reference finds nothing from now on. */
void dp_peers_remove(struct dp_peers *t, struct dp_peer *peer);
/* After RCU, or if it was never known: wipes the record and gives it back. */
void dp_peers_give_back(struct dp_peers *t, struct dp_peer *peer);

/* Control. The first that is known at or after slot (0: of all), which is moved past it. NULL: no
 * more. */
struct dp_peer *dp_peers_next(const struct dp_peers *t, uint32_t *slot);
/* Those that are known. */
size_t dp_peers_count(const struct dp_peers *t);
/* Memory in use: the table, the records, and the drop counters that were touched. */
size_t dp_peers_bytes(const struct dp_peers *t);

/* Workers, control. NULL: gone. */
struct dp_peer *dp_peers_by_ref(const struct dp_peers *t, uint64_t ref);

#endif
