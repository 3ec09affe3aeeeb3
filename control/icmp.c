/*
 * ICMP errors to the sources of inner packets, as a router sends them (RFC 1812 4.3.2, RFC 4443
 * 2.4). Sent by raw sockets: Linux finds the way and the source address, so that they go back
 * through the tunnel, out of a port or to a local socket alike. Control thread.
 */
#include "control/asked_priv.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dataplane/ip.h"

/* As Linux limits its own (net.ipv4.icmp_msgs_per_sec, icmp_msgs_burst). */
#define ERRORS_PER_S 1000
#define ERRORS_BURST 50

/* "As much of the original datagram as possible" within 576 bytes (RFC 1812 4.3.2.3), and within
 * the least MTU of IPv6 (RFC 4443 2.4 c). */
#define QUOTE4_MAX_BYTES (576 - 20 - 8)
#define QUOTE6_MAX_BYTES (1280 - 40 - 8)
#define ICMP_BYTES	 8

struct icmp_row {
	bool told;
	uint8_t type4, code4, type6, code6;
};

/* By drop reason. What is not here is nobody's business: ICMP never answers what did not prove to
 * come from a peer. */
#define TELL(reason, t4, c4, t6, c6) [DP_DROP_##reason] = {true, t4, c4, t6, c6}
static const struct icmp_row rows[DP_DROP_N] = {
	TELL(ttl, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, ICMP6_TIME_EXCEEDED, ICMP6_TIME_EXCEED_TRANSIT),
	TELL(too_big, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, ICMP6_PACKET_TOO_BIG, 0),
	TELL(no_peer, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP6_DST_UNREACH,
	     ICMP6_DST_UNREACH_ADDR),
	TELL(no_endpoint, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP6_DST_UNREACH,
	     ICMP6_DST_UNREACH_ADDR),
	TELL(unresolved, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP6_DST_UNREACH,
	     ICMP6_DST_UNREACH_ADDR),
	TELL(link_down, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP6_DST_UNREACH,
	     ICMP6_DST_UNREACH_ADDR),
	TELL(staged_unresolved, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, ICMP6_DST_UNREACH,
	     ICMP6_DST_UNREACH_ADDR),
	TELL(no_route, ICMP_DEST_UNREACH, ICMP_NET_UNREACH, ICMP6_DST_UNREACH,
	     ICMP6_DST_UNREACH_NOROUTE),
};

/* ---- whom not to tell ---- */

/* "This network", loopback, multicast, reserved, broadcast. */
static bool is_host4(const uint8_t *addr)
{
	return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

static bool is_error4(uint8_t type)
{
	return type == ICMP_DEST_UNREACH || type == ICMP_SOURCE_QUENCH || type == ICMP_REDIRECT ||
	       type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}

static bool may_tell4(const uint8_t *ip, uint32_t len)
{
	uint32_t header = (ip[0] & 0xfu) * 4;

	if (!is_host4(ip + 12) || !is_host4(ip + 16))
		return false;
	if (dp_load_be16(ip + 6) & DP_IPV4_FRAGMENT & ~0x2000u)
		return false; /* not the first fragment */
	return ip[9] != IPPROTO_ICMP || (len > header && !is_error4(ip[header]));
}

/* Neither unspecified, loopback nor multicast. */
static bool is_host6(const uint8_t *addr)
{
	static const uint8_t zero[15];

	if (memcmp(addr, zero, sizeof(zero)) == 0 && addr[15] < 2)
		return false;
	return addr[0] != 0xff;
}

/* Walks the extension headers to what the packet carries. */
static bool may_tell6(const uint8_t *ip, uint32_t len, uint8_t type)
{
	uint8_t next = ip[6];
	uint32_t at = DP_IPV6_BYTES, bytes;

	if (!is_host6(ip + 8) || (!is_host6(ip + 24) && type != ICMP6_PACKET_TOO_BIG))
		return false;
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
	       next == IPPROTO_FRAGMENT) {
		if (at + 8 > len)
			return false;
		if (next == IPPROTO_FRAGMENT && dp_load_be16(ip + at + 2) & 0xfff8)
			return false;
		bytes = next == IPPROTO_FRAGMENT ? 8 : (ip[at + 1] + 1u) * 8;
		next = ip[at];
		at += bytes;
	}
	if (next != IPPROTO_ICMPV6)
		return true;
	return at < len && ip[at] & ICMP6_INFOMSG_MASK && ip[at] != ND_REDIRECT;
}

/* ---- what to tell ---- */

/* The MTU that the packet did not fit: of the port it leaves by, or of its tunnel. */
static uint16_t mtu_of(const struct ctl_asked *a, const struct dp_note *note)
{
	struct dp_iface *iface = NULL;

	if (asked_leaves_by_port(note) && a->dp->ports[note->port_id])
		return a->dp->ports[note->port_id]->mtu;
	if (note->iface_id < DP_IFACES_MAX)
		iface = atomic_load_explicit(&a->dp->ifaces[note->iface_id], memory_order_acquire);
	return iface ? atomic_load_explicit(&iface->mtu, memory_order_relaxed) : 0;
}

static void send4(const struct ctl_asked *a, const uint8_t *ip, uint32_t len,
		  const struct icmp_row *row, uint16_t mtu)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	uint8_t message[ICMP_BYTES + QUOTE4_MAX_BYTES] = {row->type4, row->code4};
	uint32_t quote = RTE_MIN(len, (uint32_t)QUOTE4_MAX_BYTES);
	uint16_t sum;

	if (row->code4 == ICMP_FRAG_NEEDED && row->type4 == ICMP_DEST_UNREACH)
		dp_store_be16(message + 6, mtu);
	memcpy(message + ICMP_BYTES, ip, quote);
	sum = (uint16_t)~rte_raw_cksum(message, ICMP_BYTES + quote);
	memcpy(message + 2, &sum, sizeof(sum));
	memcpy(&to.sin_addr, ip + 12, 4);
	/* If Linux has no way back, there is nobody to tell. */
	if (sendto(a->icmp4, message, ICMP_BYTES + quote, MSG_DONTWAIT, (struct sockaddr *)&to,
		   sizeof(to)) < 0)
		return;
}

static void send6(const struct ctl_asked *a, const struct dp_note *note, const uint8_t *ip,
		  uint32_t len, const struct icmp_row *row, uint16_t mtu)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6};
	uint8_t message[ICMP_BYTES + QUOTE6_MAX_BYTES] = {row->type6, row->code6};
	uint32_t quote = RTE_MIN(len, (uint32_t)QUOTE6_MAX_BYTES);

	if (row->type6 == ICMP6_PACKET_TOO_BIG)
		dp_store_be16(message + 6, mtu);
	memcpy(message + ICMP_BYTES, ip, quote);
	memcpy(&to.sin6_addr, ip + 8, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&to.sin6_addr) && note->port_id < DP_PORTS_MAX &&
	    a->dp->ports[note->port_id])
		to.sin6_scope_id = a->dp->ports[note->port_id]->linux_ifindex;
	/* Linux sums; the rest as above. */
	if (sendto(a->icmp6, message, ICMP_BYTES + quote, MSG_DONTWAIT, (struct sockaddr *)&to,
		   sizeof(to)) < 0)
		return;
}

void ctl_asked_icmp(struct ctl_asked *a, uint64_t now_ns, const struct rte_mbuf *m,
		    enum dp_drop reason)
{
	const uint8_t *ip = rte_pktmbuf_mtod(m, const uint8_t *);
	const struct icmp_row *row = &rows[reason];
	uint32_t len = dp_ip_length(ip, m->data_len);
	uint16_t mtu = mtu_of(a, dp_note(m));
	bool v4 = len && dp_ip_version(ip) == 4;

	if (!row->told || len == 0 || len > m->data_len)
		return;
	if ((v4 ? a->icmp4 : a->icmp6) < 0)
		return;
	if (!(v4 ? may_tell4(ip, len) : may_tell6(ip, len, row->type6)))
		return;
	if (!ctl_limit_take(&a->icmp_limit, now_ns))
		return;
	if (v4)
		send4(a, ip, len, row, mtu);
	else
		send6(a, dp_note(m), ip, len, row, mtu);
}

/* ---- sockets ---- */

/* A raw socket hears all ICMP of the host: the filter keeps it deaf. */
static int open_raw(int family, int protocol)
{
	struct sock_filter ret_0 = {BPF_RET | BPF_K, 0, 0, 0};
	struct sock_fprog drop_all = {.len = 1, .filter = &ret_0};
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol), err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &drop_all, sizeof(drop_all)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

int asked_icmp_open(struct ctl_asked *a)
{
	a->icmp_limit = (struct ctl_limit){.every_ns = UINT64_C(1000000000) / ERRORS_PER_S,
					   .burst = ERRORS_BURST};
	a->icmp6 = -1;
	a->icmp4 = open_raw(AF_INET, IPPROTO_ICMP);
	if (a->icmp4 < 0)
		return a->icmp4;
	a->icmp6 = open_raw(AF_INET6, IPPROTO_ICMPV6);
	/* A host may have no IPv6. */
	return a->icmp6 < 0 && a->icmp6 != -EAFNOSUPPORT ? a->icmp6 : 0;
}

void asked_icmp_close(struct ctl_asked *a)
{
	if (a->icmp4 >= 0)
		close(a->icmp4);
	if (a->icmp6 >= 0)
		close(a->icmp6);
}
