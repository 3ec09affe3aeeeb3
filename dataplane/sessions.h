/*
 * Receiver index to session: one table for all interfaces, chains of sessions by index. Control
 * inserts and removes; workers look up without locks.
 */
#ifndef DATAPLANE_SESSIONS_H
#define DATAPLANE_SESSIONS_H

#include <stdint.h>

struct dp_sessions;
struct dp_session;
struct dp_iface;

struct dp_sessions *dp_sessions_new(void);
/* Control, when no reader is left. Wipes and frees the sessions that are in it, too. */
void dp_sessions_free(struct dp_sessions *t);
/* Control. */
void dp_sessions_insert(struct dp_sessions *t, struct dp_session *s);
void dp_sessions_remove(struct dp_sessions *t, struct dp_session *s);
/* Workers, control. The same index may exist on two interfaces. NULL: none. */
struct dp_session *dp_sessions_lookup(const struct dp_sessions *t, const struct dp_iface *iface,
				      uint32_t local_index);
/* n up to DP_BATCH_MAX; with prefetch. */
void dp_sessions_lookup_bulk(const struct dp_sessions *t, struct dp_iface *const *ifaces,
			     const uint32_t *local_indices, struct dp_session **sessions,
			     unsigned int n);

#endif
