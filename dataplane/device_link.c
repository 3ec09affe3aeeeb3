/*
 * The link of a device: what the device or Linux says of it, and the way of one that goes and comes
 * back. Control only, but for the two callbacks at the top, which run on DPDK's interrupt
 * thread, and dp_link_close(), for which control has a thread (control/closer.h). When what is
 * done, and what else depends on it, is in control/link.c.
 */
/* Told of removals: rte_dev_event_callback_register(), as it is since DPDK 18.05. */
#define ALLOW_EXPERIMENTAL_API
#include "dataplane/device_link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_pci.h>

#include "dataplane/device_priv.h"
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

void dp_link_watch(struct dp_device *d, struct dp_bell *bell)
{
	struct dp_link *l = &d->link;
	struct rte_eth_dev_info info;

	l->bell = bell;
	if (rte_eth_dev_info_get(d->eth_id, &info) != 0)
		return;
	snprintf(l->watched, sizeof(l->watched), "%s", rte_dev_name(info.device));
	l->watched_eth_id = d->eth_id;
	/* Where one is not told in this way, dp_link_read() finds out. */
	(void)rte_eth_dev_callback_register(d->eth_id, RTE_ETH_EVENT_INTR_RMV, on_removed_port, l);
	(void)rte_dev_event_callback_register(l->watched, on_removed_device, l);
}

void dp_link_unwatch(struct dp_device *d)
{
	struct dp_link *l = &d->link;

	if (l->watched[0] == '\0')
		return;
	(void)rte_eth_dev_callback_unregister(l->watched_eth_id, RTE_ETH_EVENT_INTR_RMV,
					      on_removed_port, l);
	(void)rte_dev_event_callback_unregister(l->watched, on_removed_device, l);
	l->watched[0] = '\0';
}

/* ---- what it is like ---- */

/* A PCI device that is not there any more: drivers do not all notice. */
static bool unplugged(const struct dp_device *d)
{
	char address[PCI_PRI_STR_SIZE + 1], path[64];
	struct rte_pci_addr at;

	if (rte_pci_addr_parse(d->device, &at) != 0)
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
static bool connects_once(const struct dp_device *d)
{
	if (strcmp(d->driver, "net_virtio_user") == 0)
		return strstr(d->device, "server=1") == NULL &&
		       strstr(d->device, "path=/dev/") == NULL;
	if (strcmp(d->driver, "net_memif") == 0)
		return strstr(d->device, "role=server") == NULL &&
		       strstr(d->device, "role=master") == NULL;
	return false;
}

static void read_shared(const struct dp_device *d, struct dp_link_report *r)
{
	bool running = false;

	if (dp_linux_running(d->linux_ifindex, &running, &r->speed_mbps) != 0)
		r->state = DP_LINK_GONE;
	else
		r->state = running ? DP_LINK_UP : DP_LINK_DOWN;
}

void dp_link_read(const struct dp_device *d, struct dp_link_report *report)
{
	struct rte_eth_link link;

	*report = (struct dp_link_report){.state = DP_LINK_GONE};
	if (d->eth_id >= RTE_MAX_ETHPORTS ||
	    atomic_load_explicit(&d->link.removed, memory_order_acquire))
		return;
	if (d->shared) {
		read_shared(d, report);
		return;
	}
	if (unplugged(d) || rte_eth_link_get_nowait(d->eth_id, &link) != 0)
		return;
	if (d->bond.n > 0)
		link.link_status = dp_bond_follow(&d->bond, d->eth_id);
	if (link.link_status != RTE_ETH_LINK_UP) {
		report->state = DP_LINK_DOWN;
		report->for_ever = connects_once(d);
		return;
	}
	report->state = DP_LINK_UP;
	if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		report->speed_mbps = link.link_speed;
}

/* ---- going and coming back ---- */

void dp_link_close(struct dp_device *d)
{
	dp_link_unwatch(d);
	/* Also if DPDK found it at its start: what comes back has to be probed anew. */
	d->made = true;
	/* An interface of this name is another one by now. */
	d->mtu_restore = 0;
	d->gro_restore = 0;
	device_let_go(d);
}

/* With what has been decided for the device that went. */
static int run_again(const struct dp_device *d, struct dp_device *fresh, struct rte_mempool *pool,
		     char *error, size_t error_size)
{
	const struct device_error e = {error, error_size};
	int rc = 0;

	if (fresh->rx_queues_max < d->rx_queues || fresh->tx_queues_max < d->tx_queues)
		rc = device_fail(&e, -ENOSPC,
				 "port %s: device %s is back with fewer queues than it had: "
				 "restart wgdp to use it",
				 d->port, d->device);
	memcpy(fresh->port_by_vlan, d->port_by_vlan, sizeof(fresh->port_by_vlan));
	if (rc == 0)
		rc = device_run(fresh, d->rx_queues, d->tx_queues, pool, &e);
	if (rc != 0)
		dp_device_close(fresh);
	return rc;
}

/* Neighbours know its ports by the MAC: a new device gets the old one's if it takes it. */
static void keep_mac(struct dp_device *d, const struct dp_device *fresh)
{
	struct rte_ether_addr mac;

	if (memcmp(d->mac, fresh->mac, sizeof(d->mac)) == 0)
		return;
	memcpy(mac.addr_bytes, d->mac, sizeof(d->mac));
	if (fresh->shared || rte_eth_dev_default_mac_addr_set(fresh->eth_id, &mac) != 0)
		memcpy(d->mac, fresh->mac, sizeof(d->mac));
}

/* All but what ports, workers and the device's own queues stand on. */
static void take_over(struct dp_device *d, const struct dp_device *fresh)
{
	keep_mac(d, fresh);
	d->eth_id = fresh->eth_id;
	d->rx_queues_max = fresh->rx_queues_max;
	d->tx_queues_max = fresh->tx_queues_max;
	d->mtu = fresh->mtu;
	d->node = fresh->node;
	d->tx_udp_cksum = fresh->tx_udp_cksum;
	d->tx_ipv4_cksum = fresh->tx_ipv4_cksum;
	d->rx_ipv4_cksum = fresh->rx_ipv4_cksum;
	d->rss = fresh->rss;
	d->rss_ports = fresh->rss_ports;
	d->link_interrupt = fresh->link_interrupt;
	d->vlan_filter = fresh->vlan_filter;
	d->made = fresh->made;
	d->bond = fresh->bond;
	d->gro_restore = fresh->gro_restore;
	d->mtu_restore = fresh->mtu_restore;
	d->linux_ifindex = fresh->linux_ifindex;
	memcpy(d->driver, fresh->driver, sizeof(d->driver));
	atomic_store_explicit(&d->link.removed, false, memory_order_relaxed);
}

int dp_link_open(struct dp_device *d, const struct dp_device_wish *wish, struct rte_mempool *pool,
		 bool quietly, char *error, size_t error_size)
{
	uint32_t level = rte_log_get_global_level();
	struct dp_device_wish again = *wish;
	struct dp_device fresh;
	int rc;

	/* Interfaces in Linux have been made for it. */
	if (!d->shared)
		again.mtu = d->mtu;
	if (quietly)
		rte_log_set_global_level(RTE_LOG_EMERG);
	rc = dp_device_open(&fresh, d->id, &again, pool, error, error_size);
	if (rc == 0)
		rc = run_again(d, &fresh, pool, error, error_size);
	rte_log_set_global_level(level);
	if (rc == 0)
		take_over(d, &fresh);
	return rc;
}
