/*
 * Ports and devices in the answers of `show` and `counters`: as they are, what each worker received
 * and sent, and what the device itself counted. Control thread; the devices' counters are asked
 * from their drivers on request.
 */
#include <net/if.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

#include "control/serve_rpc.h"
#include "control/show_devices.h"

#define QUEUES_MAX DP_WORKERS_MAX

/* ---- what workers counted ---- */

static void port_sums(const struct dp *dp, unsigned int port, uint64_t *rx, uint64_t *tx)
{
	*rx = *tx = 0;
	for (unsigned int k = 0; k < dp->n_workers; k++) {
		*rx += dp_counted(&dp->workers[k]->port_counters[port].rx);
		*tx += dp_counted(&dp->workers[k]->port_counters[port].tx);
	}
}

static json_t *by_worker(const struct dp *dp, unsigned int port)
{
	json_t *list = json_array();

	for (unsigned int k = 0; k < dp->n_workers; k++) {
		const struct dp_worker *w = dp->workers[k];

		json_array_append_new(
			list, json_pack("{s:i, s:I, s:I}", "id", (int)k, "rx",
					(json_int_t)dp_counted(&w->port_counters[port].rx), "tx",
					(json_int_t)dp_counted(&w->port_counters[port].tx)));
	}
	return list;
}

json_t *ctl_serve_port_counters(const struct dp *dp)
{
	json_t *all = json_object();

	for (unsigned int k = 0; k < dp->n_ports; k++) {
		uint64_t rx, tx;

		port_sums(dp, k, &rx, &tx);
		json_object_set_new(all, dp->ports[k]->name,
				    json_pack("{s:I, s:I, s:o}", "rx", (json_int_t)rx, "tx",
					      (json_int_t)tx, "workers", by_worker(dp, k)));
	}
	return all;
}

/* ---- the ports ---- */

static const char *link_text(const struct dp_link *l)
{
	switch (dp_link_state(l)) {
	case DP_LINK_UP:
		return "up";
	case DP_LINK_DOWN:
		return "down";
	case DP_LINK_GONE:
		return "gone";
	}
	return "";
}

static json_t *show_port(const struct dp *dp, const struct dp_port *p)
{
	const struct dp_device *d = p->device;
	char mac[18], face[IF_NAMESIZE] = "";
	uint64_t rx, tx;

	port_sums(dp, p->id, &rx, &tx);
	if_indextoname(p->linux_ifindex, face);
	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2],
		 p->mac[3], p->mac[4], p->mac[5]);
	return json_pack(
		"{s:s, s:s, s:i, s:s, s:s, s:i, s:s, s:i, s:I, s:s, s:I, s:I, s:o, s:i, s:i, "
		"s:o}",
		"name", p->name, "device", d->device, "vlan", (int)p->vlan, "driver", d->driver,
		"mac", mac, "mtu", (int)p->mtu, "link", link_text(&d->link), "speed_mbps",
		(int)d->link.speed_mbps, "link_changes", (json_int_t)d->link.changes,
		"linux_interface", face, "rx_packets", (json_int_t)rx, "tx_packets", (json_int_t)tx,
		"node", d->node < 0 ? json_null() : json_integer(d->node), "rx_queues",
		(int)d->rx_queues, "tx_queues", (int)d->tx_queues, "lacks", ctl_show_lacks(dp, d));
}

json_t *ctl_serve_ports(const struct dp *dp)
{
	json_t *list = json_array();

	for (unsigned int k = 0; k < dp->n_ports; k++)
		json_array_append_new(list, show_port(dp, dp->ports[k]));
	return list;
}

/* ---- what devices counted ---- */

/* X(name, member of struct rte_eth_stats, text) */
#define DEVICE_COUNTERS(X)                                                                         \
	X(rx_packets, ipackets, "received by the device")                                          \
	X(tx_packets, opackets, "sent by the device")                                              \
	X(rx_bytes, ibytes, "bytes received by the device")                                        \
	X(tx_bytes, obytes, "bytes sent by the device")                                            \
	X(rx_missed, imissed, "lost by the device: its queue was full, workers too slow")          \
	X(rx_no_buffers, rx_nombuf, "lost by the device: no free packet buffer (packet-buffers)")  \
	X(rx_errors, ierrors, "received damaged")                                                  \
	X(tx_errors, oerrors, "not sent: the device refused or lost them")

json_t *ctl_serve_device_texts(void)
{
	json_t *texts = json_object();

#define SHOW_TEXT(name, member, text) json_object_set_new(texts, #name, json_string(text));
	DEVICE_COUNTERS(SHOW_TEXT)
#undef SHOW_TEXT
	return texts;
}

/*
 * Drivers name what they count per queue "rx_q3_packets", and so does DPDK for those that leave it
 * to that. In *queue_text what comes after the number; false: not such a name.
 */
static bool is_of_queue(const char *name, unsigned long *queue, const char **what)
{
	char *end;

	if (strncmp(name, "rx_q", 4) != 0 && strncmp(name, "tx_q", 4) != 0)
		return false;
	*queue = strtoul(name + 4, &end, 10);
	*what = end + 1;
	return end > name + 4 && *end == '_' && *queue < QUEUES_MAX;
}

/* One of the driver's own counters: to its queue, or, if it has counted anything, to the others. */
static void add_extended(json_t *queues, json_t *others, const char *name, uint64_t value)
{
	char of_queue[RTE_ETH_XSTATS_NAME_SIZE + 4];
	unsigned long queue;
	const char *what;

	if (!is_of_queue(name, &queue, &what)) {
		if (value > 0)
			json_object_set_new(others, name, json_integer((json_int_t)value));
		return;
	}
	while (json_array_size(queues) <= queue)
		json_array_append_new(queues,
				      json_pack("{s:i}", "id", (int)json_array_size(queues)));
	snprintf(of_queue, sizeof(of_queue), "%.3s%s", name, what);
	json_object_set_new(json_array_get(queues, queue), of_queue,
			    json_integer((json_int_t)value));
}

static void add_all_extended(uint16_t eth_id, json_t *queues, json_t *others)
{
	int n = rte_eth_xstats_get_names(eth_id, NULL, 0);
	struct rte_eth_xstat_name *names;
	struct rte_eth_xstat *values;

	if (n <= 0)
		return;
	names = calloc((size_t)n, sizeof(*names));
	values = calloc((size_t)n, sizeof(*values));
	if (names != NULL && values != NULL &&
	    rte_eth_xstats_get_names(eth_id, names, (unsigned int)n) == n &&
	    rte_eth_xstats_get(eth_id, values, (unsigned int)n) == n)
		for (int k = 0; k < n; k++)
			if (values[k].id < (uint64_t)n)
				add_extended(queues, others, names[values[k].id].name,
					     values[k].value);
	free(names);
	free(values);
}

static json_t *device_counters(uint16_t eth_id)
{
	json_t *set = json_object(), *queues = json_array(), *others = json_object();
	struct rte_eth_stats s;

	if (rte_eth_stats_get(eth_id, &s) != 0)
		memset(&s, 0, sizeof(s));
#define SHOW_COUNTER(name, member, text)                                                           \
	json_object_set_new(set, #name, json_integer((json_int_t)s.member));
	DEVICE_COUNTERS(SHOW_COUNTER)
#undef SHOW_COUNTER
	add_all_extended(eth_id, queues, others);
	json_object_set_new(set, "queues", queues);
	json_object_set_new(set, "driver_counters", others);
	return set;
}

json_t *ctl_serve_devices(const struct dp *dp)
{
	json_t *all = json_object();

	for (unsigned int k = 0; k < dp->n_devices; k++)
		/* One that has gone has no counters, not even old ones. */
		if (dp_link_state(&dp->devices[k]->link) != DP_LINK_GONE)
			json_object_set_new(all, dp->devices[k]->device,
					    device_counters(dp->devices[k]->eth_id));
	return all;
}
