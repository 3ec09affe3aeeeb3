/*
 * The tester, opened and closed: see tester.h. What it does in a trial is in trial.c, what the
 * gateway has to know of it in config.c.
 */
#include "bench/lab/tester.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_errno.h>
#include <rte_mbuf.h>

#include "bench/lab/tester_priv.h"
#include "crypto/random.h"
#include "dataplane/batch.h"

#define BUFFERS	      16383
#define CACHE	      256
#define ROOM_STEP     1024
#define LINK_SECONDS  6
#define OPEN_NS	      (30 * WG_NS_PER_S) /* sessions last so long after it */
#define RETRY_LATE_NS (5 * WG_NS_PER_S)	 /* as the protocol has it */

static int no_memory(char *error, unsigned int size, const char *what)
{
	snprintf(error, size, "no memory for %s: reserve more hugepages, or take less", what);
	return -ENOMEM;
}

/* As the gateway's: whole KiB, since drivers take sizes in steps (net_af_packet whole frames). */
static uint16_t room_bytes(const struct lab_tester *t)
{
	unsigned int outer = WG_OVERHEAD_BYTES + lab_ip_bytes(true) + 8;
	unsigned int bytes = RTE_MAX(t->setup.o.tunnel_mtu, (uint16_t)RTE_ETHER_MTU) + outer +
			     DP_HEADROOM_BYTES + DP_TAILROOM_BYTES;

	/* And a line, so that buffers do not all start at the same place of a page. */
	return (uint16_t)(RTE_PKTMBUF_HEADROOM + RTE_ALIGN(bytes, ROOM_STEP) + RTE_CACHE_LINE_SIZE);
}

static int open_pool(struct lab_tester *t, char *error, unsigned int error_size)
{
	static unsigned int serial; /* DPDK wants another name each time */
	char name[RTE_MEMPOOL_NAMESIZE];

	snprintf(name, sizeof(name), "lab%u", serial++);
	/* A gateway in this process has its notes in them. */
	t->pool = rte_pktmbuf_pool_create(name, BUFFERS, CACHE, DP_NOTE_BYTES, room_bytes(t),
					  SOCKET_ID_ANY);
	return t->pool ? 0 : no_memory(error, error_size, "packets");
}

static int wait_link(struct lab_tester *t, const struct lab_port *p, char *error,
		     unsigned int error_size)
{
	uint64_t until = rte_rdtsc() + (uint64_t)(LINK_SECONDS * t->tsc_hz);
	int rc;

	do {
		rc = lab_port_check_link(p, error, error_size);
	} while (rc != 0 && !lab_stopped(t) && rte_rdtsc() < until);
	return rc;
}

/* The ports of one_process, at cables whose other ends have no need to be asked for. */
static int open_cables(struct lab_tester *t, char *error, unsigned int error_size)
{
	int rc = 0;

	for (int side = LAB_OUTSIDE; rc == 0 && side < LAB_SIDES; side++)
		rc = lab_cable_open(&t->cables[side], (uint8_t)side, error, error_size);
	t->setup.o.outside = t->cables[LAB_OUTSIDE].devices[LAB_TESTER_END];
	t->setup.o.inside = t->cables[LAB_INSIDE].devices[LAB_TESTER_END];
	return rc;
}

static void meet_gateway(struct lab_port *p, const struct lab_cable *cable)
{
	memcpy(p->mac, cable->macs[LAB_TESTER_END], sizeof(p->mac));
	memcpy(p->next_hop, cable->macs[LAB_GATEWAY_END], sizeof(p->next_hop));
	p->resolved = true;
}

static int open_ports(struct lab_tester *t, char *error, unsigned int error_size)
{
	int rc = t->setup.o.one_process ? open_cables(t, error, error_size) : 0;

	for (int side = LAB_OUTSIDE; rc == 0 && side < LAB_SIDES; side++)
		rc = lab_port_open(&t->ports[side], (enum lab_side)side, &t->setup, t->pool, error,
				   error_size);
	for (int side = LAB_OUTSIDE; rc == 0 && side < LAB_SIDES; side++)
		rc = wait_link(t, &t->ports[side], error, error_size);
	for (int side = LAB_OUTSIDE; t->setup.o.one_process && side < LAB_SIDES; side++)
		meet_gateway(&t->ports[side], &t->cables[side]);
	return rc;
}

static int init_result(struct lab_result *r)
{
	int rc = 0;

	for (unsigned int way = 0; rc == 0 && way < LAB_WAYS; way++) {
		rc = lab_histogram_init(&r->way[way].latency);
		if (rc == 0)
			rc = lab_histogram_init(&r->bulk[way].latency);
	}
	return rc;
}

static int open_streams(struct lab_tester *t, char *error, unsigned int error_size)
{
	for (unsigned int way = 0; way < LAB_WAYS; way++) {
		struct lab_stream *s = &t->streams[way][LAB_MAIN];

		if (lab_stream_open(s, &t->setup, (enum lab_way)way, false, t->secret, t->tsc_hz) !=
		    0)
			return no_memory(error, error_size, "flows");
		lab_stream_set_size(s, t->setup.o.size, t->setup.o.tunnel_mtu);
	}
	if (init_result(&t->idle) != 0)
		return no_memory(error, error_size, "histograms");
	lab_count_to(t, &t->idle);
	return 0;
}

/* Its cables lose no message: one that is late waits for a CPU, and another one would only make the
 * answer to the first worthless. */
static int open_gateway(struct lab_tester *t, char *error, unsigned int error_size)
{
	t->peers.retry_ns = RETRY_LATE_NS;
	return lab_gateway_open(&t->gateway, &t->setup, &t->peers, t->cables, error, error_size);
}

static int open_all(struct lab_tester *t, char *error, unsigned int error_size)
{
	int rc = open_pool(t, error, error_size);

	t->aead = cr_aead_new(NULL);
	if (rc == 0 && !t->aead)
		rc = no_memory(error, error_size, "the ciphers");
	if (rc == 0)
		rc = open_streams(t, error, error_size);
	if (rc == 0)
		rc = open_ports(t, error, error_size);
	if (rc == 0 && lab_peers_open(&t->peers, &t->setup, &t->ports[LAB_OUTSIDE]) != 0)
		rc = no_memory(error, error_size, "peers");
	if (rc == 0 && t->setup.o.one_process)
		rc = open_gateway(t, error, error_size);
	if (rc == 0)
		rc = lab_connect_ports(t, error, error_size);
	return rc == 0 ? lab_connect_peers(t, OPEN_NS, error, error_size) : rc;
}

int lab_tester_open(const struct lab_tester_options *o, struct lab_tester **out, char *error,
		    unsigned int error_size)
{
	struct lab_tester *t = calloc(1, sizeof(*t));
	int rc;

	*out = NULL;
	if (!t)
		return no_memory(error, error_size, "the tester");
	t->tsc_hz = (double)rte_get_tsc_hz();
	cr_random(&t->secret, sizeof(t->secret));
	rc = lab_setup_make(&t->setup, o, error, error_size);
	if (rc == 0) {
		t->sealed_ipv6 = t->setup.gateway[LAB_OUTSIDE].family == AF_INET6;
		rc = open_all(t, error, error_size);
	}
	if (rc == 0)
		*out = t;
	else
		lab_tester_close(t);
	return rc;
}

void lab_tester_close(struct lab_tester *t)
{
	if (!t)
		return;
	lab_gateway_stop(t->gateway);
	lab_peers_close(&t->peers);
	for (int side = LAB_OUTSIDE; side < LAB_SIDES; side++) {
		lab_port_close(&t->ports[side]);
		lab_cable_close(&t->cables[side]);
	}
	lab_gateway_free(t->gateway);
	for (unsigned int way = 0; way < LAB_WAYS; way++)
		for (unsigned int kind = 0; kind < LAB_KINDS; kind++)
			lab_stream_close(&t->streams[way][kind]);
	lab_result_free(&t->idle);
	cr_aead_free(t->aead);
	rte_mempool_free(t->pool);
	free(t);
}

int lab_tester_set_size(struct lab_tester *t, uint16_t size, char *error, unsigned int error_size)
{
	struct lab_tester_options o = t->setup.o;
	int rc;

	o.size = size;
	rc = lab_tester_check(&o, error, error_size);
	if (rc != 0)
		return rc;
	t->setup.o.size = size;
	for (unsigned int way = 0; way < LAB_WAYS; way++)
		lab_stream_set_size(&t->streams[way][LAB_MAIN], size, o.tunnel_mtu);
	return 0;
}

bool lab_tester_gateway(const struct lab_tester *t, struct lab_gateway_counts *out)
{
	if (!t->gateway)
		return false;
	lab_gateway_count(t->gateway, out);
	for (int side = LAB_OUTSIDE; side < LAB_SIDES; side++)
		out->refused += t->ports[side].refused;
	return true;
}

const char *lab_tester_driver(const struct lab_tester *t, bool outside)
{
	return t->ports[outside ? LAB_OUTSIDE : LAB_INSIDE].device.driver;
}
