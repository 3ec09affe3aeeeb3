/* What --check says of the ports that it has opened: each in a line, and what it lacks. Control. */
#include "control/check_ports.h"

#include <stdio.h>

#include <rte_ethdev.h>

void ctl_check_ports(const struct ctl *c)
{
	for (unsigned int k = 0; k < c->dp->n_ports; k++) {
		const struct dp_port *p = c->dp->ports[k];

		printf("port %s: %s (%s), node %d, %u queues, link %s, MTU %u, MAC "
		       "%02x:%02x:%02x:%02x:%02x:%02x\n",
		       p->name, p->device, p->driver, rte_eth_dev_socket_id(p->eth_id), p->queues,
		       dp_port_link(p) ? "up" : "down", p->mtu, p->mac[0], p->mac[1], p->mac[2],
		       p->mac[3], p->mac[4], p->mac[5]);
	}
}
