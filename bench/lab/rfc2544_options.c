/*
 * The command line of wgdp-bench rfc2544: a table of options, and what can be wrong before anything
 * is opened. How a value is read: rfc2544_values.c. One thread.
 */
#include "bench/lab/rfc2544.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOAK_SECONDS	   600.0
#define TRIAL_SECONDS	   10.0
#define SETTLE_SECONDS	   0.2
#define REPEAT		   3
#define LOSS		   0.005
#define WIDTH		   0.005
#define METHODS_BY_DEFAULT "throughput,latency"

#define AT(member) offsetof(struct lab_command, member)

/* What names are in lab_command: in the order of --help and the manual. */
static const struct lab_option options[] = {
	{"outside", LAB_TEXT, AT(tester.outside), 0, 0, "DEVICE on the gateway's outside cable"},
	{"inside", LAB_TEXT, AT(tester.inside), 0, 0, "DEVICE on its inside cable"},
	{"one-process", LAB_FLAG, AT(tester.one_process), 0, 0,
	 "instead of a gateway at DEVICEs: wgdp's data path, in memory, on a CPU of this program"},
	{"way", LAB_WAY_LIST, 0, 0, 0, "encrypt, decrypt, both; several with commas (encrypt)"},
	{"method", LAB_METHOD_LIST, 0, 0, 0, "what to measure (" METHODS_BY_DEFAULT ")"},
	{"size", LAB_SIZE_LIST, 0, 0, 0,
	 "bytes of inner packets, or imix; several: 64,512,imix (64)"},
	{"imix", LAB_IMIX, 0, 0, 0, "as --size imix"},
	{"ipv6", LAB_FLAG, AT(tester.inner_ipv6), 0, 0, "inner packets are IPv6"},
	{"peers", LAB_U32, AT(tester.peers), 1, LAB_PEERS_MAX, "WireGuard peers (1)"},
	{"flows", LAB_U32, AT(tester.flows), 1, LAB_FLOWS_MAX, "inner flows, spread over them (1)"},
	{"rate", LAB_RATE, AT(settings.rate), 0, 0,
	 "packets/s of a way, as 250k or 1.5M, instead of what throughput finds"},
	{"max-rate", LAB_RATE, AT(settings.max_rate), 0, 0,
	 "where searches begin (what line or tester can)"},
	{"trial-seconds", LAB_REAL, AT(settings.trial_seconds), 0.05, 86400,
	 "of a full trial (10)"},
	{"settle-seconds", LAB_REAL, AT(settings.settle_seconds), 0.01, 60,
	 "without a packet, until what is missing is lost (0.2)"},
	{"seconds", LAB_REAL, AT(settings.seconds), 0.05, 30 * 86400.0, "of a soak (600)"},
	{"repeat", LAB_UINT, AT(settings.repeat), 1, 1000, "trials at a rate, and bursts (3)"},
	{"loss", LAB_PERCENT, AT(settings.loss), 0.0001, 50, "percent that PDR may lose (0.5)"},
	{"width", LAB_PERCENT, AT(settings.width), 0.01, 50,
	 "percent between the bounds of a throughput (0.5)"},
	{"during", LAB_TEXT, AT(settings.during), 0, 0,
	 "COMMAND, run by sh in the middle of the method reconfiguration's trial"},
	{"json", LAB_FLAG, AT(json), 0, 0, "one JSON object instead of tables"},
	{"gateway-outside", LAB_TEXT, AT(tester.gateway_outside), 0, 0,
	 "ADDRESS/LENGTH (198.18.0.1/16)"},
	{"gateway-inside", LAB_TEXT, AT(tester.gateway_inside), 0, 0,
	 "ADDRESS/LENGTH (198.19.0.1/24; 2001:2:0:19::1/64)"},
	{"gateway-port", LAB_U16, AT(tester.gateway_port), 1, UINT16_MAX, "UDP (51820)"},
	{"gateway-key", LAB_TEXT, AT(tester.gateway_key), 0, 0,
	 "its public key (of the private key that --config writes)"},
	{"tester-outside", LAB_TEXT, AT(tester.tester_outside), 0, 0,
	 "ADDRESS of the first peer (198.18.1.1)"},
	{"tester-inside", LAB_TEXT, AT(tester.tester_inside), 0, 0,
	 "ADDRESS of the host inside (198.19.0.2; 2001:2:0:19::2)"},
	{"outside-addresses", LAB_U32, AT(tester.outside_addresses), 1, LAB_PEERS_MAX,
	 "that peers share (one for 20000 peers)"},
	{"first-port", LAB_U16, AT(tester.first_port), 1, UINT16_MAX, "UDP, of peers (20000)"},
	{"mtu", LAB_U16, AT(tester.tunnel_mtu), 1, UINT16_MAX, "of the tunnel (1420)"},
	{"seed", LAB_U64, AT(tester.seed), 0, 0, "of all keys (0)"},
	{"config", LAB_CONFIG_KIND, 0, 0, 0,
	 "wgdp, wg, linux, vpp or key: print what the gateway needs for all this, and end"},
	{"config-outside", LAB_TEXT, AT(config.outside_device), 0, 0,
	 "DEVICE of the gateway, for --config wgdp; interface, for vpp"},
	{"config-inside", LAB_TEXT, AT(config.inside_device), 0, 0, "the same"},
	{"private-key-file", LAB_TEXT, AT(config.private_key_file), 0, 0,
	 "FILE on the gateway, for --config wgdp or linux"},
	{"help", LAB_FLAG, AT(help), 0, 0, "this"},
};

#define N_OPTIONS (sizeof(options) / sizeof(options[0]))

static bool takes_value(const struct lab_option *o)
{
	return o->kind != LAB_FLAG && o->kind != LAB_IMIX;
}

void lab_command_help(void)
{
	printf("usage: wgdp-bench rfc2544 --outside DEVICE --inside DEVICE [OPTION...]\n"
	       "       wgdp-bench rfc2544 --one-process [OPTION...]\n"
	       "       wgdp-bench rfc2544 --config wgdp|wg|linux|vpp|key [OPTION...]\n\n"
	       "Offers traffic to a WireGuard gateway on two DPDK ports, as its peers and as a "
	       "host "
	       "behind\nit, and measures what comes through. Rates are packets/s of each way. "
	       "Methods:\n\n");
	for (unsigned int i = 0; i < lab_n_methods; i++)
		printf("  %-18s %s\n", lab_methods[i].name, lab_methods[i].summary);
	printf("\nOptions, with what holds without them:\n\n");
	for (unsigned int i = 0; i < N_OPTIONS; i++)
		printf("  --%-17s %s\n", options[i].name, options[i].help);
}

/* ---- what does not fit together ---- */

static bool has_method(const struct lab_command *c, int (*run)(struct lab_run *))
{
	for (unsigned int i = 0; i < lab_n_methods; i++) {
		if (lab_methods[i].run == run)
			return (c->methods & (1u << i)) != 0;
	}
	return false;
}

static bool check_methods(const struct lab_command *c)
{
	int (*const needy[])(struct lab_run *) = {lab_latency, lab_recovery, lab_soak,
						  lab_reconfiguration, lab_bulk};

	for (unsigned int i = 0; i < sizeof(needy) / sizeof(needy[0]); i++) {
		if (has_method(c, needy[i]) && !has_method(c, lab_throughput) &&
		    c->settings.rate == 0)
			return lab_wrong("the methods latency, recovery, soak, reconfiguration and "
					 "bulk need a rate: by the method throughput, or by "
					 "--rate");
	}
	if (has_method(c, lab_reconfiguration) != (c->settings.during != NULL))
		return lab_wrong("the method reconfiguration and --during COMMAND need each other");
	if (c->settings.rate > 0 && c->settings.max_rate > 0 &&
	    c->settings.rate > c->settings.max_rate)
		return lab_wrong("--rate is above --max-rate");
	return true;
}

/* Each size is to fit in the tunnel, and so on: the tester knows. */
static bool check_tester(const struct lab_command *c)
{
	struct lab_tester_options o = c->tester;
	char error[LAB_ERROR_BYTES];

	for (unsigned int i = 0; i < c->n_sizes; i++) {
		o.size = (uint16_t)c->sizes[i];
		if (lab_tester_check(&o, error, sizeof(error)) != 0)
			return lab_wrong("%s", error);
	}
	return true;
}

/* It is made from the options, and nobody reaches it but the tester. */
static bool check_one_process(const struct lab_command *c)
{
	if (c->tester.outside || c->tester.inside)
		return lab_wrong("--one-process has ports in memory: leave out --outside and "
				 "--inside, or test a gateway at these by leaving out "
				 "--one-process");
	if (c->only_config)
		return lab_wrong("--config is for a gateway elsewhere: that of --one-process needs "
				 "none");
	if (c->tester.gateway_key)
		return lab_wrong("--gateway-key is of a gateway elsewhere: that of --one-process "
				 "has one by --seed");
	if (has_method(c, lab_reconfiguration))
		return lab_wrong("the method reconfiguration has no meaning with --one-process: "
				 "its gateway has no configuration that a command could change; "
				 "test wgdp as a process of its own, at --outside and --inside");
	return true;
}

/* The ports are another's matter if only the gateway's configuration is wanted. */
static bool check_ports(struct lab_command *c)
{
	if (c->tester.one_process)
		return check_one_process(c);
	if (c->only_config) {
		if (!c->tester.outside)
			c->tester.outside = "OUTSIDE";
		if (!c->tester.inside)
			c->tester.inside = "INSIDE";
	} else if (!c->tester.outside || !c->tester.inside) {
		return lab_wrong("--outside DEVICE and --inside DEVICE are needed: the two ports "
				 "of the tester, such as 0000:01:00.0 or "
				 "\"net_virtio_user0,path=/run/out.sock\"; or --one-process; see "
				 "--help");
	}
	return true;
}

static bool check(struct lab_command *c, bool soak_seconds)
{
	if (c->help)
		return true;
	if (!check_ports(c))
		return false;
	if (!c->only_config &&
	    (c->config.outside_device || c->config.inside_device || c->config.private_key_file))
		return lab_wrong("--config-outside, --config-inside and --private-key-file are for "
				 "--config");
	if (soak_seconds && !has_method(c, lab_soak))
		return lab_wrong("--seconds is of the method soak; how long trials last is "
				 "--trial-seconds");
	return check_methods(c) && check_tester(c);
}

bool lab_command_parse(int argc, char **argv, struct lab_command *c)
{
	struct option long_options[N_OPTIONS + 1] = {0};
	const struct lab_option *o;
	bool seconds = false;
	int i;

	*c = (struct lab_command){.settings = {.seconds = SOAK_SECONDS,
					       .trial_seconds = TRIAL_SECONDS,
					       .settle_seconds = SETTLE_SECONDS,
					       .repeat = REPEAT,
					       .loss = LOSS,
					       .width = WIDTH}};
	lab_tester_defaults(&c->tester);
	for (unsigned int k = 0; k < N_OPTIONS; k++)
		long_options[k] = (struct option){options[k].name, takes_value(&options[k]), NULL,
						  (int)k};
	while ((i = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (i == '?')
			return false;
		o = &options[i];
		if (!lab_option_set(c, o, optarg))
			return false;
		seconds = seconds || o->offset == AT(settings.seconds);
	}
	if (optind < argc)
		return lab_wrong("what is \"%s\"?", argv[optind]);
	if (c->n_sizes == 0)
		c->sizes[c->n_sizes++] = LAB_SIZE_MIN;
	if (c->n_ways == 0)
		c->ways[c->n_ways++] = LAB_WAY(LAB_ENCRYPT);
	if (c->methods == 0 && !lab_methods_set(c, METHODS_BY_DEFAULT))
		return false;
	return check(c, seconds);
}

/* ---- as JSON ---- */

/* NULL: it is no setting, or was not set. */
static json_t *value_json(const struct lab_command *c, const struct lab_option *o)
{
	const void *at = (const char *)c + o->offset;

	if (o->offset == AT(json) || o->offset == AT(help))
		return NULL;
	switch (o->kind) {
	case LAB_FLAG:
		return json_boolean(*(const bool *)at);
	case LAB_TEXT:
		return *(const char *const *)at ? json_string(*(const char *const *)at) : NULL;
	case LAB_U16:
		return json_integer(*(const uint16_t *)at);
	case LAB_U32:
	case LAB_UINT:
		return json_integer(*(const uint32_t *)at);
	case LAB_U64:
		return json_integer((json_int_t) * (const uint64_t *)at);
	case LAB_REAL:
	case LAB_PERCENT:
	case LAB_RATE:
		return json_real(*(const double *)at);
	default:
		return NULL;
	}
}

/* An option under its name, with _ for -; zeros are what the tester or a search chooses. */
json_t *lab_command_json(const struct lab_command *c)
{
	json_t *j = json_object(), *methods = json_array(), *ways = json_array(),
	       *sizes = json_array();
	char name[32];

	for (unsigned int i = 0; i < N_OPTIONS; i++) {
		json_t *value = value_json(c, &options[i]);

		snprintf(name, sizeof(name), "%s", options[i].name);
		for (char *at = name; (at = strchr(at, '-')) != NULL;)
			*at = '_';
		if (value)
			json_object_set_new(j, name, value);
	}
	for (unsigned int i = 0; i < lab_n_methods; i++) {
		if (c->methods & (1u << i))
			json_array_append_new(methods, json_string(lab_methods[i].name));
	}
	for (unsigned int i = 0; i < c->n_ways; i++)
		json_array_append_new(ways, json_string(lab_ways_name(c->ways[i])));
	for (unsigned int i = 0; i < c->n_sizes; i++)
		json_array_append_new(sizes, lab_size_json(c->sizes[i]));
	json_object_set_new(j, "methods", methods);
	json_object_set_new(j, "ways", ways);
	json_object_set_new(j, "sizes", sizes);
	return j;
}
