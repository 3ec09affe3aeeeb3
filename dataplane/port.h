/*
 * A port: an inside or outside of the gateway, with a Linux interface that stands for it. It is the
 * untagged part of a device (device.h) or one VLAN of it. Made by control before workers start.
 * Link state is the device's.
 */
#ifndef DATAPLANE_PORT_H
#define DATAPLANE_PORT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "dataplane/device.h"

#define DP_PORTS_MAX 64

struct dp_port {
	uint16_t id;	      /* index in struct dp */
	uint16_t vlan;	      /* 0: frames without a tag */
	_Atomic uint16_t mtu; /* greatest IP packet; control follows Linux, workers read */
	uint16_t mtu_max;     /* what its device was opened for: buffers hold no more */
	bool shared;	      /* Linux keeps the device and sees every frame itself */
	uint8_t mac[6];
	struct dp_device *device;
	uint32_t linux_ifindex; /* its face in Linux: the interface itself, a VLAN interface on it,
				   or a TAP; 0: none yet */
	bool linux_made;	/* the VLAN interface: control has made it and removes it */
	char name[16];
};

/* A port on an open device; mtu 0: the device's. 0, -ENAMETOOLONG, or -EEXIST: the device has a
 * port for this VLAN. */
int dp_port_init(struct dp_port *port, uint16_t id, const char *name, struct dp_device *device,
		 uint16_t vlan, uint16_t mtu);

/* Its device has been opened anew (device_link.h), and no worker uses it yet; mtu as above. What
 * its interface in Linux is now, control finds out. */
void dp_port_renew(struct dp_port *port, uint16_t mtu);

#endif
