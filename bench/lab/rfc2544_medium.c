/*
 * What a result of wgdp-bench rfc2544 says of where it was measured: between which ports, and of a
 * gateway that was in this process what became of its packets. One thread.
 */
#include <stdio.h>
#include <string.h>

#include "bench/lab/rfc2544.h"

/* The gateway, and where the two are. */
static json_t *one_process_json(const struct lab_tester *t)
{
	struct lab_gateway_counts g;
	char text[160];

	lab_tester_gateway(t, &g);
	snprintf(text, sizeof(text),
		 "one process in memory, no NIC: wgdp's data path on CPU %d, the tester on CPU %d, "
		 "joined by %s",
		 g.cpu, g.tester_cpu, lab_tester_driver(t, true));
	return json_pack("{s:s, s:s, s:s, s:b, s:i, s:i, s:s}", "outside", "memory", "inside",
			 "memory", "kind", "memory", "one_process", true, "tester_cpu",
			 g.tester_cpu, "gateway_cpu", g.cpu, "text", text);
}

json_t *lab_medium_json(const struct lab_command *c, const struct lab_tester *t)
{
	static const struct {
		const char *driver, *kind, *text;
	} kinds[] = {
		{"virtio_user", "processes", "two processes on one machine, no NIC"},
		{"vhost", "processes", "two processes on one machine, no NIC"},
		{"memif", "processes", "two processes on one machine, no NIC"},
		{"ring", "memory", "one process in memory, no NIC"},
		{"af_packet", "linux", "Linux's interfaces by packet sockets"},
		{"af_xdp", "linux", "Linux's interfaces by AF_XDP"},
		{"tap", "linux", "Linux's TAP interfaces"},
	};
	const char *outside = lab_tester_driver(t, true);
	const char *inside = lab_tester_driver(t, false);
	const char *kind = "nic", *what = "NICs";
	char text[160];

	if (c->tester.one_process)
		return one_process_json(t);
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strstr(outside, kinds[i].driver) || strstr(inside, kinds[i].driver)) {
			kind = kinds[i].kind;
			what = kinds[i].text;
		}
	}
	snprintf(text, sizeof(text), "%s: outside by %s, inside by %s", what, outside, inside);
	return json_pack("{s:s, s:s, s:s, s:b, s:s}", "outside", c->tester.outside, "inside",
			 c->tester.inside, "kind", kind, "one_process", false, "text", text);
}

json_t *lab_gateway_json(const struct lab_tester *t)
{
	struct lab_gateway_counts g;
	json_t *drops;

	if (!lab_tester_gateway(t, &g))
		return NULL;
	drops = json_array();
	for (unsigned int i = 0; i < g.n_drops; i++)
		json_array_append_new(drops, json_pack("{s:s, s:s, s:I}", "reason", g.drops[i].name,
						       "text", g.drops[i].text, "packets",
						       (json_int_t)g.drops[i].packets));
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "refused", (json_int_t)g.refused,
			 "received", (json_int_t)g.received, "made", (json_int_t)g.made, "sent",
			 (json_int_t)g.sent, "punted", (json_int_t)g.punted, "consumed",
			 (json_int_t)g.consumed, "drops", drops);
}
