/* The `ports` of the configuration. The engine is yaml_reader.c. */
#include "config/yaml_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "config/items.h"

#define PORTS_MAX 64
/* What DPDK is built for (RTE_MAX_ETHPORTS of Debian). */
#define DEVICES_MAX	 32
#define PORT_MTU_MIN	 576
#define PORT_MTU_MAX	 9216 /* the greatest that NICs and switches have in common */
#define VLAN_MAX	 4094 /* 802.1Q: 0 is no VLAN, 4095 reserved */
#define ROUTES_MAX	 4096
#define DEVICE_BYTES_MAX 256

static void read_device(struct cf_reader *r, void *target)
{
	struct cf_port *port = target;

	port->line = cf_read_line(r);
	port->device = cf_read_string(r);
	if (!port->device)
		return;
	if (cf_port_device(port) == CF_DEVICE_LINUX)
		cf_check_name(r, cf_read_line(r), "Linux interface", port->device, CF_NAME_BYTES);
	else if (strlen(port->device) > DEVICE_BYTES_MAX)
		cf_read_error(r, cf_read_line(r), "\"device\" is too long (at most %d bytes)",
			      DEVICE_BYTES_MAX);
}

static void read_vlan(struct cf_reader *r, void *target)
{
	struct cf_port *port = target;
	uint64_t vlan;

	if (cf_read_number(r, 1, VLAN_MAX, &vlan))
		port->vlan = (uint16_t)vlan;
}

static void read_addresses(struct cf_reader *r, void *target)
{
	struct cf_port *port = target;

	cf_read_addresses(r, &port->addresses);
}

static void read_mtu(struct cf_reader *r, void *target)
{
	struct cf_port *port = target;
	uint64_t mtu;

	port->mtu_line = cf_read_line(r);
	if (cf_read_number(r, PORT_MTU_MIN, PORT_MTU_MAX, &mtu))
		port->mtu = (uint16_t)mtu;
}

static void read_to(struct cf_reader *r, void *target)
{
	struct cf_route *route = target;

	cf_read_prefix(r, true, &route->to);
}

static void read_via(struct cf_reader *r, void *target)
{
	struct cf_route *route = target;

	if (cf_read_prefix(r, false, &route->via) &&
	    route->via.len != (route->via.family == AF_INET ? 32 : 128))
		cf_read_error(r, cf_read_line(r), "\"via\" must be an address without a length");
}

static const struct cf_item route_items[] = {CF_PORT_ROUTE_ITEMS(CF_ITEM){NULL, NULL}};

/* The routes of the port that is being read. */
struct route_list {
	struct cf_port *port;
	size_t size;
};

static void read_route(struct cf_reader *r, void *target)
{
	struct route_list *list = target;
	struct cf_port *port = list->port;
	struct cf_route route = {0};
	uint32_t line = cf_read_line(r);
	size_t errors = r->n_errors;

	cf_read_mapping(r, "a route", route_items, &route);
	if (r->n_errors > errors)
		return;
	if (!route.to.family) {
		cf_read_error(r, line,
			      "a route needs \"to\" (like {to: 0.0.0.0/0, via: 192.0.2.1})");
		return;
	}
	if (route.via.family && route.via.family != route.to.family) {
		cf_read_error(r, line, "\"to\" and \"via\" must both be IPv4 or both IPv6");
		return;
	}
	for (size_t i = 0; i < port->n_routes; i++)
		if (!cf_prefix_compare(&port->routes[i].to, &route.to)) {
			cf_read_error(r, line, "this port has a route to that prefix already");
			return;
		}
	if (port->n_routes == ROUTES_MAX) {
		cf_read_error(r, line, "too many routes for a port (at most %d)", ROUTES_MAX);
		r->stop = true;
	}
	if (cf_read_grow(r, &port->routes, port->n_routes, &list->size, sizeof(*port->routes)))
		port->routes[port->n_routes++] = route;
}

static void read_routes(struct cf_reader *r, void *target)
{
	struct route_list list = {.port = target};

	cf_read_list(r, read_route, &list);
}

/* What a device is called in a program: a PCI address in full, a vdev without its arguments. */
static bool same_device(const struct cf_port *a, const struct cf_port *b)
{
	static const char domain[] = "0000:";
	const char *x = a->device, *y = b->device;

	if (cf_port_device(a) != cf_port_device(b))
		return false;
	if (cf_port_device(a) == CF_DEVICE_PCI) {
		x += strncmp(x, domain, strlen(domain)) ? 0 : strlen(domain);
		y += strncmp(y, domain, strlen(domain)) ? 0 : strlen(domain);
		return !strcasecmp(x, y);
	}
	return strcspn(x, ",") == strcspn(y, ",") && !strncmp(x, y, strcspn(x, ","));
}

/* Linux has no VLAN interface with a greater MTU than the one that it lies on. */
static bool mtu_over(const struct cf_port *vlan, const struct cf_port *port)
{
	return cf_port_device(port) == CF_DEVICE_LINUX && port->vlan == 0 && port->mtu != 0 &&
	       vlan->mtu > port->mtu;
}

/* Of two ports on one device: each has its VLAN, or one of them none. */
static void check_pair(struct cf_reader *r, uint32_t line, const struct cf_port *port,
		       const struct cf_port *other)
{
	if (strcmp(port->device, other->device))
		cf_read_error(r, line, "device %s is that of port %s: write it as there, %s",
			      port->device, other->name, other->device);
	else if (port->vlan == other->vlan && port->vlan)
		cf_read_error(r, line, "vlan %u of device %s is port %s already", port->vlan,
			      port->device, other->name);
	else if (port->vlan == other->vlan)
		cf_read_error(r, line,
			      "device %s is port %s already: several ports of one device need a "
			      "\"vlan\" each, or all but one",
			      port->device, other->name);
	if (mtu_over(port, other) || mtu_over(other, port))
		cf_read_error(r, line,
			      "ports %s and %s: the MTU of a VLAN of %s can't be over that of %s "
			      "itself",
			      other->name, port->name, port->device, port->device);
}

static bool is_first(const struct cf_config *config, const struct cf_port *port)
{
	for (const struct cf_port *p = config->ports; p < port; p++)
		if (p->device && same_device(p, port))
			return false;
	return true;
}

static void check_device(struct cf_reader *r, uint32_t line, const struct cf_port *port)
{
	const struct cf_config *config = r->config;
	unsigned int devices = 1;

	for (const struct cf_port *other = config->ports; other < port; other++) {
		if (other->device && same_device(port, other))
			check_pair(r, line, port, other);
		else
			devices += other->device && is_first(config, other);
	}
	if (devices > DEVICES_MAX)
		cf_read_error(r, line, "too many devices (at most %d)", DEVICES_MAX);
}

static const struct cf_item port_items[] = {CF_PORT_ITEMS(CF_ITEM){NULL, NULL}};

static void read_port(struct cf_reader *r, const char *name, void *target)
{
	struct cf_config *config = r->config;
	uint32_t line = cf_read_line(r);
	struct cf_port *port;
	size_t *size = target, errors = r->n_errors;

	if (config->n_ports == PORTS_MAX) {
		cf_read_error(r, line, "too many ports (at most %d)", PORTS_MAX);
		r->stop = true;
		return;
	}
	for (size_t i = 0; i < config->n_ports; i++)
		if (!strcmp(config->ports[i].name, name))
			cf_read_error(r, line, "port %s is in the file twice", name);
	if (!cf_read_grow(r, &config->ports, config->n_ports, size, sizeof(*config->ports)))
		return;
	port = &config->ports[config->n_ports++];
	memset(port, 0, sizeof(*port));
	if (cf_check_name(r, line, "port", name, sizeof(port->name)))
		snprintf(port->name, sizeof(port->name), "%s", name);
	if (cf_read_next(r) == YAML_NO_EVENT)
		return;
	cf_read_mapping(r, "a port", port_items, port);
	if (!port->device && r->n_errors == errors)
		cf_read_error(r, line, "port %s needs a \"device\"", port->name);
	if (port->device)
		check_device(r, line, port);
}

void cf_read_ports(struct cf_reader *r, void *target)
{
	size_t size = 0;

	cf_read_named(r, "\"ports\"", read_port, &size);
}
