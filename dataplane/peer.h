/*
 * A peer, a WireGuard interface and a way out, as workers see them. Written by control unless a
 * field says otherwise; published and retired in publish.c.
 */
#ifndef DATAPLANE_PEER_H
#define DATAPLANE_PEER_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_common.h>

#include "dataplane/counters.h"
#include "handshake/wire.h"

struct dp_session;
struct dp_allowed;

/* Heads of a peer's lists of allowed-ips, which are in the tries; zeroed: none. */
struct dp_prefixes {
	uint32_t v4, v6;
};

#define DP_IFACES_MAX		64
#define DP_OUT_HEADER_MAX_BYTES (14 + 4 + 40 + 8)

/*
 * The way to a peer's endpoint: the outer headers ready-made (Ethernet, IP, UDP); lengths,
 * TOS, IPv4 id and checksums are zero in it, and patched in the copies. Immutable once published; a
 * change is a new object. Of what is published there are dp_out_bytes() only: what the header does
 * not use is not there. One cache line for opening workers, and one (with IPv6 two) for sealing
 * ones.
 */
struct dp_out {
	alignas(RTE_CACHE_LINE_SIZE) struct wg_endpoint endpoint;
	uint32_t port_held; /* until this dp_out_tick() another port alone is no roaming */
	uint32_t link;	    /* control: while it waits for readers */

	alignas(RTE_CACHE_LINE_SIZE) uint32_t
		pseudo_sum;   /* one's complement sum of the UDP pseudo header without the length */
	uint16_t port_id;     /* port that it leaves by; DP_PORT_NONE: next hop not (yet) known */
	uint16_t mtu;	      /* of the port: greatest outer IP packet */
	uint16_t payload_max; /* UDP payload that it has room for: set when published */
	uint16_t source_ports; /* data messages leave from so many, from that of the header on */
	uint8_t header_bytes;
	uint8_t l3_off;
	uint8_t header[DP_OUT_HEADER_MAX_BYTES];
};

/* An eighth of a second of dp_worker.now_ns; 32 bits last for 18 years. */
static inline uint32_t dp_out_tick(uint64_t ns)
{
	return (uint32_t)(ns >> 27);
}

static inline size_t dp_out_bytes(const struct dp_out *out)
{
	return offsetof(struct dp_out, header) + out->header_bytes;
}

/* The UDP ports that an interface receives on; first in host order, n 0: none. */
struct dp_listen {
	uint16_t first, n;
};

struct dp_iface {
	uint16_t id;
	char name[16];
	_Atomic struct dp_listen listen; /* in one piece: there is no half a change */
	_Atomic uint16_t mtu;
	struct dp_allowed *allowed;
};

/*
 * Stamps in CLOCK_BOOTTIME ns, 0 = never; meaning as in struct hs_activity. Workers write them
 * relaxed and only when they change by DP_STAMP_COARSE_NS; control reads, and stamps for
 * handshakes.
 */
#define DP_STAMP_COARSE_NS UINT64_C(10000000)

/* What control alone knows of a peer. */
struct dp_peer_rest {
	uint64_t tx_bytes, tx_packets, rx_bytes, rx_packets; /* what retired sessions carried;
								handshake messages */
	void (*gone)(void *arg); /* called when it is freed; NULL: nobody asked */
	void *gone_arg;
};

/*
 * One line that each packet reads, and one for what is read or written rarely. The first has the
 * stamps, too: these are written once in 10 ms at most.
 */
struct dp_peer {
	/* read by workers; NULL: none to send with */
	alignas(RTE_CACHE_LINE_SIZE) _Atomic(struct dp_session *) current;
	_Atomic(struct dp_out *) out; /* NULL: no endpoint known */
	/* An opening worker has told control of a new endpoint, which control has not published
	 * yet: what is to be sealed waits at control, so that no answer goes to where the peer was.
	 */
	_Atomic bool roam_told;
	/* An IPv4 address that is the peer's by a prefix of its own, in network order: as no prefix
	 * is longer, nothing need be looked up to know that. 0: none (allowed.c) */
	_Atomic uint32_t host_v4;
	/* sealing workers */
	_Atomic uint64_t sent_any_ns;
	_Atomic uint64_t sent_data_ns;
	/* opening workers */
	_Atomic uint64_t received_any_ns;
	_Atomic uint64_t received_data_ns;
	_Atomic uint64_t received_data_last_ns;

	/* read by workers now and then */
	struct dp_iface *iface;
	uint64_t ref;		 /* slot and generation; see dp_peer_by_ref() */
	_Atomic uint64_t *drops; /* [DP_DROP_PEER_N]: any worker, atomic add; rare */
	void *owner;		 /* control's own record; workers do not touch it */

	_Atomic uint64_t asked_ns; /* last time that a worker asked control for a session */

	/* control only */
	struct dp_prefixes prefixes; /* its allowed-ips */
	struct dp_peer_rest *rest;
};

static_assert(offsetof(struct dp_peer, iface) == RTE_CACHE_LINE_SIZE &&
		      sizeof(struct dp_peer) + sizeof(struct dp_peer_rest) <= 176,
	      "a million of them");

#endif
