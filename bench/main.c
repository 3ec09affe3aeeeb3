/*
 * wgdp-bench: measures parts of wgdp in memory, on one CPU, without a NIC; rfc2544, a whole gateway
 * from outside, has a command line of its own (lab/). This file: the command line. What is
 * measured: a file per subcommand. How results are printed: report.c.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"

#define SECONDS_DEFAULT 30
#define SECONDS_MAX	86400
#define PEERS_MAX	1000000
#define STATUS_STOPPED	130 /* as shells have it for what Ctrl-C has ended */

static const struct command {
	const char *name;
	int (*run)(const struct bench_options *o);
	const char *summary;
	unsigned int peers; /* default of the option --peers; 0: it has none */
	bool workers;	    /* has the option --workers */
	const char *help;
} commands[] = {
	{"path", bench_path, "cycles per packet of the packet path, encrypt, decrypt and both",
	 1000, true,
	 "Packets are prepared in memory in batches of 32, are received from a port in memory, go\n"
	 "through the stages of a worker and are sent to another one. Results, in TSC cycles per\n"
	 "packet, with the median, 5th and 95th percentile of up to 301 samples:\n"
	 "\n"
	 "  encrypt/SIZE/PEERS/AEAD  from rx to tx, for plain packets from a port\n"
	 "  decrypt/SIZE/PEERS/AEAD  from rx to tx, for data messages from peers\n"
	 "  both/SIZE/PEERS/AEAD     the same of packets of which half go either way: in turns a\n"
	 "                           batch from each port, as a worker takes them; per packet\n"
	 "  encrypt-STAGE/..., decrypt-STAGE/...  what is spent in one stage: the time from there\n"
	 "                           on, less the time from the next stage on; seal and open are\n"
	 "                           the AEAD alone, and not part of headers and decap; rest is\n"
	 "                           all but the AEAD\n"
	 "\n"
	 "SIZE is the inner IPv4 packet in bytes; imix: 28 of 64, 16 of 576, 4 of 1420 in 48. "
	 "With\n"
	 "several peers each packet is for one chosen at random. The ports check and sum up IPv4\n"
	 "headers and UDP, at no cost, as NICs do; with --no-checksum-offload workers do it. Not "
	 "in\n"
	 "it: what a NIC's driver does, and cache misses on packets that a NIC has just written: "
	 "480\n"
	 "packets are in flight, as warm as their preparation has left them. A ratio is how many\n"
	 "times faster the result is than the same one with the AEAD \"reference\", compared "
	 "sample\n"
	 "by sample.\n"
	 "\n"
	 "With --workers 1,2,4 instead: whole workers, from rx to tx, each on a CPU of its own "
	 "(the\n"
	 "last ones that may be used), with ports in memory:\n"
	 "\n"
	 "  workers/WAY/SIZE/PEERS/N  TSC cycles that pass per packet, from the common start of N\n"
	 "                            workers until the last packet has been sent\n"
	 "  workers-extra/...         cycles per packet that N workers take more than one, with "
	 "what\n"
	 "                            they wait: N times the result of N, less that of one\n"
	 "  spread-alone/...          cycles per packet more of one worker alone that gives its "
	 "work as\n"
	 "                            jobs, and does them itself\n"
	 "  distance/2                cycles that a cache line takes from the first worker to the "
	 "second\n"
	 "                            and back\n"
	 "\n"
	 "WAY is encrypt or decrypt. 1920 packets are in a queue when a round starts, prepared by "
	 "its\n"
	 "worker. Several peers are spread over the queues of all workers evenly, as by RSS. "
	 "Packets of\n"
	 "one peer are all in the queue of the first, which shares the ciphers' work out to the "
	 "others\n"
	 "from the first packet on; workers-extra and spread-alone are then what that costs. A "
	 "ratio\n"
	 "is the speed-up: how many times as fast N workers are as one, which took the same load "
	 "right\n"
	 "before them. In every round, what was sent is compared: each packet once, and in order\n"
	 "within its flow; sealed ones are opened. Ports cost next to nothing: in it are what "
	 "workers\n"
	 "do and how they are in each other's way, not what a NIC and its driver add.\n"},
	{"crypto", bench_crypto, "cycles of AEAD, X25519 and BLAKE2s, against other libraries", 0,
	 false,
	 "The variants of one load take turns, sample by sample. Results are in TSC cycles.\n"
	 "\n"
	 "  DIRECTION/SIZE/KEYS/BATCH/VARIANT  the AEAD in bursts, per packet\n"
	 "    DIRECTION  seal, open; seal-in-place, open-in-place\n"
	 "    SIZE       plaintext bytes: 16 64 128 256 512 576 1024 1420 8900; imix: of 32 "
	 "packets\n"
	 "               19 of 64, 10 of 576, 3 of 1420, shuffled, in as many bursts as that "
	 "takes\n"
	 "    KEYS       1key: the same for all; 32keys: each packet its own, of 32 (64keys: of "
	 "64,\n"
	 "               with batch 64; not with batch 1)\n"
	 "    BATCH      packets in a burst: 1 2 3 4 8 16 32 64\n"
	 "    VARIANT    wgdp's back ends that this CPU can run; libsodium; openssl: EVP with a\n"
	 "               context per key and direction, kept; ipsec-mb-raw: what the ratios are "
	 "to,\n"
	 "               that library's IMB_SUBMIT_BURST_NOCHECK called directly, without wiping\n"
	 "  x25519/BATCH/VARIANT  per multiplication; batch; libsodium and openssl: one "
	 "multiplication\n"
	 "               (EVP_PKEY_derive, keys and context ready), which the ratios are to\n"
	 "  blake2s/WORK/BATCH/VARIANT  per input; batch, and single: one input after the other.\n"
	 "               WORK is hash-64; mac-60 and mac-116 with a key each or one for all; KDFs\n"
	 "\n"
	 "Ratios say how many times faster a result is: the median over the rounds (of what ran "
	 "right\n"
	 "after each other), and the ratio of the 5th percentiles; what they are to is always\n"
	 "measured too. The summary repeats some of them. Before an output is timed it is "
	 "compared:\n"
	 "that of AEADs with the back end \"reference\", and a wrong tag has to be found.\n"
	 "Without --filter: AEAD not in place, of 64, 256, 576, 1420 and imix, in batches of 1, 4 "
	 "and\n"
	 "32; BLAKE2s in batches of 16 and 32; all of X25519. --filter '*' is everything. Each "
	 "result\n"
	 "has at least 21 samples, however long they take.\n"
	 "\n"
	 "TSC cycles pass at one rate, those of the core may be faster: the first lines say how "
	 "many\n"
	 "core cycles are one TSC cycle, measured with adds that wait for each other. Caches are\n"
	 "warm, as far as a load fits in: source and destination are buffers of their own for "
	 "each\n"
	 "packet, with a stride of 2368 bytes (9408 for 8900).\n"},
	{"timing", bench_timing, "whether the time of the crypto depends on secrets", 0, false,
	 "Runs a function on two classes of inputs in random order, made ahead and of the same\n"
	 "lengths, and compares the times with Welch's t-test: all of them, and the shortest 99, "
	 "95,\n"
	 "90, 75, 50, 25 and 10 percent. t is that of the share with the largest |t|. Over 10, it "
	 "is\n"
	 "measured twice more; only if all three agree the verdict is that time DIFFERS, else "
	 "that\n"
	 "it is not confirmed, and the first t is shown: then run it alone, and longer. For what\n"
	 "memcheck cannot run, as AVX-512. It can show a leak; it cannot show that there is none.\n"
	 "\n"
	 "  control/leaky-compare  ends at the first wrong byte, and must be seen: else the test "
	 "has\n"
	 "                         no power on this machine (always run)\n"
	 "  control/no-difference  the same twice, and must be equal\n"
	 "  seal/WHAT/BACKEND, open/WHAT/BACKEND  bursts of 32; WHAT is what differs\n"
	 "  open/places/..., open/alternating/..., open/all-wrong/...  which tags are wrong: no "
	 "secret,\n"
	 "                         but no slow path may hang on it. By contract the plaintext of "
	 "a\n"
	 "                         wrong packet is zeroed: the second median may be later by what\n"
	 "                         that takes, and 5 percent\n"
	 "  x25519/WHAT, blake2s/WHAT  batches of 32\n"
	 "\n"
	 "cycles are the median of the first class, in TSC cycles; difference: of the second, "
	 "less\n"
	 "that. The exit status is 1 if something differs that must not, or the leaky comparison\n"
	 "is not seen.\n"},
	{"lookup", bench_lookup, "allowed-ips and sessions: lookups, updates, memory", 1000000,
	 false,
	 "Prefix sets, made up and always the same. wgdp's table and those of DPDK are filled with "
	 "a\n"
	 "set, have their answers compared, and look up in turns, in bulks of 32. Cycles are of "
	 "the "
	 "TSC.\n"
	 "\n"
	 "  FAMILY/SET/KEYS/TABLE      cycles per lookup\n"
	 "    FAMILY  v4, v6\n"
	 "    SET     hosts-16, hosts-1k, hosts-100k, hosts-1m: host routes anywhere;\n"
	 "            dense-100k, dense-1m: host routes in a row, from four pools;\n"
	 "            bgp: 900 000 IPv4, 200 000 IPv6 prefixes as in the Internet's routing table\n"
	 "    KEYS    hits: in a random prefix; zipf: the same, prefix k about 1/k as often as "
	 "the\n"
	 "            first; misses: half anywhere, half one bit off a prefix;\n"
	 "            hits+updates: hits, while another CPU makes 10 000 changes a second "
	 "(lc-trie\n"
	 "            only); the ratio is to hits without, of the same round\n"
	 "    TABLE   lc-trie: wgdp's; allowed-ips: the same asked by addresses in packets;\n"
	 "            rte_lpm, rte_fib (DIR24_8), rte_lpm6, rte_fib6 (trie):\n"
	 "            DPDK's for routes, AVX-512 where it has that; rte_hash: exact matches only, "
	 "for\n"
	 "            host routes; binary-trie: path-compressed, as Linux and wireguard-go have "
	 "it,\n"
	 "            a node of 64 bytes per prefix and branch, which the ratios are to\n"
	 "  FAMILY/SET/fill/TABLE      inserts/s into an empty table, in random order\n"
	 "  FAMILY/SET/lc-trie-UPDATE/WHAT  insert, replace and remove all prefixes of bgp and the "
	 "1m\n"
	 "            sets: rate; of single updates p50, p99, p99.99 and the longest three by the "
	 "TSC,\n"
	 "            which counts what else ran meanwhile; over-1ms: how many took longer;\n"
	 "            longest-cpu, over-1ms-cpu: at most, by the CPU time of the thread;\n"
	 "            lc-trie-insert/bulk-rate: all at once\n"
	 "  FAMILY/SET/memory/TABLE    bytes per prefix; DPDK's with what it keeps aside for "
	 "updates;\n"
	 "            memory-table: of these what lookups read\n"
	 "  FAMILY/SET/pages/TABLE     how much of the memory lies in transparent huge pages\n"
	 "  sessions/WHAT/N            the receiver indices of N sessions: hits: cycles per "
	 "lookup; "
	 "insert,\n"
	 "            remove; table: its bytes per session; sessions/sizeof: a session itself\n"
	 "  peer-memory/N/...          bytes per peer, each with an IPv4 and an IPv6 prefix and a "
	 "way "
	 "out,\n"
	 "            without sessions: all, and of it allowed-ips, records and ways-out; "
	 "resident: what\n"
	 "            the process has more then; N: --peers\n"
	 "\n"
	 "A table that cannot hold a set, or takes over 5 s (a sixth of --seconds, if that is "
	 "more)\n"
	 "to fill, is left out with the reason. --seconds is for lookups; making sets and tables "
	 "comes\n"
	 "on top. Sets of which no result is asked for are not made. The summary says how many "
	 "times\n"
	 "as fast as the binary trie and DPDK's rte_fib or rte_fib6 lookups are, and how many "
	 "times\n"
	 "less memory than rte_fib they take.\n"},
	{"handshakes", bench_handshakes, "what handshakes cost, and refusing what is none", 1000,
	 false, bench_handshakes_help},
};

#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *to)
{
	fputs("usage: wgdp-bench COMMAND [--filter GLOB] [--seconds N] [--peers N]\n"
	      "                          [--workers N,...] [--json]\n"
	      "       wgdp-bench COMMAND --help\n"
	      "\n"
	      "Commands:\n",
	      to);
	for (unsigned int i = 0; i < N_COMMANDS; i++)
		fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].summary);
	fprintf(to, "  %-10s %s\n", "rfc2544",
		"a whole gateway, from outside: has options of its own");
	fprintf(to, "  %-10s %s\n", "compare",
		"two results, as written with --json: A.json B.json");
	fprintf(to,
		"\n"
		"Options:\n"
		"  --filter GLOB  only results whose names match, such as 'encrypt/*/ipsec-mb'\n"
		"  --seconds N    stop after about N seconds (default %d), each result at least "
		"once\n"
		"  --peers N      path, handshakes: peers in the case with many (default 1000); "
		"lookup:\n"
		"                 whose memory is measured (default 1000000)\n"
		"  --workers N,... path: whole workers, so many of them, compared with one\n"
		"  --no-checksum-offload\n"
		"                 path: as with ports that do not check and sum up IPv4 and UDP,\n"
		"                 which NICs do; workers do it then\n"
		"  --json         one JSON object on standard output instead of a table\n"
		"  --help         this, or what a command measures\n",
		SECONDS_DEFAULT);
}

static bool number(const char *text, unsigned int max, unsigned int *out)
{
	char *end;
	unsigned long x;

	errno = 0;
	x = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || x < 1 || x > max)
		return false;
	*out = (unsigned int)x;
	return true;
}

/* "1,2,4": ascending, none twice. */
static bool numbers(const char *text, struct bench_options *o)
{
	char *list = strdup(text), *at = list, *part;
	bool good = list != NULL;

	o->n_workers = 0;
	while (good && (part = strsep(&at, ",")) != NULL) {
		unsigned int *x = &o->workers[o->n_workers];

		good = o->n_workers < BENCH_COUNTS_MAX && number(part, BENCH_WORKERS_MAX, x) &&
		       (o->n_workers == 0 || x[-1] < x[0]);
		o->n_workers++;
	}
	free(list);
	if (!good)
		fprintf(stderr,
			"wgdp-bench: --workers takes up to %d numbers of workers from 1 to %d, "
			"ascending, with commas between them, such as 1,2,4; not \"%s\"\n",
			BENCH_COUNTS_MAX, BENCH_WORKERS_MAX, text);
	return good;
}

static int parse(int argc, char **argv, const struct command *c, struct bench_options *o)
{
	static const struct option options[] = {
		{"filter", required_argument, NULL, 'f'},
		{"seconds", required_argument, NULL, 's'},
		{"peers", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"workers", required_argument, NULL, 'w'},
		{"no-checksum-offload", no_argument, NULL, 'o'},
		{NULL, 0, NULL, 0},
	};
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		bool good = true;

		switch (option) {
		case 'f':
			o->filter = optarg;
			break;
		case 's':
			good = number(optarg, SECONDS_MAX, &o->seconds);
			break;
		case 'p':
			if (!c->peers) {
				fprintf(stderr, "wgdp-bench: %s has no --peers\n", c->name);
				return EXIT_FAILURE;
			}
			good = number(optarg, PEERS_MAX, &o->peers);
			break;
		case 'w':
			if (!c->workers) {
				fprintf(stderr, "wgdp-bench: %s has no --workers\n", c->name);
				return EXIT_FAILURE;
			}
			if (!numbers(optarg, o))
				return EXIT_FAILURE;
			break;
		case 'o':
			if (!c->workers) {
				fprintf(stderr, "wgdp-bench: %s has no ports\n", c->name);
				return EXIT_FAILURE;
			}
			o->no_offload = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 'h':
			printf("wgdp-bench %s: %s\n\n%s", c->name, c->summary, c->help);
			exit(EXIT_SUCCESS);
		default:
			return EXIT_FAILURE;
		}
		if (!good) {
			fprintf(stderr, "wgdp-bench: not a number in range: %s\n", optarg);
			return EXIT_FAILURE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "wgdp-bench: what is \"%s\"?\n", argv[optind]);
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	struct bench_options o = {.seconds = SECONDS_DEFAULT};

	if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (argc >= 2 && strcmp(argv[1], "rfc2544") == 0)
		return bench_rfc2544(argc - 1, argv + 1);
	if (argc >= 2 && strcmp(argv[1], "compare") == 0)
		return bench_compare(argc - 1, argv + 1);
	for (unsigned int i = 0; argc >= 2 && i < N_COMMANDS; i++) {
		int status;

		if (strcmp(argv[1], commands[i].name) != 0)
			continue;
		o.peers = commands[i].peers;
		if (parse(argc - 1, argv + 1, &commands[i], &o) != EXIT_SUCCESS)
			return EXIT_FAILURE;
		bench_catch_stop();
		status = commands[i].run(&o);
		return status == EXIT_SUCCESS && bench_stopped() ? STATUS_STOPPED : status;
	}
	usage(stderr);
	return EXIT_FAILURE;
}
