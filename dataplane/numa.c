/* Preferred NUMA nodes by system calls: libnuma is not worth a dependency. Control. */
#include "dataplane/numa.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_lcore.h>

void dp_prefer_node(int node)
{
	unsigned long mask = node < 0 || node >= 64 ? 0 : 1UL << node;

	if (rte_socket_count() < 2)
		return;
	/* Refused (in some containers): memory is where the thread runs, slower but right. */
	(void)syscall(SYS_set_mempolicy, mask ? MPOL_PREFERRED : MPOL_DEFAULT, mask ? &mask : NULL,
		      mask ? sizeof(mask) * 8 + 1 : 0);
}

int dp_node_of_lcore(unsigned int lcore)
{
	return (int)rte_lcore_to_socket_id(lcore);
}
