/*
 * What --check says of the ports that it has opened: each in a line, and a line for each thing that
 * its device lacks, with what that costs. Control thread of the check's child.
 */
#include "control/check_ports.h"

#include <inttypes.h>
#include <stdio.h>

#include "control/check_costs.h"

static void print_port(const struct dp_port *p)
{
	const struct dp_device *d = p->device;
	struct dp_link_report report;

	dp_link_read(d, &report);
	printf("port %s: %s", p->name, d->device);
	if (p->vlan != 0)
		printf(" vlan %u", p->vlan);
	printf(" (%s), ", d->driver);
	if (d->node >= 0)
		printf("node %d", d->node);
	else
		printf("no node");
	printf(", %u rx queue%s, %u tx queue%s, link %s, MTU %u, MAC "
	       "%02x:%02x:%02x:%02x:%02x:%02x\n",
	       d->rx_queues, d->rx_queues == 1 ? "" : "s", d->tx_queues,
	       d->tx_queues == 1 ? "" : "s", report.state == DP_LINK_UP ? "up" : "down", p->mtu,
	       p->mac[0], p->mac[1], p->mac[2], p->mac[3], p->mac[4], p->mac[5]);
}

static bool polls(const struct dp_worker *w, const struct dp_device *d)
{
	for (unsigned int k = 0; k < w->n_polls; k++)
		if (w->polls[k].device == d)
			return true;
	return false;
}

/* "CPU 1, 2" */
static void print_receivers(const struct dp *dp, const struct dp_device *d)
{
	const char *before = " (CPU ";

	for (unsigned int k = 0; k < dp->n_workers; k++) {
		if (!polls(dp->workers[k], d))
			continue;
		printf("%s%d", before, dp->workers[k]->cpu);
		before = ", ";
	}
	printf(" receive%s)", d->rx_queues == 1 ? "s" : "");
}

static void print_lack(const struct dp *dp, const struct dp_device *d, enum dp_lack lack)
{
	uint64_t cycles = ctl_check_cost(lack);

	printf("port %s: lacks %s: %s", d->port, dp_lack_name(lack), dp_lack_text(lack));
	if (cycles > 0)
		printf(": %" PRIu64 " TSC cycles for a packet of %u bytes", cycles,
		       CTL_COST_PACKET_BYTES);
	if (lack == DP_LACK_rx_queues)
		print_receivers(dp, d);
	putchar('\n');
}

void ctl_check_ports(const struct ctl *c)
{
	const struct dp *dp = c->dp;

	for (unsigned int k = 0; k < dp->n_ports; k++)
		if (dp->ports[k]->device->rx_queues > 0)
			print_port(dp->ports[k]);
	for (unsigned int k = 0; k < dp->n_devices; k++) {
		const struct dp_device *d = dp->devices[k];
		uint32_t lacks = d->rx_queues > 0 ? dp_device_lacks(d, dp->n_workers) : 0;

		for (unsigned int l = 0; l < DP_LACK_N; l++)
			if ((lacks & UINT32_C(1) << l) != 0)
				print_lack(dp, d, (enum dp_lack)l);
	}
	if (!c->hugepages)
		printf("memory: ordinary pages: more misses of the TLB than with hugepages, the "
		       "more buffers and peers there are\n");
}
