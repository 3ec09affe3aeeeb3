/* The gateway in memory of the path's tests: see path.h. */
#include "tests/unit/dataplane/path/path.h"

#include <arpa/inet.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include "crypto/aead.h"
#include "dataplane/allowed.h"
#include "dataplane/assign.h"
#include "tests/unit/unit.h"

#define BUFFERS	     4095
#define PORT_RING    4096
#define NAME_BYTES   32
#define MTU_MAX	     1500
#define UDP_FROM     7
#define UDP_TO	     9
#define NO_NEXT	     59
#define TEST_TTL     64
#define HEADER_BYTES 16 /* type, receiver index, counter */

void path_key(unsigned int n, bool ours, uint8_t key[32])
{
	memset(key, (int)(n * 2 + ours), 32);
}

int path_addr(const char *text, uint8_t addr[16])
{
	int family = strchr(text, ':') ? AF_INET6 : AF_INET;

	memset(addr, 0, 16);
	assert_int_equal(inet_pton(family, text, addr), 1);
	return family;
}

static uint32_t sum16(const uint8_t *at, size_t len, uint32_t sum)
{
	for (size_t i = 0; i < len; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	return sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* ---- set up ---- */

void path_port(struct path *p, uint16_t id, unsigned int device, uint16_t vlan, const char *name)
{
	assert_int_equal(dp_port_init(&p->ports[id], id, name, &p->devices[device], vlan, 0), 0);
	p->dp->ports[id] = &p->ports[id];
	p->dp->n_ports = (uint16_t)(id + 1);
}

static void open_port(struct path *p, uint16_t i, uint16_t n_queues, const char *name)
{
	static unsigned int serial;
	static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
	struct dp_device *device = &p->devices[i];
	struct rte_eth_conf conf = {0};
	char ring[NAME_BYTES];
	int eth;

	snprintf(ring, sizeof(ring), "rx%u", ++serial);
	p->rx[i] = rte_ring_create(ring, PORT_RING, SOCKET_ID_ANY, 0);
	snprintf(ring, sizeof(ring), "tx%u", serial);
	p->tx[i] = rte_ring_create(ring, PORT_RING, SOCKET_ID_ANY, 0);
	assert_true(p->rx[i] && p->tx[i]);
	snprintf(ring, sizeof(ring), "port%u", serial);
	struct rte_ring *rx[PATH_WORKERS_MAX], *tx[PATH_WORKERS_MAX];

	for (unsigned int q = 0; q < PATH_WORKERS_MAX; q++) {
		rx[q] = p->rx[i];
		tx[q] = p->tx[i];
	}
	eth = rte_eth_from_rings(ring, rx, n_queues, tx, n_queues, 0);
	assert_true(eth >= 0);
	assert_int_equal(rte_eth_dev_configure((uint16_t)eth, n_queues, n_queues, &conf), 0);
	for (uint16_t q = 0; q < n_queues; q++) {
		assert_int_equal(rte_eth_rx_queue_setup((uint16_t)eth, q, 64, 0, NULL, p->dp->pool),
				 0);
		assert_int_equal(rte_eth_tx_queue_setup((uint16_t)eth, q, 64, 0, NULL), 0);
	}
	assert_int_equal(rte_eth_dev_start((uint16_t)eth), 0);
	assert_int_equal(dp_device_wrap(device, i, (uint16_t)eth, n_queues, MTU_MAX), 0);
	memcpy(device->mac, mac, sizeof(mac));
	device->mac[5] = (uint8_t)(i + 1);
	p->dp->devices[i] = device;
	p->dp->n_devices = (uint16_t)(i + 1);
	path_port(p, i, i, 0, name);
}

static void close_port(struct path *p, unsigned int i)
{
	rte_eth_dev_stop(p->devices[i].eth_id);
	rte_eth_dev_close(p->devices[i].eth_id);
	dp_device_close(&p->devices[i]);
	rte_ring_free(p->rx[i]);
	rte_ring_free(p->tx[i]);
}

static void set_route(struct path *p, const char *to, uint8_t len, struct dp_route route)
{
	uint8_t addr[16];
	int family = path_addr(to, addr);

	assert_int_equal(dp_routes_set(p->dp->routes, family, addr, len, &route), 0);
}

static void open_routes(struct path *p)
{
	struct dp_route local = {.kind = DP_ROUTE_LOCAL};
	struct dp_route wg = {.kind = DP_ROUTE_IFACE, .iface_id = p->wg->id};
	struct dp_route lan = {.kind = DP_ROUTE_PORT, .port_id = 1, .on_link = true};
	struct dp_route host = {.kind = DP_ROUTE_PORT,
				.port_id = 1,
				.on_link = true,
				.resolved = true,
				.mac = {2, 0, 0, 0, 1, 2}};
	struct dp_route via = {
		.kind = DP_ROUTE_PORT, .port_id = 1, .family = AF_INET, .next_hop = {10, 0, 0, 9}};
	uint8_t locals[4][16];
	uint8_t families[4];
	static const char *const ours[] = {"192.0.2.1", "2001:db8::1", "10.8.0.1", "fd00:8::1"};

	for (unsigned int i = 0; i < 4; i++) {
		families[i] = (uint8_t)path_addr(ours[i], locals[i]);
		set_route(p, ours[i], i % 2 ? 128 : 32, local);
	}
	assert_int_equal(dp_publish_locals(p->dp, locals, families, 4), 0);
	set_route(p, "10.8.0.0", 16, wg);
	set_route(p, "fd00:8::", 32, wg);
	set_route(p, "10.0.0.0", 16, lan);
	set_route(p, "fd00:a::", 64, lan);
	set_route(p, "10.0.0.2", 32, host);
	set_route(p, "fd00:a::2", 128, host);
	set_route(p, "10.1.0.0", 16, via);
	set_route(p, "10.2.0.0", 16, (struct dp_route){.kind = DP_ROUTE_LINUX});
}

/* As control makes it; peer 2 is reached over IPv6. */
static void make_out(struct dp_out *out, unsigned int n)
{
	static const uint8_t ethernet[] = {2, 9, 9, 9, 9, 9, 2, 0, 0, 0, 0, 1};
	bool v6 = n == 2;
	uint8_t *ip = out->header + 14;
	size_t ip_bytes = v6 ? 40 : 20;
	char text[NAME_BYTES];

	memset(out, 0, sizeof(*out));
	memcpy(out->header, ethernet, sizeof(ethernet));
	snprintf(text, sizeof(text), v6 ? "2001:db8:1::%u" : "198.51.100.%u", n);
	out->endpoint.family = (uint8_t)path_addr(text, out->endpoint.addr);
	out->endpoint.port = (uint16_t)(n * 1000);
	path_addr(v6 ? "2001:db8::1" : "192.0.2.1", out->endpoint.local);
	out->endpoint.has_local = true;
	out->l3_off = 14;
	out->mtu = MTU_MAX;
	out->header_bytes = (uint8_t)(14 + ip_bytes + 8);
	out->header[12] = v6 ? 0x86 : 0x08;
	out->header[13] = v6 ? 0xdd : 0x00;
	if (v6) {
		ip[0] = 0x60;
		ip[6] = IPPROTO_UDP;
		ip[7] = TEST_TTL;
		memcpy(ip + 8, out->endpoint.local, 16);
		memcpy(ip + 24, out->endpoint.addr, 16);
	} else {
		ip[0] = 0x45;
		ip[8] = TEST_TTL;
		ip[9] = IPPROTO_UDP;
		memcpy(ip + 12, out->endpoint.local, 4);
		memcpy(ip + 16, out->endpoint.addr, 4);
	}
	out->pseudo_sum = htons(folded(sum16(ip + (v6 ? 8 : 12), v6 ? 32 : 8, IPPROTO_UDP)));
	ip[ip_bytes] = PATH_LISTEN_PORT >> 8;
	ip[ip_bytes + 1] = PATH_LISTEN_PORT & 0xff;
	ip[ip_bytes + 2] = (uint8_t)(out->endpoint.port >> 8);
	ip[ip_bytes + 3] = (uint8_t)out->endpoint.port;
}

static void open_peer(struct path *p, unsigned int n)
{
	uint8_t theirs[32], ours[32], addr[16] = {10, 8, (uint8_t)n, 0};
	struct dp_out out;

	p->peers[n] = dp_publish_peer(p->dp, p->wg, NULL);
	assert_non_null(p->peers[n]);
	assert_int_equal(dp_allowed_insert(p->wg->allowed, AF_INET, addr, 24, p->peers[n]), 0);
	path_addr("fd00:8::", addr);
	addr[5] = (uint8_t)n;
	assert_int_equal(dp_allowed_insert(p->wg->allowed, AF_INET6, addr, 48, p->peers[n]), 0);
	make_out(&out, n);
	assert_int_equal(dp_publish_out(p->dp, p->peers[n], &out), 0);
	path_key(n, false, theirs);
	path_key(n, true, ours);
	p->sessions[n] = dp_publish_session(p->dp, p->peers[n], ours, theirs, PATH_LOCAL_INDEX(n),
					    PATH_REMOTE_INDEX(n), PATH_START_NS, true);
	assert_non_null(p->sessions[n]);
	dp_publish_current(p->peers[n], p->sessions[n]);
}

void path_open(struct path *p, uint16_t n_workers)
{
	static const int cpus[PATH_WORKERS_MAX];
	static const unsigned int lcores[PATH_WORKERS_MAX];
	struct dp_settings settings = {
		.cpus = cpus,
		.lcores = lcores,
		.n_workers = n_workers,
		.packet_buffers = BUFFERS,
		.mtu_max = MTU_MAX,
	};
	char error[256] = "";

	memset(p, 0, sizeof(*p));
	p->dp = dp_new(&settings, error, sizeof(error));
	assert_string_equal(error, "");
	assert_non_null(p->dp);
	open_port(p, 0, n_workers, "wan");
	open_port(p, 1, n_workers, "lan");
	assert_int_equal(dp_start_devices(p->dp, error, sizeof(error)), 0);
	p->wg = dp_publish_iface(p->dp, "wg0", PATH_MTU);
	assert_non_null(p->wg);
	dp_publish_listen(p->wg, PATH_LISTEN_PORT, 1);
	open_routes(p);
	for (unsigned int n = 1; n <= PATH_PEERS; n++)
		open_peer(p, n);
	for (uint16_t i = 0; i < n_workers; i++)
		p->dp->workers[i]->now_ns = PATH_START_NS;
	p->w = p->dp->workers[0];
}

void path_close(struct path *p)
{
	path_drain(p);
	assert_int_equal(rte_mempool_avail_count(p->dp->pool), BUFFERS);
	close_port(p, 0);
	close_port(p, 1);
	dp_free(p->dp);
}

/* ---- packets by hand ---- */

static void put16(uint8_t *at, size_t x)
{
	at[0] = (uint8_t)(x >> 8);
	at[1] = (uint8_t)x;
}

void path_ipv4_sum(uint8_t *ip)
{
	put16(ip + 10, 0);
	put16(ip + 10, (uint16_t)~folded(sum16(ip, (ip[0] & 15u) * 4, 0)));
}

bool path_ipv4_sum_right(const uint8_t *ip)
{
	return folded(sum16(ip, (ip[0] & 15u) * 4, 0)) == 0xffff;
}

static uint32_t udp_sum(const uint8_t *ip)
{
	const uint8_t *udp = ip + (ip[0] >> 4 == 4 ? (ip[0] & 15u) * 4 : 40);
	size_t len = (size_t)udp[4] << 8 | udp[5];
	uint32_t sum = ip[0] >> 4 == 4 ? sum16(ip + 12, 8, 0) : sum16(ip + 8, 32, 0);

	return sum16(udp, len, sum + (uint32_t)len + IPPROTO_UDP);
}

bool path_udp_sum_right(const uint8_t *ip)
{
	return folded(udp_sum(ip)) == 0xffff;
}

/* As senders write it: 0 means that there is none. */
static uint16_t udp_check(const uint8_t *ip)
{
	uint16_t sum = (uint16_t)~folded(udp_sum(ip));

	return sum ? sum : UINT16_MAX;
}

size_t path_ip(uint8_t *out, const char *from, const char *to, size_t len)
{
	uint8_t a[16], b[16];
	bool v4 = path_addr(from, a) == AF_INET;
	size_t header = v4 ? 20 : 40;

	path_addr(to, b);
	assert_true(len >= header);
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)i;
	memset(out, 0, header);
	out[0] = v4 ? 0x45 : 0x60;
	put16(out + (v4 ? 2 : 4), v4 ? len : len - 40);
	out[v4 ? 8 : 7] = TEST_TTL;
	out[v4 ? 9 : 6] = len >= header + 8 ? IPPROTO_UDP : NO_NEXT;
	memcpy(out + (v4 ? 12 : 8), a, v4 ? 4 : 16);
	memcpy(out + (v4 ? 16 : 24), b, v4 ? 4 : 16);
	if (len >= header + 8) {
		put16(out + header, UDP_FROM);
		put16(out + header + 2, UDP_TO);
		put16(out + header + 4, len - header);
		put16(out + header + 6, 0);
		put16(out + header + 6, udp_check(out));
	}
	if (v4)
		path_ipv4_sum(out);
	return len;
}

void path_ethernet(struct path_frame *f, const struct path *p, unsigned int port, const void *ip,
		   size_t len)
{
	static const uint8_t from[6] = {2, 9, 9, 9, 9, 9};

	assert_true(14 + len <= sizeof(f->at));
	memcpy(f->at, p->ports[port].mac, 6);
	memcpy(f->at + 6, from, 6);
	memcpy(f->at + 14, ip, len);
	put16(f->at + 12, f->at[14] >> 4 == 6 ? 0x86dd : 0x0800);
	f->len = 14 + len;
}

void path_udp(struct path_frame *f, const struct path *p, unsigned int port, const char *from,
	      uint16_t from_port, const char *to, uint16_t to_port, const void *payload, size_t len)
{
	uint8_t ip[PATH_FRAME_BYTES];
	size_t header = strchr(from, ':') ? 40 : 20;

	path_ip(ip, from, to, header + 8 + len);
	put16(ip + header, from_port);
	put16(ip + header + 2, to_port);
	if (len)
		memcpy(ip + header + 8, payload, len);
	put16(ip + header + 6, 0);
	put16(ip + header + 6, udp_check(ip));
	path_ethernet(f, p, port, ip, header + 8 + len);
}

size_t path_message(uint8_t *out, unsigned int n, uint64_t counter, const void *plain, size_t len)
{
	uint32_t head[2] = {htole32(WG_DATA), htole32(PATH_LOCAL_INDEX(n))};
	uint64_t le = htole64(counter);
	uint8_t key[32];

	path_key(n, false, key);
	memcpy(out, head, sizeof(head));
	memcpy(out + 8, &le, sizeof(le));
	cr_seal(out + HEADER_BYTES, plain, len, NULL, 0, counter, key);
	return len + WG_OVERHEAD_BYTES;
}

void path_data(struct path_frame *f, const struct path *p, unsigned int n, uint64_t counter,
	       const void *plain, size_t len)
{
	uint8_t message[PATH_FRAME_BYTES];
	size_t message_len = path_message(message, n, counter, plain, len);
	char from[NAME_BYTES];

	snprintf(from, sizeof(from), n == 2 ? "2001:db8:1::%u" : "198.51.100.%u", n);
	path_udp(f, p, 0, from, (uint16_t)(n * 1000), n == 2 ? "2001:db8::1" : "192.0.2.1",
		 PATH_LISTEN_PORT, message, message_len);
}

/* ---- through the path ---- */

struct rte_mbuf *path_packet(struct path *p, const void *at, size_t len)
{
	struct rte_mbuf *m = dp_packet_new(p->dp);

	assert_non_null(m);
	if (len)
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), at, len);
	return m;
}

void path_receive(struct path *p, unsigned int port, const struct path_frame *f)
{
	struct dp_batch b = {.pkts = {path_packet(p, f->at, f->len)}, .n = 1};

	dp_note(b.pkts[0])->port_id = (uint16_t)port;
	dp_classify(p->w, &b);
	dp_tx_flush(p->w);
}

void path_receive_all(struct path *p, unsigned int port, const struct path_frame *f, unsigned int n)
{
	struct dp_batch b = {.n = (uint16_t)n};

	assert_true(n <= DP_BATCH_MAX);
	for (unsigned int i = 0; i < n; i++) {
		b.pkts[i] = path_packet(p, f[i].at, f[i].len);
		dp_note(b.pkts[i])->port_id = (uint16_t)port;
	}
	dp_classify(p->w, &b);
	dp_tx_flush(p->w);
}

static void free_exact(void *addr, void *shared)
{
	free(addr);
	free(shared);
}

/* A packet in memory that ends where it does. */
static struct rte_mbuf *exact_packet(struct path *p, const struct path_frame *f)
{
	struct rte_mbuf_ext_shared_info *shared = calloc(1, sizeof(*shared));
	struct rte_mbuf *m = path_packet(p, NULL, 0);
	/* Nothing is allocated for a length of 0, as far as sanitizers are concerned. */
	uint8_t *at = malloc(f->len);

	assert_true(shared && at);
	memcpy(at, f->at, f->len);
	shared->free_cb = free_exact;
	shared->fcb_opaque = shared;
	rte_mbuf_ext_refcnt_set(shared, 1);
	rte_pktmbuf_attach_extbuf(m, at, RTE_BAD_IOVA, (uint16_t)f->len, shared);
	m->data_len = (uint16_t)f->len;
	m->pkt_len = (uint32_t)f->len;
	return m;
}

void path_receive_exact(struct path *p, unsigned int port, const struct path_frame *first,
			const struct path_frame *f)
{
	struct dp_batch b = {.n = 0};

	if (first)
		dp_batch_add(&b, exact_packet(p, first));
	dp_batch_add(&b, exact_packet(p, f));
	for (unsigned int i = 0; i < b.n; i++)
		dp_note(b.pkts[i])->port_id = (uint16_t)port;
	dp_classify(p->w, &b);
	dp_tx_flush(p->w);
}

void path_from_linux(struct path *p, const void *at, size_t len)
{
	struct dp_batch b = {.pkts = {path_packet(p, at, len)}, .n = 1};

	dp_note(b.pkts[0])->iface = p->wg;
	dp_encap_linux(p->w, &b);
	dp_tx_flush(p->w);
}

void path_seal(struct path *p, unsigned int n, const void *at, size_t len)
{
	struct dp_batch b = {.pkts = {path_packet(p, at, len)}, .n = 1};

	dp_note(b.pkts[0])->iface = p->wg;
	dp_note(b.pkts[0])->peer = p->peers[n];
	dp_seal(p->w, &b);
	dp_tx_flush(p->w);
}

struct rte_mbuf *path_sent(struct path *p, unsigned int port)
{
	void *m;

	return rte_ring_dequeue(p->tx[port], &m) == 0 ? m : NULL;
}

struct rte_mbuf *path_asked(struct path *p)
{
	struct rte_mbuf *m;

	return dp_take_asked(p->dp, &m, 1) ? m : NULL;
}

struct rte_mbuf *path_handshake(struct path *p)
{
	struct rte_mbuf *m;

	return dp_take_handshakes(p->dp, &m, 1) ? m : NULL;
}

struct rte_mbuf *path_for_linux(struct path *p)
{
	struct rte_mbuf *m;

	return dp_take_for_linux(p->dp, &m, 1) ? m : NULL;
}

bool path_event(struct path *p, struct dp_event *event)
{
	return dp_take_events(p->dp, event, 1) == 1;
}

unsigned int path_drain(struct path *p)
{
	struct dp_event event;
	struct rte_mbuf *m;
	unsigned int n = 0;

	while ((m = path_sent(p, 0)) || (m = path_sent(p, 1)) || (m = path_asked(p)) ||
	       (m = path_handshake(p)) || (m = path_for_linux(p))) {
		rte_pktmbuf_free(m);
		n++;
	}
	while (path_event(p, &event))
		;
	return n;
}

void path_assert_quiet(struct path *p)
{
	struct dp_event event;

	assert_false(path_event(p, &event));
	assert_int_equal(path_drain(p), 0);
}

struct dp_out path_out(const struct path *p, unsigned int n)
{
	const struct dp_out *published = atomic_load(&p->peers[n]->out);
	struct dp_out out = {0};

	memcpy(&out, published, dp_out_bytes(published));
	return out;
}

uint64_t path_drops(const struct path *p)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < p->dp->n_workers; i++) {
		for (unsigned int r = 0; r < DP_DROP_N; r++)
			n += dp_counted(&p->dp->workers[i]->counters.drops[r]);
	}
	return n;
}

void path_assert_dropped(struct path *p, enum dp_drop reason, uint64_t n)
{
	for (unsigned int r = 0; r < DP_DROP_N; r++) {
		uint64_t got = dp_counted(&p->w->counters.drops[r]);

		if (got != (r == (unsigned int)reason ? n : 0))
			print_error("%s: %lu\n", dp_drop_name((enum dp_drop)r), got);
		assert_int_equal(got, r == (unsigned int)reason ? n : 0);
		atomic_store_explicit(&p->w->counters.drops[r], 0, memory_order_relaxed);
	}
}
