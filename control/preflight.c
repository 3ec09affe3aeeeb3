/*
 * The ports of the file against Linux, without DPDK: interfaces and files that are not there, two
 * ports of one interface, MTUs that an interface does not take. Some drivers end the program on
 * such mistakes, others tell nobody. Control; what DPDK has to say comes when ports are opened.
 */
#include "control/preflight.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/link_mtu.h"
#include "control/pci_holder.h"
#include "dataplane/device_bond.h"
#include "dataplane/pci.h"

/* "file:line: port NAME: what" */
__attribute__((format(printf, 4, 5))) static void add(struct cf_messages *errors,
						      const struct cf_config *config,
						      const struct cf_port *port,
						      const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cf_messages_add(errors, "%s:%u: port %s: %s", config->path, port->line, port->name, text);
}

/* ---- a vdev's arguments ---- */

/* The value of "key=" among a vdev's arguments; false: it has none, or not one that fits. */
static bool argument(const struct cf_port *port, const char *key, char *value, size_t size)
{
	size_t key_len = strlen(key);

	for (const char *at = strchr(port->device, ','); at != NULL; at = strchr(at, ',')) {
		size_t len;

		at++;
		if (strncmp(at, key, key_len) != 0 || at[key_len] != '=')
			continue;
		at += key_len + 1;
		len = strcspn(at, ",");
		if (len == 0 || len >= size)
			return false;
		memcpy(value, at, len);
		value[len] = '\0';
		return true;
	}
	return false;
}

static bool driven_by(const struct cf_port *port, const char *driver)
{
	return cf_port_device(port) == CF_DEVICE_VDEV &&
	       strncmp(port->device, driver, strlen(driver)) == 0;
}

void ctl_preflight_interface(const struct cf_port *port, char name[CF_NAME_BYTES])
{
	name[0] = '\0';
	if (if_nametoindex(port->device) != 0 || cf_port_device(port) == CF_DEVICE_LINUX)
		snprintf(name, CF_NAME_BYTES, "%s", port->device);
	else if (driven_by(port, "net_af_xdp") || driven_by(port, "net_pcap"))
		(void)(argument(port, "iface", name, CF_NAME_BYTES) ||
		       argument(port, "rx_iface", name, CF_NAME_BYTES) ||
		       argument(port, "rx_iface_in", name, CF_NAME_BYTES));
}

/* ---- what may be wrong ---- */

static void check_interface(const struct cf_config *config, const struct cf_port *port,
			    struct cf_messages *errors)
{
	char name[CF_NAME_BYTES], other[CF_NAME_BYTES];
	bool is_device;

	ctl_preflight_interface(port, name);
	if (name[0] == '\0')
		return;
	is_device = strcmp(name, port->device) == 0;
	if (if_nametoindex(name) == 0)
		add(errors, config, port, "there is no network interface %s (see: ip link)%s", name,
		    is_device ? ", and it is neither a PCI address nor a DPDK device" : "");
	for (const struct cf_port *p = config->ports; p != port; p++) {
		ctl_preflight_interface(p, other);
		/* Ports of the same device differ in their VLAN, as reading the file has made sure.
		 */
		if (strcmp(p->device, port->device) != 0 && strcmp(name, other) == 0)
			add(errors, config, port,
			    "interface %s is port %s already (line %u): two ports need two", name,
			    p->name, p->line);
	}
}

/* DPDK's driver changes the MTU of a Linux interface, within what its own driver allows. */
static void check_mtu(const struct cf_config *config, const struct cf_port *port,
		      struct cf_messages *errors)
{
	uint32_t least, most;

	if (port->mtu == 0 || if_nametoindex(port->device) == 0 ||
	    ctl_link_mtus(port->device, &least, &most) != 0)
		return;
	if (port->mtu < least || (most != 0 && port->mtu > most))
		cf_messages_add(errors,
				"%s:%u: port %s: interface %s does not take an MTU of %u: it takes "
				"%u to %u",
				config->path, port->mtu_line, port->name, port->device, port->mtu,
				least, most);
}

/* device: the port's, or a member of its bond. */
static void check_pci(const struct cf_config *config, const struct cf_port *port, char *device,
		      int running, struct cf_messages *errors)
{
	const struct cf_port member = {.device = device};
	char name[DP_PCI_NAME_BYTES], why[256];
	int holder;

	if (cf_port_device(&member) != CF_DEVICE_PCI || if_nametoindex(device) != 0)
		return;
	if (dp_pci_usable(device, name, why, sizeof(why)) != 0) {
		add(errors, config, port, "%s", why);
		return;
	}
	holder = ctl_pci_holder(name);
	if (holder != 0 && holder != running)
		add(errors, config, port,
		    "PCI device %s is in use by process %d: stop that, or take another", name,
		    holder);
}

static void check_bond(const struct cf_config *config, const struct cf_port *port, int running,
		       struct cf_messages *errors)
{
	struct dp_bond_wish bond;
	char why[256];

	if (!dp_bond_named(port->device))
		return;
	if (dp_bond_parse(port->device, &bond, why, sizeof(why)) != 0) {
		add(errors, config, port, "%s", why);
		return;
	}
	for (uint16_t k = 0; k < bond.n_members; k++)
		check_pci(config, port, bond.members[k], running, errors);
}

/* net_pcap ends the program if there is nothing to read. */
static void check_pcap(const struct cf_config *config, const struct cf_port *port,
		       struct cf_messages *errors)
{
	char path[PATH_MAX];

	if (driven_by(port, "net_pcap") && argument(port, "rx_pcap", path, sizeof(path)) &&
	    access(path, R_OK) != 0)
		add(errors, config, port, "rx_pcap=%s cannot be read: %s", path, strerror(errno));
}

void ctl_preflight(const struct cf_config *config, int running, struct cf_messages *errors)
{
	for (size_t k = 0; k < config->n_ports; k++) {
		check_interface(config, &config->ports[k], errors);
		check_pci(config, &config->ports[k], config->ports[k].device, running, errors);
		check_bond(config, &config->ports[k], running, errors);
		check_mtu(config, &config->ports[k], errors);
		check_pcap(config, &config->ports[k], errors);
	}
}

/* ---- what --check leaves alone ---- */

/* Of a device, or a member of a bond. */
static const char *why_unopened(const char *device)
{
	static const struct {
		const char *driver, *with, *why;
	} rows[] = {
		{"net_tap", "", "it would make an interface in Linux"},
		{"net_tun", "", "it would make an interface in Linux"},
		{"net_virtio_user", "/dev/vhost-net", "it would make an interface in Linux"},
		{"net_af_xdp", "", "it would take the interface's packets from Linux meanwhile"},
		{"net_pcap", ",tx_pcap=", "it would overwrite the file that it sends to"},
	};

	for (unsigned int k = 0; k < sizeof(rows) / sizeof(rows[0]); k++)
		if (strncmp(device, rows[k].driver, strlen(rows[k].driver)) == 0 &&
		    strstr(device, rows[k].with) != NULL)
			return rows[k].why;
	return NULL;
}

const char *ctl_preflight_unopened(const struct cf_port *port)
{
	const char *why = NULL;
	struct dp_bond_wish bond;
	char error[256];

	if (!dp_bond_named(port->device))
		return why_unopened(port->device);
	/* What is wrong with it has been said. */
	if (dp_bond_parse(port->device, &bond, error, sizeof(error)) != 0)
		return NULL;
	for (uint16_t k = 0; k < bond.n_members && why == NULL; k++)
		why = why_unopened(bond.members[k]);
	return why;
}
