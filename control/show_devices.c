/*
 * What wgdp-cli is told of devices: their queues with who uses them and what went over each, and
 * what they lack. Control thread.
 */
#include "control/show_devices.h"

#include "dataplane/device.h"

static json_t *rx_queue(const struct dp *dp, const struct dp_device *d, uint16_t queue)
{
	for (unsigned int w = 0; w < dp->n_workers; w++) {
		const struct dp_worker *worker = dp->workers[w];

		for (unsigned int i = 0; i < worker->n_polls; i++) {
			const struct dp_poll *poll = &worker->polls[i];

			if (poll->device == d && poll->queue == queue)
				return json_pack("{s:i, s:I}", "worker", (int)w, "packets",
						 (json_int_t)dp_counted(&poll->rx));
		}
	}
	return json_object();
}

static json_t *tx_queue(const struct dp *dp, const struct dp_device *d, uint16_t queue)
{
	json_t *workers = json_array();
	uint64_t packets = 0;

	for (unsigned int w = 0; w < dp->n_workers; w++) {
		if (dp->workers[w]->tx_queues[d->id] != queue)
			continue;
		json_array_append_new(workers, json_integer((json_int_t)w));
		packets += dp_counted(&dp->workers[w]->tx_sent[d->id]);
	}
	return json_pack("{s:o, s:I}", "workers", workers, "packets", (json_int_t)packets);
}

json_t *ctl_show_lacks(const struct dp *dp, const struct dp_device *d)
{
	uint32_t bits = dp_device_lacks(d, dp->n_workers);
	json_t *list = json_object();

	for (unsigned int l = 0; l < DP_LACK_N; l++)
		if (bits & UINT32_C(1) << l)
			json_object_set_new(list, dp_lack_name((enum dp_lack)l),
					    json_string(dp_lack_text((enum dp_lack)l)));
	return list;
}

json_t *ctl_show_devices(const struct dp *dp)
{
	json_t *list = json_array();

	for (unsigned int k = 0; k < dp->n_devices; k++) {
		const struct dp_device *d = dp->devices[k];
		json_t *rx = json_array(), *tx = json_array();

		for (uint16_t q = 0; q < d->rx_queues; q++)
			json_array_append_new(rx, rx_queue(dp, d, q));
		for (uint16_t q = 0; q < d->tx_queues; q++)
			json_array_append_new(tx, tx_queue(dp, d, q));
		json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:o, s:o, s:o}", "device",
						      d->device, "driver", d->driver, "numa_node",
						      d->node, "rx_queues", rx, "tx_queues", tx,
						      "lacks", ctl_show_lacks(dp, d)));
	}
	return list;
}
