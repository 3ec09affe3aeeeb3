/*
 * The tester's packets: streams of flows, how their packets are written, and what is said about one
 * that comes back. A packet is IP, UDP and a payload that begins with a stamp:
 *
 *    check      hash of the rest and of a secret of this run: nobody else makes such packets
 *    flow       number of the flow; which trial; bulk or not
 *    sequence   of the flow
 *    burst      the burst it was sent in: the tester remembers when that was
 *
 * and goes on with a pattern. The time is not in the packet because it would have to be there
 * before the packet is sealed; so it is noted when the burst is handed to the port. Sealing, ports
 * and the loop are elsewhere. One thread.
 */
#ifndef BENCH_LAB_FLOWS_H
#define BENCH_LAB_FLOWS_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/lab/sequence.h"
#include "bench/lab/setup.h"
#include "bench/lab/trial.h"

#define LAB_BURSTS	 (1u << 20) /* whose time is remembered, of a stream; power of two */
#define LAB_INNER_HEADER 48	    /* IPv6 and UDP */
#define LAB_STAMP_BYTES	 16
#define LAB_SIZES_MAX	 3

struct lab_stamp {
	uint32_t check, flow, sequence, burst;
};

struct lab_flow {
	uint8_t header[LAB_INNER_HEADER]; /* IP and UDP, lengths and checksums zero */
	uint32_t header_sum;		  /* of the UDP pseudo header and ports */
	uint32_t peer;
	uint32_t sequence; /* of the next packet to be sent */
	struct lab_sequence seen;
};

/* Of one kind of packet. */
struct lab_size {
	uint16_t ip_bytes;
	uint32_t pattern_sum; /* of its pattern, as checksums count */
};

/* Flows in one way, and what is offered and has arrived. */
struct lab_stream {
	enum lab_way way;
	bool bulk, ipv6;
	uint8_t trial; /* number of the trial; what comes of another one is not looked at */
	uint32_t n_flows, next_flow;
	struct lab_flow *flows;
	uint32_t window; /* bits of each flow's */
	uint64_t *windows;
	struct lab_size sizes[LAB_SIZES_MAX];
	bool imix;
	uint32_t size_at;  /* in the order of the mix */
	uint32_t burst;	   /* number of the next one */
	uint64_t *sent_at; /* [LAB_BURSTS], TSC */
	uint64_t secret;
	double ns_per_cycle;
	struct lab_counts *counts; /* of the result of the trial that runs */
};

/* A stream without flows is empty and takes no memory. 0 or -ENOMEM. */
int lab_stream_open(struct lab_stream *s, const struct lab_setup *setup, enum lab_way way,
		    bool bulk, uint64_t secret, double tsc_hz);
void lab_stream_close(struct lab_stream *s);

/* LAB_SIZE_IMIX or a size; mtu: what is more is cut to that. */
void lab_stream_set_size(struct lab_stream *s, uint16_t size, uint16_t mtu);
/* Bytes of IP packets, on average. */
double lab_stream_mean_size(const struct lab_stream *s);

/* Before a trial: sequence numbers start anew, and what comes of an earlier one is stale. */
void lab_stream_start(struct lab_stream *s, uint8_t trial);

/* The flow and size of the next packet; each is taken once. */
struct lab_flow *lab_stream_next(struct lab_stream *s, const struct lab_size **size);

/* Writes the next packet of a flow: size->ip_bytes at ip. It will be of burst s->burst. */
void lab_stream_write(struct lab_stream *s, struct lab_flow *flow, const struct lab_size *size,
		      uint8_t *ip);

/* The burst is handed to the port now. */
static inline void lab_stream_burst(struct lab_stream *s, uint64_t now)
{
	s->sent_at[s->burst++ & (LAB_BURSTS - 1)] = now;
}

enum lab_verdict {
	LAB_GOOD,
	LAB_STALE,   /* of an earlier trial */
	LAB_CORRUPT, /* of a flow, changed on its way */
	LAB_STRANGE, /* of no flow */
};

/* ---- judge.c ---- */

/* An IP packet that came. bytes: what the frame holds from it on, which may be more: padding. */
struct lab_arrived {
	const uint8_t *ip;
	uint32_t bytes;
};

/*
 * What is it? streams: that of the way in which it came, and its bulk one. *stream and *stamp are
 * set if it is LAB_GOOD.
 */
enum lab_verdict lab_packet_judge(struct lab_stream *const streams[2],
				  const struct lab_arrived *packet, struct lab_stream **stream,
				  struct lab_stamp *stamp);

/* Judges packets that came at now, and counts them with their latency. */
void lab_packets_count(struct lab_stream *const streams[2], const struct lab_arrived *packets,
		       unsigned int n, uint64_t now);

#endif
