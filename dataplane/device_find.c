/*
 * Finding or making the DPDK device that the operator named. Control only, before workers start,
 * and for a device that comes back. Setting it up is in device.c, what a shared one needs from
 * Linux in port_linux.c, bonds in device_bond.c.
 */
#include "dataplane/device_priv.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_pci.h>

#include "dataplane/batch.h"
#include "dataplane/pci.h"
#include "dataplane/port_linux.h"

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
/* Of one net_af_packet. */
#define QUEUES_MAX 16

/* Two of one device would close it under each other. */
static int own(struct dp_device *d, uint16_t eth_id, const struct device_error *error)
{
	struct rte_eth_dev_owner owner = {0};

	snprintf(owner.name, sizeof(owner.name), "port %s", d->port);
	if (rte_eth_dev_owner_new(&owner.id) != 0 || rte_eth_dev_owner_set(eth_id, &owner) != 0)
		return device_fail(error, -EBUSY, "port %s: device %s is another port already",
				   d->port, d->device);
	d->eth_id = eth_id;
	return 0;
}

/* Makes a device of this name, or finds one that EAL or a program has made. */
static int probe(struct dp_device *d, const char *bus, const char *name, const char *args,
		 const struct device_error *error)
{
	uint16_t eth_id;
	int rc;

	if (rte_eth_dev_get_port_by_name(name, &eth_id) == 0)
		return own(d, eth_id, error);
	rc = rte_eal_hotplug_add(bus, name, args);
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(name, &eth_id);
	/* So it answers if no driver has taken the name for one of its own. */
	if (rc == -EFAULT)
		return device_fail(error, -ENODEV,
				   "port %s: no driver of DPDK takes %s: is it written right, and "
				   "the driver installed?",
				   d->port, name);
	if (rc != 0)
		return device_fail(error, rc < -1 ? rc : -ENODEV,
				   "port %s: DPDK can't open %s (%s): its log says why", d->port,
				   d->device, rc < -1 ? strerror(-rc) : "no reason given");
	d->made = true;
	return own(d, eth_id, error);
}

static int open_pci(struct dp_device *d, const struct device_error *error)
{
	char name[DP_PCI_NAME_BYTES], why[256];
	int rc = dp_pci_usable(d->device, name, why, sizeof(why));

	if (rc != 0)
		return device_fail(error, rc, "port %s: %s", d->port, why);
	rc = probe(d, "pci", name, "", error);
	/* Others say where they were made, which is no property of theirs. */
	d->node = rc == 0 ? rte_eth_dev_socket_id(d->eth_id) : DP_NODE_ANY;
	d->pci = true;
	return rc;
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
	snprintf(args, size, "iface=%s,qpairs=%u,blocksz=%u,framesz=%u,framecnt=%u", name,
		 RTE_MIN(queues, (uint16_t)QUEUES_MAX), FRAMES_PER_BLOCK * frame, frame, count);
}

static int prepare_link(struct dp_device *d, const char *name, const struct dp_device_wish *wish,
			const struct rte_mempool *pool, const struct device_error *error)
{
	uint16_t has, mtu;
	int rc = dp_linux_up(name, &has);

	if (rc != 0)
		return device_fail(error, rc, "port %s: can't set interface %s up: %s", d->port,
				   name, strerror(-rc));
	mtu = device_mtu(wish, has);
	rc = device_fits(d, mtu, pool, error);
	if (rc != 0)
		return rc;
	if (mtu != has) {
		rc = dp_linux_set_mtu(name, mtu);
		if (rc != 0)
			return device_fail(error, rc,
					   "port %s: interface %s does not take an MTU of %u: %s",
					   d->port, name, mtu, strerror(-rc));
		d->mtu_restore = has;
	}
	d->mtu = mtu;
	d->gro_restore = dp_linux_merge_off(name);
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

static int open_link(struct dp_device *d, const char *name, const struct dp_device_wish *wish,
		     const struct rte_mempool *pool, const struct device_error *error)
{
	unsigned int ifindex = if_nametoindex(name);
	char vdev[32], args[160];
	int rc;

	if (ifindex == 0)
		return device_fail(
			error, -ENODEV,
			"port %s: there is no network interface %s (see: ip link), and it is "
			"neither a PCI address nor a DPDK device",
			d->port, name);
	if (interface_in_use(ifindex))
		return device_fail(error, -EBUSY, "port %s: interface %s is another port already",
				   d->port, name);
	d->shared = true;
	d->linux_ifindex = ifindex;
	rc = prepare_link(d, name, wish, pool, error);
	if (rc != 0)
		return rc;
	snprintf(vdev, sizeof(vdev), "net_af_packet_%u", d->id);
	ring_args(d->mtu, wish->queues, name, args, sizeof(args));
	rc = probe(d, "vdev", vdev, args, error);
	if (rc == 0)
		dp_linux_ignore_outgoing(ifindex);
	return rc;
}

/* "net_driver0,key=value": name and arguments. */
static int open_vdev(struct dp_device *d, const struct device_error *error)
{
	const char *comma = strchr(d->device, ',');
	size_t n = comma != NULL ? (size_t)(comma - d->device) : strlen(d->device);
	char name[RTE_DEV_NAME_MAX_LEN];

	if (strstr(d->device, "af_packet") != NULL)
		return device_fail(
			error, -EINVAL,
			"port %s: instead of %s name the interface alone: Linux sees its frames, "
			"too, and wgdp has to know that",
			d->port, d->device);
	/* Its frames lie in our buffers, which the kernel takes as one piece of memory: without
	 * hugepages they are several, and nothing would ever be received. */
	if (strstr(d->device, "af_xdp") != NULL && rte_eal_has_hugepages() == 0)
		return device_fail(error, -ENOTSUP,
				   "port %s: net_af_xdp needs hugepages: reserve some with "
				   "echo 512 >/proc/sys/vm/nr_hugepages",
				   d->port);
	if (n >= sizeof(name))
		return device_fail(error, -ENAMETOOLONG, "port %s: device name is too long",
				   d->port);
	memcpy(name, d->device, n);
	name[n] = '\0';
	return probe(d, "vdev", name, comma != NULL ? comma + 1 : "", error);
}

static int open_member(struct dp_device *bond, const char *device, const struct device_error *error)
{
	struct dp_device member = {.eth_id = RTE_MAX_ETHPORTS};
	struct rte_pci_addr at;
	int rc;

	memcpy(member.port, bond->port, sizeof(member.port));
	snprintf(member.device, sizeof(member.device), "%s", device);
	rc = rte_pci_addr_parse(device, &at) == 0 ? open_pci(&member, error)
						  : open_vdev(&member, error);
	if (rc != 0)
		return rc;
	bond->bond.members[bond->bond.n].eth_id = member.eth_id;
	bond->bond.members[bond->bond.n++].made = member.made;
	return 0;
}

static int open_bond(struct dp_device *d, const struct device_error *error)
{
	struct dp_bond_wish wish;
	char why[256];
	int rc = dp_bond_parse(d->device, &wish, why, sizeof(why));

	if (rc != 0)
		return device_fail(error, rc, "port %s: %s", d->port, why);
	for (uint16_t i = 0; rc == 0 && i < wish.n_members; i++)
		rc = open_member(d, wish.members[i], error);
	if (rc != 0)
		return rc;
	rc = dp_bond_make(&wish, &d->bond, &d->eth_id, why, sizeof(why));
	if (rc != 0)
		return device_fail(error, rc, "port %s: %s", d->port, why);
	d->made = true;
	return own(d, d->eth_id, error);
}

int device_find(struct dp_device *d, const struct dp_device_wish *wish,
		const struct rte_mempool *pool, const struct device_error *error)
{
	struct rte_pci_addr at;

	if (if_nametoindex(d->device) == 0) {
		if (rte_pci_addr_parse(d->device, &at) == 0)
			return open_pci(d, error);
		if (dp_bond_named(d->device))
			return open_bond(d, error);
		if (strchr(d->device, ',') != NULL || strncmp(d->device, "net_", 4) == 0)
			return open_vdev(d, error);
	}
	return open_link(d, d->device, wish, pool, error);
}
