/*
 * A WireGuard interface that is only data, behind struct cf_uapi_ops: small, looked up by walking.
 * For tests of the UAPI server, and for `wg` to talk to. One thread.
 */
#ifndef TESTS_UNIT_CONFIG_FAKE_INTERFACE_H
#define TESTS_UNIT_CONFIG_FAKE_INTERFACE_H

#include "config/uapi.h"

struct fake_peer {
	struct fake_peer *next; /* by public key */
	struct cf_uapi_peer peer;
	size_t allowed_size;
	bool in_section; /* until peer_done */
};

struct fake_interface {
	struct cf_uapi_device device;
	struct fake_peer *peers;
	int fail;		/* errno (negative) that set_listen_port and get_device return */
	unsigned int upcalls;	/* of all kinds that set something */
	unsigned int peer_done; /* calls */
};

extern const struct cf_uapi_ops fake_ops; /* ctx is the struct fake_interface */

struct fake_peer *fake_find(struct fake_interface *f, const uint8_t *public_key);
void fake_clear(struct fake_interface *f);

#endif
