/*
 * From a running configuration to a wanted one: an ordered list of edits, removals first. What is
 * the same in both yields no edit, so that unchanged peers keep their sessions.
 */
#ifndef CONFIG_DIFF_H
#define CONFIG_DIFF_H

#include "config/model.h"
#include "config/yaml.h"

/* In the order in which they are applied. Comments say which fields of struct cf_edit are set. */
enum cf_edit_kind {
	CF_EDIT_INTERFACE_REMOVE, /* interface */
	CF_EDIT_PEER_REMOVE,	  /* interface, peer (the old one) */
	CF_EDIT_PREFIX_REMOVE,	  /* interface, peer (new), prefix: no longer allowed */
	CF_EDIT_ADDRESS_REMOVE,	  /* interface or port, prefix */
	CF_EDIT_ROUTE_REMOVE,	  /* interface or port, route */
	CF_EDIT_PEER_FEWER_PORTS, /* interface, peer (new): source_ports, which frees UDP ports */
	CF_EDIT_INTERFACE_ADD,	  /* interface (new): name, mtu only; the rest follows as edits */
	CF_EDIT_INTERFACE_MTU,	  /* interface (new) */
	CF_EDIT_INTERFACE_FWMARK, /* interface (new) */
	CF_EDIT_INTERFACE_LISTEN_PORT, /* interface (new) */
	CF_EDIT_INTERFACE_PRIVATE_KEY, /* interface (new) */
	CF_EDIT_ADDRESS_ADD,	       /* interface or port, prefix */
	CF_EDIT_PEER_ADD,	 /* interface, peer (new): key, name; the rest follows as edits */
	CF_EDIT_PEER_NAME,	 /* interface, peer (new) */
	CF_EDIT_PEER_PSK,	 /* interface, peer (new) */
	CF_EDIT_PEER_ENDPOINT,	 /* interface, peer (new); only if the configured one changed */
	CF_EDIT_PREFIX_ADD,	 /* interface, peer (new), prefix; takes it from another peer */
	CF_EDIT_PEER_MORE_PORTS, /* interface, peer (new): source_ports, which takes UDP ports */
	CF_EDIT_PEER_KEEPALIVE,	 /* interface, peer (new) */
	CF_EDIT_ROUTE_ADD,	 /* interface or port, route */
};

/* Pointers point into the two models, which must outlive the edits. */
struct cf_edit {
	enum cf_edit_kind kind;
	const struct cf_interface *interface;
	const struct cf_port *port;
	const struct cf_peer *peer;
	union {
		struct cf_prefix prefix;
		struct cf_route route; /* of an interface: via is empty */
	};
};

struct cf_edits {
	struct cf_edit *at;
	size_t n;
	/*
	 * For the operator. A peer with any edit of its own counts once as changed. Peers of an
	 * interface that is added or removed count as added or removed. other: edits of what was
	 * there and is no peer, without routes that only follow the peers' prefixes.
	 */
	size_t peers_added, peers_removed, peers_changed, interfaces_added, interfaces_removed,
		other;
};

/*
 * old may be NULL: everything is new. A change that needs a restart (control, workers, idle,
 * socket, hugepages, packet-buffers, ports' device or mtu, ports added or removed) is an error,
 * one line each, and nothing is returned. Interface routes by policy are expanded here.
 * A new interface always has a LISTEN_PORT edit, also for port 0 (any). A prefix that moves between
 * peers that stay is one PREFIX_ADD, so that it is never without a peer.
 * Returns 0, -EINVAL with errors, or -ENOMEM.
 */
int cf_diff(const struct cf_config *old, const struct cf_config *new, struct cf_edits *edits,
	    struct cf_messages *errors);
void cf_edits_free(struct cf_edits *edits);

#endif
