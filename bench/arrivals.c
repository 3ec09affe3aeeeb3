/* Frames that have left the gateway in memory of wgdp-bench: see arrivals.h. Runs on the lcore that
 * has sent them, not while time is taken. */
#include "bench/arrivals.h"

#include <arpa/inet.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "bench/packets.h"
#include "dataplane/batch.h"
#include "dataplane/ip.h"

#define MESSAGE_OFF (DP_ETHER_BYTES + DP_IPV4_MIN_BYTES + DP_UDP_BYTES)
#define SEALED_OFF  (MESSAGE_OFF + (unsigned int)sizeof(struct wg_data))

#define DAMAGED	   "a packet came out that is not what went in"
#define NOT_SEALED "a packet came out that its peer can't open"
#define REPEATED   "a counter was used twice, or out of order"
#define REORDERED  "packets of one flow came out in another order than they went in"

static struct bench_peer *peer_at(const struct bench_gateway *g, const uint8_t *address)
{
	uint32_t inner;

	memcpy(&inner, address, sizeof(inner));
	return bench_gateway_peer(g, ntohl(inner));
}

/* Is it the next of its flow? */
static const char *check_inner(const struct bench_gateway *g, const uint8_t *ip, bool from_peer)
{
	struct bench_peer *p;
	uint64_t sequence;

	p = peer_at(g, from_peer ? dp_ip_source(ip) : dp_ip_destination(ip));
	if (dp_ip_version(ip) != 4 || !p)
		return DAMAGED;
	memcpy(&sequence, ip + BENCH_SEQUENCE_OFF, sizeof(sequence));
	return sequence == p->seen++ ? NULL : REORDERED;
}

/* A frame to a peer, for whoever opens it. */
static const char *check_outer(const struct bench_gateway *g, struct rte_mbuf *m,
			       struct cr_packet *packet)
{
	struct dp_session *session = dp_note(m)->session;
	struct wg_data message;

	if (!session || m->data_len < SEALED_OFF + DP_IPV4_MIN_BYTES + WG_TAG_BYTES)
		return DAMAGED;
	memcpy(&message, rte_pktmbuf_mtod_offset(m, void *, MESSAGE_OFF), sizeof(message));
	if (rte_le_to_cpu_32(message.receiver) != session->remote_index)
		return DAMAGED;
	*packet = (struct cr_packet){
		.key = session->send_key,
		.counter = rte_le_to_cpu_64(message.counter),
		.src = rte_pktmbuf_mtod_offset(m, uint8_t *, SEALED_OFF),
		.dst = rte_pktmbuf_mtod_offset(m, uint8_t *, SEALED_OFF),
		.len_bytes = m->data_len - SEALED_OFF - WG_TAG_BYTES,
	};
	return NULL;
}

static const char *check_opened(const struct bench_gateway *g, const struct cr_packet *packet)
{
	struct bench_peer *p = peer_at(g, dp_ip_destination(packet->dst));

	if (!p || p->session->send_key != packet->key)
		return DAMAGED;
	if (packet->counter < p->seen_counter)
		return REPEATED;
	p->seen_counter = packet->counter + 1;
	return check_inner(g, packet->dst, false);
}

static const char *check_sealed(const struct bench_gateway *g, struct cr_aead *aead,
				struct rte_mbuf **frames, unsigned int n)
{
	struct cr_packet packets[DP_BATCH_MAX];
	const char *wrong = NULL;
	uint64_t right;

	for (unsigned int i = 0; i < n && !wrong; i++)
		wrong = check_outer(g, frames[i], &packets[i]);
	if (wrong)
		return wrong;
	right = cr_open_burst(aead, packets, n);
	for (unsigned int i = 0; i < n && !wrong; i++)
		wrong = right >> i & 1 ? check_opened(g, &packets[i]) : NOT_SEALED;
	return wrong;
}

const char *bench_arrivals_check(struct bench_gateway *g, struct cr_aead *aead, bool decrypted,
				 struct rte_mbuf **frames, unsigned int n)
{
	const char *wrong = NULL;

	for (unsigned int i = 0; i < n && decrypted && !wrong; i++)
		wrong = check_inner(
			g, rte_pktmbuf_mtod_offset(frames[i], uint8_t *, DP_ETHER_BYTES), true);
	for (unsigned int i = 0; i < n && !decrypted && !wrong; i += DP_BATCH_MAX)
		wrong = check_sealed(g, aead, frames + i, RTE_MIN(n - i, (unsigned)DP_BATCH_MAX));
	return wrong;
}
