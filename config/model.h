/*
 * What the operator wants: the model that YAML and `wg` fill, and that a diff compares. Plain data,
 * owned by one thread (control, or the CLI's checks). No Linux, no DPDK.
 */
#ifndef CONFIG_MODEL_H
#define CONFIG_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_NAME_BYTES	   16 /* of an interface or port, with the NUL: IFNAMSIZ */
#define CF_PEER_NAME_BYTES 64
#define CF_KEY_BYTES	   32
#define CF_WORKERS_MAX	   127 /* DPDK of Debian is built for 128 lcores, and control has one */
#define CF_MTU_DEFAULT	   1420
/* So many sockets hold an interface's ports, twice; more paths than a network offers. */
#define CF_SOURCE_PORTS_MAX 128
#define CF_SOCKET_DEFAULT   "/run/wgdp/wgdp.sock"

/* An address with a length; addr in network order. family is AF_INET or AF_INET6. */
struct cf_prefix {
	uint8_t addr[16];
	uint8_t family;
	uint8_t len;
};

/* family 0: none. port in host order. scope: ifindex for link-local IPv6, else 0. */
struct cf_endpoint {
	uint8_t addr[16];
	uint32_t scope;
	uint16_t port;
	uint8_t family;
};

struct cf_prefixes {
	struct cf_prefix *at;
	size_t n;
};

struct cf_peer {
	uint8_t public_key[CF_KEY_BYTES];
	uint8_t psk[CF_KEY_BYTES];     /* all zero: none. Wiped when freed */
	char name[CF_PEER_NAME_BYTES]; /* empty: none */
	struct cf_endpoint endpoint;
	struct cf_prefixes allowed; /* host bits zero, sorted, no duplicates */
	uint16_t keepalive_s;
	uint8_t source_ports; /* from the listen port on; 1: only that */
};

struct cf_route {
	struct cf_prefix to;
	struct cf_prefix via; /* family 0: on link */
};

enum cf_route_policy {
	CF_ROUTES_ALLOWED_IPS, /* what peers may send, outside of the interface's own networks */
	CF_ROUTES_NONE,
	CF_ROUTES_LIST,
};

struct cf_interface {
	char name[CF_NAME_BYTES];
	uint8_t private_key[CF_KEY_BYTES]; /* all zero: none. Wiped when freed */
	uint16_t listen_port;
	uint16_t mtu;
	uint32_t fwmark;
	struct cf_prefixes addresses; /* host bits kept */
	enum cf_route_policy route_policy;
	struct cf_prefixes routes; /* with CF_ROUTES_LIST */
	struct cf_peer *peers;	   /* in the order of the file */
	size_t n_peers;
};

struct cf_port {
	char name[CF_NAME_BYTES];
	char *device;
	struct cf_prefixes addresses; /* host bits kept */
	struct cf_route *routes;
	size_t n_routes;
	uint16_t mtu;	   /* 0: what the device has */
	uint16_t vlan;	   /* 0: frames without a tag */
	uint32_t line;	   /* of its device, for messages */
	uint32_t mtu_line; /* 0: not in the file */
};

enum cf_idle {
	CF_IDLE_DEFAULT,
	CF_IDLE_POLL,
	CF_IDLE_BACKOFF,
};

enum cf_hugepages {
	CF_HUGEPAGES_AUTO,
	CF_HUGEPAGES_NEVER,
};

struct cf_config {
	char *path; /* as given */
	char *socket;
	int control;		     /* CPU, -1: default */
	int workers[CF_WORKERS_MAX]; /* CPUs */
	unsigned int n_workers;	     /* 0: not named */
	unsigned int workers_asked;  /* a number in place of a list; 0 with n_workers 0: default */
	/* lines for messages, 0: not in the file */
	uint32_t control_line, workers_line, packet_buffers_line;
	enum cf_idle idle;
	enum cf_hugepages hugepages;
	uint32_t packet_buffers;
	struct cf_port *ports;
	size_t n_ports;
	struct cf_interface *interfaces;
	size_t n_interfaces;
};

/* NULL is allowed. Wipes keys. */
void cf_config_free(struct cf_config *config);

struct cf_interface *cf_config_interface(struct cf_config *config, const char *name);

/* What a port's device string names. */
enum cf_device {
	CF_DEVICE_LINUX, /* a Linux interface by its name */
	CF_DEVICE_PCI,	 /* 0000:3b:00.0 */
	CF_DEVICE_VDEV,	 /* net_xxx0,arguments */
};
enum cf_device cf_port_device(const struct cf_port *port);
/* Whether it is a PCI device, or a bond with one among its members. */
bool cf_port_has_pci(const struct cf_port *port);

/* Masks host bits in place. */
void cf_prefix_mask(struct cf_prefix *p);
/* Order by family, address, length; 0 when equal. */
int cf_prefix_compare(const struct cf_prefix *a, const struct cf_prefix *b);
bool cf_prefix_contains(const struct cf_prefix *outer, const struct cf_prefix *inner);

#endif
