/*
 * Times the functions by which workers do what a device lacks (dataplane/ip.h), for --check. The
 * median of many runs: others use the CPU, too. Control thread.
 */
#include "control/check_costs.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "dataplane/ip.h"
#include "handshake/wire.h"

#define RUNS	      101
#define PACKETS_A_RUN 32
#define UDP_BYTES                                                                                  \
	(DP_UDP_BYTES + sizeof(struct wg_data) + (CTL_COST_PACKET_BYTES + 15) / 16 * 16 +          \
	 WG_TAG_BYTES)

static uint8_t packet[DP_IPV4_MIN_BYTES + UDP_BYTES];
static volatile uint32_t sink; /* results that nobody reads would not be computed */

static void sum_udp(void)
{
	sink = dp_udp_sum(packet + DP_IPV4_MIN_BYTES + DP_UDP_BYTES, UDP_BYTES - DP_UDP_BYTES,
			  0x1234);
}

static void sum_ipv4(void)
{
	sink = dp_ipv4_sum_with(packet, 0, sizeof(packet), 1);
}

static void check_ipv4(void)
{
	sink = dp_ipv4_sum_right(packet, DP_IPV4_MIN_BYTES);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t median(void (*work)(void))
{
	uint64_t cycles[RUNS];

	for (unsigned int run = 0; run < RUNS; run++) {
		uint64_t begin = rte_rdtsc_precise();

		for (unsigned int k = 0; k < PACKETS_A_RUN; k++)
			work();
		cycles[run] = rte_rdtsc_precise() - begin;
	}
	qsort(cycles, RUNS, sizeof(cycles[0]), compare);
	return cycles[RUNS / 2] / PACKETS_A_RUN;
}

uint64_t ctl_check_cost(enum dp_lack lack)
{
	for (size_t k = 0; k < sizeof(packet); k++)
		packet[k] = (uint8_t)(k * 7);
	switch (lack) {
	case DP_LACK_tx_udp_cksum:
		return median(sum_udp);
	case DP_LACK_tx_ipv4_cksum:
		return median(sum_ipv4);
	case DP_LACK_rx_ipv4_cksum:
		return median(check_ipv4);
	default:
		return 0;
	}
}
