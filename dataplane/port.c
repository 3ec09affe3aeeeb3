/*
 * A port on its device. Control, before workers start and when a device has come back. Devices are
 * opened in device.c.
 */
#include "dataplane/port.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static_assert(DP_PORTS_MAX <= DP_NO_VLAN_PORT, "ids of ports in the table of VLANs");

int dp_port_init(struct dp_port *port, uint16_t id, const char *name, struct dp_device *device,
		 uint16_t vlan, uint16_t mtu)
{
	memset(port, 0, sizeof(*port));
	if (strlen(name) >= sizeof(port->name))
		return -ENAMETOOLONG;
	if (device->port_by_vlan[vlan] != DP_NO_VLAN_PORT)
		return -EEXIST;
	device->port_by_vlan[vlan] = (uint8_t)id;
	if (device->n_ports++ == 0)
		device->first_port = id;
	port->id = id;
	port->vlan = vlan;
	port->device = device;
	port->mtu = mtu != 0 && mtu < device->mtu ? mtu : device->mtu;
	port->mtu_max = device->mtu;
	port->shared = device->shared;
	port->linux_ifindex = vlan == 0 ? device->linux_ifindex : 0;
	memcpy(port->mac, device->mac, sizeof(port->mac));
	memcpy(port->name, name, strlen(name));
	return 0;
}

void dp_port_renew(struct dp_port *port, uint16_t mtu)
{
	const struct dp_device *device = port->device;
	/* That of a TAP or VLAN interface goes on to count: somebody may have set it in Linux. */
	uint16_t most = device->shared && port->vlan == 0 ? mtu : port->mtu;

	port->mtu = most != 0 && most < device->mtu ? most : device->mtu;
	port->mtu_max = device->mtu;
	memcpy(port->mac, device->mac, sizeof(port->mac));
}
