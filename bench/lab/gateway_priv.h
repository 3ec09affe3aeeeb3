/* The gateway of gateway.h from the inside: what it consists of, and its control. One thread, but
 * for what dataplane/ gives to the worker. */
#ifndef BENCH_LAB_GATEWAY_PRIV_H
#define BENCH_LAB_GATEWAY_PRIV_H

#include <stdbool.h>

#include "bench/lab/gateway.h"
#include "dataplane/publish.h"
#include "dataplane/session.h"
#include "handshake/handshake.h"

#define LAB_GATEWAY_SESSIONS 4 /* of a peer, as struct hs_ops has it */

struct lab_gateway_peer {
	struct dp_peer *dp;
	struct hs_peer *hs;
	struct dp_session *sessions[LAB_GATEWAY_SESSIONS]; /* NULL: free */
};

struct lab_gateway {
	const struct lab_setup *setup;
	const struct lab_cable *cables; /* [LAB_SIDES] */
	struct dp *dp;
	struct dp_device devices[LAB_SIDES];
	struct dp_port ports[LAB_SIDES]; /* ids: enum lab_side */
	struct dp_iface *wg;
	struct hs_device *hs;
	struct lab_gateway_peer *peers;
	uint32_t n_peers;
	unsigned int lcore; /* the worker's */
	bool runs;
	struct hs_now now;
	uint64_t look_tsc, look_cycles; /* when timers are looked at again, and how often */
};

/* ---- gateway_control.c ---- */

extern const struct hs_ops lab_gateway_ops; /* ctx: struct lab_gateway; owner of a peer: ours */

#endif
