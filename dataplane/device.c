/*
 * Devices: opening one that device_find.c has found, setting up its queues and offloads, and giving
 * it back. Control only, before workers start and after they end; between, for a device that no
 * worker uses as it has gone (device_link.c). Packets are received in rx.c and sent in tx.c; which
 * worker has which queue: assign.c.
 */
#include "dataplane/device_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include "dataplane/batch.h"
#include "dataplane/device_tap.h"
#include "dataplane/port_linux.h"

/* Descriptors asked for: some ms of small packets, so that a preempted worker loses none. */
#define RING_DESCRIPTORS 1024

/* Ethernet header and CRC, as DPDK counts frames; a VLAN tag, which not all drivers count. */
#define FRAME_CRC_BYTES 18
#define VLAN_BYTES	4

#define RSS_BY_FLOW  (RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP)
#define RSS_BY_PORTS (RTE_ETH_RSS_NONFRAG_IPV4_UDP | RTE_ETH_RSS_NONFRAG_IPV6_UDP)

int device_fail(const struct device_error *error, int rc, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, error->size, format, args);
	va_end(args);
	return rc;
}

int device_fits(const struct dp_device *d, uint16_t mtu, const struct rte_mempool *pool,
		const struct device_error *error)
{
	struct rte_mempool *p = (struct rte_mempool *)(uintptr_t)pool;
	unsigned int room = rte_pktmbuf_data_room_size(p) - RTE_PKTMBUF_HEADROOM;

	if (mtu + (unsigned int)DP_HEADROOM_BYTES + DP_TAILROOM_BYTES <= room)
		return 0;
	return device_fail(
		error, -EMSGSIZE,
		"port %s: device %s has an MTU of %u, and packet buffers are made for %u: say a "
		"lower mtu of the port in the configuration",
		d->port, d->device, mtu, room - DP_HEADROOM_BYTES - DP_TAILROOM_BYTES);
}

/* ---- what it has ---- */

static uint32_t mtu_limit(const struct rte_eth_dev_info *info)
{
	return RTE_MIN((uint32_t)info->max_mtu, info->max_rx_pktlen - (uint32_t)FRAME_CRC_BYTES);
}

uint16_t device_mtu(const struct dp_device_wish *wish, uint16_t has)
{
	if (wish->mtu == 0 || (wish->mtu_or_more && has > wish->mtu))
		return has;
	return wish->mtu;
}

static int check_limits(const struct dp_device *d, const struct rte_eth_dev_info *info,
			uint16_t mtu, const struct device_error *error)
{
	if (info->max_rx_queues == 0 || info->max_tx_queues == 0)
		return device_fail(
			error, -ENOSPC, "port %s: device %s has no queue to %s: it can't be a port",
			d->port, d->device, info->max_rx_queues == 0 ? "receive from" : "send to");
	if (!d->shared && mtu > mtu_limit(info))
		return device_fail(error, -EMSGSIZE,
				   "port %s: device %s does not take an MTU of %u: at most %u",
				   d->port, d->device, mtu, mtu_limit(info));
	return 0;
}

/* Linux spreads what a packet socket group receives by its flow hash. */
static void find_rss(struct dp_device *d, const struct rte_eth_dev_info *info)
{
	uint64_t can = info->flow_type_rss_offloads;

	d->rss = d->shared || (can & RSS_BY_FLOW) != 0;
	d->rss_ports = d->shared || (can & RSS_BY_PORTS) == RSS_BY_PORTS;
}

static void find_offloads(struct dp_device *d, const struct rte_eth_dev_info *info)
{
	d->tx_udp_cksum = (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
	d->tx_ipv4_cksum = (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
	/* net_tap would sum up whole packets in software. */
	d->rx_ipv4_cksum = (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) != 0 &&
			   strcmp(d->driver, "net_tap") != 0;
	d->vlan_filter = d->tagged && (info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_VLAN_FILTER) != 0;
	d->link_interrupt = (*info->dev_flags & RTE_ETH_DEV_INTR_LSC) != 0;
	find_rss(d, info);
}

static int look_at(struct dp_device *d, const struct dp_device_wish *wish,
		   const struct rte_mempool *pool, const struct device_error *error)
{
	struct rte_ether_addr mac;
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(d->eth_id, &info);

	if (rc == 0)
		rc = rte_eth_macaddr_get(d->eth_id, &mac);
	if (rc != 0)
		return device_fail(error, rc, "port %s: DPDK does not know device %s", d->port,
				   d->device);
	memcpy(d->mac, mac.addr_bytes, sizeof(d->mac));
	snprintf(d->driver, sizeof(d->driver), "%s", info.driver_name);
	rc = check_limits(d, &info, wish->mtu, error);
	if (rc == 0 && !d->shared) {
		d->mtu = device_mtu(wish, (uint16_t)RTE_MIN(mtu_limit(&info), RTE_ETHER_MTU));
		rc = device_fits(d, d->mtu, pool, error);
	}
	if (rc != 0)
		return rc;
	d->rx_queues_max = info.max_rx_queues;
	d->tx_queues_max = info.max_tx_queues;
	find_offloads(d, &info);
	return 0;
}

/* ---- setting it up ---- */

/* What DPDK takes a frame to have besides an IP packet, in rte_eth_dev_configure(). */
static uint32_t frame_overhead(const struct rte_eth_dev_info *info)
{
	if (info->max_mtu == UINT16_MAX || info->max_rx_pktlen <= info->max_mtu)
		return FRAME_CRC_BYTES;
	return info->max_rx_pktlen - info->max_mtu;
}

/* Room for a tag in the frames that the hardware takes, where it does not count one itself. */
static uint32_t mtu_to_ask(const struct dp_device *d, const struct rte_eth_dev_info *info)
{
	if (!d->tagged || frame_overhead(info) >= FRAME_CRC_BYTES + VLAN_BYTES)
		return d->mtu;
	return RTE_MIN((uint32_t)d->mtu + VLAN_BYTES, mtu_limit(info));
}

static int configure(struct dp_device *d, uint16_t rx_queues, uint16_t tx_queues)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(d->eth_id, &info);

	if (rc != 0)
		return rc;
	if (!d->shared)
		conf.rxmode.mtu = mtu_to_ask(d, &info);
	conf.intr_conf.rmv = (*info.dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	if (rx_queues > 1 && (info.flow_type_rss_offloads & RSS_BY_FLOW) != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & RSS_BY_FLOW;
	}
	/* VLAN tags stay in the frames: not all drivers can take them out, and none has to. But
	 * virtual functions may have to be told which are wanted. */
	if (d->vlan_filter)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_VLAN_FILTER;
	if (d->rx_ipv4_cksum)
		conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_IPV4_CKSUM;
	if (d->tx_udp_cksum)
		conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	if (d->tx_ipv4_cksum)
		conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
	return rte_eth_dev_configure(d->eth_id, rx_queues, tx_queues, &conf);
}

static int set_up_queues(struct dp_device *d, uint16_t rx_queues, uint16_t tx_queues,
			 struct rte_mempool *pool)
{
	unsigned int on = d->node < 0 ? (unsigned int)SOCKET_ID_ANY : (unsigned int)d->node;
	uint16_t rx = RING_DESCRIPTORS, tx = RING_DESCRIPTORS;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(d->eth_id, &rx, &tx);

	for (uint16_t q = 0; rc == 0 && q < rx_queues; q++)
		rc = rte_eth_rx_queue_setup(d->eth_id, q, rx, on, NULL, pool);
	for (uint16_t q = 0; rc == 0 && q < tx_queues; q++)
		rc = rte_eth_tx_queue_setup(d->eth_id, q, tx, on, NULL);
	d->ring_pkts = (uint32_t)rx * rx_queues + (uint32_t)tx * tx_queues;
	return rc;
}

static int tx_locks(struct dp_device *d, uint16_t tx_queues)
{
	d->tx = aligned_alloc(RTE_CACHE_LINE_SIZE, tx_queues * sizeof(d->tx[0]));
	if (d->tx == NULL)
		return -ENOMEM;
	for (uint16_t q = 0; q < tx_queues; q++) {
		rte_spinlock_init(&d->tx[q].lock);
		d->tx[q].shared = false;
	}
	return 0;
}

static int want_vlans(const struct dp_device *d)
{
	int rc = 0;

	for (uint16_t vlan = 1; vlan < DP_VLANS && rc == 0; vlan++)
		if (d->port_by_vlan[vlan] != DP_NO_VLAN_PORT)
			rc = rte_eth_dev_vlan_filter(d->eth_id, vlan, 1);
	return rc;
}

static int start(const struct dp_device *d)
{
	int rc = rte_eth_dev_start(d->eth_id);

	dp_tap_ignore_signals();
	if (rc == 0 && d->vlan_filter)
		rc = want_vlans(d);
	if (rc != 0 || d->shared)
		return rc;
	/* Linux's side of a port of our own: its groups are not ours to know, neighbour discovery
	 * needs them. Both are wishes, not all devices have them. */
	(void)rte_eth_promiscuous_disable(d->eth_id);
	(void)rte_eth_allmulticast_enable(d->eth_id);
	return 0;
}

int device_run(struct dp_device *d, uint16_t rx_queues, uint16_t tx_queues,
	       struct rte_mempool *pool, const struct device_error *error)
{
	int rc = configure(d, rx_queues, tx_queues);

	if (rc == 0)
		rc = set_up_queues(d, rx_queues, tx_queues, pool);
	if (rc == 0)
		rc = start(d);
	if (rc != 0)
		return device_fail(error, rc,
				   "port %s: device %s (%s) does not start: %s; DPDK's log says "
				   "more",
				   d->port, d->device, d->driver, strerror(-rc));
	d->rx_queues = rx_queues;
	d->tx_queues = tx_queues;
	return 0;
}

int dp_device_start(struct dp_device *d, uint16_t rx_queues, uint16_t tx_queues,
		    struct rte_mempool *pool, char *error, size_t error_size)
{
	const struct device_error e = {error, error_size};
	int rc = tx_locks(d, tx_queues);

	if (rc != 0)
		return device_fail(&e, rc, "port %s: out of memory", d->port);
	rc = device_run(d, rx_queues, tx_queues, pool, &e);
	if (rc != 0) {
		free(d->tx);
		d->tx = NULL;
	}
	return rc;
}

/* ---- open and close ---- */

static void clear(struct dp_device *d, uint16_t id)
{
	memset(d, 0, sizeof(*d));
	memset(d->port_by_vlan, DP_NO_VLAN_PORT, sizeof(d->port_by_vlan));
	d->id = id;
	d->eth_id = RTE_MAX_ETHPORTS;
	d->node = DP_NODE_ANY;
}

int dp_device_open(struct dp_device *d, uint16_t id, const struct dp_device_wish *wish,
		   struct rte_mempool *pool, char *error, size_t error_size)
{
	const struct device_error e = {error, error_size};
	int rc;

	clear(d, id);
	if (strlen(wish->port) >= sizeof(d->port) || strlen(wish->device) >= sizeof(d->device))
		return device_fail(&e, -ENAMETOOLONG, "port %s: name or device is too long",
				   wish->port);
	memcpy(d->port, wish->port, strlen(wish->port));
	memcpy(d->device, wish->device, strlen(wish->device));
	d->tagged = wish->tagged;
	rc = device_find(d, wish, pool, &e);
	if (rc == 0)
		rc = look_at(d, wish, pool, &e);
	if (rc != 0)
		dp_device_close(d);
	return rc;
}

int dp_device_wrap(struct dp_device *d, uint16_t id, uint16_t eth_id, uint16_t queues, uint16_t mtu)
{
	clear(d, id);
	if (tx_locks(d, queues) != 0)
		return -ENOMEM;
	d->eth_id = eth_id;
	d->rx_queues_max = d->tx_queues_max = queues;
	d->rx_queues = d->tx_queues = queues;
	d->mtu = mtu;
	d->rss = d->rss_ports = true;
	d->wrapped = true;
	return 0;
}

/* Of DPDK's. */
static void end(const struct dp_device *d)
{
	struct rte_eth_dev_info info;

	if (d->eth_id >= RTE_MAX_ETHPORTS || rte_eth_dev_info_get(d->eth_id, &info) != 0)
		return;
	if (d->rx_queues > 0)
		(void)rte_eth_dev_stop(d->eth_id);
	(void)rte_eth_dev_close(d->eth_id);
	if (d->made)
		(void)rte_dev_remove(info.device);
}

void device_let_go(struct dp_device *d)
{
	if (!d->wrapped)
		end(d);
	dp_bond_close_members(&d->bond);
	if (d->shared && d->mtu_restore != 0)
		(void)dp_linux_set_mtu(d->device, d->mtu_restore);
	if (d->shared)
		dp_linux_merge_on(d->device, d->gro_restore);
	d->mtu_restore = 0;
	d->gro_restore = 0;
	d->made = false;
	d->eth_id = RTE_MAX_ETHPORTS;
}

void dp_device_close(struct dp_device *d)
{
	device_let_go(d);
	free(d->tx);
	clear(d, d->id);
}
