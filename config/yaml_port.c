/* The `ports` of the configuration. The engine is yaml_reader.c. */
#include "config/yaml_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "config/items.h"

/* What DPDK is built for (RTE_MAX_ETHPORTS of Debian). */
#define PORTS_MAX	 32
#define PORT_MTU_MIN	 576
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
	for (size_t i = 0; i < r->config->n_ports; i++) {
		const struct cf_port *other = &r->config->ports[i];

		if (other != port && other->device && !strcmp(other->device, port->device))
			cf_read_error(r, cf_read_line(r), "device %s is port %s already",
				      port->device, other->name);
	}
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
	if (cf_read_number(r, PORT_MTU_MIN, UINT16_MAX, &mtu))
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
}

void cf_read_ports(struct cf_reader *r, void *target)
{
	size_t size = 0;

	cf_read_named(r, "\"ports\"", read_port, &size);
}
