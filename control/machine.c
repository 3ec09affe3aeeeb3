/*
 * CPUs, NUMA nodes and memory of the machine, from /sys and /proc. Control, before DPDK starts;
 * what is chosen from them is in cpus.c and preflight.c.
 */
#include "control/machine.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES_MAX     64
#define HUGEPAGE_FREE "/sys/kernel/mm/hugepages/hugepages-%lukB/free_hugepages"

/* ---- sets of CPUs as text ---- */

bool ctl_cpus_from_text(cpu_set_t *set, const char *text)
{
	while (*text != '\0' && *text != '\n') {
		char *end;
		unsigned long from, to;

		if (!isdigit((unsigned char)*text))
			return false;
		from = to = strtoul(text, &end, 10);
		if (*end == '-') {
			if (!isdigit((unsigned char)end[1]))
				return false;
			to = strtoul(end + 1, &end, 10);
		}
		for (; from <= to && from < CPU_SETSIZE; from++)
			CPU_SET(from, set);
		if (*end != ',' && *end != '\n' && *end != '\0')
			return false;
		text = *end == ',' ? end + 1 : end;
	}
	return true;
}

const char *ctl_cpus_text(char out[CTL_CPUS_TEXT_BYTES], const cpu_set_t *set)
{
	size_t at = 0;

	snprintf(out, CTL_CPUS_TEXT_BYTES, "none");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		int last = cpu;

		if (!CPU_ISSET(cpu, set))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, set))
			last++;
		at += (size_t)snprintf(out + at, CTL_CPUS_TEXT_BYTES - at,
				       last > cpu ? "%s%d-%d" : "%s%d", at > 0 ? "," : "", cpu,
				       last);
		if (at >= CTL_CPUS_TEXT_BYTES)
			break;
		cpu = last;
	}
	return out;
}

/* ---- files ---- */

/* The first line of a small file; false: it cannot be read. */
static bool read_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");
	bool good;

	if (f == NULL)
		return false;
	good = fgets(line, (int)size, f) != NULL;
	fclose(f);
	return good;
}

static bool read_cpus(const char *path, cpu_set_t *set)
{
	char line[4096];

	CPU_ZERO(set);
	return read_line(path, line, sizeof(line)) && ctl_cpus_from_text(set, line);
}

static void read_nodes(struct ctl_machine *m)
{
	char path[64];
	cpu_set_t set;

	memset(m->node, 0, sizeof(m->node));
	for (int node = 1; node < NODES_MAX; node++) {
		snprintf(path, sizeof(path), "/sys/devices/system/node/node%d/cpulist", node);
		if (!read_cpus(path, &set))
			continue;
		for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
			if (CPU_ISSET(cpu, &set))
				m->node[cpu] = (int16_t)node;
	}
}

int ctl_machine_port_node(const struct cf_port *port)
{
	char path[320], line[32], *end;
	long node;

	switch (cf_port_device(port)) {
	case CF_DEVICE_LINUX:
		snprintf(path, sizeof(path), "/sys/class/net/%s/device/numa_node", port->device);
		break;
	case CF_DEVICE_PCI:
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s%s/numa_node",
			 strlen(port->device) > 7 ? "" : "0000:", port->device);
		break;
	case CF_DEVICE_VDEV:
		return -1;
	}
	if (!read_line(path, line, sizeof(line)))
		return -1;
	node = strtol(line, &end, 10);
	return end == line || node < 0 || node >= NODES_MAX ? -1 : (int)node;
}

static int most_ports_node(const struct cf_config *config)
{
	unsigned int ports[NODES_MAX] = {0};
	int best = -1;

	for (size_t k = 0; k < config->n_ports; k++) {
		int node = ctl_machine_port_node(&config->ports[k]);

		if (node >= 0)
			ports[node]++;
	}
	for (int node = 0; node < NODES_MAX; node++)
		if (ports[node] > 0 && (best < 0 || ports[node] > ports[best]))
			best = node;
	return best;
}

int ctl_machine_read(struct ctl_machine *m, const struct cf_config *config)
{
	if (sched_getaffinity(0, sizeof(m->allowed), &m->allowed) != 0)
		return -errno;
	if (!read_cpus("/sys/devices/system/cpu/online", &m->online))
		m->online = m->allowed;
	if (!read_cpus("/sys/devices/system/cpu/present", &m->present))
		m->present = m->online;
	read_nodes(m);
	m->ports_node = most_ports_node(config);
	return 0;
}

/* ---- memory ---- */

uint64_t ctl_machine_free_huge_bytes(void)
{
	static const unsigned long sizes_kib[] = {2048, 1048576};
	uint64_t bytes = 0;
	char path[128], line[32];

	for (unsigned int k = 0; k < sizeof(sizes_kib) / sizeof(sizes_kib[0]); k++) {
		snprintf(path, sizeof(path), HUGEPAGE_FREE, sizes_kib[k]);
		if (read_line(path, line, sizeof(line)))
			bytes += (uint64_t)strtoull(line, NULL, 10) * sizes_kib[k] * 1024;
	}
	return bytes;
}

uint64_t ctl_machine_available_bytes(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	if (f == NULL)
		return UINT64_MAX;
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	fclose(f);
	return kib > 0 ? (uint64_t)kib * 1024 : UINT64_MAX;
}
