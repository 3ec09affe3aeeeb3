/* How far two CPUs are from each other: what work that is shared between them has to cross. */
#ifndef BENCH_DISTANCE_H
#define BENCH_DISTANCE_H

/* Main lcore; nothing runs on the other one. The median of many times, in TSC cycles, that a cache
 * line takes to the lcore's CPU and back, written on both. */
double bench_distance_cycles(unsigned int lcore);

#endif
