/*
 * The Linux face: a TUN per WireGuard interface, a TAP per port that Linux does not see itself,
 * served by one thread with epoll and joined to the workers by rings.
 */
#ifndef CONTROL_FACE_H
#define CONTROL_FACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/peer.h"
#include "dataplane/port.h"
#include "dataplane/worker.h"

struct ctl_face;

/* cpu: where the thread runs (control's). NULL with a sentence in error. */
struct ctl_face *ctl_face_new(struct dp *dp, int cpu, char *error, size_t error_size);
/* Starts the thread; devices may be added before and after. 0 or -errno. */
int ctl_face_start(struct ctl_face *f);
/* Ends the thread (joins it), removes all devices. NULL is allowed. */
void ctl_face_free(struct ctl_face *f);

/* Control thread. Return the Linux ifindex (> 0) or -errno with a sentence in error. The TUN has
 * the interface's name and must not exist yet; packets in it from ports that are shared with Linux
 * (see ctl_face_share()) are not taken, for wgdp has seen them itself. */
int ctl_face_add_tun(struct ctl_face *f, const struct dp_iface *iface, uint16_t mtu, char *error,
		     size_t error_size);
/* Returns when the face's thread does not touch it any more. */
void ctl_face_remove_tun(struct ctl_face *f, uint16_t iface_id);
/* With the port's name and MAC. */
int ctl_face_add_tap(struct ctl_face *f, const struct dp_port *port, char *error,
		     size_t error_size);
/* The port's TAP has a carrier, or none: Linux and routing daemons go by that. It also gets the
 * port's MAC, which may have changed. 0 or -errno. */
int ctl_face_set_carrier(struct ctl_face *f, const struct dp_port *port, bool carrier);

/*
 * A port that Linux keeps: what Linux forwards from it into a TUN is a copy of what the workers
 * have encrypted already, and is dropped in the kernel by a filter on the TUN. Call it for all such
 * ports before the first ctl_face_add_tun().
 */
void ctl_face_share(struct ctl_face *f, uint32_t ifindex);
/* Such a port has another interface than it had: all TUNs' filters are made anew. */
void ctl_face_share_moved(struct ctl_face *f, uint32_t from, uint32_t to);

#endif
