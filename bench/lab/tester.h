/*
 * The tester: a traffic generator and analyser on two DPDK ports, with a WireGuard gateway between
 * them. On `outside` it is N WireGuard peers (our own handshake/ and crypto/), on `inside` a host
 * behind the gateway. It offers traffic at a rate and tells what became of it (trial.h); searches
 * and output are elsewhere (method*.c).
 *
 *      tester `outside` ---cable--- outside | gateway | inside ---cable--- `inside` tester
 *
 * The gateway may be any: it has the addresses, the private key and the peers that
 * lab_tester_config() writes. Or it is one that the tester opens itself, in this process
 * (one_process; gateway.h). All functions are called by one thread, which is pinned to the main
 * lcore: generator and analyser are one loop. EAL runs before (bench_eal_devices(); with
 * one_process bench_eal_lcores(), for two).
 *
 * Sizes are those of the inner IP packet, as for wgdp-bench path: 64 is an IP packet of 64 bytes
 * in the tunnel, and an Ethernet frame of 78 without, of 82 with its checksum on the inside cable.
 * IMIX is 28 of 64, 16 of 570 and 4 of 1518 in 48, and as 1518 does not fit into a tunnel over
 * an MTU of 1500 it is what the tunnel's MTU allows (1420 by default); so everywhere.
 */
#ifndef BENCH_LAB_TESTER_H
#define BENCH_LAB_TESTER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bench/lab/trial.h"

#define LAB_SIZE_IMIX	   0
#define LAB_SIZE_MIN	   64 /* also of IPv6 with what the tester writes into each packet */
#define LAB_SIZE_MAX	   9000
#define LAB_PEERS_MAX	   1000000
#define LAB_FLOWS_MAX	   1000000
#define LAB_TUNNEL_MTU	   1420
#define LAB_KEY_BYTES	   32
#define LAB_KEY_TEXT_BYTES 45 /* base64, with the NUL */

/*
 * Zeros and NULL mean the defaults, which lab_tester_defaults() sets, but for the size. Text
 * belongs to the caller and lives as long as the tester. Outside addresses are all IPv4 or all
 * IPv6; so are inside ones, of the family of the inner packets.
 */
struct lab_tester_options {
	/* What wgdp's `device:` takes: PCI address, vdev with arguments, Linux interface; a vdev
	 * that the program has made already by its name. */
	const char *outside, *inside;
	/* The gateway is wgdp's data plane in this process, on another lcore, at cables in memory:
	 * no outside, no inside, no gateway_key. */
	bool one_process;
	bool inner_ipv6;
	/* ADDRESS/LENGTH of the gateway's ports, and the tester's first address on each cable.
	 * Peers have that one and the ones after it: as many as outside_addresses (0: one for each
	 * 20 000 peers), and of each as many ports as there are peers for it, from first_port on.
	 */
	const char *gateway_outside; /* 198.18.0.1/16 */
	const char *tester_outside;  /* 198.18.1.1 */
	const char *gateway_inside;  /* 198.19.0.1/24; inner_ipv6: 2001:2:0:19::1/64 */
	const char *tester_inside;   /* 198.19.0.2; inner_ipv6: 2001:2:0:19::2 */
	uint32_t outside_addresses;
	uint16_t first_port;   /* 20000 */
	uint16_t gateway_port; /* UDP; 51820 */
	uint16_t tunnel_mtu;   /* LAB_TUNNEL_MTU: of the gateway's WireGuard interface */
	/* The gateway's public key, base64; NULL: of the private key that is made from the seed. */
	const char *gateway_key;
	uint32_t peers; /* 1; peer i has the inner address 10.64.0.1 + i or 2001:2:0:64::1 + i */
	uint32_t flows; /* 1; in each way; flow k is of peer k % peers, each with UDP ports of its
			   own */
	uint16_t size;	/* of inner packets; LAB_SIZE_IMIX */
	uint64_t seed; /* keys of the peers, and of the gateway if it has none: the same for ever */
	/* Set by a signal handler: a trial ends, interrupted; open ends with -EINTR. NULL: never.
	 */
	const volatile sig_atomic_t *stop;
	/* A line of progress, while many handshakes are made. NULL: none. */
	void (*progress)(const char *text);
};

struct lab_tester;

void lab_tester_defaults(struct lab_tester_options *o);

/* Are the options sound? 0 or -EINVAL with a sentence in error. Needs no EAL. */
int lab_tester_check(const struct lab_tester_options *o, char *error, unsigned int error_size);

/*
 * Opens the ports, waits for links (-ENETDOWN), asks for the gateway's MAC addresses
 * (-EHOSTUNREACH), makes all handshakes (-ENOTCONN: which peer got no answer, and what to look at),
 * and sends learning frames (RFC 2544, 23) for up to a second, until the gateway uses all sessions
 * that flows go by. 0 or -errno with a sentence in error and everything undone; *out is then NULL.
 */
int lab_tester_open(const struct lab_tester_options *o, struct lab_tester **out, char *error,
		    unsigned int error_size);
void lab_tester_close(struct lab_tester *t);

/*
 * A lab_trial_fn; ctx is a struct lab_tester. Before the traffic it renews sessions that would
 * come to their end in it, if there is time for that (later ones are renewed while it runs).
 *
 * wanted: slots of the rate. A slot that came while the loop was late by more than 256 packets is
 * skipped. Where the port's transmit queue is at the same time the gateway's receive queue (memif,
 * vhost, virtio-user, rings), what does not fit is sent and lost; on others it is not sent. If less
 * than 99.5 % of wanted was sent in any way, short_of_rate is set. bulk_pps is offered in each
 * way that has a load, in packets of the size that the tunnel's MTU allows, by as many flows.
 *
 * Duplicates are seen within a window of at least 64 packets of a flow, 65536 of one alone; what
 * comes later than that counts as reordered and not as received. latency is of packets that came
 * within 2^20 bursts of sending. corrupt are also those outside whose tag is wrong.
 *
 * More errors: -ERANGE, a rate above what the line takes (where the line's speed is known).
 */
int lab_tester_trial(void *ctx, const struct lab_trial *trial, struct lab_result *result,
		     char *error, unsigned int error_size);

/* Another size for the trials that follow (LAB_SIZE_IMIX too). 0 or -EINVAL with a sentence. */
int lab_tester_set_size(struct lab_tester *t, uint16_t size, char *error, unsigned int error_size);

/* Packets per second that the lines take in that way, at the size; 0: unknown (a port that is not
 * hardware has no speed). */
double lab_tester_line_pps(const struct lab_tester *t, enum lab_way way);

/* For reports: "net_virtio_user", "net_i40e", ... */
const char *lab_tester_driver(const struct lab_tester *t, bool outside);

/* How packets have ended in the gateway of one_process, all of them since it was opened:
 * received + made = sent + punted + consumed + sum of drops, when nothing is under way. */
#define LAB_GATEWAY_DROPS_MAX 64
struct lab_gateway_drop {
	const char *name, *text;
	uint64_t packets;
};
struct lab_gateway_counts {
	int cpu, tester_cpu; /* of its worker, and of the tester */
	/* What its ports had no room for when it came from the tester: not in the rest. */
	uint64_t refused;
	uint64_t received, made, sent, punted, consumed;
	struct lab_gateway_drop drops[LAB_GATEWAY_DROPS_MAX];
	unsigned int n_drops; /* that there were */
};
/* False: the gateway is elsewhere. */
bool lab_tester_gateway(const struct lab_tester *t, struct lab_gateway_counts *out);

/* Between trials, when nothing is offered for more than a few seconds: answers ARP, keepalives and
 * handshakes for so long. */
void lab_tester_idle(struct lab_tester *t, double seconds);

enum lab_config {
	LAB_CONFIG_WGDP,  /* YAML: ports and the interface wg0 */
	LAB_CONFIG_WG,	  /* for: wg setconf wg0 FILE */
	LAB_CONFIG_LINUX, /* a shell script: ip and wg; interfaces as $OUTSIDE and $INSIDE */
	LAB_CONFIG_VPP,	  /* commands for VPP's `exec` */
	LAB_CONFIG_KEY,	  /* the gateway's private key, where it is made from the seed */
};

/*
 * Writes what the gateway needs. Its private key is the one made from the seed: LAB_CONFIG_WG and
 * VPP hold it, for wgdp it goes into a file (LAB_CONFIG_KEY), which private_key_file names. With
 * options->gateway_key it is not known: private_key_file names a file that is there (WGDP, LINUX),
 * WG has no line for it, and VPP and KEY are refused. 0 or -errno with a sentence in error. Needs
 * no EAL.
 */
struct lab_config_options {
	enum lab_config kind;
	/* WGDP: `device:` of the gateway's ports; NULL: OUTSIDE and INSIDE, to be filled in. VPP:
	 * names of its interfaces; NULL: outside and inside. */
	const char *outside_device, *inside_device;
	const char *private_key_file;
};
int lab_tester_config(const struct lab_tester_options *o, const struct lab_config_options *c,
		      FILE *to, char *error, unsigned int error_size);

#endif
