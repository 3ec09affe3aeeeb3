/*
 * Receiver index to session: one table for all interfaces, and sessions' memory. Control inserts
 * and removes; workers look up without locks, at the cost of one cache line of the table and the
 * session's own. The table grows and shrinks with the number of sessions, a cache line at a time:
 * no call takes long, nobody waits.
 */
#ifndef DATAPLANE_SESSIONS_H
#define DATAPLANE_SESSIONS_H

#include <stddef.h>
#include <stdint.h>

struct dp_sessions;
struct dp_session;
struct dp_iface;
struct dp_reclaim;

/* NULL: out of memory. */
struct dp_sessions *dp_sessions_new(struct dp_reclaim *reclaim);
/* Control, when no reader is left; reclaim may be freed before or after. Wipes and frees the
 * sessions that are in it, too. */
void dp_sessions_free(struct dp_sessions *t);
/* Control. 0, or -ENOMEM and nothing has changed. */
int dp_sessions_insert(struct dp_sessions *t, struct dp_session *s);
/* Control. Nothing happens if it is not there. Readers may have it until they have passed. */
void dp_sessions_remove(struct dp_sessions *t, struct dp_session *s);
/* Workers, control. The same index may exist on two interfaces. NULL: none. */
struct dp_session *dp_sessions_lookup(const struct dp_sessions *t, const struct dp_iface *iface,
				      uint32_t local_index);
/* n up to DP_BATCH_MAX; with prefetch. */
void dp_sessions_lookup_bulk(const struct dp_sessions *t, struct dp_iface *const *ifaces,
			     const uint32_t *local_indices, struct dp_session **sessions,
			     unsigned int n);

/* Control. */
size_t dp_sessions_count(const struct dp_sessions *t);
size_t dp_sessions_buckets(const struct dp_sessions *t);
/* Of the table, without the sessions. */
size_t dp_sessions_bytes(const struct dp_sessions *t);

#endif
