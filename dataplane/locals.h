/* What makes the set of this host's addresses; publishing it and looking up are in publish.h. */
#ifndef DATAPLANE_LOCALS_H
#define DATAPLANE_LOCALS_H

#include "dataplane/publish.h"

/* Control. As dp_publish_locals(); free() it. NULL: out of memory. */
struct dp_locals *dp_locals_new(const uint8_t (*addrs)[16], const uint8_t *families, size_t n);

#endif
