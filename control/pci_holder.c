/*
 * Which process has a PCI device open: its vfio group or uio device is looked for among what every
 * process has open. DPDK itself does not ask, and with uio would reset a device under another
 * program. Control, before DPDK starts; reads /sys and /proc only.
 */
#include "control/pci_holder.h"

#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NODE_BYTES 64 /* "/dev/vfio/12" */

static bool link_target(const char *path, char target[PATH_MAX])
{
	ssize_t n = readlink(path, target, PATH_MAX - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	return true;
}

static bool vfio_node(const char *name, char node[NODE_BYTES])
{
	char path[PATH_MAX], target[PATH_MAX];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", name);
	if (!link_target(path, target) || strrchr(target, '/') == NULL)
		return false;
	snprintf(node, NODE_BYTES, "/dev/vfio/%.40s", strrchr(target, '/') + 1);
	return true;
}

static bool uio_node(const char *name, char node[NODE_BYTES])
{
	struct dirent *entry;
	bool found = false;
	char path[PATH_MAX];
	DIR *dir;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/uio", name);
	dir = opendir(path);
	while (dir != NULL && !found && (entry = readdir(dir)) != NULL) {
		found = strncmp(entry->d_name, "uio", 3) == 0;
		if (found)
			snprintf(node, NODE_BYTES, "/dev/%.40s", entry->d_name);
	}
	if (dir != NULL)
		closedir(dir);
	return found;
}

static bool has_open(const char *pid, const char *vfio, const char *uio)
{
	char path[PATH_MAX], target[PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *fds;

	snprintf(path, sizeof(path), "/proc/%.16s/fd", pid);
	fds = opendir(path);
	while (fds != NULL && !found && (entry = readdir(fds)) != NULL) {
		snprintf(path, sizeof(path), "/proc/%.16s/fd/%.16s", pid, entry->d_name);
		found = link_target(path, target) &&
			(strcmp(target, vfio) == 0 || strcmp(target, uio) == 0);
	}
	if (fds != NULL)
		closedir(fds);
	return found;
}

int ctl_pci_holder(const char *name)
{
	char vfio[NODE_BYTES] = "", uio[NODE_BYTES] = "";
	struct dirent *entry;
	int holder = 0;
	DIR *processes;

	if ((int)vfio_node(name, vfio) + uio_node(name, uio) == 0)
		return 0;
	processes = opendir("/proc");
	while (processes != NULL && holder == 0 && (entry = readdir(processes)) != NULL) {
		long pid = strtol(entry->d_name, NULL, 10);

		if (pid > 0 && pid != (long)getpid() && has_open(entry->d_name, vfio, uio))
			holder = (int)pid;
	}
	if (processes != NULL)
		closedir(processes);
	return holder;
}
