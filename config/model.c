/*
 * The model's own operations: freeing with wiped keys, lookup, order and containment of prefixes,
 * kinds of devices. Any thread; nothing is shared. Reading a model is in yaml.c, comparing in
 * diff.c.
 */
#include "config/model.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void interface_free(struct cf_interface *interface)
{
	for (size_t i = 0; i < interface->n_peers; i++)
		free(interface->peers[i].allowed.at);
	if (interface->peers)
		explicit_bzero(interface->peers, interface->n_peers * sizeof(*interface->peers));
	free(interface->peers);
	free(interface->addresses.at);
	free(interface->routes.at);
	explicit_bzero(interface, sizeof(*interface));
}

void cf_config_free(struct cf_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->n_interfaces; i++)
		interface_free(&config->interfaces[i]);
	free(config->interfaces);
	for (size_t i = 0; i < config->n_ports; i++) {
		free(config->ports[i].device);
		free(config->ports[i].addresses.at);
		free(config->ports[i].routes);
	}
	free(config->ports);
	free(config->path);
	free(config->socket);
	free(config);
}

struct cf_interface *cf_config_interface(struct cf_config *config, const char *name)
{
	for (size_t i = 0; i < config->n_interfaces; i++)
		if (!strcmp(config->interfaces[i].name, name))
			return &config->interfaces[i];
	return NULL;
}

/* "0000:3b:00.0" or "3b:00.0": h a hexadecimal digit, everything else literal. */
static bool matches_pci(const char *text)
{
	const char *shape = strlen(text) > 7 ? "hhhh:hh:hh.h" : "hh:hh.h";
	size_t i;

	for (i = 0; shape[i]; i++)
		if (shape[i] == 'h' ? !isxdigit((unsigned char)text[i]) : text[i] != shape[i])
			return false;
	return text[i] == '\0';
}

enum cf_device cf_port_device(const struct cf_port *port)
{
	if (matches_pci(port->device))
		return CF_DEVICE_PCI;
	if (!strncmp(port->device, "net_", 4) || strchr(port->device, ','))
		return CF_DEVICE_VDEV;
	return CF_DEVICE_LINUX;
}

/* Whether an item of a device's arguments, up to a comma or the end, is member=PCI. */
static bool is_pci_member(const char *item)
{
	char value[16];
	size_t n = strcspn(item, ","), key = strcspn(item, "=");

	if (key >= n || (strncmp(item, "slave=", 6) != 0 && strncmp(item, "member=", 7) != 0) ||
	    n - key - 1 >= sizeof(value))
		return false;
	memcpy(value, item + key + 1, n - key - 1);
	value[n - key - 1] = '\0';
	return matches_pci(value);
}

bool cf_port_has_pci(const struct cf_port *port)
{
	if (cf_port_device(port) != CF_DEVICE_VDEV)
		return cf_port_device(port) == CF_DEVICE_PCI;
	for (const char *at = port->device; (at = strchr(at, ',')) != NULL;)
		if (is_pci_member(++at))
			return true;
	return false;
}

static unsigned int family_bits(uint8_t family)
{
	return family == AF_INET ? 32 : 128;
}

void cf_prefix_mask(struct cf_prefix *p)
{
	unsigned int whole = p->len / 8, bits = family_bits(p->family);

	if (p->len >= bits)
		return;
	p->addr[whole] &= (uint8_t)(0xff00 >> (p->len % 8));
	memset(p->addr + whole + 1, 0, bits / 8 - whole - 1);
}

int cf_prefix_compare(const struct cf_prefix *a, const struct cf_prefix *b)
{
	int order;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	order = memcmp(a->addr, b->addr, family_bits(a->family) / 8);
	return order ? order : a->len - b->len;
}

bool cf_prefix_contains(const struct cf_prefix *outer, const struct cf_prefix *inner)
{
	unsigned int whole = outer->len / 8, rest = outer->len % 8;

	if (outer->family != inner->family || outer->len > inner->len)
		return false;
	if (memcmp(outer->addr, inner->addr, whole))
		return false;
	return !rest || ((outer->addr[whole] ^ inner->addr[whole]) & (0xff00 >> rest) & 0xff) == 0;
}
