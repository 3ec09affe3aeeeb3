/*
 * Packets from Linux: read from a TUN or TAP into packet buffers, completed (checksums, segments)
 * and handed to workers, which prove what they say (encap.c). Runs on the face's thread.
 */
#include "control/face_priv.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/uio.h>

#include <rte_byteorder.h>
#include <rte_ether.h>
#include <rte_ip.h>

#include "control/ending.h"
#include "control/gso.h"
#include "dataplane/ethernet.h"
#include "dataplane/publish.h"
#include "dataplane/sum.h"

/* A frame as read: wholly in m, or (m NULL) in bytes. */
struct taken {
	struct virtio_net_hdr vh;
	struct rte_mbuf *m;
	uint8_t *bytes;
	uint32_t len;
};

static struct dp_counters *counters(struct face_reader *r)
{
	return &r->dp->face_counters;
}

/* What Linux leaves to the device: one checksum, its pseudo header summed already. */
static void complete_checksum(const struct virtio_net_hdr *vh, uint8_t *frame, uint32_t len)
{
	uint32_t at = (uint32_t)vh->csum_start + vh->csum_offset;
	uint16_t sum;

	if (vh->csum_start >= len || at + sizeof(sum) > len)
		return;
	sum = (uint16_t)~dp_sum(frame + vh->csum_start, len - vh->csum_start);
	/* 0 would mean "none" in UDP; in others both forms of zero are right. */
	sum = sum ? sum : UINT16_MAX;
	memcpy(frame + at, &sum, sizeof(sum));
}

/* Takes m, complete and with data_len set. */
static void hand(struct face_reader *r, const struct face_device *d, struct rte_mbuf *m)
{
	struct dp_note *note = dp_note(m);

	m->pkt_len = m->data_len;
	if (d->tap) {
		note->ask = DP_ASK_OUT;
		note->port_id = d->id;
		if (d->vlan)
			dp_ethernet_tag(m, d->vlan);
	} else {
		note->ask = DP_ASK_ENCAP;
		note->iface_id = d->id;
	}
	ctl_hand(r->dp, m, true);
}

static uint32_t room(const struct rte_mbuf *m)
{
	return (uint32_t)rte_pktmbuf_tailroom(m) - DP_TAILROOM_BYTES;
}

/* The same as hand(), for a frame that is to be cut; keeps the frame. */
static void hand_segments(struct face_reader *r, const struct face_device *d,
			  const struct ctl_gso *g)
{
	for (uint32_t i = 0; i < g->segments; i++) {
		uint32_t len = ctl_gso_len(g, i);
		struct rte_mbuf *m = dp_packet_new(r->dp);

		dp_count(&counters(r)->from_linux, 1);
		if (!m || len > room(m)) {
			ctl_no_buffers(counters(r), m);
			continue;
		}
		ctl_gso_segment(g, i, rte_pktmbuf_mtod(m, uint8_t *));
		m->data_len = (uint16_t)len;
		hand(r, d, m);
	}
}

static uint16_t l3_off(const struct face_device *d, const uint8_t *frame, uint32_t len)
{
	uint16_t type;

	if (!d->tap || len < RTE_ETHER_HDR_LEN)
		return 0;
	memcpy(&type, frame + offsetof(struct rte_ether_hdr, ether_type), sizeof(type));
	return RTE_ETHER_HDR_LEN + (type == RTE_BE16(RTE_ETHER_TYPE_VLAN) ? RTE_VLAN_HLEN : 0);
}

static void finish(struct face_reader *r, const struct face_device *d, struct taken *t)
{
	struct ctl_gso g;

	if (t->vh.gso_type != VIRTIO_NET_HDR_GSO_NONE &&
	    ctl_gso_open(&g, t->bytes, t->len, l3_off(d, t->bytes, t->len), t->vh.csum_start,
			 t->vh.gso_size) == 0) {
		hand_segments(r, d, &g);
		if (t->m)
			ctl_forget(t->m);
		return;
	}
	dp_count(&counters(r)->from_linux, 1);
	if (!t->m) {
		ctl_no_buffers(counters(r), NULL);
		return;
	}
	t->m->data_len = (uint16_t)t->len;
	if (t->vh.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		complete_checksum(&t->vh, t->bytes, t->len);
	hand(r, d, t->m);
}

int face_read_one(struct face_reader *r, const struct face_device *d)
{
	struct taken t = {.m = r->spare ? r->spare : dp_packet_new(r->dp)};
	uint32_t fits = t.m ? room(t.m) : 0;
	uint8_t *first = t.m ? rte_pktmbuf_mtod(t.m, uint8_t *) : NULL;
	struct iovec iov[] = {{&t.vh, sizeof(t.vh)},
			      {first, fits},
			      {r->big + FACE_BUFFER_MAX_BYTES, FACE_FRAME_MAX_BYTES}};
	ssize_t n;

	r->spare = NULL;
	n = readv(d->fd, iov, 3);
	if (n < (ssize_t)sizeof(t.vh)) {
		r->spare = t.m;
		if (n >= 0 || errno == EAGAIN || errno == EINTR || errno == ENOMEM)
			return 0;
		return -errno;
	}
	t.len = (uint32_t)n - (uint32_t)sizeof(t.vh);
	t.bytes = first;
	if (t.len > fits) {
		/* Joined in the big buffer; the packet buffer waits for the next frame. */
		t.bytes = r->big + FACE_BUFFER_MAX_BYTES - fits;
		if (fits)
			memcpy(t.bytes, first, fits);
		r->spare = t.m;
		t.m = NULL;
	}
	finish(r, d, &t);
	return 1;
}
