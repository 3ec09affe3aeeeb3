/*
 * What becomes of packets: the one list of drop reasons, and counter blocks. Each block is written
 * by one thread with plain adds (relaxed) and summed by control on request.
 *
 * Packet conservation, summed over all threads when nothing is in flight:
 *   rx + from_linux + made = tx + punt + consumed + sum of drops + staged
 */
#ifndef DATAPLANE_COUNTERS_H
#define DATAPLANE_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

/* Reasons that can be laid to a peer. Kept first: peers have counters for these only. */
#define DP_PEER_DROPS(X)                                                                           \
	X(bad_tag, "authentication failed")                                                        \
	X(replay, "counter seen before, too old, or over the limit")                               \
	X(expired, "session older than 180 s")                                                     \
	X(inner_malformed, "decrypted packet is not IPv4 or IPv6, or shorter than it says")        \
	X(source_not_allowed, "inner source address is not among the peer's allowed-ips")          \
	X(staged_full, "waited for a session or next hop, and 128 newer packets came")             \
	X(staged_purged, "waited for a session, and the handshake was given up")                   \
	X(staged_unresolved, "waited for the next hop, and it did not answer")                     \
	X(no_endpoint, "peer has no known endpoint")                                               \
	X(too_big, "does not fit the tunnel's MTU")                                                \
	X(seal_failed, "the crypto library failed to encrypt")

#define DP_OTHER_DROPS(X)                                                                          \
	X(runt, "shorter than its headers say")                                                    \
	X(bad_ip_header, "outer IP header malformed or its checksum wrong")                        \
	X(other_vlan, "VLAN that no port of the device has")                                       \
	X(other_mac, "Ethernet destination is not this port")                                      \
	X(bad_udp, "UDP to a WireGuard port with a bad length, or no checksum over IPv6")          \
	X(bad_message, "UDP to a WireGuard port that is no WireGuard message by type and length")  \
	X(no_session, "data message with an unknown receiver index")                               \
	X(control_full, "ring to the control thread full")                                         \
	X(handshake_full, "ring of handshake messages full")                                       \
	X(linux_full, "ring to Linux full")                                                        \
	X(linux_write, "Linux refused a packet for a TUN or TAP")                                  \
	X(linux_malformed, "packet from Linux is not IPv4 or IPv6, or shorter than it says")       \
	X(worker_full, "ring from control or Linux to a worker full")                              \
	X(handshake_refused, "handshake message refused: see the handshake counters")              \
	X(no_peer, "no peer's allowed-ips hold the destination")                                   \
	X(ttl, "TTL or hop limit used up")                                                         \
	X(no_route, "Linux has no route for it")                                                   \
	X(unresolved, "next hop did not answer ARP or neighbour discovery")                        \
	X(fragment_timeout, "fragments did not complete in time, or were malformed")               \
	X(outer_too_big, "encrypted packet could not be fragmented to the port's MTU")             \
	X(spread_full, "workers that open or seal for another one did not keep up")                \
	X(link_down, "port has no link, or its device is gone")                                    \
	X(tx_full, "port did not take it")                                                         \
	X(tx_busy, "other workers kept the port's transmit queue, which they share, busy")         \
	X(stale, "handed to a worker for a peer, interface or port removed meanwhile")             \
	X(peer_gone, "peer, interface or port was removed meanwhile")                              \
	X(no_buffers, "out of packet buffers")

#define DP_DROPS(X) DP_PEER_DROPS(X) DP_OTHER_DROPS(X)

enum dp_drop {
#define DP_DROP_ENUM(name, text) DP_DROP_##name,
	DP_DROPS(DP_DROP_ENUM)
#undef DP_DROP_ENUM
		DP_DROP_N
};

#define DP_COUNT_ONE(name, text) +1
enum { DP_DROP_PEER_N = 0 DP_PEER_DROPS(DP_COUNT_ONE) };

const char *dp_drop_name(enum dp_drop d);
const char *dp_drop_text(enum dp_drop d);

/* Beginnings and endings. */
#define DP_FLOWS(X)                                                                                \
	X(rx, "received from ports")                                                               \
	X(from_linux, "taken from Linux's TUN and TAP interfaces")                                 \
	X(made, "made here: handshake messages, keepalives, fragments")                            \
	X(tx, "sent to ports")                                                                     \
	X(punt, "left to Linux")                                                                   \
	X(consumed, "ended here: handshake messages, keepalives, packets that were fragmented")

/* What a worker shares out to others, and does for them: fields of struct dp_worker; spread.h. */
#define DP_SPREADS(X)                                                                              \
	X(spread_on, "times that it began to share its ciphers' work out")                         \
	X(spread_off, "times that it ended that")                                                  \
	X(spread_given, "packets whose opening or sealing was offered to other workers")           \
	X(spread_own, "of these, packets that no other worker took")                               \
	X(spread_helped, "packets opened or sealed for other workers")

struct dp_counters {
#define DP_FLOW_FIELD(name, text) _Atomic uint64_t name;
	DP_FLOWS(DP_FLOW_FIELD)
#undef DP_FLOW_FIELD
	_Atomic uint64_t drops[DP_DROP_N];
};

/* For the one thread that writes the counter: compiles to a plain add. */
static inline void dp_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline uint64_t dp_counted(const _Atomic uint64_t *counter)
{
	return atomic_load_explicit((_Atomic uint64_t *)counter, memory_order_relaxed);
}

/* sum += block, for control. */
void dp_counters_add(struct dp_counters *sum, const struct dp_counters *block);

#endif
