/* What can be said of the file's ports before DPDK starts. Control, at start and for --check. */
#ifndef CONTROL_PREFLIGHT_H
#define CONTROL_PREFLIGHT_H

#include "config/model.h"
#include "config/yaml.h"

/* Looks at each port's device in Linux; changes nothing, needs no rights. running: pid of the
 * gateway that has the ports of this file, 0: none. Lines into errors. */
void ctl_preflight(const struct cf_config *config, int running, struct cf_messages *errors);

/*
 * The Linux interface that a port uses: its device, or what a driver that works on one is given.
 * Empty: none. The driver may make the interface itself.
 */
void ctl_preflight_interface(const struct cf_port *port, char name[CF_NAME_BYTES]);

/* Why --check must not open the port, as others would notice; NULL: it may. */
const char *ctl_preflight_unopened(const struct cf_port *port);

#endif
