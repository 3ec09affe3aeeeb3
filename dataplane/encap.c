/*
 * Inner packets into tunnels: peer by destination, session, counter, seal, outer headers. Runs on
 * workers. What can't be sealed now goes to control to wait (control.c); what is too big goes to
 * be fragmented (asked.c). TTL: see forward.c.
 */
#include "dataplane/stages.h"

#include <string.h>
#include <sys/socket.h>

#include <rte_ip.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "dataplane/activity.h"
#include "dataplane/flow.h"
#include "dataplane/ip.h"
#include "dataplane/lookup.h"
#include "dataplane/session.h"

/* Control is asked for a session at most this often: while there is none to send with, and when
 * the one there is should be replaced. It limits itself to one initiation in 5 s. */
#define NEED_EVERY_NS  (WG_NS_PER_S / 10)
#define REKEY_EVERY_NS WG_NS_PER_S

/* What fits the 16-bit length of any outer header. */
#define LEN_MAX_BYTES (UINT16_MAX - WG_OVERHEAD_BYTES - DP_UDP_BYTES - DP_IPV6_BYTES)

/* ---- peer by destination ---- */

/* What Linux hands us is an IP packet of the length that it says; what is behind is cut off. */
static void prove(struct dp_worker *w, struct dp_batch *b)
{
	uint8_t verdicts[DP_BATCH_MAX];

	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];
		uint32_t len = dp_ip_length(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len);

		verdicts[i] = DP_DROP_linux_malformed;
		if (len == 0 || len > m->data_len || m->nb_segs != 1)
			continue;
		verdicts[i] = DP_KEEP;
		m->data_len = (uint16_t)len;
		m->pkt_len = len;
		dp_note(m)->inner_len = (uint16_t)len;
	}
	dp_sift(w, b, verdicts);
}

void dp_encap(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_peer *peers[DP_BATCH_MAX];
	struct dp_batch fit = {.n = 0}, stray = {.n = 0}, big = {.n = 0};

	prove(w, b);
	dp_lookup_peers(b, false, peers);
	for (unsigned int i = 0; i < b->n; i++) {
		struct dp_note *note = dp_note(b->pkts[i]);
		uint16_t mtu = atomic_load_explicit(&note->iface->mtu, memory_order_relaxed);
		struct dp_batch *to = &fit;

		note->peer = peers[i];
		if (unlikely(!peers[i]))
			to = &stray;
		else if (unlikely(note->inner_len > mtu))
			to = &big;
		dp_batch_add(to, b->pkts[i]);
	}
	if (unlikely(stray.n))
		dp_refuse(w, stray.pkts, stray.n, DP_DROP_no_peer);
	if (unlikely(big.n))
		dp_too_big(w, big.pkts, big.n);
	if (fit.n)
		dp_seal(w, &fit);
}

/* ---- session and counters ---- */

/* Counters for a run of packets of one peer; returns how many packets got one. */
static unsigned int reserve_run(struct dp_worker *w, struct rte_mbuf **pkts, unsigned int n)
{
	struct dp_peer *peer = dp_note(pkts[0])->peer;
	struct dp_session *s = atomic_load_explicit(&peer->current, memory_order_acquire);
	const struct dp_out *out = atomic_load_explicit(&peer->out, memory_order_acquire);
	uint64_t first = 0;
	unsigned int got;

	if (unlikely(!s || w->now_ns >= s->birth_ns + WG_REJECT_AFTER_NS)) {
		dp_want_session(w, peer, NEED_EVERY_NS);
		return 0;
	}
	if (unlikely(!out || out->port_id == DP_PORT_NONE ||
		     atomic_load_explicit(&peer->roam_told, memory_order_relaxed)))
		return 0;
	got = dp_session_reserve(s, n, &first);
	if (unlikely(got < n))
		dp_want_session(w, peer, NEED_EVERY_NS);
	else if (unlikely(w->now_ns >= s->rekey_send_ns || first + got > WG_REKEY_AFTER_MESSAGES))
		dp_want_session(w, peer, REKEY_EVERY_NS);
	for (unsigned int i = 0; i < got; i++) {
		struct dp_note *note = dp_note(pkts[i]);

		note->session = s;
		note->out = out;
		note->counter = first + i;
	}
	return got;
}

/* What gets no counter waits at control for a session or a next hop. */
static void reserve(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_batch wait = {.n = 0};
	unsigned int kept = 0, end, got;

	for (unsigned int i = 0; i < b->n; i = end) {
		const struct dp_peer *peer = dp_note(b->pkts[i])->peer;

		end = i + 1;
		while (end < b->n && dp_note(b->pkts[end])->peer == peer)
			end++;
		got = reserve_run(w, b->pkts + i, end - i);
		for (unsigned int j = 0; j < got; j++)
			b->pkts[kept++] = b->pkts[i + j];
		for (unsigned int j = i + got; j < end; j++)
			dp_batch_add(&wait, b->pkts[j]);
	}
	b->n = (uint16_t)kept;
	dp_ask_control(w, wait.pkts, wait.n, DP_ASK_STAGE);
}

/* ---- seal ---- */

/* The data message around an inner packet, in place. False: the buffer has no room for it, which
 * only a buffer that is not of our pool can lack. */
static bool wrap(struct rte_mbuf *m, struct cr_packet *packet)
{
	const struct dp_note *note = dp_note(m);
	uint16_t mtu = atomic_load_explicit(&note->iface->mtu, memory_order_relaxed);
	uint16_t len = m->data_len;
	uint16_t padding = (uint16_t)(dp_padded(len, mtu) - len);
	struct wg_data *message;
	uint8_t *plain;

	if (unlikely(m->nb_segs != 1 || (uint32_t)len + padding > LEN_MAX_BYTES ||
		     rte_pktmbuf_headroom(m) < note->out->header_bytes + sizeof(*message) ||
		     rte_pktmbuf_tailroom(m) < padding + WG_TAG_BYTES))
		return false;
	plain = rte_pktmbuf_mtod(m, uint8_t *);
	memset(plain + len, 0, padding);
	*packet = (struct cr_packet){
		.key = note->session->send_key,
		.counter = note->counter,
		.src = plain,
		.dst = plain,
		.len_bytes = (uint32_t)len + padding,
	};
	message = (struct wg_data *)(plain - sizeof(*message));
	message->type = rte_cpu_to_le_32(WG_DATA);
	message->receiver = rte_cpu_to_le_32(note->session->remote_index);
	message->counter = rte_cpu_to_le_64(note->counter);
	return true;
}

static void seal_all(struct dp_worker *w, struct dp_batch *b)
{
	struct cr_packet packets[DP_BATCH_MAX];
	uint8_t verdicts[DP_BATCH_MAX];
	unsigned int n = 0;
	uint64_t sealed;

	for (unsigned int i = 0; i < b->n; i++) {
		verdicts[i] = DP_DROP_seal_failed;
		if (likely(wrap(b->pkts[i], &packets[n]))) {
			verdicts[i] = DP_KEEP;
			n++;
		}
	}
	dp_sift(w, b, verdicts);
	sealed = cr_seal_burst(w->aead, packets, n);
	for (unsigned int i = 0; i < n; i++) {
		dp_note(b->pkts[i])->payload_len =
			(uint16_t)(packets[i].len_bytes + WG_OVERHEAD_BYTES);
		verdicts[i] = sealed >> i & 1 ? DP_KEEP : DP_DROP_seal_failed;
	}
	dp_sift(w, b, verdicts);
}

/* What sealing moves, per run of packets of one session. */
static void account(struct dp_worker *w, const struct dp_batch *b)
{
	unsigned int end;

	for (unsigned int i = 0; i < b->n; i = end) {
		const struct dp_note *note = dp_note(b->pkts[i]);
		struct dp_session *s = note->session;
		bool has_data = false;
		uint64_t bytes = 0;

		for (end = i; end < b->n && dp_note(b->pkts[end])->session == s; end++) {
			uint16_t len = dp_note(b->pkts[end])->payload_len;

			bytes += len;
			has_data |= len > WG_DATA_MIN_BYTES;
		}
		atomic_fetch_add_explicit(&s->tx_bytes, bytes, memory_order_relaxed);
		dp_stamp_sent(note->peer, has_data, w->now_ns);
		dp_count(&w->iface_counters[note->iface->id].tx, end - i);
	}
}

/* ---- outer headers ---- */

/* The sizes that nearly all have, known to the compiler. */
static void copy_header(uint8_t *frame, const struct dp_out *out)
{
	if (out->header_bytes == DP_ETHER_BYTES + DP_IPV4_MIN_BYTES + DP_UDP_BYTES)
		memcpy(frame, out->header, DP_ETHER_BYTES + DP_IPV4_MIN_BYTES + DP_UDP_BYTES);
	else if (out->header_bytes == DP_ETHER_BYTES + DP_IPV6_BYTES + DP_UDP_BYTES)
		memcpy(frame, out->header, DP_ETHER_BYTES + DP_IPV6_BYTES + DP_UDP_BYTES);
	else
		memcpy(frame, out->header, out->header_bytes);
}

/* Lengths, ECN and header checksum. */
static void patch_ip(uint8_t *ip, uint8_t ecn, uint16_t udp_len, uint16_t id)
{
	uint16_t sum;

	if (dp_ip_version(ip) == 6) {
		ip[1] = (uint8_t)(ecn << 4);
		dp_store_be16(ip + 4, udp_len);
		return;
	}
	ip[1] = ecn; /* DSCP 0: the inner one is nobody's business outside */
	dp_store_be16(ip + 2, (uint16_t)(DP_IPV4_MIN_BYTES + udp_len));
	dp_store_be16(ip + 4, id);
	memset(ip + 10, 0, 2);
	sum = (uint16_t)~rte_raw_cksum(ip, DP_IPV4_MIN_BYTES);
	memcpy(ip + 10, &sum, sizeof(sum));
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Always a checksum, also over IPv4; computed here if the port can't, or the frame will be
 * fragmented. */
static void patch_udp(struct rte_mbuf *m, uint8_t *udp, uint16_t udp_len, bool offload)
{
	const struct dp_out *out = dp_note(m)->out;
	uint32_t pseudo_sum = out->pseudo_sum + rte_cpu_to_be_16(udp_len);
	uint16_t sum;

	if (unlikely(dp_note(m)->flow_port))
		dp_store_be16(udp, (uint16_t)(dp_load_be16(udp) + dp_note(m)->flow_port));
	dp_store_be16(udp + 4, udp_len);
	memset(udp + 6, 0, 2);
	if (offload) {
		bool v4 = out->endpoint.family == AF_INET;

		m->l2_len = out->l3_off;
		m->l3_len = v4 ? DP_IPV4_MIN_BYTES : DP_IPV6_BYTES;
		m->ol_flags |= RTE_MBUF_F_TX_UDP_CKSUM |
			       (v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
		sum = fold(pseudo_sum);
	} else {
		sum = (uint16_t)~fold(pseudo_sum + rte_raw_cksum(udp, udp_len));
		if (sum == 0)
			sum = UINT16_MAX;
	}
	memcpy(udp + 6, &sum, sizeof(sum));
}

/* From the inner packet to the whole frame. Returns the outer IP packet's length. */
static uint32_t dress(const struct dp_worker *w, struct rte_mbuf *m, uint8_t ecn)
{
	struct dp_note *note = dp_note(m);
	const struct dp_out *out = note->out;
	uint16_t udp_len = (uint16_t)(DP_UDP_BYTES + note->payload_len);
	uint16_t before = (uint16_t)(out->header_bytes + sizeof(struct wg_data));
	uint32_t outer_len = (uint32_t)out->header_bytes - out->l3_off + note->payload_len;
	bool offload = w->dp->ports[out->port_id]->tx_udp_cksum && outer_len <= out->mtu;
	uint8_t *frame;

	m->data_off = (uint16_t)(m->data_off - before);
	m->data_len = (uint16_t)(out->header_bytes + note->payload_len);
	m->pkt_len = m->data_len;
	note->port_id = out->port_id;
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	copy_header(frame, out);
	/* DF is clear, so fragments need an id: the counter does not come again soon. */
	patch_ip(frame + out->l3_off, dp_ecn_outer(ecn), udp_len, (uint16_t)note->counter);
	patch_udp(m, frame + out->header_bytes - DP_UDP_BYTES, udp_len, offload);
	return outer_len;
}

void dp_seal(struct dp_worker *w, struct dp_batch *b)
{
	struct dp_batch big = {.n = 0}, fit = {.n = 0};

	reserve(w, b);
	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];

		const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);

		/* Taken before it is encrypted in place; 0 for a keepalive. */
		dp_note(m)->ecn = m->data_len ? dp_ip_ecn(ip) : 0;
		dp_note(m)->flow_port = dp_flow_port(ip, m->data_len,
						     dp_note(m)->out->source_ports);
	}
	seal_all(w, b);
	account(w, b);
	for (unsigned int i = 0; i < b->n; i++) {
		struct rte_mbuf *m = b->pkts[i];
		bool fits = dress(w, m, dp_note(m)->ecn) <= dp_note(m)->out->mtu;

		dp_batch_add(likely(fits) ? &fit : &big, m);
	}
	if (likely(fit.n))
		dp_tx(w, &fit);
	dp_ask_control(w, big.pkts, big.n, DP_ASK_FRAGMENT_OUT);
}
