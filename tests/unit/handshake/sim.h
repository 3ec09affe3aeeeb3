/*
 * Devices with a fake clock on a fake wire, for tests of the state machine. Each peer has an owner
 * as workers and the control thread would be: it keeps sessions and stamps, sends what is staged,
 * and asks for sessions as the protocol says (whitepaper 6.2). Data packets are not encrypted: they
 * carry the key they would be sealed with, and the receiver compares it with its own.
 */
#ifndef TESTS_UNIT_HANDSHAKE_SIM_H
#define TESTS_UNIT_HANDSHAKE_SIM_H

#include "handshake/handshake.h"
#include "tests/unit/unit.h"

#define S  WG_NS_PER_S
#define MS (WG_NS_PER_S / 1000)

/* Unix time at the start of the fake clock. */
#define SIM_WALL_S UINT64_C(1700000000)

#define SIM_NODES      4
#define SIM_PEERS      4
#define SIM_SESSIONS   4
#define SIM_TRACE      4096
#define SIM_DATA_BYTES (sizeof(struct wg_data) + 32 + 1)

struct sim_session {
	bool used, initiator, last_minute;
	uint8_t send_key[32], receive_key[32];
	uint32_t local_index, remote_index;
	uint64_t birth_ns, counter;
};

struct sim_peer {
	struct sim_node *node;
	struct hs_peer *hs;
	struct hs_activity activity;
	struct sim_session sessions[SIM_SESSIONS];
	struct sim_session *current; /* sends with it; NULL: none */
	unsigned int staged;	     /* data packets */
	bool staged_keepalive;
	bool wants;		  /* hs_peer_want_session() is to be called after the upcall */
	bool roams;		  /* takes endpoints from data packets */
	uint64_t handshake_ns;	  /* last initiation or response sent, 0: may send at once */
	unsigned int initiations; /* what happened, counted */
	unsigned int responses;
	unsigned int data_sent, data_received;
	unsigned int keepalives_sent, keepalives_received;
	unsigned int sessions_new, sessions_used, sessions_dropped;
	unsigned int mutes, purges, moves;
};

struct sim_node {
	struct sim *sim;
	struct hs_device *dev;
	uint8_t private_key[32], public_key[32];
	struct wg_endpoint addr;
	uint64_t random;
	int64_t wall_offset_s;
	bool under_load;
	int session_error; /* what session_new returns */
	struct sim_peer peers[SIM_PEERS];
	unsigned int n_peers;
	unsigned int verdicts[HS_VERDICT_N];
};

struct sim_packet {
	uint64_t at_ns; /* sent, and on the wire: delivered */
	struct wg_endpoint from, to;
	uint8_t bytes[148];
	size_t len;
};

struct sim {
	uint64_t now_ns;
	uint64_t delay_ns;
	struct sim_node nodes[SIM_NODES];
	unsigned int n_nodes;
	struct sim_packet wire[256];
	unsigned int n_wire;
	struct sim_packet trace[SIM_TRACE]; /* all that was sent, lost or not */
	unsigned int n_trace;
	/* True: this packet is lost. NULL: none is. */
	bool (*lose)(struct sim *sim, const struct sim_packet *packet);
	unsigned int loss_percent;
	uint64_t random;
};

void sim_init(struct sim *sim, unsigned int n_nodes);
void sim_free(struct sim *sim);

/* Two nodes that are peers of each other, a knows where b is. */
void sim_pair(struct sim *sim);

struct sim_peer *sim_add(struct sim_node *node, const struct sim_node *peer, bool with_endpoint);
void sim_remove(struct sim_peer *peer);
void sim_set_key(struct sim_node *node, const uint8_t *private_key);

struct hs_now sim_now(const struct sim_node *node);

/* One data packet from the peer's owner; staged if there is no session. */
void sim_send(struct sim_peer *peer);

/* Deferred requests; called by all that follows. */
void sim_settle(struct sim *sim);

/* Lets time pass, with all that happens until then (inclusive). */
void sim_run(struct sim *sim, uint64_t ns);

/* A message from anywhere, right now. */
enum hs_verdict sim_input(struct sim_node *node, const void *msg, size_t len,
			  const struct wg_endpoint *from);

struct wg_endpoint sim_endpoint(unsigned int host, uint16_t port);

/* Messages of a type from a node in the trace; *last (may be NULL) points to the last one. */
unsigned int sim_sent(const struct sim *sim, const struct sim_node *from, uint32_t type,
		      const struct sim_packet **last);

/* Both ends have a session to send with, and it is the same one. */
bool sim_connected(const struct sim_peer *a, const struct sim_peer *b);

#endif
