/* The tester's ports: opened, closed, asked for their links; see port.h. ARP is in neighbour.c. */
#include "bench/lab/port.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "handshake/wire.h"

#define MTU_MIN	    1500
#define UDP_BYTES   8
#define FRAME_BYTES 60 /* the shortest, without its checksum */

const char *lab_port_name(enum lab_side side)
{
	return side == LAB_OUTSIDE ? "outside" : "inside";
}

uint16_t lab_port_mtu(const struct lab_setup *setup, enum lab_side side)
{
	unsigned int mtu = setup->o.tunnel_mtu;

	if (side == LAB_OUTSIDE)
		mtu += WG_OVERHEAD_BYTES + UDP_BYTES +
		       lab_ip_bytes(setup->tester[side].family == AF_INET6);
	return (uint16_t)RTE_MAX(mtu, (unsigned int)MTU_MIN);
}

static bool is_ring(const char *driver)
{
	static const char *const drivers[] = {"virtio_user", "vhost", "memif", "ring"};

	for (unsigned int i = 0; i < RTE_DIM(drivers); i++)
		if (strstr(driver, drivers[i]) != NULL)
			return true;
	return false;
}

int lab_port_open(struct lab_port *p, enum lab_side side, const struct lab_setup *setup,
		  struct rte_mempool *pool, char *error, unsigned int error_size)
{
	struct dp_device_wish wish = {
		.port = lab_port_name(side),
		.device = side == LAB_OUTSIDE ? setup->o.outside : setup->o.inside,
		.mtu = lab_port_mtu(setup, side),
		.mtu_or_more = true,
		.queues = 1,
	};
	int rc;

	memset(p, 0, sizeof(*p));
	p->side = side;
	p->setup = setup;
	p->pool = pool;
	if (!wish.device) {
		snprintf(error, error_size, "no device for the port %s", wish.port);
		return -EINVAL;
	}
	rc = dp_device_open(&p->device, (uint16_t)side, &wish, pool, error, error_size);
	if (rc != 0)
		return rc;
	rc = dp_device_start(&p->device, 1, 1, pool, error, error_size);
	if (rc != 0) {
		dp_device_close(&p->device);
		return rc;
	}
	p->open = true;
	p->ring = is_ring(p->device.driver);
	memcpy(p->mac, p->device.mac, sizeof(p->mac));
	return 0;
}

void lab_port_close(struct lab_port *p)
{
	if (p->open)
		dp_device_close(&p->device);
	p->open = false;
}

int lab_port_check_link(const struct lab_port *p, char *error, unsigned int error_size)
{
	struct dp_link_report link;

	dp_link_read(&p->device, &link);
	if (link.state == DP_LINK_UP)
		return 0;
	snprintf(error, error_size,
		 "port %s: device %s has no link: is the cable plugged in, and the gateway's port "
		 "at its other end up?",
		 lab_port_name(p->side), p->device.device);
	return -ENETDOWN;
}

double lab_port_speed(const struct lab_port *p)
{
	struct dp_link_report link;

	dp_link_read(&p->device, &link);
	return p->device.pci ? link.speed_mbps * 1e6 : 0;
}

struct rte_mbuf *lab_port_frame(struct lab_port *p, unsigned int bytes)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(p->pool);
	unsigned int n = RTE_MAX(bytes, (unsigned int)FRAME_BYTES);

	if (!m)
		return NULL;
	memset(rte_pktmbuf_mtod(m, uint8_t *), 0, n);
	m->data_len = (uint16_t)n;
	m->pkt_len = n;
	return m;
}

bool lab_port_owns(const struct lab_port *p, const struct lab_address *a)
{
	return lab_address_distance(&p->setup->tester[p->side], a) < p->setup->n_addresses[p->side];
}
