/* Who else drives a PCI device? For --check and a start, before DPDK touches it. */
#ifndef CONTROL_PCI_HOLDER_H
#define CONTROL_PCI_HOLDER_H

/*
 * The pid of a process that has the device (by its full name) open through vfio or uio; 0: none
 * that can be seen. Only root sees other users' processes.
 */
int ctl_pci_holder(const char *name);

#endif
