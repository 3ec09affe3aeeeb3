/*
 * Starts DPDK's environment as this program wants it: no files left behind, hugepages if there are
 * any, one lcore for control and one per worker. Once, at start.
 */
/* Hot unplug: as it is since DPDK 18.05. */
#define ALLOW_EXPERIMENTAL_API
#include "control/eal.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include "control/log.h"

#define ARGS_MAX       24
#define HUGEPAGES_FILE "/sys/kernel/mm/hugepages/hugepages-%s/free_hugepages"
#define MB	       (UINT64_C(1) << 20)
#define FIXED_BYTES    (48 * MB) /* rings, sessions' table, ports */
#define BUFFER_BYTES   3072	 /* a packet buffer with its overhead, generously */

static unsigned long free_hugepages(const char *size)
{
	char path[128];
	unsigned long n = 0;
	FILE *f;

	snprintf(path, sizeof(path), HUGEPAGES_FILE, size);
	f = fopen(path, "re");
	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

static uint64_t memory_bytes(const struct ctl_eal *e)
{
	return FIXED_BYTES + (uint64_t)e->packet_buffers * (BUFFER_BYTES + e->mtu_max - 1500);
}

bool ctl_eal_hugepages(const struct ctl_eal *e)
{
	uint64_t have = (uint64_t)free_hugepages("2048kB") * 2 * MB +
			(uint64_t)free_hugepages("1048576kB") * 1024 * MB;

	return have >= memory_bytes(e);
}

/* "0@2,1@3,2@4": lcore 0 on CPU 2 is control, then the workers. */
static void lcores_text(const struct ctl_eal *e, char *text, size_t size)
{
	size_t at = (size_t)snprintf(text, size, "0@%d", e->control_cpu);

	for (unsigned int k = 0; k < e->n_workers && at < size; k++)
		at += (size_t)snprintf(text + at, size - at, ",%u@%d", k + 1, e->worker_cpus[k]);
}

int ctl_eal_start(const struct ctl_eal *e, bool hugepages)
{
	char lcores[32 + DP_WORKERS_MAX * 16];
	char memory[32];
	char *args[ARGS_MAX];
	int n = 0;

	lcores_text(e, lcores, sizeof(lcores));
	snprintf(memory, sizeof(memory), "%u", (unsigned int)(memory_bytes(e) / MB));
	args[n++] = (char *)"wgdp";
	args[n++] = (char *)"--lcores";
	args[n++] = lcores;
	args[n++] = (char *)"--no-telemetry";
	args[n++] = (char *)"--log-level=lib.*:error";
	args[n++] = (char *)"--log-level=pmd.*:error";
	args[n++] = (char *)"--log-level=user1:error";
	if (!e->pci)
		args[n++] = (char *)"--no-pci";
	if (hugepages) {
		args[n++] = (char *)"--in-memory";
		args[n++] = (char *)"--single-file-segments";
	} else {
		args[n++] = (char *)"--no-huge";
		args[n++] = (char *)"--no-shconf";
		args[n++] = (char *)"-m";
		args[n++] = memory;
	}
	args[n] = NULL;
	if (rte_eal_init(n, args) < 0) {
		ctl_log(CTL_ERROR, "DPDK does not start: %s", rte_strerror(rte_errno));
		return -EIO;
	}
	/* A worker may be reading a PCI device's registers when it is pulled out: without this that
	 * is a SIGBUS. */
	if (e->pci && (rte_dev_event_monitor_start() != 0 || rte_dev_hotplug_handle_enable() != 0))
		ctl_log(CTL_WARNING,
			"DPDK can't follow devices: one that is pulled out ends this process");
	return 0;
}

void ctl_eal_stop(void)
{
	/* Without effect if they were not started. */
	(void)rte_dev_hotplug_handle_disable();
	(void)rte_dev_event_monitor_stop();
	rte_eal_cleanup();
}
