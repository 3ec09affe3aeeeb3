/* PCI devices as Linux has them: is it there, and which driver has it? Control; reads /sys only. */
#include "dataplane/pci.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_pci.h>

/* Which Linux driver a PCI device has. Empty: none. */
static void linux_driver(const char *address, char *driver, size_t size)
{
	char path[64], target[PATH_MAX];
	const char *base;
	ssize_t n;

	driver[0] = '\0';
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", address);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0)
		return;
	target[n] = '\0';
	base = strrchr(target, '/') != NULL ? strrchr(target, '/') + 1 : target;
	snprintf(driver, size, "%.*s", (int)size - 1, base);
}

int dp_pci_usable(const char *device, char name[DP_PCI_NAME_BYTES], char *error, size_t error_size)
{
	/* Those that DPDK drives through, or beside, a driver of Linux. */
	static const char *const usable[] = {"vfio-pci",  "uio_pci_generic", "igb_uio",
					     "mlx4_core", "mlx5_core",	     "gdma"};
	char path[64], driver[64];
	struct rte_pci_addr at;

	if (rte_pci_addr_parse(device, &at) != 0) {
		snprintf(error, error_size, "%s is no PCI address", device);
		return -EINVAL;
	}
	rte_pci_device_name(&at, name, DP_PCI_NAME_BYTES);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s", name);
	if (access(path, F_OK) != 0) {
		snprintf(error, error_size, "there is no PCI device %s (see: lspci -D)", name);
		return -ENODEV;
	}
	linux_driver(name, driver, sizeof(driver));
	for (unsigned int i = 0; i < RTE_DIM(usable); i++)
		if (strcmp(driver, usable[i]) == 0)
			return 0;
	snprintf(error, error_size,
		 "PCI device %s is %s%s: give it to DPDK with: modprobe vfio-pci; "
		 "dpdk-devbind.py --bind=vfio-pci %s",
		 name, driver[0] == '\0' ? "without a driver" : "driven by Linux's ", driver, name);
	return -EBUSY;
}
