/*
 * Starts DPDK's environment as this program wants it: no files left behind, hugepages if there are
 * any, one lcore for control and one per worker. Once, at start.
 */
/* Hot unplug: as it is since DPDK 18.05. */
#define ALLOW_EXPERIMENTAL_API
#include "control/eal.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_interrupts.h>
#include <rte_log.h>
#include <rte_pci.h>

#include "control/log.h"
#include "dataplane/device_bond.h"
#include "dataplane/publish.h"

#define PCI_MAX	     (DP_PORTS_MAX * DP_BOND_MEMBERS_MAX)
#define ARGS_MAX     (24 + 2 * PCI_MAX)
#define MB	     (UINT64_C(1) << 20)
#define FIXED_BYTES  (48 * MB) /* rings, sessions' table, ports */
#define HOLD_SECONDS 2
#define SPARE_BYTES  64 /* by buffer: pages and blocks are not filled to the end */

static_assert(CF_WORKERS_MAX < RTE_MAX_LCORE && CF_WORKERS_MAX <= DP_WORKERS_MAX,
	      "an lcore for each worker and for control");

uint64_t ctl_eal_bytes(const struct ctl_eal *e)
{
	return FIXED_BYTES +
	       (uint64_t)e->packet_buffers * (dp_packet_buffer_bytes(e->mtu_max) + SPARE_BYTES);
}

/* "0@2,1@3,2@4": lcore 0 on CPU 2 is control, then the workers. */
static void lcores_text(const struct ctl_eal *e, char *text, size_t size)
{
	size_t at = (size_t)snprintf(text, size, "0@%d", e->control_cpu);

	for (unsigned int k = 0; k < e->n_workers && at < size; k++)
		at += (size_t)snprintf(text + at, size - at, ",%u@%d", k + 1, e->worker_cpus[k]);
}

/* Addresses of PCI devices that are ports or members of bonds. */
struct allowed {
	char at[PCI_MAX][PCI_PRI_STR_SIZE + 1];
	unsigned int n;
};

static void allow(struct allowed *allowed, const char *device)
{
	struct rte_pci_addr at;

	if (allowed->n < PCI_MAX && rte_pci_addr_parse(device, &at) == 0)
		rte_pci_device_name(&at, allowed->at[allowed->n++], sizeof(allowed->at[0]));
}

static void allow_port(struct allowed *allowed, const char *device)
{
	struct dp_bond_wish bond;
	char error[256];

	if (!dp_bond_named(device))
		allow(allowed, device);
	else if (dp_bond_parse(device, &bond, error, sizeof(error)) == 0)
		for (uint16_t i = 0; i < bond.n_members; i++)
			allow(allowed, bond.members[i]);
}

/* PCI devices that are no ports may be Linux's, or another program's: DPDK must not touch them.
 * Returns the number of arguments. */
static int allow_ports(const struct cf_config *config, struct allowed *allowed, char **args)
{
	int n = 0;

	for (size_t k = 0; k < config->n_ports; k++)
		allow_port(allowed, config->ports[k].device);
	for (unsigned int k = 0; k < allowed->n; k++) {
		args[n++] = (char *)"--allow";
		args[n++] = allowed->at[k];
	}
	if (n == 0)
		args[n++] = (char *)"--no-pci";
	return n;
}

/* A worker may be reading a PCI device's registers when it is pulled out: without this that is a
 * SIGBUS. */
static void survive_removal(void)
{
	if (rte_dev_event_monitor_start() != 0 || rte_dev_hotplug_handle_enable() != 0)
		ctl_log(CTL_WARNING,
			"DPDK can't follow devices: one that is pulled out ends this process");
}

int ctl_eal_start(const struct ctl_eal *e, bool hugepages)
{
	char lcores[32 + DP_WORKERS_MAX * 16];
	char memory[32];
	struct allowed allowed = {.n = 0};
	char *args[ARGS_MAX];
	int n = 0;

	lcores_text(e, lcores, sizeof(lcores));
	snprintf(memory, sizeof(memory), "%u", (unsigned int)(ctl_eal_bytes(e) / MB));
	args[n++] = (char *)"wgdp";
	args[n++] = (char *)"--lcores";
	args[n++] = lcores;
	args[n++] = (char *)"--no-telemetry";
	args[n++] = (char *)"--log-level=lib.*:error";
	args[n++] = (char *)"--log-level=pmd.*:error";
	args[n++] = (char *)"--log-level=user1:error";
	n += allow_ports(e->config, &allowed, args + n);
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
	if (allowed.n > 0)
		survive_removal();
	return 0;
}

/* On DPDK's interrupt thread, for the rest of this process. */
static void stay(void *arg)
{
	sem_post(arg);
	for (;;)
		pause();
}

/*
 * DPDK unmaps its memory and leaves the interrupt thread running, which then looks at what it
 * waits for (seen with memif: SIGSEGV while the process ends). So that thread is kept here. Not if
 * it does not come in time: then a driver has it, and it does not look either.
 */
static void hold_interrupts(void)
{
	static struct rte_intr_handle *handle; /* these stay: the thread does, too */
	static sem_t held;
	struct timespec until;
	int fd = eventfd(1, EFD_CLOEXEC);

	handle = rte_intr_instance_alloc(RTE_INTR_INSTANCE_F_PRIVATE);
	if (fd < 0 || handle == NULL || rte_intr_fd_set(handle, fd) != 0 ||
	    rte_intr_type_set(handle, RTE_INTR_HANDLE_EXT) != 0 || sem_init(&held, 0, 0) != 0 ||
	    rte_intr_callback_register(handle, stay, &held) != 0)
		return;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HOLD_SECONDS;
	while (sem_timedwait(&held, &until) != 0 && errno == EINTR)
		continue;
}

void ctl_eal_stop(void)
{
	/* Without effect if they were not started. */
	(void)rte_dev_hotplug_handle_disable();
	(void)rte_dev_event_monitor_stop();
	hold_interrupts();
	rte_eal_cleanup();
}
