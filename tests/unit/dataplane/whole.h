/* A data plane whose workers do not run, for tests of what control does with it. EAL is up. */
#ifndef TESTS_UNIT_DATAPLANE_WHOLE_H
#define TESTS_UNIT_DATAPLANE_WHOLE_H

#include "dataplane/publish.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/unit.h"

static inline struct dp *whole_new(uint16_t n_workers)
{
	static const int cpus[DP_WORKERS_MAX];
	static const unsigned int lcores[DP_WORKERS_MAX];
	const struct dp_settings s = {.cpus = cpus,
				      .lcores = lcores,
				      .n_workers = n_workers,
				      .packet_buffers = 1023,
				      .mtu_max = 1500};
	char error[256] = "";
	struct dp *dp = dp_new(&s, error, sizeof(error));

	if (dp == NULL)
		fail_msg("%s", error);
	return dp;
}

#endif
