/*
 * The interface that is being read, with what is needed to find duplicates among its peers. Private
 * to config/yaml_interface.c and yaml_peer.c.
 */
#ifndef CONFIG_YAML_INTERFACE_H
#define CONFIG_YAML_INTERFACE_H

#include "config/set.h"
#include "config/yaml_reader.h"

/* Which peer a prefix belongs to. Numbers in the set of prefixes are indices of these. */
struct cf_prefix_owner {
	uint32_t peer;
	uint32_t index; /* in the peer's prefixes */
	uint32_t line;
};

/* The UDP ports of an interface, and where the number of them was read. */
struct cf_listen {
	uint16_t first, n; /* first 0: any */
	uint32_t line;
};

struct cf_interface_reader {
	struct cf_interface *interface;
	struct cf_listen listen;
	uint32_t line, private_key_line;
	size_t peers_size, lines_size, owners_size;
	uint32_t *peer_lines;
	struct cf_prefix_owner *owners;
	size_t n_owners;
	struct cf_set keys, names; /* of peers, by their index */
	struct cf_set prefixes;	   /* of owners */
};

/* The element function of the list `peers`; target is a struct cf_interface_reader. */
void cf_read_peer(struct cf_reader *r, void *target);
/* The index of the peer with this public key, or CF_SET_NONE. */
uint32_t cf_interface_reader_peer(const struct cf_interface_reader *in, const uint8_t *public_key);

#endif
