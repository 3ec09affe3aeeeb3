/* What makes and ends the queue of dp_reclaim_later(); the rest of it is in publish.h. */
#ifndef DATAPLANE_RECLAIM_H
#define DATAPLANE_RECLAIM_H

#include <rte_rcu_qsbr.h>

#include "dataplane/arena.h"
#include "dataplane/publish.h"

/* Control. The queue waits for the threads that are online in rcu. NULL: out of memory. */
struct dp_reclaim *dp_reclaim_new(struct rte_rcu_qsbr *rcu);
/* Control, when no reader is left: frees all that waits. NULL is allowed. */
void dp_reclaim_free(struct dp_reclaim *r);

/* Control. The queue as arenas know it. */
struct dp_later dp_reclaim_as_later(struct dp_reclaim *r);

#endif
