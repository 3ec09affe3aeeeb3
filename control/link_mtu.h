/* Which MTUs a Linux interface takes. Control, before ports are opened; asks by rtnetlink. */
#ifndef CONTROL_LINK_MTU_H
#define CONTROL_LINK_MTU_H

#include <stdint.h>

/* 0 or -errno. *most 0: there is no limit. One that lies on another (a VLAN) takes what that has.
 */
int ctl_link_mtus(const char *name, uint32_t *least, uint32_t *most);

#endif
