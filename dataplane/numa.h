/* On which NUMA node the calling thread's new memory lies. Control. */
#ifndef DATAPLANE_NUMA_H
#define DATAPLANE_NUMA_H

/*
 * From now on memory that this thread touches first is taken from the node if that has any; -1:
 * from where the thread runs, as usual. On a machine with one node nothing is done. Memory of
 * DPDK's has its own rules.
 */
void dp_prefer_node(int node);

/* Node of a worker's lcore. */
int dp_node_of_lcore(unsigned int lcore);

#endif
