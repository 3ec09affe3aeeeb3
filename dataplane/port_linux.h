/* What a device that is shared with Linux needs from it: facts and settings of a network interface.
 * Control only, by ioctl; device*.c use it. */
#ifndef DATAPLANE_PORT_LINUX_H
#define DATAPLANE_PORT_LINUX_H

#include <stdbool.h>
#include <stdint.h>

/*
 * From here on this process only looks: what would change an interface is left undone and called
 * good. For --check, before any port is opened.
 */
void dp_linux_only_look(void);

/* Sets an interface up (if it is not) and tells its MTU. 0 or -errno. */
int dp_linux_up(const char *name, uint16_t *mtu);
/* Whether it is up and has a carrier, and its speed then (0: unknown). 0, or -ENODEV: there is no
 * such interface any more. */
int dp_linux_running(unsigned int ifindex, bool *running, uint32_t *speed_mbps);
/* 0 or -errno. */
int dp_linux_set_mtu(const char *name, uint16_t mtu);

/*
 * Turns off what merges received packets into greater ones (GRO, LRO, GRO in hardware): they would
 * not fit a buffer. Returns which were on, as bits for dp_linux_merge_on(). What an interface does
 * not have or does not let go of is left as it is.
 */
uint8_t dp_linux_merge_off(const char *name);
void dp_linux_merge_on(const char *name, uint8_t which);

/* Keeps what Linux itself sends over the interface out of this process's packet sockets on it. */
void dp_linux_ignore_outgoing(unsigned int ifindex);

#endif
