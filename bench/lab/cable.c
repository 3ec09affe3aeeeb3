/* Cables in memory: see cable.h. Packets go through them in DPDK's net_ring. */
#include "bench/lab/cable.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_mbuf.h>

#define RING_PKTS  1024 /* what a NIC's queue has */
#define NAME_BYTES 16

static int make_ring(struct lab_cable *c, enum lab_cable_end end, const char *name)
{
	c->rings[end] = rte_ring_create(name, RING_PKTS, SOCKET_ID_ANY,
					RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	return c->rings[end] ? 0 : -rte_errno;
}

static int make_device(struct lab_cable *c, enum lab_cable_end end, const char name[NAME_BYTES])
{
	struct rte_ring *in = c->rings[end], *out = c->rings[1 - end];

	if (rte_eth_from_rings(name, &in, 1, &out, 1, (unsigned int)SOCKET_ID_ANY) < 0)
		return -rte_errno;
	snprintf(c->devices[end], sizeof(c->devices[end]), "net_ring_%.*s", NAME_BYTES, name);
	return 0;
}

int lab_cable_open(struct lab_cable *c, uint8_t number, char *error, unsigned int error_size)
{
	static unsigned int serial; /* DPDK wants other names each time */
	char names[LAB_CABLE_ENDS][NAME_BYTES];
	int rc = 0;

	memset(c, 0, sizeof(*c));
	for (int end = LAB_TESTER_END; rc == 0 && end < LAB_CABLE_ENDS; end++) {
		const uint8_t mac[6] = {2, 0, 0, 0, number, (uint8_t)end};

		memcpy(c->macs[end], mac, sizeof(mac));
		snprintf(names[end], sizeof(names[end]), "cable%u", serial++);
		rc = make_ring(c, (enum lab_cable_end)end, names[end]);
	}
	for (int end = LAB_TESTER_END; rc == 0 && end < LAB_CABLE_ENDS; end++)
		rc = make_device(c, (enum lab_cable_end)end, names[end]);
	if (rc == 0)
		return 0;
	snprintf(error, error_size, "DPDK makes no ports in memory: %s", strerror(-rc));
	lab_cable_close(c);
	return rc;
}

void lab_cable_close(struct lab_cable *c)
{
	void *m;

	for (int end = LAB_TESTER_END; end < LAB_CABLE_ENDS; end++) {
		if (c->devices[end][0] != '\0')
			(void)rte_eal_hotplug_remove("vdev", c->devices[end]);
	}
	for (int end = LAB_TESTER_END; end < LAB_CABLE_ENDS; end++) {
		while (c->rings[end] && rte_ring_sc_dequeue(c->rings[end], &m) == 0)
			rte_pktmbuf_free(m);
		rte_ring_free(c->rings[end]);
	}
	memset(c, 0, sizeof(*c));
}
