/*
 * The link of a port: what its device or Linux says of it, and the way of a device that goes and
 * comes back. Control only, but for the two callbacks at the top, which run on DPDK's interrupt
 * thread. When what is done, and what else depends on it, is in control/link.c.
 */
/* Told of removals: rte_dev_event_callback_register(), as it is since DPDK 18.05. */
#define ALLOW_EXPERIMENTAL_API
#include "dataplane/link.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_pci.h>

#include "dataplane/port.h"
#include "dataplane/port_linux.h"
#include "dataplane/worker.h"

/* ---- removal ---- */

static void removed(struct dp_link *l)
{
	atomic_store_explicit(&l->removed, true, memory_order_release);
	dp_bell_ring(l->bell);
}

static int on_removed_port(uint16_t eth_id, enum rte_eth_event_type type, void *arg, void *ret)
{
	removed(arg);
	return 0;
}

/* vfio asks for a device that is to be pulled out, and waits until we have let go of it. */
static void on_removed_device(const char *name, enum rte_dev_event_type type, void *arg)
{
	if (type == RTE_DEV_EVENT_REMOVE)
		removed(arg);
}

void dp_link_watch(struct dp_port *port, struct dp_bell *bell)
{
	struct dp_link *l = &port->link;
	struct rte_eth_dev_info info;

	l->bell = bell;
	if (rte_eth_dev_info_get(port->eth_id, &info) != 0)
		return;
	snprintf(l->watched, sizeof(l->watched), "%s", rte_dev_name(info.device));
	l->watched_eth_id = port->eth_id;
	/* Where one is not told in this way, dp_link_read() finds out. */
	(void)rte_eth_dev_callback_register(port->eth_id, RTE_ETH_EVENT_INTR_RMV, on_removed_port,
					    l);
	(void)rte_dev_event_callback_register(l->watched, on_removed_device, l);
}

void dp_link_unwatch(struct dp_port *port)
{
	struct dp_link *l = &port->link;

	if (l->watched[0] == '\0')
		return;
	(void)rte_eth_dev_callback_unregister(l->watched_eth_id, RTE_ETH_EVENT_INTR_RMV,
					      on_removed_port, l);
	(void)rte_dev_event_callback_unregister(l->watched, on_removed_device, l);
	l->watched[0] = '\0';
}

/* ---- what it is like ---- */

/* A PCI device that is not there any more: drivers do not all notice. */
static bool unplugged(const struct dp_port *port)
{
	char address[PCI_PRI_STR_SIZE + 1], path[64];
	struct rte_pci_addr at;

	if (rte_pci_addr_parse(port->device, &at) != 0)
		return false;
	rte_pci_device_name(&at, address, sizeof(address));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	return access(path, F_OK) != 0;
}

/*
 * DPDK's virtio-user and memif connect once, when they are opened: if the other end of the socket
 * goes they have to be opened anew. Not so if they are the server, or if the other end is Linux's
 * vhost.
 */
static bool connects_once(const struct dp_port *port)
{
	if (strcmp(port->driver, "net_virtio_user") == 0)
		return strstr(port->device, "server=1") == NULL &&
		       strstr(port->device, "path=/dev/") == NULL;
	if (strcmp(port->driver, "net_memif") == 0)
		return strstr(port->device, "role=server") == NULL &&
		       strstr(port->device, "role=master") == NULL;
	return false;
}

static void read_shared(const struct dp_port *port, struct dp_link_report *r)
{
	bool running = false;

	if (dp_link_running(port->linux_ifindex, &running, &r->speed_mbps) != 0)
		r->state = DP_LINK_GONE;
	else
		r->state = running ? DP_LINK_UP : DP_LINK_DOWN;
}

void dp_link_read(const struct dp_port *port, struct dp_link_report *report)
{
	struct rte_eth_link link;

	*report = (struct dp_link_report){.state = DP_LINK_GONE};
	if (port->eth_id >= RTE_MAX_ETHPORTS ||
	    atomic_load_explicit(&port->link.removed, memory_order_acquire))
		return;
	if (port->shared) {
		read_shared(port, report);
		return;
	}
	if (unplugged(port) || rte_eth_link_get_nowait(port->eth_id, &link) != 0)
		return;
	if (port->bond.n > 0)
		link.link_status = dp_bond_follow(&port->bond, port->eth_id);
	if (link.link_status != RTE_ETH_LINK_UP) {
		report->state = DP_LINK_DOWN;
		report->for_ever = connects_once(port);
		return;
	}
	report->state = DP_LINK_UP;
	if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		report->speed_mbps = link.link_speed;
}

/* ---- going and coming back ---- */

void dp_link_close(struct dp_port *port)
{
	struct dp_port old = *port;

	dp_link_unwatch(port);
	dp_port_close(&old);
	port->eth_id = RTE_MAX_ETHPORTS;
	port->made = false;
	port->bond.n = 0;
	port->mtu_restore = 0;
	port->gro_restore = 0;
}

/* Neighbours know the port by its MAC: a new device gets the old one's if it takes it. */
static void keep_mac(struct dp_port *port, const struct dp_port *fresh)
{
	struct rte_ether_addr mac;

	if (memcmp(port->mac, fresh->mac, sizeof(port->mac)) == 0)
		return;
	memcpy(mac.addr_bytes, port->mac, sizeof(port->mac));
	if (fresh->shared || rte_eth_dev_default_mac_addr_set(fresh->eth_id, &mac) != 0)
		memcpy(port->mac, fresh->mac, sizeof(port->mac));
}

int dp_link_open(struct dp_port *port, uint16_t mtu, struct rte_mempool *pool, bool quietly,
		 char *error, size_t error_size)
{
	uint32_t level = rte_log_get_global_level();
	struct dp_port fresh;
	int rc;

	if (quietly)
		rte_log_set_global_level(RTE_LOG_EMERG);
	rc = dp_port_open(&fresh, port->id, port->name, port->device, mtu, port->queues, pool,
			  error, error_size);
	rte_log_set_global_level(level);
	if (rc != 0)
		return rc;
	keep_mac(port, &fresh);
	port->eth_id = fresh.eth_id;
	port->tx_udp_cksum = fresh.tx_udp_cksum;
	port->made = fresh.made;
	port->bond = fresh.bond;
	port->mtu_restore = fresh.mtu_restore;
	port->gro_restore = fresh.gro_restore;
	port->mtu_max = fresh.mtu_max;
	if (port->shared) {
		port->linux_ifindex = fresh.linux_ifindex;
		port->mtu = fresh.mtu;
	}
	memcpy(port->driver, fresh.driver, sizeof(port->driver));
	atomic_store_explicit(&port->link.removed, false, memory_order_relaxed);
	return 0;
}
