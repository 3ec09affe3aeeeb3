/*
 * The gateway in the tester's process, made and ended: see gateway.h. Its tables are filled by what
 * control uses, with what it would find in Linux. Handshakes and timers: gateway_control.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "bench/lab/gateway_priv.h"
#include "bench/lab/outer.h"
#include "crypto/ct.h"
#include "dataplane/allowed.h"
#include "dataplane/assign.h"
#include "dataplane/route.h"

#define BUFFERS	      4095 /* for its own messages: others are the tester's */
#define LOOKS_PER_S   1000
#define NETWORK4_BITS 10 /* of inner addresses, as in config.c */
#define NETWORK6_BITS 64

static uint8_t host_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

/* Each lcore is on one. */
static int cpu_of(unsigned int lcore)
{
	rte_cpuset_t cpus = rte_lcore_cpuset(lcore);
	int cpu = 0;

	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus))
		cpu++;
	return cpu;
}

/* ---- ports ---- */

static int open_dp(struct lab_gateway *g, char *error, unsigned int error_size)
{
	int cpu = cpu_of(g->lcore);
	const struct dp_settings settings = {
		.cpus = &cpu,
		.lcores = &g->lcore,
		.n_workers = 1,
		.packet_buffers = BUFFERS,
		.mtu_max = lab_port_mtu(g->setup, LAB_OUTSIDE),
	};

	g->dp = dp_new(&settings, error, error_size);
	return g->dp ? 0 : -ENOMEM;
}

static int open_port(struct lab_gateway *g, enum lab_side side, char *error,
		     unsigned int error_size)
{
	struct dp_device *device = &g->devices[side];
	const struct dp_device_wish wish = {
		.port = lab_port_name(side),
		.device = g->cables[side].devices[LAB_GATEWAY_END],
		.mtu = lab_port_mtu(g->setup, side),
		.queues = 1,
	};
	int rc = dp_device_open(device, (uint16_t)side, &wish, g->dp->pool, error, error_size);

	if (rc != 0)
		return rc;
	g->dp->devices[side] = device;
	g->dp->n_devices = (uint16_t)(side + 1);
	memcpy(device->mac, g->cables[side].macs[LAB_GATEWAY_END], sizeof(device->mac));
	rc = dp_port_init(&g->ports[side], (uint16_t)side, wish.port, device, 0, wish.mtu);
	if (rc != 0)
		return rc;
	g->dp->ports[side] = &g->ports[side];
	g->dp->n_ports = g->dp->n_devices;
	return 0;
}

static int open_ports(struct lab_gateway *g, char *error, unsigned int error_size)
{
	int rc = 0;

	for (int side = LAB_OUTSIDE; rc == 0 && side < LAB_SIDES; side++)
		rc = open_port(g, (enum lab_side)side, error, error_size);
	return rc == 0 ? dp_start_devices(g->dp, error, error_size) : rc;
}

/* ---- addresses and routes ---- */

static int set_route(struct lab_gateway *g, const struct lab_address *to, uint8_t len,
		     const struct dp_route *route)
{
	return dp_routes_set(g->dp->routes, to->family, to->bytes, len, route);
}

static int set_locals(struct lab_gateway *g)
{
	const struct dp_route local = {.kind = DP_ROUTE_LOCAL};
	uint8_t addresses[LAB_SIDES][16], families[LAB_SIDES];
	int rc = 0;

	for (int side = LAB_OUTSIDE; rc == 0 && side < LAB_SIDES; side++) {
		const struct lab_address *a = &g->setup->gateway[side];

		memcpy(addresses[side], a->bytes, sizeof(addresses[side]));
		families[side] = a->family;
		rc = set_route(g, a, host_bits(a->family), &local);
	}
	return rc == 0 ? dp_publish_locals(g->dp, addresses, families, LAB_SIDES) : rc;
}

/* The tunnel's network, and the host inside. */
static int set_routes(struct lab_gateway *g)
{
	const struct dp_route tunnel = {.kind = DP_ROUTE_IFACE, .iface_id = g->wg->id};
	struct dp_route inside = {
		.kind = DP_ROUTE_PORT, .port_id = LAB_INSIDE, .on_link = true, .resolved = true};
	const struct lab_address *host = &g->setup->tester[LAB_INSIDE];
	struct lab_address first = lab_setup_peer_inner(g->setup, 0);
	int rc = set_route(g, &first, first.family == AF_INET ? NETWORK4_BITS : NETWORK6_BITS,
			   &tunnel);

	memcpy(inside.mac, g->cables[LAB_INSIDE].macs[LAB_TESTER_END], sizeof(inside.mac));
	return rc == 0 ? set_route(g, host, host_bits(host->family), &inside) : rc;
}

static int open_tunnel(struct lab_gateway *g)
{
	uint8_t private_key[LAB_KEY_BYTES];
	int rc;

	g->wg = dp_publish_iface(g->dp, "wg0", g->setup->o.tunnel_mtu);
	g->hs = hs_device_new(&lab_gateway_ops, g);
	if (!g->wg || !g->hs)
		return -ENOMEM;
	dp_publish_listen(g->wg, g->setup->o.gateway_port, 1);
	lab_setup_gateway_key(g->setup->o.seed, private_key);
	hs_device_set_key(g->hs, &g->now, private_key);
	cr_wipe(private_key, sizeof(private_key));
	rc = set_locals(g);
	return rc == 0 ? set_routes(g) : rc;
}

/* ---- peers ---- */

/* The way to peer i, who never moves. */
static void make_out(const struct lab_gateway *g, uint32_t i, struct dp_out *out)
{
	const struct lab_cable *cable = &g->cables[LAB_OUTSIDE];
	const struct lab_address *from = &g->setup->gateway[LAB_OUTSIDE];
	struct lab_address to = lab_setup_peer_outer(g->setup, i);
	uint16_t port = lab_setup_peer_port(g->setup, i);
	bool ipv6 = from->family == AF_INET6;

	memset(out, 0, sizeof(*out));
	memcpy(out->endpoint.addr, to.bytes, sizeof(to.bytes));
	memcpy(out->endpoint.local, from->bytes, sizeof(from->bytes));
	out->endpoint.family = to.family;
	out->endpoint.port = port;
	out->endpoint.has_local = true;
	out->endpoint.local_port = LAB_OUTSIDE;
	out->port_id = LAB_OUTSIDE;
	out->mtu = g->ports[LAB_OUTSIDE].mtu;
	out->l3_off = LAB_ETHER_BYTES;
	out->header_bytes = (uint8_t)lab_outer_bytes(ipv6);
	lab_ethernet_write(out->header, cable->macs[LAB_TESTER_END], cable->macs[LAB_GATEWAY_END],
			   ipv6);
	lab_outer_address(out->header, from, g->setup->o.gateway_port, &to, port);
	out->pseudo_sum = (uint32_t)rte_raw_cksum(dp_ip_source(out->header + LAB_ETHER_BYTES),
						  ipv6 ? 32 : 8) +
			  htons(IPPROTO_UDP);
}

static int open_peer(struct lab_gateway *g, uint32_t i, const uint8_t public_key[LAB_KEY_BYTES])
{
	struct lab_address inner = lab_setup_peer_inner(g->setup, i);
	struct lab_gateway_peer *p = &g->peers[i];
	struct dp_out out;
	int rc;

	p->dp = dp_publish_peer(g->dp, g->wg, p);
	p->hs = hs_peer_add(g->hs, public_key, p);
	if (!p->dp || !p->hs)
		return -ENOMEM;
	make_out(g, i, &out);
	hs_peer_set_endpoint(p->hs, &out.endpoint);
	rc = dp_publish_out(g->dp, p->dp, &out);
	return rc == 0 ? dp_allowed_insert(g->wg->allowed, inner.family, inner.bytes,
					   host_bits(inner.family), p->dp)
		       : rc;
}

static int open_peers(struct lab_gateway *g, const struct lab_peers *peers)
{
	int rc = 0;

	g->n_peers = peers->n;
	g->peers = calloc(peers->n, sizeof(g->peers[0]));
	for (uint32_t i = 0; g->peers && rc == 0 && i < peers->n; i++)
		rc = open_peer(g, i, peers->at[i].public_key);
	return g->peers ? rc : -ENOMEM;
}

/* ---- the whole ---- */

static int open_all(struct lab_gateway *g, const struct lab_peers *peers, char *error,
		    unsigned int error_size)
{
	int rc;

	g->lcore = rte_get_next_lcore(rte_get_main_lcore(), 1, 0);
	if (g->lcore == RTE_MAX_LCORE) {
		snprintf(error, error_size, "the gateway has no CPU of its own");
		return -ENODEV;
	}
	rc = open_dp(g, error, error_size);
	if (rc == 0)
		rc = open_ports(g, error, error_size);
	if (rc != 0)
		return rc;
	rc = open_tunnel(g);
	if (rc == 0)
		rc = open_peers(g, peers);
	if (rc != 0)
		snprintf(error, error_size, "no memory for the gateway's %u peers", peers->n);
	return rc;
}

static int start(struct lab_gateway *g, char *error, unsigned int error_size)
{
	int rc = rte_eal_remote_launch(dp_worker_run, g->dp->workers[0], g->lcore);

	g->runs = rc == 0;
	if (rc != 0)
		snprintf(error, error_size, "the gateway's worker does not start: %s",
			 strerror(-rc));
	return rc;
}

int lab_gateway_open(struct lab_gateway **out, const struct lab_setup *setup,
		     const struct lab_peers *peers, const struct lab_cable cables[LAB_SIDES],
		     char *error, unsigned int error_size)
{
	struct lab_gateway *g = calloc(1, sizeof(*g));
	int rc;

	*out = g;
	if (!g) {
		snprintf(error, error_size, "no memory for the gateway");
		return -ENOMEM;
	}
	g->setup = setup;
	g->cables = cables;
	g->look_cycles = rte_get_tsc_hz() / LOOKS_PER_S;
	rc = open_all(g, peers, error, error_size);
	if (rc == 0)
		rc = start(g, error, error_size);
	if (rc == 0)
		return 0;
	lab_gateway_stop(g);
	lab_gateway_free(g);
	*out = NULL;
	return rc;
}

void lab_gateway_stop(struct lab_gateway *g)
{
	if (!g || !g->dp)
		return;
	atomic_store(&g->dp->stop, true);
	if (g->runs)
		rte_eal_wait_lcore(g->lcore);
	g->runs = false;
	for (uint16_t i = 0; i < g->dp->n_devices; i++)
		dp_device_close(&g->devices[i]);
	g->dp->n_devices = 0;
}

void lab_gateway_free(struct lab_gateway *g)
{
	if (!g)
		return;
	if (g->hs)
		hs_device_free(g->hs); /* and the sessions of its peers */
	dp_free(g->dp);
	free(g->peers);
	free(g);
}

void lab_gateway_count(const struct lab_gateway *g, struct lab_gateway_counts *out)
{
	struct dp_counters sum = {0};

	dp_counters_add(&sum, &g->dp->workers[0]->counters);
	dp_counters_add(&sum, &g->dp->control_counters);
	*out = (struct lab_gateway_counts){
		.cpu = g->dp->workers[0]->cpu,
		.tester_cpu = cpu_of(rte_get_main_lcore()),
		.received = dp_counted(&sum.rx),
		.made = dp_counted(&sum.made),
		.sent = dp_counted(&sum.tx),
		.punted = dp_counted(&sum.punt),
		.consumed = dp_counted(&sum.consumed),
	};
	static_assert(DP_DROP_N <= LAB_GATEWAY_DROPS_MAX, "all of them");
	for (enum dp_drop d = 0; d < DP_DROP_N; d++) {
		if (dp_counted(&sum.drops[d]))
			out->drops[out->n_drops++] = (struct lab_gateway_drop){
				dp_drop_name(d), dp_drop_text(d), dp_counted(&sum.drops[d])};
	}
}
