/*
 * A gateway in memory: workers, two ports in memory, one WireGuard interface with
 * any number of peers, each with a session. Built with what control uses; nothing of the path is
 * replaced.
 *
 *   port 0 "wan": peers' endpoints 198.18.0.0/15      192.0.2.1 is ours
 *   port 1 "lan": host 10.0.0.2, resolved
 *   peer i: allowed-ips 10.64.0.0 + i, a /32
 */
#ifndef BENCH_GATEWAY_H
#define BENCH_GATEWAY_H

#include <stddef.h>
#include <stdint.h>

#include "bench/memory_port.h"
#include "dataplane/publish.h"
#include "dataplane/session.h"
#include "dataplane/worker.h"

#define BENCH_NOW_NS   (1000 * WG_NS_PER_S)
#define BENCH_MTU      1420
#define BENCH_LISTEN   51820
#define BENCH_BUFFERS  2047
#define BENCH_LAN_HOST 0x0a000002u
#define BENCH_OUR_ADDR 0xc0000201u

struct bench_peer {
	struct dp_peer *peer;
	struct dp_session *session;
	uint32_t inner;	   /* its address in the tunnel, host order */
	uint32_t endpoint; /* and outside */
	uint64_t counter;  /* of the next packet that it sends */
	uint64_t sequence; /* of the next packet of its flow, either way: in the packet itself */
	/* What has come out: sequence and, of what was sealed, counter that come next. */
	uint64_t seen, seen_counter;
};

struct bench_gateway {
	struct dp *dp;
	struct dp_worker *w; /* the first */
	struct dp_device devices[2];
	struct dp_port ports[2];
	struct bench_memory_port memory[2]; /* what these are */
	struct dp_iface *wg;
	struct bench_peer *peers;
	unsigned int n_peers;
	bool offload; /* its ports do checksums, as NICs do */
};

struct bench_gateway_settings {
	unsigned int n_peers;
	uint16_t n_workers; /* and queues of each port; on the lcores from 0 on */
	unsigned int room;  /* packets that each queue has room for, to be received and sent */
	uint32_t packet_buffers;
	uint64_t birth_ns; /* of the sessions */
	enum dp_spread_mode spread;
	bool offload; /* its ports check IPv4 headers, and sum up IPv4 and UDP: see packets.h */
};

/* 0, or -errno with a sentence in error. */
int bench_gateway_open(struct bench_gateway *g, const struct bench_gateway_settings *s, char *error,
		       size_t error_size);
/* Whose address in the tunnel is that, in host order? NULL: nobody's. */
struct bench_peer *bench_gateway_peer(const struct bench_gateway *g, uint32_t inner);
void bench_gateway_close(struct bench_gateway *g);

#endif
