/*
 * wgdp-bench lookup: what a peer takes without sessions, in the tables and records that workers
 * see: each one is published with an IPv4 and an IPv6 prefix and a way out. The packet path's
 * gateway is in gateway.c; sessions are measured in lookup_sessions.c.
 */
#include <malloc.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "bench/lookup.h"
#include "dataplane/allowed.h"
#include "dataplane/outs.h"
#include "dataplane/peers.h"
#include "dataplane/publish.h"

#define PACKET_BUFFERS 255
#define MTU	       1420
#define PORT_MTU       1500
#define V4_BASE	       0x0a000000u
#define V6_BASE	       0xfd57676470000000u
#define ENDPOINT_BASE  0xc6120000u /* 198.18.0.0/15, for benches (RFC 2544) */
#define POLL_EACH      64
#define HEADER_BYTES   (14 + 20 + 8) /* Ethernet, IPv4, UDP */

static struct bench_result *all_result, *resident_result, *allowed_result, *peer_result,
	*out_result;

void lookup_memory_add(struct bench_report *r, const struct bench_options *o)
{
	static const char unit[] = "bytes/peer";

	all_result = lookup_result(r, o, unit, "peer-memory/%u/all", o->peers);
	resident_result = lookup_result(r, o, unit, "peer-memory/%u/resident", o->peers);
	allowed_result = lookup_result(r, o, unit, "peer-memory/%u/allowed-ips", o->peers);
	peer_result = lookup_result(r, o, unit, "peer-memory/%u/records", o->peers);
	out_result = lookup_result(r, o, unit, "peer-memory/%u/ways-out", o->peers);
}

static int open_peer(struct dp *dp, struct dp_iface *iface, unsigned int i)
{
	struct dp_peer *peer = dp_publish_peer(dp, iface, NULL);
	uint32_t v4 = htonl(V4_BASE + i), endpoint = htonl(ENDPOINT_BASE + i % (1 << 17));
	uint64_t v6[2] = {__builtin_bswap64(V6_BASE + i), 0};
	struct dp_out out = {
		.port_id = DP_PORT_NONE, .mtu = PORT_MTU, .header_bytes = HEADER_BYTES};
	int rc;

	if (!peer)
		return -1;
	out.endpoint.family = AF_INET;
	memcpy(out.endpoint.addr, &endpoint, sizeof(endpoint));
	rc = dp_allowed_insert(iface->allowed, AF_INET, (const uint8_t *)&v4, 32, peer);
	if (rc == 0)
		rc = dp_allowed_insert(iface->allowed, AF_INET6, (const uint8_t *)v6, 128, peer);
	return rc == 0 ? dp_publish_out(dp, peer, &out) : rc;
}

static bool open_peers(struct dp *dp, struct dp_iface *iface, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		if (open_peer(dp, iface, i) != 0)
			return false;
		if (i % POLL_EACH == 0)
			dp_reclaim_poll(dp->reclaim);
	}
	while (dp_reclaim_poll(dp->reclaim) > 0)
		;
	return true;
}

static void sample(struct bench_result *result, double bytes, unsigned int n)
{
	if (result)
		bench_sample(result, bytes / n);
}

static bool measure(struct dp *dp, unsigned int n)
{
	struct dp_iface *iface = dp_publish_iface(dp, "wg0", MTU);
	size_t resident, resident_after, huge;
	double allowed, records, out;

	malloc_trim(0);
	lookup_resident(&resident, &huge);
	if (!iface || !open_peers(dp, iface, n))
		return false;
	lookup_resident(&resident_after, &huge);
	allowed = (double)dp_allowed_bytes(iface->allowed);
	records = (double)dp_peers_bytes(dp->peers);
	out = (double)dp_outs_bytes(dp->outs);
	sample(all_result, allowed + records + out, n);
	sample(resident_result, (double)resident_after - (double)resident, n);
	sample(allowed_result, allowed, n);
	sample(peer_result, records, n);
	sample(out_result, out, n);
	return true;
}

bool lookup_memory_run(const struct bench_options *o)
{
	static const int cpu = 0;
	static const unsigned int lcore = 0;
	const struct dp_settings settings = {
		.cpus = &cpu,
		.lcores = &lcore,
		.n_workers = 1,
		.packet_buffers = PACKET_BUFFERS,
		.mtu_max = PORT_MTU,
	};
	char error[256] = "";
	struct dp *dp;
	bool right;

	if (!all_result && !resident_result && !allowed_result && !peer_result && !out_result)
		return true;
	bench_progress("lookup: %u peers", o->peers);
	dp = dp_new(&settings, error, sizeof(error));
	right = dp && measure(dp, o->peers);
	bench_progress_end();
	if (!right)
		fprintf(stderr, "wgdp-bench: no %u peers: %s\n", o->peers,
			error[0] ? error : "out of memory");
	if (dp)
		dp_free(dp);
	return right;
}
