/*
 * The method `counters` of the JSON-RPC socket: what became of every packet, by thread, interface
 * and reason. Those of ports and devices are in serve_ports.c. Control thread.
 */
#include <string.h>

#include "control/control.h"
#include "control/serve_rpc.h"

/* What a worker counts besides packets. */
#define WORKER_COUNTERS(X)                                                                         \
	X(events_lost, "reports to control that had no room, and were repeated") DP_SPREADS(X)

static json_t *show_counters(const struct dp_counters *k)
{
	json_t *drops = json_object();
	json_t *set = json_object();

#define SHOW_FLOW(name, text)                                                                      \
	json_object_set_new(set, #name, json_integer((json_int_t)dp_counted(&k->name)));
	DP_FLOWS(SHOW_FLOW)
#undef SHOW_FLOW
	for (unsigned int d = 0; d < DP_DROP_N; d++)
		json_object_set_new(drops, dp_drop_name(d),
				    json_integer((json_int_t)dp_counted(&k->drops[d])));
	json_object_set_new(set, "drops", drops);
	return set;
}

static json_t *worker_counters(const struct dp *dp, struct dp_counters *sum)
{
	json_t *list = json_array();

	for (unsigned int k = 0; k < dp->n_workers; k++) {
		json_t *set = show_counters(&dp->workers[k]->counters);

		json_object_set_new(set, "id", json_integer(k));
#define SHOW_OWN(name, text)                                                                       \
	json_object_set_new(set, #name,                                                            \
			    json_integer((json_int_t)dp_counted(&dp->workers[k]->name)));
		WORKER_COUNTERS(SHOW_OWN)
#undef SHOW_OWN
		json_array_append_new(list, set);
		dp_counters_add(sum, &dp->workers[k]->counters);
	}
	return list;
}

static json_t *iface_counters(const struct ctl *c, size_t *staged)
{
	json_t *all = json_object();

	for (unsigned int k = 0; k < DP_IFACES_MAX; k++) {
		struct dp_counters sum;
		const struct ctl_peer *p;

		if (c->ifaces[k] == NULL)
			continue;
		memset(&sum, 0, sizeof(sum));
		for (unsigned int w = 0; w < c->dp->n_workers; w++)
			dp_counters_add(&sum, &c->dp->workers[w]->iface_counters[k]);
		json_object_set_new(all, c->ifaces[k]->name, show_counters(&sum));
		TAILQ_FOREACH (p, &c->ifaces[k]->peers, link)
			*staged += p->staged_n;
	}
	return all;
}

/* What the names mean, for people. */
static json_t *texts(void)
{
	json_t *all = json_object();

#define SHOW_TEXT(name, text) json_object_set_new(all, #name, json_string(text));
	DP_FLOWS(SHOW_TEXT)
	WORKER_COUNTERS(SHOW_TEXT)
#undef SHOW_TEXT
	json_object_set_new(all, "staged", json_string("waiting for a session or a next hop"));
	for (unsigned int d = 0; d < DP_DROP_N; d++)
		json_object_set_new(all, dp_drop_name(d), json_string(dp_drop_text(d)));
	return all;
}

static void handshakes(const struct ctl *c, json_t *verdicts, json_t *verdict_texts)
{
	for (unsigned int v = 0; v < HS_VERDICT_N; v++) {
		json_object_set_new(verdicts, hs_verdict_name(v),
				    json_integer((json_int_t)c->verdicts[v]));
		json_object_set_new(verdict_texts, hs_verdict_name(v),
				    json_string(hs_verdict_text(v)));
	}
}

void ctl_serve_counters(void *ctx, const json_t *params, struct cf_rpc_answer *a)
{
	struct ctl *c = ctx;
	json_t *verdicts = json_object(), *verdict_texts = json_object();
	size_t staged = ctl_asked_waiting(c->asked);
	struct dp_counters sum;
	json_t *workers, *ifaces;

	(void)params;
	memset(&sum, 0, sizeof(sum));
	workers = worker_counters(c->dp, &sum);
	ifaces = iface_counters(c, &staged);
	dp_counters_add(&sum, &c->dp->control_counters);
	dp_counters_add(&sum, &c->dp->face_counters);
	handshakes(c, verdicts, verdict_texts);
	a->result = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, "
		"s:{s:s, s:s}}",
		"totals", show_counters(&sum), "workers", workers, "control",
		show_counters(&c->dp->control_counters), "face",
		show_counters(&c->dp->face_counters), "ports", ctl_serve_port_counters(c->dp),
		"devices", ctl_serve_devices(c->dp), "interfaces", ifaces, "handshakes", verdicts,
		"staged", (json_int_t)staged, "texts", texts(), "device_texts",
		ctl_serve_device_texts(), "handshake_texts", verdict_texts, "interface_texts", "rx",
		"came out of the tunnel", "tx", "went into the tunnel");
}
