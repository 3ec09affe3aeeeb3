/* DPDK's environment: memory and lcores. Called once, by start.c, before and after all else. */
#ifndef CONTROL_EAL_H
#define CONTROL_EAL_H

#include <stdbool.h>
#include <stdint.h>

#include "config/model.h"
#include "dataplane/worker.h"

struct ctl_eal {
	int control_cpu;
	const int *worker_cpus;
	unsigned int n_workers; /* worker k is lcore k + 1 */
	uint32_t packet_buffers;
	uint16_t mtu_max;
	const struct cf_config *config; /* its ports */
};

/* How much memory it will take. */
uint64_t ctl_eal_bytes(const struct ctl_eal *e);
/* 0, or -errno and the cause is logged. The calling thread becomes the control lcore. */
int ctl_eal_start(const struct ctl_eal *e, bool hugepages);
void ctl_eal_stop(void);

#endif
