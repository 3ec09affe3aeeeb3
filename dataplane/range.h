/*
 * Memory that grows and shrinks at its end and never moves: a range of addresses is reserved once,
 * its pages are had and given back in steps. Control only; what is in use may be read by anyone.
 */
#ifndef DATAPLANE_RANGE_H
#define DATAPLANE_RANGE_H

#include <stddef.h>

struct dp_range {
	unsigned char *base;   /* at a page */
	size_t in_use_bytes;   /* from base on; zeroed when they come into use */
	size_t writable_bytes; /* that were ever in use */
	size_t max_bytes;
};

/* Reserves addresses, no memory. 0 or -ENOMEM. */
int dp_range_init(struct dp_range *r, size_t max_bytes);
void dp_range_fini(struct dp_range *r);

/* At least the first so many bytes are in use then. 0 or -ENOMEM. */
int dp_range_grow(struct dp_range *r, size_t bytes);
/* Nobody needs or reads what is behind them any more: it is given back, with some hysteresis. */
void dp_range_shrink(struct dp_range *r, size_t bytes);

#endif
