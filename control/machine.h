/* What the machine has of CPUs and memory, read from Linux. Control, before DPDK starts. */
#ifndef CONTROL_MACHINE_H
#define CONTROL_MACHINE_H

#include <sched.h>
#include <stdint.h>

#include "config/model.h"

#define CTL_CPUS_TEXT_BYTES 256

struct ctl_machine {
	cpu_set_t present;	   /* that there are */
	cpu_set_t online;	   /* that Linux runs */
	cpu_set_t allowed;	   /* that this process may use: a part of online */
	int16_t node[CPU_SETSIZE]; /* NUMA node of each CPU, 0 where there are no nodes */
	int ports_node;		   /* the node of most ports, -1: none has one */
};

/* 0 or -errno. What Linux does not tell is taken as one node with all CPUs that are allowed. */
int ctl_machine_read(struct ctl_machine *m, const struct cf_config *config);

/* The NUMA node of a port's device, as Linux has it; -1: none. */
int ctl_machine_port_node(const struct cf_port *port);

/* Bytes in free hugepages of all sizes, and bytes that Linux can give to programs. */
uint64_t ctl_machine_free_huge_bytes(void);
uint64_t ctl_machine_available_bytes(void);

/* "0-3,8": the set for people, cut off where out ends. */
const char *ctl_cpus_text(char out[CTL_CPUS_TEXT_BYTES], const cpu_set_t *set);
/* Adds the CPUs of such a text to the set; false: it is not one. */
bool ctl_cpus_from_text(cpu_set_t *set, const char *text);

#endif
