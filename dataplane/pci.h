/* PCI devices as Linux has them, before DPDK touches them. Control. */
#ifndef DATAPLANE_PCI_H
#define DATAPLANE_PCI_H

#include <stddef.h>

#define DP_PCI_NAME_BYTES 24

/*
 * device: "0000:3b:00.0" or "3b:00.0". Is it there, and can DPDK drive it as it is bound? 0 with
 * its full name, or -errno with a sentence in error (what is wrong and what to do; without the
 * port). DPDK must not probe one that fails: its drivers may take it from under Linux's.
 */
int dp_pci_usable(const char *device, char name[DP_PCI_NAME_BYTES], char *error, size_t error_size);

#endif
