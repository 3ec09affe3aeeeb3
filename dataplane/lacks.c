/* What a device lacks, for the operator. Control, once it is open. The list is in device.h. */
#include <rte_common.h>

#include "dataplane/device.h"

static const char *const names[] = {
#define LACK_NAME(name, text) #name,
	DP_LACKS(LACK_NAME)
#undef LACK_NAME
};

static const char *const texts[] = {
#define LACK_TEXT(name, text) text,
	DP_LACKS(LACK_TEXT)
#undef LACK_TEXT
};

const char *dp_lack_name(enum dp_lack l)
{
	return (unsigned int)l < DP_LACK_N ? names[l] : "unknown";
}

const char *dp_lack_text(enum dp_lack l)
{
	return (unsigned int)l < DP_LACK_N ? texts[l] : "unknown";
}

uint32_t dp_device_lacks(const struct dp_device *d, unsigned int n_workers)
{
	/* Before queues are assigned all workers are taken to poll it. */
	unsigned int pollers = d->pollers != 0 ? d->pollers : n_workers;
	bool spread = d->rx_queues_max > 1 && d->rss;
	const bool lacks[DP_LACK_N] = {
		[DP_LACK_tx_udp_cksum] = !d->tx_udp_cksum,
		[DP_LACK_tx_ipv4_cksum] = !d->tx_ipv4_cksum,
		[DP_LACK_rx_ipv4_cksum] = !d->rx_ipv4_cksum,
		[DP_LACK_rss] = pollers > 1 && d->rx_queues_max > 1 && !d->rss,
		[DP_LACK_rss_ports] = pollers > 1 && spread && !d->rss_ports,
		[DP_LACK_rx_queues] = d->rx_queues_max < pollers,
		[DP_LACK_tx_queues] = d->tx_queues_max < n_workers,
		[DP_LACK_node] = d->far,
		[DP_LACK_link_interrupt] = !d->link_interrupt,
	};
	uint32_t bits = 0;

	for (unsigned int l = 0; l < DP_LACK_N; l++)
		bits |= lacks[l] ? UINT32_C(1) << l : 0;
	return bits;
}
