/*
 * What has come out of a gateway in memory: is it what has to come out, and in the order in which
 * it went in?
 */
#ifndef BENCH_ARRIVALS_H
#define BENCH_ARRIVALS_H

#include <stdbool.h>

#include "bench/gateway.h"
#include "crypto/aead.h"

#define BENCH_LOST "packets were lost on the path"

/*
 * The frames that left by one queue since the last call, in order; all packets of a flow leave by
 * the same one. What was sealed is opened, as its peer does. NULL, or what is wrong.
 */
const char *bench_arrivals_check(struct bench_gateway *g, struct cr_aead *aead, bool decrypted,
				 struct rte_mbuf **frames, unsigned int n);

#endif
