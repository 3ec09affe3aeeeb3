/*
 * Memory of peers' ways out (peer.h): blocks of whole cache lines, one behind the other, without
 * what an allocator for any size keeps beside each. Control only; workers see the blocks.
 */
#ifndef DATAPLANE_OUTS_H
#define DATAPLANE_OUTS_H

#include <stddef.h>

#include "dataplane/peer.h"

struct dp_outs;
struct dp_reclaim;

/* NULL: out of memory. What readers may still see waits in reclaim. */
struct dp_outs *dp_outs_new(struct dp_reclaim *reclaim);
/* When no reader is left; with all that are in it. NULL is allowed. */
void dp_outs_free(struct dp_outs *outs);

/* A copy, complete: what depends on the rest of it is filled in. NULL: out of memory. */
struct dp_out *dp_outs_copy(struct dp_outs *outs, const struct dp_out *out);
/* One that readers may see until they pass. */
void dp_outs_retire(struct dp_outs *outs, struct dp_out *out);

/* Of those that are in use, retired ones not counted. */
size_t dp_outs_bytes(const struct dp_outs *outs);

#endif
