/*
 * Frames from the network through a whole worker: classify and all that follows, on the gateway in
 * memory of the unit tests. The first byte of an input says what is done with the rest of it:
 *
 *   bit 0     the port that it comes in on
 *   bit 1     headers are put right (MAC, IPv4 checksum), so that it gets beyond them
 *   bit 2     it lies in a buffer of exactly its size, where reading beyond its end is seen
 *   bit 5     headers are put right behind a tag of 4 bytes
 *   bit 6     it comes in behind another frame, which is good: then it may go a shorter way
 *   bits 3-4  it is 0: a frame, 1: a UDP payload for WireGuard, 2: what peer 1 has encrypted,
 *             3: an inner packet from Linux
 *
 * Each frame must end exactly once, and no buffer may be lost.
 */
#include "tests/unit/unit.h"

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "tests/unit/dataplane/eal.h"
#include "tests/unit/dataplane/path/path.h"

enum kind { FRAME, PAYLOAD, PLAIN, LINUX };

#define PAYLOAD_BYTES 1400

static struct path gateway;
static uint64_t counter;
static unsigned int buffers;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct dp_out out;

	(void)argc;
	(void)argv;
	test_eal_start();
	path_open(&gateway, 1);
	path_port(&gateway, 2, 0, 7, "wan7");
	path_port(&gateway, 3, 1, 9, "lan9");
	/* So that what Linux sends is looked at for its flow. */
	out = path_out(&gateway, 1);
	out.source_ports = 4;
	if (dp_publish_out(gateway.dp, gateway.peers[1], &out) != 0)
		abort();
	dp_publish_listen(gateway.wg, PATH_LISTEN_PORT, 4);
	buffers = rte_mempool_avail_count(gateway.dp->pool);
	return 0;
}

static void put_right(struct path_frame *f, unsigned int port, size_t ip)
{
	memcpy(f->at, gateway.ports[port].mac, RTE_MIN(f->len, (size_t)6));
	if (f->len >= ip + 20 && f->at[ip] >> 4 == 4 && f->len >= ip + (f->at[ip] & 15u) * 4)
		path_ipv4_sum(f->at + ip);
}

/* Packets that have come to an end so far. */
static uint64_t ended(void)
{
	const struct dp_counters *c = &gateway.w->counters;

	return path_drops(&gateway) + dp_counted(&c->punt) + dp_counted(&c->consumed);
}

static unsigned int taken_out(void)
{
	struct rte_mbuf *m;
	unsigned int n = 0;

	/* What is only told of has been counted as dropped. */
	while ((m = path_asked(&gateway))) {
		n += dp_note(m)->ask != DP_ASK_ICMP;
		rte_pktmbuf_free(m);
	}
	return n + path_drain(&gateway);
}

/* A keepalive of a peer, or a packet that is for one. */
static void make_good(struct path_frame *f, unsigned int port)
{
	static const uint8_t payload[8];

	if (port == 0)
		path_data(f, &gateway, 2, counter++, NULL, 0);
	else
		path_udp(f, &gateway, port, "10.0.0.2", 1000, "10.8.1.5", 2000, payload,
			 sizeof(payload));
}

static void receive(unsigned int port, const struct path_frame *f, bool exact, bool behind)
{
	struct path_frame frames[2];

	make_good(&frames[0], port);
	frames[1] = *f;
	if (exact)
		path_receive_exact(&gateway, port, behind ? &frames[0] : NULL, f);
	else
		path_receive_all(&gateway, port, behind ? frames : f, behind ? 2 : 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t before = ended(), frames = 1;
	struct path_frame f;
	unsigned int port;

	if (size == 0 || size > PAYLOAD_BYTES)
		return -1;
	port = data[0] & 1;
	f.len = size - 1;
	memcpy(f.at, data + 1, f.len);
	switch ((enum kind)(data[0] >> 3 & 3)) {
	case FRAME:
		break;
	case PAYLOAD:
		port = 0;
		path_udp(&f, &gateway, port, "198.51.100.1", 1000, "192.0.2.1", PATH_LISTEN_PORT,
			 data + 1, size - 1);
		break;
	case PLAIN:
		port = 0;
		path_data(&f, &gateway, 1, counter++, data + 1, size - 1);
		break;
	case LINUX:
		path_from_linux(&gateway, f.at, f.len);
		break;
	}
	if (data[0] & 2)
		put_right(&f, port, data[0] & 32 ? 18 : 14);
	if ((data[0] >> 3 & 3) != LINUX) {
		receive(port, &f, data[0] & 4, data[0] & 64);
		frames += (data[0] & 64) != 0;
	}
	if (taken_out() + ended() - before != frames)
		abort();
	if (rte_mempool_avail_count(gateway.dp->pool) != buffers)
		abort();
	return 0;
}
