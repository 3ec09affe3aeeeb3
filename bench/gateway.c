/* The gateway in memory of wgdp-bench: see gateway.h. */
#include "bench/gateway.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <rte_ip.h>
#include <rte_lcore.h>

#include "bench/bench.h"
#include "crypto/random.h"
#include "dataplane/allowed.h"
#include "dataplane/assign.h"
#include "dataplane/route.h"

#define INNER_BASE    0x0a400000u /* 10.64.0.0/10 */
#define INNER_BITS    10
#define ENDPOINT_BASE 0xc6120000u /* 198.18.0.0/15, for benches (RFC 2544) */
#define PORT_MTU      1500
#define TTL	      64
#define DEVICE_BYTES  32
#define INDEX_STEP    2654435761u /* odd: scattered, and none comes twice, as control sees to */

static void put32(uint8_t *at, uint32_t x)
{
	x = htonl(x);
	memcpy(at, &x, sizeof(x));
}

static int open_ports(struct bench_gateway *g, uint16_t queues, char *error, size_t error_size)
{
	static const char *const names[] = {"wan", "lan"};
	static unsigned int serial; /* DPDK wants another device each time */
	char device[DEVICE_BYTES];

	for (uint16_t i = 0; i < 2; i++) {
		int rc;

		struct dp_device_wish wish = {
			.port = names[i], .device = device, .mtu = PORT_MTU, .queues = queues};

		snprintf(device, sizeof(device), "net_null%u", serial++);
		rc = dp_device_open(&g->devices[i], i, &wish, g->dp->pool, error, error_size);
		if (rc == 0)
			rc = dp_port_init(&g->ports[i], i, names[i], &g->devices[i], 0, PORT_MTU);
		if (rc != 0)
			return rc;
		g->dp->devices[i] = &g->devices[i];
		g->dp->ports[i] = &g->ports[i];
		g->dp->n_devices = g->dp->n_ports = (uint16_t)(i + 1);
	}
	return 0;
}

/* What the devices have nobody asks them again once they run: so they can have what memory ports
 * do, which is nothing, as checksums of a NIC cost its worker nothing. */
static int start_ports(struct bench_gateway *g, const struct bench_gateway_settings *s, char *error,
		       size_t error_size)
{
	int rc = dp_start_devices(g->dp, error, error_size);

	if (rc != 0)
		return rc;
	snprintf(error, error_size, "no memory for ports");
	for (unsigned int i = 0; rc == 0 && i < 2; i++) {
		rc = bench_memory_port_open(&g->memory[i], g->devices[i].eth_id, s->n_workers,
					    s->room);
		g->devices[i].rx_ipv4_cksum = g->offload;
		g->devices[i].tx_ipv4_cksum = g->offload;
		g->devices[i].tx_udp_cksum = g->offload;
	}
	return rc;
}

static int set_route(struct bench_gateway *g, uint32_t to, uint8_t len, struct dp_route route)
{
	uint8_t addr[4];

	put32(addr, to);
	return dp_routes_set(g->dp->routes, AF_INET, addr, len, &route);
}

static int open_routes(struct bench_gateway *g)
{
	struct dp_route lan = {.kind = DP_ROUTE_PORT,
			       .port_id = 1,
			       .on_link = true,
			       .resolved = true,
			       .mac = {2, 0, 0, 0, 1, 2}};
	struct dp_route wg = {.kind = DP_ROUTE_IFACE, .iface_id = g->wg->id};
	uint8_t ours[1][16] = {{0}}, family = AF_INET;
	int rc;

	put32(ours[0], BENCH_OUR_ADDR);
	rc = dp_publish_locals(g->dp, ours, &family, 1);
	if (rc == 0)
		rc = set_route(g, BENCH_OUR_ADDR, 32, (struct dp_route){.kind = DP_ROUTE_LOCAL});
	if (rc == 0)
		rc = set_route(g, INNER_BASE, INNER_BITS, wg);
	return rc == 0 ? set_route(g, BENCH_LAN_HOST, 32, lan) : rc;
}

static void make_out(struct dp_out *out, const struct bench_gateway *g, const struct bench_peer *p)
{
	static const uint8_t next_hop[6] = {2, 9, 9, 9, 9, 9};
	uint8_t *ip = out->header + 14;

	memset(out, 0, sizeof(*out));
	out->endpoint.family = AF_INET;
	put32(out->endpoint.addr, p->endpoint);
	put32(out->endpoint.local, BENCH_OUR_ADDR);
	out->endpoint.has_local = true;
	out->endpoint.port = BENCH_LISTEN;
	out->l3_off = 14;
	out->header_bytes = 14 + 20 + 8;
	out->mtu = PORT_MTU;
	memcpy(out->header, next_hop, 6);
	memcpy(out->header + 6, g->ports[0].mac, 6);
	out->header[12] = 0x08;
	ip[0] = 0x45;
	ip[8] = TTL;
	ip[9] = IPPROTO_UDP;
	put32(ip + 12, BENCH_OUR_ADDR);
	put32(ip + 16, p->endpoint);
	out->pseudo_sum = rte_raw_cksum(ip + 12, 8) + htons(IPPROTO_UDP);
	ip[20] = ip[22] = BENCH_LISTEN >> 8;
	ip[21] = ip[23] = BENCH_LISTEN & 0xff;
}

static int open_peer(struct bench_gateway *g, unsigned int i, uint64_t birth_ns)
{
	struct bench_peer *p = &g->peers[i];
	uint8_t keys[2][WG_KEY_BYTES], addr[4];
	struct dp_out out;
	uint32_t index;
	int rc;

	p->inner = INNER_BASE + i;
	p->endpoint = ENDPOINT_BASE + i % (1 << 17);
	p->peer = dp_publish_peer(g->dp, g->wg, NULL);
	if (!p->peer)
		return -ENOMEM;
	put32(addr, p->inner);
	rc = dp_allowed_insert(g->wg->allowed, AF_INET, addr, 32, p->peer);
	make_out(&out, g, p);
	if (rc == 0)
		rc = dp_publish_out(g->dp, p->peer, &out);
	if (rc != 0)
		return rc;
	cr_random(keys, sizeof(keys));
	index = i * INDEX_STEP;
	p->session = dp_publish_session(g->dp, p->peer, keys[0], keys[1], index, index, birth_ns,
					true);
	if (!p->session)
		return -ENOMEM;
	p->session->confirmed = true; /* control knows */
	dp_publish_current(p->peer, p->session);
	return 0;
}

static struct dp *open_dp(const struct bench_gateway_settings *s, char *error, size_t error_size)
{
	unsigned int lcores[BENCH_WORKERS_MAX];
	int cpus[BENCH_WORKERS_MAX];
	struct dp_settings settings = {
		.cpus = cpus,
		.lcores = lcores,
		.n_workers = s->n_workers,
		.packet_buffers = s->packet_buffers,
		.mtu_max = PORT_MTU,
		.spread = s->spread,
	};

	for (unsigned int i = 0; i < s->n_workers; i++) {
		lcores[i] = i;
		cpus[i] = rte_lcore_to_cpu_id((int)i);
	}
	return dp_new(&settings, error, error_size);
}

int bench_gateway_open(struct bench_gateway *g, const struct bench_gateway_settings *s, char *error,
		       size_t error_size)
{
	int rc = 0;

	memset(g, 0, sizeof(*g));
	g->n_peers = s->n_peers;
	g->offload = s->offload;
	g->peers = calloc(s->n_peers, sizeof(g->peers[0]));
	g->dp = g->peers ? open_dp(s, error, error_size) : NULL;
	if (!g->dp) {
		if (!g->peers)
			snprintf(error, error_size, "no memory for %u peers", s->n_peers);
		free(g->peers);
		return -ENOMEM;
	}
	g->w = g->dp->workers[0];
	g->w->now_ns = s->birth_ns;
	rc = open_ports(g, s->n_workers, error, error_size);
	if (rc == 0)
		rc = start_ports(g, s, error, error_size);
	if (rc != 0)
		goto fail;
	snprintf(error, error_size, "no memory for %u peers", s->n_peers);
	g->wg = dp_publish_iface(g->dp, "wg0", BENCH_MTU);
	rc = g->wg ? open_routes(g) : -ENOMEM;
	if (rc != 0)
		goto fail;
	dp_publish_listen(g->wg, BENCH_LISTEN, 1);
	for (unsigned int i = 0; i < s->n_peers; i++) {
		rc = open_peer(g, i, s->birth_ns);
		if (rc != 0)
			goto fail;
	}
	return 0;
fail:
	bench_gateway_close(g);
	return rc;
}

struct bench_peer *bench_gateway_peer(const struct bench_gateway *g, uint32_t inner)
{
	return inner - INNER_BASE < g->n_peers ? &g->peers[inner - INNER_BASE] : NULL;
}

void bench_gateway_close(struct bench_gateway *g)
{
	for (unsigned int i = 0; i < 2; i++)
		bench_memory_port_close(&g->memory[i]);
	for (uint16_t i = 0; i < g->dp->n_devices; i++)
		dp_device_close(&g->devices[i]);
	dp_free(g->dp);
	free(g->peers);
}
