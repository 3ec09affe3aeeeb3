/*
 * From the configured ports to devices and ports of the data plane: several ports may lie on one
 * device, by VLAN. Control, at start and at the end, and when a device or interface comes back, as
 * link.c finds. What stands for a port in Linux: face.c and linux_vlan.c.
 */
#include "control/ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control/face.h"
#include "control/linux.h"
#include "control/log.h"
#include "control/preflight.h"
#include "dataplane/assign.h"

/* What its ports want of a device together. first: the first of them. */
static struct dp_device_wish wish_of(const struct cf_config *f, const struct cf_port *first,
				     uint16_t n_workers)
{
	struct dp_device_wish wish = {
		.port = first->name, .device = first->device, .queues = n_workers};

	for (size_t k = 0; k < f->n_ports; k++) {
		const struct cf_port *port = &f->ports[k];

		if (strcmp(port->device, first->device) != 0)
			continue;
		wish.mtu = port->mtu > wish.mtu ? port->mtu : wish.mtu;
		wish.mtu_or_more |= port->mtu == 0;
		wish.tagged |= port->vlan != 0;
	}
	return wish;
}

static struct dp_device *device_of(const struct dp *dp, const char *device)
{
	for (unsigned int k = 0; k < dp->n_devices; k++)
		if (strcmp(dp->devices[k]->device, device) == 0)
			return dp->devices[k];
	return NULL;
}

/* NULL: what is wrong has been said. */
static struct dp_device *open_device(struct dp *dp, const struct cf_config *f,
				     const struct cf_port *first)
{
	const struct dp_device_wish wish = wish_of(f, first, dp->n_workers);
	struct dp_device *device = calloc(1, sizeof(*device));
	char error[256] = "out of memory";

	if (device == NULL ||
	    dp_device_open(device, dp->n_devices, &wish, dp->pool, error, sizeof(error)) != 0) {
		ctl_log(CTL_ERROR, "%s:%u: %s", f->path, first->line, error);
		free(device);
		return NULL;
	}
	dp->devices[dp->n_devices++] = device;
	return device;
}

static int open_port(struct dp *dp, const struct cf_config *f, const struct cf_port *from)
{
	struct dp_device *device = device_of(dp, from->device);
	struct dp_port *port;
	int rc;

	if (device == NULL)
		device = open_device(dp, f, from);
	if (device == NULL)
		return -EIO;
	port = calloc(1, sizeof(*port));
	if (port == NULL)
		return -ENOMEM;
	rc = dp_port_init(port, dp->n_ports, from->name, device, from->vlan, from->mtu);
	if (rc != 0) {
		ctl_log(CTL_ERROR, "%s:%u: port %s: %s", f->path, from->line, from->name,
			strerror(-rc));
		free(port);
		return rc;
	}
	dp->ports[dp->n_ports++] = port;
	return 0;
}

/* 0, also if --check leaves it out. */
static int try_port(struct dp *dp, const struct cf_config *f, const struct cf_port *port,
		    const struct ctl_look *look)
{
	char step[sizeof("port ") + CF_NAME_BYTES];

	if (look != NULL && ctl_preflight_unopened(port) != NULL)
		return 0;
	snprintf(step, sizeof(step), "port %s", port->name);
	if (look != NULL)
		look->at(look->ctx, step);
	return open_port(dp, f, port);
}

/* The line of the device that does not run; if all do, their packet buffers are wrong. */
static uint32_t stopped_line(const struct dp *dp, const struct cf_config *f)
{
	for (unsigned int d = 0; d < dp->n_devices; d++)
		for (size_t k = 0; dp->devices[d]->rx_queues == 0 && k < f->n_ports; k++)
			if (strcmp(f->ports[k].name, dp->devices[d]->port) == 0)
				return f->ports[k].line;
	return f->packet_buffers_line != 0 ? f->packet_buffers_line : 1;
}

static void log_lacks(const struct dp *dp)
{
	for (unsigned int d = 0; d < dp->n_devices; d++) {
		uint32_t bits = dp_device_lacks(dp->devices[d], dp->n_workers);
		char names[256] = "";
		size_t at = 0;

		for (unsigned int l = 0; l < DP_LACK_N && at < sizeof(names); l++)
			if ((bits & UINT32_C(1) << l) != 0)
				at += (size_t)snprintf(names + at, sizeof(names) - at, "%s%s",
						       at > 0 ? ", " : "", dp_lack_name(l));
		if (bits != 0)
			ctl_log(CTL_NOTICE,
				"port %s: device %s lacks %s: wgdp-cli show ports says what that "
				"means",
				dp->devices[d]->port, dp->devices[d]->device, names);
	}
}

int ctl_ports_open(struct dp *dp, const struct cf_config *f, const struct ctl_look *look)
{
	char error[256] = "";
	int rc = 0, failed = 0;

	for (size_t k = 0; k < f->n_ports && (failed == 0 || look != NULL); k++) {
		rc = try_port(dp, f, &f->ports[k], look);
		failed = rc != 0 ? rc : failed;
	}
	if (failed != 0 && look == NULL)
		return failed;
	if (look != NULL)
		look->at(look->ctx, "starting the ports");
	rc = dp_start_devices(dp, error, sizeof(error));
	if (rc != 0)
		ctl_log(CTL_ERROR, "%s:%u: %s", f->path, stopped_line(dp, f), error);
	else if (look == NULL)
		log_lacks(dp);
	return failed != 0 ? failed : rc;
}

/* ---- a device that comes back ---- */

/* Ports neither come nor go while the program runs. */
static const struct cf_port *configured(const struct cf_config *f, const char *name)
{
	const struct cf_port *port = f->ports;

	while (strcmp(port->name, name) != 0)
		port++;
	return port;
}

int ctl_device_reopen(struct ctl *c, struct dp_device *d, bool quietly, char *error,
		      size_t error_size)
{
	const struct cf_config *f = c->settings;
	const struct dp_device_wish wish = wish_of(f, configured(f, d->port), c->dp->n_workers);
	int rc = dp_link_open(d, &wish, dp_pool_near(c->dp, d->node), quietly, error, error_size);

	for (unsigned int k = 0; k < c->dp->n_ports && rc == 0; k++) {
		struct dp_port *port = c->dp->ports[k];

		if (port->device == d)
			dp_port_renew(port, configured(f, port->name)->mtu);
	}
	return rc;
}

/* ---- in Linux ---- */

/* The VLAN interface has the configured MTU, or the port has the interface's. */
static int face_vlan(struct ctl *c, struct dp_port *port, uint16_t mtu, bool may_make, char *error,
		     size_t error_size)
{
	struct ctl_linux_vlan found;
	int rc = ctl_linux_vlan(c->netlink, port->device->linux_ifindex, port->vlan, port->name,
				may_make, &found, error, error_size);

	if (rc != 0)
		return rc;
	port->linux_made = found.made;
	port->linux_ifindex = found.ifindex;
	if (mtu == 0 && found.mtu < port->mtu_max)
		port->mtu = (uint16_t)found.mtu;
	return 0;
}

static int face(struct ctl *c, struct dp_port *port, uint16_t mtu, char *error, size_t error_size)
{
	int rc = 0;

	if (!port->shared) {
		rc = ctl_face_add_tap(c->face, port, error, error_size);
		port->linux_ifindex = rc < 0 ? 0 : (uint32_t)rc;
		return rc < 0 ? rc : 0;
	}
	if (port->vlan != 0)
		rc = face_vlan(c, port, mtu, true, error, error_size);
	if (rc == 0)
		ctl_face_share(c->face, port->linux_ifindex);
	return rc;
}

static int face_up(struct ctl *c, const struct dp_port *port, uint16_t mtu)
{
	/* That of a shared device has been set with the device. */
	bool set_mtu = !port->shared || (port->vlan != 0 && mtu != 0);

	return ctl_linux_link_up(c->netlink, port->linux_ifindex, set_mtu ? port->mtu : 0);
}

int ctl_port_face(struct ctl *c, struct dp_port *port, uint16_t mtu, char *error, size_t error_size)
{
	int rc = face(c, port, mtu, error, error_size);

	if (rc != 0)
		return rc;
	rc = ctl_linux_bind_port(c->netlink, port);
	if (rc == 0)
		rc = face_up(c, port, mtu);
	if (rc != 0)
		snprintf(error, error_size, "port %s: %s", port->name, strerror(-rc));
	return rc;
}

/* Addresses and routes of the file, for an interface that has none of its predecessor's. */
static int give_again(struct ctl *c, const struct dp_port *port, const struct cf_port *from)
{
	int rc = 0;

	for (size_t n = 0; n < from->addresses.n && rc == 0; n++)
		rc = ctl_linux_set_address(c->netlink, port->linux_ifindex, &from->addresses.at[n],
					   true);
	for (size_t n = 0; n < from->n_routes && rc == 0; n++)
		rc = ctl_linux_set_route(c->netlink, port->linux_ifindex, &from->routes[n], true);
	return rc;
}

int ctl_port_face_again(struct ctl *c, struct dp_port *port, char *error, size_t error_size)
{
	const struct cf_port *from = configured(c->settings, port->name);
	bool ours = port->linux_made;
	uint32_t before = port->linux_ifindex;
	int rc = 0;

	if (port->vlan == 0)
		port->linux_ifindex = port->device->linux_ifindex;
	else
		rc = face_vlan(c, port, from->mtu, ours, error, error_size);
	if (rc != 0)
		return rc;
	/* Made by an attempt that failed later. */
	port->linux_made |= ours && port->linux_ifindex == before;
	ctl_face_share_moved(c->face, before, port->linux_ifindex);
	ctl_linux_move_port(c->netlink, port);
	rc = face_up(c, port, from->mtu);
	if (rc == 0)
		rc = give_again(c, port, from);
	if (rc != 0)
		snprintf(error, error_size,
			 "port %s: its addresses and routes can't be set again: %s", port->name,
			 strerror(-rc));
	return rc;
}

void ctl_ports_unface(struct ctl *c)
{
	for (unsigned int k = 0; k < c->dp->n_ports; k++)
		if (c->dp->ports[k]->linux_made)
			(void)ctl_linux_link_remove(c->netlink, c->dp->ports[k]->linux_ifindex);
}

void ctl_ports_close(struct dp *dp)
{
	while (dp->n_ports > 0) {
		free(dp->ports[--dp->n_ports]);
		dp->ports[dp->n_ports] = NULL;
	}
	while (dp->n_devices > 0) {
		struct dp_device *device = dp->devices[--dp->n_devices];

		dp->devices[dp->n_devices] = NULL;
		dp_device_close(device);
		free(device);
	}
}
