/*
 * Ports: finding or making the DPDK device that the operator named, setting it up, and giving it
 * back. Control only, before workers start and after they end. What a shared port needs from Linux
 * is in port_linux.c; packets are received in rx.c and sent in tx.c.
 */
#include "dataplane/port.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_pci.h>

#include "dataplane/batch.h"
#include "dataplane/port_linux.h"
#include "dataplane/port_tap.h"

/* Descriptors asked for: some ms of small packets, so that a preempted worker loses none. */
#define RING_DESCRIPTORS 1024

/*
 * Rings of net_af_packet, per queue and direction. They are mapped as one array of frames, so a
 * block must hold a whole number of frames; 4 frames that are multiples of 1 KiB are whole pages.
 */
#define FRAME_STEP_BYTES   1024
#define FRAME_MIN_BYTES	   2048
#define FRAMES_PER_BLOCK   4
#define ETHERNET_BYTES	   (14 + 4)
#define FRAME_HEADER_BYTES 66 /* TPACKET_V2: header and address, aligned, before Ethernet */
/* So a frame never needs more than a packet buffer of the same MTU has: DPDK's driver insists. */
static_assert(ETHERNET_BYTES + FRAME_HEADER_BYTES <= DP_HEADROOM_BYTES + DP_TAILROOM_BYTES,
	      "frames are rounded up as buffers are, in dataplane.c");
/* 7 ms at 300 kpps, and not over 8 MiB. */
#define FRAMES_MAX     2048
#define FRAMES_MIN     256
#define RING_MAX_BYTES (8u << 20)

/* Ethernet header and CRC, as DPDK counts frames. */
#define FRAME_CRC_BYTES 18

struct message {
	char *text;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int fail(const struct message *error, int rc,
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, error->size, format, args);
	va_end(args);
	return rc;
}

/* ---- finding the device ---- */

/* Two ports of one device would close it under each other. */
static int own(struct dp_port *port, uint16_t eth_id, const struct message *error)
{
	struct rte_eth_dev_owner owner = {0};

	snprintf(owner.name, sizeof(owner.name), "port %s", port->name);
	if (rte_eth_dev_owner_new(&owner.id) != 0 || rte_eth_dev_owner_set(eth_id, &owner) != 0)
		return fail(error, -EBUSY, "port %s: device %s is another port already", port->name,
			    port->device);
	port->eth_id = eth_id;
	return 0;
}

/* Makes a device of this name, or finds one that EAL or a program has made. */
static int probe(struct dp_port *port, const char *bus, const char *name, const char *args,
		 const struct message *error)
{
	uint16_t eth_id;
	int rc;

	if (rte_eth_dev_get_port_by_name(name, &eth_id) == 0)
		return own(port, eth_id, error);
	rc = rte_eal_hotplug_add(bus, name, args);
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(name, &eth_id);
	if (rc != 0)
		return fail(error, rc < -1 ? rc : -ENODEV,
			    "port %s: DPDK can't open %s (%s): its log says why", port->name,
			    port->device, rc < -1 ? strerror(-rc) : "no reason given");
	port->made = true;
	return own(port, eth_id, error);
}

/* Which Linux driver a PCI device has. Empty: none. */
static void pci_driver(const char *address, char *driver, size_t size)
{
	char path[64], target[PATH_MAX];
	const char *base;
	ssize_t n;

	driver[0] = '\0';
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	base = strrchr(target, '/') != NULL ? strrchr(target, '/') + 1 : target;
	snprintf(driver, size, "%.*s", (int)size - 1, base);
}

static int open_pci(struct dp_port *port, const struct rte_pci_addr *at,
		    const struct message *error)
{
	/* Those that DPDK drives through, or beside, a driver of Linux. */
	static const char *const usable[] = {"vfio-pci",  "uio_pci_generic", "igb_uio",
					     "mlx4_core", "mlx5_core",	     "gdma"};
	char address[PCI_PRI_STR_SIZE + 1], path[64], driver[64];

	rte_pci_device_name(at, address, sizeof(address));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", address);
	if (access(path, F_OK) != 0)
		return fail(error, -ENODEV, "port %s: there is no PCI device %s (see: lspci -D)",
			    port->name, address);
	pci_driver(address, driver, sizeof(driver));
	for (unsigned int i = 0; i < RTE_DIM(usable); i++) {
		if (strcmp(driver, usable[i]) == 0)
			return probe(port, "pci", address, "", error);
	}
	return fail(error, -EBUSY,
		    "port %s: PCI device %s is %s%s: give it to DPDK with: modprobe vfio-pci; "
		    "dpdk-devbind.py --bind=vfio-pci %s",
		    port->name, address,
		    driver[0] == '\0' ? "without a driver" : "driven by Linux's ", driver, address);
}

/* Frames that hold the interface's packets, and a ring of them that is neither short nor huge. */
static void ring_args(uint16_t mtu, uint16_t queues, const char *name, char *args, size_t size)
{
	unsigned int frame = mtu + ETHERNET_BYTES + FRAME_HEADER_BYTES;
	unsigned int count = FRAMES_MAX;

	frame = (frame + FRAME_STEP_BYTES - 1) / FRAME_STEP_BYTES * FRAME_STEP_BYTES;
	frame = RTE_MAX(frame, (unsigned int)FRAME_MIN_BYTES);
	while (count > FRAMES_MIN && count * frame > RING_MAX_BYTES)
		count /= 2;
	snprintf(args, size, "iface=%s,qpairs=%u,blocksz=%u,framesz=%u,framecnt=%u", name, queues,
		 FRAMES_PER_BLOCK * frame, frame, count);
}

/* An inner packet of this size must fit a buffer with what is put around it, in one piece. */
static int fits(const struct dp_port *port, uint16_t mtu, const struct rte_mempool *pool,
		const struct message *error)
{
	struct rte_mempool *p = (struct rte_mempool *)(uintptr_t)pool;
	unsigned int room = rte_pktmbuf_data_room_size(p) - RTE_PKTMBUF_HEADROOM;

	if (mtu + (unsigned int)DP_HEADROOM_BYTES + DP_TAILROOM_BYTES <= room)
		return 0;
	return fail(
		error, -EMSGSIZE,
		"port %s: device %s has an MTU of %u, and packet buffers are made for %u: say a "
		"lower mtu of the port in the configuration",
		port->name, port->device, mtu, room - DP_HEADROOM_BYTES - DP_TAILROOM_BYTES);
}

static int prepare_link(struct dp_port *port, const char *name, uint16_t mtu,
			const struct rte_mempool *pool, const struct message *error)
{
	uint16_t has;
	int rc = dp_link_up(name, &has);

	if (rc != 0)
		return fail(error, rc, "port %s: can't set interface %s up: %s", port->name, name,
			    strerror(-rc));
	rc = fits(port, mtu != 0 ? mtu : has, pool, error);
	if (rc != 0)
		return rc;
	if (mtu != 0 && mtu != has) {
		rc = dp_link_set_mtu(name, mtu);
		if (rc != 0)
			return fail(error, rc,
				    "port %s: interface %s does not take an MTU of %u: %s",
				    port->name, name, mtu, strerror(-rc));
		port->mtu_restore = has;
		has = mtu;
	}
	port->mtu = has;
	port->gro_restore = dp_link_merge_off(name);
	return 0;
}

static bool interface_in_use(unsigned int ifindex)
{
	struct rte_eth_dev_info info;
	uint16_t id;

	/* Not RTE_ETH_FOREACH_DEV: that leaves out what has an owner. */
	for (id = 0; id < RTE_MAX_ETHPORTS; id++) {
		if (rte_eth_dev_is_valid_port(id) && rte_eth_dev_info_get(id, &info) == 0 &&
		    info.if_index == ifindex)
			return true;
	}
	return false;
}

static int open_link(struct dp_port *port, const char *name, uint16_t mtu, uint16_t queues,
		     const struct rte_mempool *pool, const struct message *error)
{
	unsigned int ifindex = if_nametoindex(name);
	char vdev[32], args[160];
	int rc;

	if (ifindex == 0)
		return fail(error, -ENODEV,
			    "port %s: there is no network interface %s (see: ip link), and it is "
			    "neither a PCI address nor a DPDK device",
			    port->name, name);
	if (interface_in_use(ifindex))
		return fail(error, -EBUSY, "port %s: interface %s is another port already",
			    port->name, name);
	port->shared = true;
	port->linux_ifindex = ifindex;
	rc = prepare_link(port, name, mtu, pool, error);
	if (rc != 0)
		return rc;
	snprintf(vdev, sizeof(vdev), "net_af_packet_%u", port->id);
	ring_args(port->mtu, queues, name, args, sizeof(args));
	rc = probe(port, "vdev", vdev, args, error);
	if (rc == 0)
		dp_link_ignore_outgoing(ifindex);
	return rc;
}

/* "net_driver0,key=value": name and arguments. */
static int open_vdev(struct dp_port *port, const struct message *error)
{
	const char *comma = strchr(port->device, ',');
	size_t n = comma != NULL ? (size_t)(comma - port->device) : strlen(port->device);
	char name[RTE_DEV_NAME_MAX_LEN];

	if (strstr(port->device, "af_packet") != NULL)
		return fail(
			error, -EINVAL,
			"port %s: instead of %s name the interface alone: Linux sees its frames, "
			"too, and wgdp has to know that",
			port->name, port->device);
	/* Its frames lie in our buffers, which the kernel takes as one piece of memory: without
	 * hugepages they are several, and nothing would ever be received. */
	if (strstr(port->device, "af_xdp") != NULL && rte_eal_has_hugepages() == 0)
		return fail(error, -ENOTSUP,
			    "port %s: net_af_xdp needs hugepages: reserve some with "
			    "echo 512 >/proc/sys/vm/nr_hugepages",
			    port->name);
	if (n >= sizeof(name))
		return fail(error, -ENAMETOOLONG, "port %s: device name is too long", port->name);
	memcpy(name, port->device, n);
	name[n] = '\0';
	return probe(port, "vdev", name, comma != NULL ? comma + 1 : "", error);
}

static int open_member(struct dp_port *bond, const char *device, const struct message *error)
{
	struct dp_port member = {.eth_id = RTE_MAX_ETHPORTS};
	struct rte_pci_addr at;
	int rc;

	memcpy(member.name, bond->name, sizeof(member.name));
	snprintf(member.device, sizeof(member.device), "%s", device);
	rc = rte_pci_addr_parse(device, &at) == 0 ? open_pci(&member, &at, error)
						  : open_vdev(&member, error);
	if (rc != 0)
		return rc;
	bond->bond.members[bond->bond.n].eth_id = member.eth_id;
	bond->bond.members[bond->bond.n++].made = member.made;
	return 0;
}

static int open_bond(struct dp_port *port, const struct message *error)
{
	struct dp_bond_wish wish;
	char why[256];
	int rc = dp_bond_parse(port->device, &wish, why, sizeof(why));

	if (rc != 0)
		return fail(error, rc, "port %s: %s", port->name, why);
	for (uint16_t i = 0; rc == 0 && i < wish.n_members; i++)
		rc = open_member(port, wish.members[i], error);
	if (rc != 0)
		return rc;
	rc = dp_bond_make(&wish, &port->bond, &port->eth_id, why, sizeof(why));
	if (rc != 0)
		return fail(error, rc, "port %s: %s", port->name, why);
	port->made = true;
	return own(port, port->eth_id, error);
}

/* By the form of the name: an interface that exists, a PCI address, a vdev, else an interface. */
static int find_device(struct dp_port *port, uint16_t mtu, uint16_t queues,
		       const struct rte_mempool *pool, const struct message *error)
{
	struct rte_pci_addr at;

	if (if_nametoindex(port->device) == 0) {
		if (rte_pci_addr_parse(port->device, &at) == 0)
			return open_pci(port, &at, error);
		if (dp_bond_named(port->device))
			return open_bond(port, error);
		if (strchr(port->device, ',') != NULL || strncmp(port->device, "net_", 4) == 0)
			return open_vdev(port, error);
	}
	return open_link(port, port->device, mtu, queues, pool, error);
}

/* ---- setting it up ---- */

static int check_limits(const struct dp_port *port, const struct rte_eth_dev_info *info,
			uint16_t mtu, uint16_t queues, const struct message *error)
{
	uint16_t has = RTE_MIN(info->max_rx_queues, info->max_tx_queues);
	uint32_t mtu_max = RTE_MIN((uint32_t)info->max_mtu,
				   info->max_rx_pktlen - (uint32_t)FRAME_CRC_BYTES);

	if (has < queues)
		return fail(error, -ENOSPC,
			    "port %s: device %s has %u queue%s, and each of %u workers needs one: "
			    "configure fewer workers, or more queues of the device",
			    port->name, port->device, has, has == 1 ? "" : "s", queues);
	if (!port->shared && mtu > mtu_max)
		return fail(error, -EMSGSIZE,
			    "port %s: device %s does not take an MTU of %u: at most %u", port->name,
			    port->device, mtu, mtu_max);
	return 0;
}

static int configure(struct dp_port *port, const struct rte_eth_dev_info *info, uint16_t mtu,
		     uint16_t queues)
{
	const uint64_t by_flow = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_TCP;
	struct rte_eth_conf conf = {0};

	if (!port->shared)
		conf.rxmode.mtu = mtu;
	conf.intr_conf.rmv = (*info->dev_flags & RTE_ETH_DEV_INTR_RMV) != 0;
	if (queues > 1 && (info->flow_type_rss_offloads & by_flow) != 0) {
		conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
		conf.rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & by_flow;
	}
	port->tx_udp_cksum = (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0;
	if (port->tx_udp_cksum)
		conf.txmode.offloads |= RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
	return rte_eth_dev_configure(port->eth_id, queues, queues, &conf);
}

static int set_up_queues(struct dp_port *port, uint16_t queues, struct rte_mempool *pool)
{
	int socket = rte_eth_dev_socket_id(port->eth_id);
	unsigned int on = socket < 0 ? (unsigned int)SOCKET_ID_ANY : (unsigned int)socket;
	uint16_t rx = RING_DESCRIPTORS, tx = RING_DESCRIPTORS;
	int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->eth_id, &rx, &tx);

	for (uint16_t q = 0; rc == 0 && q < queues; q++) {
		rc = rte_eth_rx_queue_setup(port->eth_id, q, rx, on, NULL, pool);
		if (rc == 0)
			rc = rte_eth_tx_queue_setup(port->eth_id, q, tx, on, NULL);
	}
	return rc;
}

static int start(struct dp_port *port)
{
	struct rte_ether_addr mac;
	int rc = rte_eth_macaddr_get(port->eth_id, &mac);

	if (rc != 0)
		return rc;
	memcpy(port->mac, mac.addr_bytes, sizeof(port->mac));
	rc = rte_eth_dev_start(port->eth_id);
	dp_tap_ignore_signals();
	if (rc != 0 || port->shared)
		return rc;
	/* Linux's side of a port of our own: its groups are not ours to know, neighbour discovery
	 * needs them. Both are wishes, not all devices have them. */
	(void)rte_eth_promiscuous_disable(port->eth_id);
	(void)rte_eth_allmulticast_enable(port->eth_id);
	return 0;
}

static int set_up(struct dp_port *port, uint16_t mtu, uint16_t queues, struct rte_mempool *pool,
		  const struct message *error)
{
	struct rte_eth_dev_info info;
	int rc = rte_eth_dev_info_get(port->eth_id, &info);
	uint16_t has;

	if (rc != 0)
		return fail(error, rc, "port %s: DPDK does not know device %s", port->name,
			    port->device);
	snprintf(port->driver, sizeof(port->driver), "%s", info.driver_name);
	rc = check_limits(port, &info, mtu, queues, error);
	if (rc == 0 && !port->shared)
		rc = fits(port, mtu != 0 ? mtu : RTE_ETHER_MTU, pool, error);
	if (rc != 0)
		return rc;
	rc = configure(port, &info, mtu, queues);
	if (rc == 0)
		rc = set_up_queues(port, queues, pool);
	if (rc == 0)
		rc = start(port);
	if (rc != 0)
		return fail(error, rc,
			    "port %s: device %s (%s) does not start: %s; DPDK's log says more",
			    port->name, port->device, port->driver, strerror(-rc));
	port->queues = queues;
	if (!port->shared)
		port->mtu = rte_eth_dev_get_mtu(port->eth_id, &has) == 0 ? has : RTE_ETHER_MTU;
	port->mtu_max = port->mtu;
	return 0;
}

/* ---- open and close ---- */

int dp_port_open(struct dp_port *port, uint16_t id, const char *name, const char *device,
		 uint16_t mtu, uint16_t queues, struct rte_mempool *pool, char *error,
		 size_t error_size)
{
	const struct message message = {error, error_size};
	int rc;

	memset(port, 0, sizeof(*port));
	port->id = id;
	port->eth_id = RTE_MAX_ETHPORTS;
	if (strlen(name) >= sizeof(port->name) || strlen(device) >= sizeof(port->device))
		return fail(&message, -ENAMETOOLONG, "port %s: name or device is too long", name);
	memcpy(port->name, name, strlen(name));
	memcpy(port->device, device, strlen(device));
	rc = find_device(port, mtu, queues, pool, &message);
	if (rc == 0)
		rc = set_up(port, mtu, queues, pool, &message);
	if (rc != 0)
		dp_port_close(port);
	return rc;
}

void dp_port_close(struct dp_port *port)
{
	struct rte_eth_dev_info info;

	if (port->eth_id < RTE_MAX_ETHPORTS && rte_eth_dev_info_get(port->eth_id, &info) == 0) {
		if (port->queues > 0)
			(void)rte_eth_dev_stop(port->eth_id);
		(void)rte_eth_dev_close(port->eth_id);
		if (port->made)
			(void)rte_dev_remove(info.device);
	}
	dp_bond_close_members(&port->bond);
	if (port->shared && port->mtu_restore != 0)
		(void)dp_link_set_mtu(port->device, port->mtu_restore);
	if (port->shared)
		dp_link_merge_on(port->device, port->gro_restore);
	memset(port, 0, sizeof(*port));
	port->eth_id = RTE_MAX_ETHPORTS;
}
