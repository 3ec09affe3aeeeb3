/* EAL for tests: no hugepages, no devices, no files, one lcore. Several test groups of one program
 * share it. */
#ifndef TESTS_UNIT_DATAPLANE_EAL_H
#define TESTS_UNIT_DATAPLANE_EAL_H

#include <stdio.h>
#include <stdlib.h>

#include <rte_eal.h>

static inline void test_eal_start(void)
{
	char *args[] = {(char *)"test",
			(char *)"--no-huge",
			(char *)"--no-pci",
			(char *)"--no-shconf",
			(char *)"--no-telemetry",
			(char *)"--log-level=error",
			(char *)"-m",
			(char *)"128",
			(char *)"-l",
			(char *)"0"};

	if (rte_eal_init(sizeof(args) / sizeof(args[0]), args) < 0) {
		printf("Bail out! EAL does not start\n");
		exit(1);
	}
}

#endif
