/* The configured ports as devices and ports of the data plane. Control thread. */
#ifndef CONTROL_PORTS_H
#define CONTROL_PORTS_H

#include "control/control.h"

/*
 * After dp_new(): opens devices and ports, gives queues to workers, starts the devices. 0 or
 * -errno, logged; what was opened stays for ctl_ports_close(). look: for --check, which leaves out
 * ports that others would notice, and goes on after an error; NULL: a real start.
 */
int ctl_ports_open(struct dp *dp, const struct cf_config *f, const struct ctl_look *look);
/* A port's interface in Linux: the shared one itself, a VLAN interface on it, or a TAP; mtu as
 * configured. 0, or -errno with a sentence in error. */
int ctl_port_face(struct ctl *c, struct dp_port *port, uint16_t mtu, char *error,
		  size_t error_size);
/*
 * What has gone and come back (link.c). The device, closed by now: opened anew, with its ports; not
 * published to workers yet. Then, or when a VLAN interface was deleted, a shared port's interface:
 * found, or made if that was wgdp's; bound, and given its addresses and routes. 0, or -errno with a
 * sentence in error.
 */
int ctl_device_reopen(struct ctl *c, struct dp_device *d, bool quietly, char *error,
		      size_t error_size);
int ctl_port_face_again(struct ctl *c, struct dp_port *port, char *error, size_t error_size);
/* Removes from Linux what ctl_port_face() made and what does not go by itself. */
void ctl_ports_unface(struct ctl *c);
/* Workers have ended, or never run. */
void ctl_ports_close(struct dp *dp);

#endif
