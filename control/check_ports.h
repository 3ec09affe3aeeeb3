/* What --check says of the ports that it has opened. */
#ifndef CONTROL_CHECK_PORTS_H
#define CONTROL_CHECK_PORTS_H

#include "control/control.h"

/* On stdout: each open port, and what it lacks. */
void ctl_check_ports(const struct ctl *c);

#endif
