/* The data plane is made, published to, retired from and freed; leaks are ASan's to find. */
#include <sys/socket.h>

#include "dataplane/allowed.h"
#include "dataplane/publish.h"
#include "tests/unit/dataplane/eal.h"
#include "tests/unit/unit.h"

static struct dp *new_dp(uint16_t n_workers, uint32_t packet_buffers)
{
	static const int cpus[DP_WORKERS_MAX];
	static const unsigned int lcores[DP_WORKERS_MAX];
	const struct dp_settings s = {.cpus = cpus,
				      .lcores = lcores,
				      .n_workers = n_workers,
				      .packet_buffers = packet_buffers,
				      .mtu_max = 1500};
	char error[256] = "";
	struct dp *dp = dp_new(&s, error, sizeof(error));

	if (dp == NULL)
		fail_msg("%s", error);
	return dp;
}

static void made_and_freed(void **state)
{
	struct dp *dp = new_dp(3, 1023);
	struct rte_mbuf *m;

	(void)state;
	m = dp_packet_new(dp);
	assert_non_null(m);
	assert_int_equal(dp_note(m)->port_id, DP_PORT_NONE);
	assert_true(rte_pktmbuf_headroom(m) >= DP_HEADROOM_BYTES);
	assert_true(rte_pktmbuf_tailroom(m) >= 1500 + DP_TAILROOM_BYTES);
	dp_note(m)->ask = DP_ASK_ENCAP;
	assert_true(dp_to_worker(dp, m, true));
	dp_free(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_and_freed),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
