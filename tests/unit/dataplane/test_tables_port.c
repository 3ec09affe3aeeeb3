/*
 * Devices: those that are DPDK's own, a Linux interface that is shared (a TAP in a network
 * namespace of this test's own), and what must be refused with a sentence that helps.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <rte_eth_ring.h>
#include <rte_ethdev.h>

#include "dataplane/assign.h"
#include "dataplane/batch.h"
#include "dataplane/port.h"
#include "tests/unit/dataplane/whole.h"

static bool own_namespace;

static int open_as(struct dp *dp, struct dp_device *d, const char *port, const char *device,
		   uint16_t mtu, uint16_t queues, char *error, size_t size)
{
	const struct dp_device_wish wish = {
		.port = port, .device = device, .mtu = mtu, .queues = queues};

	return dp_device_open(d, 0, &wish, dp->pool, error, size);
}

static int open_device(struct dp *dp, struct dp_device *d, const char *device, uint16_t mtu,
		       uint16_t queues, char *error, size_t size)
{
	int rc = open_as(dp, d, "wan", device, mtu, queues, error, size);

	if (rc == 0) {
		rc = dp_device_start(d, queues, queues, dp->pool, error, size);
		if (rc != 0)
			dp_device_close(d);
	}

	/* A refusal names the port; nothing is left open. */
	if (rc != 0) {
		assert_non_null(strstr(error, "port wan: "));
		assert_int_equal(rte_eth_dev_count_avail(), 0);
	}
	return rc;
}

static enum dp_link_state link_of(const struct dp_device *device)
{
	struct dp_link_report report;

	dp_link_read(device, &report);
	return report.state;
}

/* ---- devices of our own ---- */

static void own_devices(void **state)
{
	static const char *const devices[] = {"net_null0", "net_null1,size=64,copy=1", "net_ring0"};
	struct dp *dp = whole_new(1);
	struct dp_device port;
	char error[512] = "";

	(void)state;
	/* Twice: what is closed is really given back. */
	for (unsigned int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
			if (open_device(dp, &port, devices[i], 0, 2, error, sizeof(error)) != 0)
				fail_msg("%s: %s", devices[i], error);
			assert_false(port.shared);
			assert_int_equal(port.rx_queues, 2);
			assert_int_equal(port.mtu, 1500);
			assert_int_equal(port.linux_ifindex, 0);
			assert_string_equal(port.port, "wan");
			assert_string_equal(port.device, devices[i]);
			assert_memory_equal(port.driver, devices[i], 8);
			assert_int_equal(link_of(&port), DP_LINK_UP);
			dp_device_close(&port);
			assert_int_equal(rte_eth_dev_count_avail(), 0);
		}
	}
	assert_int_equal(open_device(dp, &port, "net_null0", 1300, 1, error, sizeof(error)), 0);
	assert_int_equal(port.mtu, 1300);
	dp_device_close(&port);
	dp_device_close(&port); /* closed already */
	dp_free(dp);
}

/* Greatest MTU, one segment, room for a tag. */
static void jumbo(void **state)
{
	static const int cpus[1];
	static const unsigned int lcores[1];
	const struct dp_settings s = {.cpus = cpus,
				      .lcores = lcores,
				      .n_workers = 1,
				      .packet_buffers = 1023,
				      .mtu_max = 9216};
	struct dp_device_wish wish = {.port = "wan",
				      .device = "net_ring_jumbo",
				      .mtu = 9216,
				      .queues = 1,
				      .tagged = true};
	char error[512] = "";
	struct dp *dp = dp_new(&s, error, sizeof(error));
	struct rte_mbuf *m, *got = NULL;
	struct dp_device d;

	assert_non_null(dp);
	assert_int_equal(dp_device_open(&d, 0, &wish, dp->pool, error, sizeof(error)), 0);
	assert_int_equal(dp_device_start(&d, 1, 1, dp->pool, error, sizeof(error)), 0);
	assert_int_equal(d.mtu, 9216);
	m = dp_packet_new(dp);
	/* An inner packet of this size gets an outer header before and a tag behind it. */
	assert_true(rte_pktmbuf_headroom(m) >= DP_HEADROOM_BYTES);
	assert_non_null(rte_pktmbuf_append(m, 18 + 9216));
	assert_true(rte_pktmbuf_tailroom(m) >= DP_TAILROOM_BYTES);
	assert_true(dp_packet_buffer_bytes(9216) >= 128 + 18 + 9216 + DP_TAILROOM_BYTES);
	assert_int_equal(rte_eth_tx_burst(d.eth_id, 0, &m, 1), 1);
	assert_int_equal(rte_eth_rx_burst(d.eth_id, 0, &got, 1), 1);
	assert_int_equal(got->nb_segs, 1);
	rte_pktmbuf_free(got);
	dp_device_close(&d);
	dp_free(dp);
}

/* ---- what is lacking ---- */

static void lacks(void **state)
{
	static const struct {
		struct dp_device d;
		unsigned int workers;
		uint32_t lacks;
	} rows[] = {
		{{.rx_queues_max = 1,
		  .tx_queues_max = 1,
		  .rss = true,
		  .rss_ports = true,
		  .tx_udp_cksum = true,
		  .tx_ipv4_cksum = true,
		  .rx_ipv4_cksum = true,
		  .link_interrupt = true},
		 1,
		 0},
		{{.rx_queues_max = 1, .tx_queues_max = 1},
		 1,
		 1 << DP_LACK_tx_udp_cksum | 1 << DP_LACK_tx_ipv4_cksum |
			 1 << DP_LACK_rx_ipv4_cksum | 1 << DP_LACK_link_interrupt},
		{{.rx_queues_max = 2,
		  .tx_queues_max = 1,
		  .tx_udp_cksum = true,
		  .tx_ipv4_cksum = true,
		  .rx_ipv4_cksum = true,
		  .link_interrupt = true},
		 3,
		 1 << DP_LACK_rss | 1 << DP_LACK_rx_queues | 1 << DP_LACK_tx_queues},
		{{.rx_queues_max = 8,
		  .tx_queues_max = 8,
		  .rss = true,
		  .tx_udp_cksum = true,
		  .tx_ipv4_cksum = true,
		  .rx_ipv4_cksum = true,
		  .link_interrupt = true,
		  .far = true},
		 4,
		 1 << DP_LACK_rss_ports | 1 << DP_LACK_node},
		/* Polled by the two workers of its node, sent to by all. */
		{{.rx_queues_max = 2,
		  .tx_queues_max = 4,
		  .pollers = 2,
		  .rss = true,
		  .rss_ports = true,
		  .tx_udp_cksum = true,
		  .tx_ipv4_cksum = true,
		  .rx_ipv4_cksum = true,
		  .link_interrupt = true},
		 4,
		 0},
	};
	const struct dp_device_wish wish = {.port = "wan", .device = "net_null_lacks", .queues = 2};
	struct dp *dp = whole_new(2);
	char error[512] = "";
	struct dp_device d;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(dp_device_lacks(&rows[i].d, rows[i].workers), rows[i].lacks);
	for (unsigned int l = 0; l < DP_LACK_N; l++)
		assert_true(strlen(dp_lack_name(l)) > 2 && strlen(dp_lack_text(l)) > 20);
	assert_string_equal(dp_lack_name(DP_LACK_rss), "rss");
	/* A real one, not started. */
	assert_int_equal(dp_device_open(&d, 0, &wish, dp->pool, error, sizeof(error)), 0);
	assert_true(dp_device_lacks(&d, 2) & 1 << DP_LACK_tx_udp_cksum);
	assert_false(dp_device_lacks(&d, 2) & (1 << DP_LACK_rss | 1 << DP_LACK_rx_queues));
	dp_device_close(&d);
	dp_free(dp);
}

/* ---- assigned to workers ---- */

/* A device with one queue and one with many, and two workers. */
static void assigned(void **state)
{
	static const char *const names[] = {"net_null_one", "net_ring_many"};
	struct dp_device d[2];
	struct dp *dp = whole_new(2);
	char error[512] = "";

	for (uint16_t i = 0; i < 2; i++) {
		const struct dp_device_wish wish = {.port = "wan", .device = names[i], .queues = 2};

		if (dp_device_open(&d[i], i, &wish, dp->pool, error, sizeof(error)) != 0)
			fail_msg("%s", error);
		dp->devices[i] = &d[i];
		dp->n_devices = (uint16_t)(i + 1);
	}
	d[0].rx_queues_max = d[0].tx_queues_max = 1; /* as of a NIC with one */
	d[1].rss = true;
	if (dp_start_devices(dp, error, sizeof(error)) != 0)
		fail_msg("%s", error);
	assert_int_equal(d[0].rx_queues, 1);
	assert_int_equal(d[1].rx_queues, 2);
	assert_true(d[0].tx[0].shared);
	assert_false(d[1].tx[0].shared || d[1].tx[1].shared);
	assert_int_equal(dp->workers[0]->n_polls, 2);
	assert_int_equal(dp->workers[1]->n_polls, 1);
	assert_ptr_equal(dp->workers[1]->polls[0].device, &d[1]);
	assert_int_equal(dp->workers[1]->polls[0].queue, 1);
	assert_int_equal(dp->workers[1]->tx_queues[1], 1);
	assert_int_equal(dp->workers[1]->tx_queues[0], 0);
	assert_true(dp->workers[0]->for_others);
	assert_false(dp->workers[1]->for_others);
	for (unsigned int i = 0; i < 2; i++)
		dp_device_close(&d[i]);
	dp_free(dp);
}

/* As of a NIC, whose rings can keep nearly all packet buffers that there are. */
static void too_few_buffers(void **state)
{
	const struct dp_device_wish wish = {.port = "wan", .device = "net_ring_nic", .queues = 2};
	struct dp *dp = whole_new(2);
	char error[512] = "";
	struct dp_device d;

	assert_int_equal(dp_device_open(&d, 0, &wish, dp->pool, error, sizeof(error)), 0);
	dp->devices[0] = &d;
	dp->n_devices = 1;
	d.pci = true;
	assert_int_equal(dp_start_devices(dp, error, sizeof(error)), -ENOBUFS);
	assert_non_null(strstr(error, "set packet-buffers to "));
	assert_true(strtoul(strstr(error, "to ") + 3, NULL, 10) > d.ring_pkts);
	assert_true(d.ring_pkts >= 4 * 512);
	dp_device_close(&d);
	dp_free(dp);
}

/* A device with ports that name an MTU and ports that do not. */
static void mtu_or_more(void **state)
{
	static const struct {
		uint16_t mtu;
		bool or_more;
		uint16_t has;
	} rows[] = {
		{0, false, 1500},   {0, true, 1500},	{1400, false, 1400},
		{1400, true, 1500}, {1900, true, 1900},
	};
	struct dp *dp = whole_new(1);
	char error[512] = "";
	struct dp_device d;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dp_device_wish wish = {.port = "wan",
						    .device = "net_ring_mtu",
						    .queues = 1,
						    .mtu = rows[i].mtu,
						    .mtu_or_more = rows[i].or_more};

		if (dp_device_open(&d, 0, &wish, dp->pool, error, sizeof(error)) != 0)
			fail_msg("%s", error);
		assert_int_equal(d.mtu, rows[i].has);
		dp_device_close(&d);
	}
	dp_free(dp);
}

/* A program may have made the device itself; two ports can't have the same. */
static void made_elsewhere(void **state)
{
	struct dp *dp = whole_new(1);
	struct rte_ring *ring = rte_ring_create("elsewhere", 64, -1, RING_F_SP_ENQ | RING_F_SC_DEQ);
	int made = rte_eth_from_ring(ring);
	struct rte_mbuf *m = dp_packet_new(dp), *got = NULL;
	struct dp_device port, again;
	char error[512] = "", name[RTE_ETH_NAME_MAX_LEN];
	uint16_t id;

	(void)state;
	assert_true(made >= 0);
	assert_int_equal(rte_eth_dev_get_name_by_port((uint16_t)made, name), 0);
	assert_int_equal(open_device(dp, &port, name, 0, 1, error, sizeof(error)), 0);
	assert_int_equal(port.eth_id, made);
	assert_int_equal(open_as(dp, &again, "lan", name, 0, 1, error, sizeof(error)), -EBUSY);
	assert_non_null(strstr(error, "port lan"));
	/* The first one still works. */
	assert_int_equal(rte_eth_tx_burst(port.eth_id, 0, &m, 1), 1);
	assert_int_equal(rte_eth_rx_burst(port.eth_id, 0, &got, 1), 1);
	assert_ptr_equal(got, m);
	rte_pktmbuf_free(got);
	dp_device_close(&port);
	assert_int_not_equal(rte_eth_dev_get_port_by_name(name, &id), 0);
	rte_ring_free(ring);
	dp_free(dp);
}

/* ---- refusals ---- */

static void refused(void **state)
{
	static const struct {
		const char *device;
		uint16_t mtu, queues;
		int rc;
		const char *says;
	} rows[] = {
		{"nosuch0", 0, 1, -ENODEV, "no network interface nosuch0"},
		{"", 0, 1, -ENODEV, "no network interface"},
		{"ffff:1f:1f.7", 0, 1, -ENODEV, "no PCI device ffff:1f:1f.7"},
		{"ff:1f.7", 0, 1, -ENODEV, "no PCI device 0000:ff:1f.7"},
		{"net_ring0", 0, 17, 0, "does not start"},
		{"net_nosuch0", 0, 1, -ENODEV, "no driver of DPDK takes net_nosuch0"},
		{"net_null0,nosuch=1", 0, 1, 0, "DPDK can't open net_null0,nosuch=1"},
		{"net_memif0", 9000, 1, -EMSGSIZE, "MTU of 9000: at most 1500"},
		{"net_null0", 9000, 1, -EMSGSIZE, "buffers are made for 1935"},
		{"net_af_packet0,iface=lo", 0, 1, -EINVAL, "name the interface alone"},
		{"net_null_of_a_name_that_goes_on_and_on_and_on_until_dpdk_has_no_room_for_it", 0,
		 1, -ENAMETOOLONG, "too long"},
	};
	struct dp *dp = whole_new(1);
	struct dp_device port;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char error[512] = "";
		int rc = open_device(dp, &port, rows[i].device, rows[i].mtu, rows[i].queues, error,
				     sizeof(error));

		if (rc >= 0 || (rows[i].rc != 0 && rc != rows[i].rc))
			fail_msg("%s: %d, %s", rows[i].device, rc, error);
		if (strstr(error, rows[i].says) == NULL)
			fail_msg("%s: %s", rows[i].device, error);
	}
	dp_free(dp);
}

/* ---- shared with Linux ---- */

static int request(const char *name, unsigned long what, struct ifreq *req)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0), rc;

	snprintf(req->ifr_name, sizeof(req->ifr_name), "%s", name);
	rc = ioctl(fd, what, req);
	close(fd);
	return rc;
}

static int new_tap(const char *name)
{
	struct ifreq req = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &req) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int mtu_of(const char *name)
{
	struct ifreq req = {0};

	assert_int_equal(request(name, SIOCGIFMTU, &req), 0);
	return req.ifr_mtu;
}

static bool gro_on(const char *name)
{
	struct ethtool_value value = {.cmd = ETHTOOL_GGRO};
	struct ifreq req = {.ifr_data = (void *)&value};

	assert_int_equal(request(name, SIOCETHTOOL, &req), 0);
	return value.data != 0;
}

static bool is_up(const char *name)
{
	struct ifreq req = {0};

	assert_int_equal(request(name, SIOCGIFFLAGS, &req), 0);
	return (req.ifr_flags & IFF_UP) != 0;
}

/* A frame of an experimental type, so that nobody answers it. */
static void frame_of(uint8_t *frame, size_t len, uint8_t mark)
{
	memset(frame, mark, len);
	memset(frame, 0xff, 6);
	memcpy(frame + 12, "\x88\xb5", 2);
}

static bool is_frame(const uint8_t *p, size_t len, size_t expected, uint8_t mark)
{
	return len == expected && memcmp(p + 12, "\x88\xb5", 2) == 0 && p[len - 1] == mark;
}

/* Polls until the port has received a frame of this mark. The kernel's own traffic is passed by. */
static void expect_received(const struct dp_device *port, size_t len, uint8_t mark, uint8_t never)
{
	struct rte_mbuf *m;
	bool found = false;

	while (!found) {
		if (rte_eth_rx_burst(port->eth_id, 0, &m, 1) == 0)
			continue;
		found = is_frame(rte_pktmbuf_mtod(m, uint8_t *), rte_pktmbuf_data_len(m), len,
				 mark);
		assert_false(rte_pktmbuf_mtod(m, uint8_t *)[20] == never);
		rte_pktmbuf_free(m);
	}
}

static void expect_on_tap(int tap, size_t len, uint8_t mark)
{
	uint8_t got[16384];
	struct pollfd p = {.fd = tap, .events = POLLIN};
	ssize_t n;

	do {
		assert_int_equal(poll(&p, 1, 10000), 1);
		n = read(tap, got, sizeof(got));
	} while (n < 0 || !is_frame(got, (size_t)n, len, mark));
}

static void send_from_linux(const char *name, const uint8_t *frame, size_t len)
{
	struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(name)};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	assert_int_equal(sendto(fd, frame, len, 0, (struct sockaddr *)&to, sizeof(to)), len);
	close(fd);
}

/* Frames of the full MTU with a VLAN tag, which the kernel takes out and the driver puts in again,
 * are whole in both directions. */
static void tags_kept(struct dp *dp, const struct dp_device *d, int tap, size_t len)
{
	static const uint8_t tag[4] = {0x81, 0, 0xe0, 7};
	uint8_t frame[16384], got[16384];
	struct pollfd p = {.fd = tap, .events = POLLIN};
	struct rte_mbuf *m;
	ssize_t n;

	frame_of(frame, len, 0x44);
	memmove(frame + 16, frame + 12, 2);
	memcpy(frame + 12, tag, sizeof(tag));
	assert_int_equal(write(tap, frame, len), len);
	do {
		while (rte_eth_rx_burst(d->eth_id, 0, &m, 1) == 0)
			;
		memcpy(got, rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
		n = m->data_len;
		assert_int_equal(m->nb_segs, 1);
		assert_int_equal(m->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED, 0);
		rte_pktmbuf_free(m);
	} while (memcmp(got + 12, tag, 2) != 0);
	assert_int_equal(n, len);
	assert_memory_equal(got, frame, len);
	m = dp_packet_new(dp);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	assert_int_equal(rte_eth_tx_burst(d->eth_id, 0, &m, 1), 1);
	do {
		assert_int_equal(poll(&p, 1, 10000), 1);
		n = read(tap, got, sizeof(got));
	} while (n < 14 || memcmp(got + 12, tag, 2) != 0);
	assert_int_equal(n, len);
	assert_memory_equal(got, frame, len);
}

static void shared(void **state)
{
	static const struct {
		uint16_t mtu, queues;
	} rows[] = {{0, 1}, {1400, 2}, {1935, 1}, {9216, 1}};
	static const int cpus[1];
	static const unsigned int lcores[1];
	char error[512] = "";
	int tap = own_namespace ? new_tap("t0") : -1;

	(void)state;
	if (tap < 0) {
		print_message("# no right to make a network namespace and a TAP in it\n");
		skip();
	}
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct dp_settings s = {.cpus = cpus,
					      .lcores = lcores,
					      .n_workers = 1,
					      .packet_buffers = 1023,
					      .mtu_max = rows[i].mtu == 0 ? 1500 : rows[i].mtu};
		struct dp *dp = dp_new(&s, error, sizeof(error));
		size_t len = (rows[i].mtu == 0 ? 1500 : rows[i].mtu) + 14;
		uint8_t frame[16384];
		struct dp_device port, again;
		struct rte_mbuf *m;

		assert_non_null(dp);
		assert_true(gro_on("t0"));
		if (open_device(dp, &port, "t0", rows[i].mtu, rows[i].queues, error,
				sizeof(error)) != 0)
			fail_msg("%s", error);
		assert_true(port.shared && is_up("t0") && link_of(&port) == DP_LINK_UP);
		assert_int_equal(port.linux_ifindex, if_nametoindex("t0"));
		assert_int_equal(port.mtu, len - 14);
		assert_int_equal(mtu_of("t0"), len - 14);
		assert_string_equal(port.driver, "net_af_packet");
		assert_false(gro_on("t0"));
		assert_int_equal(open_as(dp, &again, "lan", "t0", 0, 1, error, sizeof(error)),
				 -EBUSY);
		if (rows[i].queues == 1) {
			/* What Linux sends goes out, and is not received. */
			frame_of(frame, len, 0x11);
			send_from_linux("t0", frame, len);
			expect_on_tap(tap, len, 0x11);
			frame_of(frame, len, 0x22);
			assert_int_equal(write(tap, frame, len), len);
			expect_received(&port, len, 0x22, 0x11);
		}
		if (rows[i].queues == 1)
			tags_kept(dp, &port, tap, len + 4);
		m = dp_packet_new(dp);
		frame_of(frame, len, 0x33);
		memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
		assert_int_equal(rte_eth_tx_burst(port.eth_id, 0, &m, 1), 1);
		expect_on_tap(tap, len, 0x33);
		dp_device_close(&port);
		/* As it was; but it stays up. */
		assert_true(gro_on("t0") && is_up("t0"));
		assert_int_equal(mtu_of("t0"), 1500);
		dp_free(dp);
	}
	close(tap);
}

static int open_again(struct dp *dp, struct dp_device *d, uint16_t mtu, char *error, size_t size)
{
	const struct dp_device_wish wish = {
		.port = "wan", .device = d->device, .mtu = mtu, .queues = 2};

	return dp_link_open(d, &wish, dp->pool, true, error, size);
}

/* A device of DPDK's goes and comes back under its ports: what ports and workers stand on stays. */
static void comes_back(void **state)
{
	struct dp *dp = whole_new(1);
	struct dp_bell bell = {.fd = -1};
	char error[512] = "";
	uint8_t mac[6];
	struct dp_device device;
	struct dp_port port, vlan;
	struct dp_tx_queue *tx;

	(void)state;
	assert_int_equal(open_device(dp, &device, "net_null0", 1300, 2, error, sizeof(error)), 0);
	memcpy(mac, device.mac, sizeof(mac));
	assert_int_equal(dp_port_init(&port, 7, "wan", &device, 0, 0), 0);
	assert_int_equal(dp_port_init(&vlan, 8, "lan", &device, 42, 1200), 0);
	port.linux_ifindex = 77;
	tx = device.tx;
	tx[1].shared = true;
	for (unsigned int round = 0; round < 3; round++) {
		dp_link_watch(&device, &bell);
		assert_int_equal(link_of(&device), DP_LINK_UP);
		/* As DPDK's interrupt thread tells. */
		device.link.removed = true;
		assert_int_equal(link_of(&device), DP_LINK_GONE);
		dp_link_close(&device);
		assert_int_equal(rte_eth_dev_count_avail(), 0);
		assert_int_equal(link_of(&device), DP_LINK_GONE);
		assert_int_equal(open_again(dp, &device, 0, error, sizeof(error)), 0);
		dp_port_renew(&port, 0);
		dp_port_renew(&vlan, 1200);
		assert_int_equal(link_of(&device), DP_LINK_UP);
		assert_true(device.rx_queues == 2 && device.tx_queues == 2);
		assert_true(device.tx == tx && tx[1].shared && !tx[0].shared);
		assert_true(device.port_by_vlan[0] == 7 && device.port_by_vlan[42] == 8);
		assert_true(device.n_ports == 2 && device.first_port == 7);
		assert_int_equal(device.mtu, 1300);
		assert_true(port.mtu == 1300 && vlan.mtu == 1200 && vlan.mtu_max == 1300);
		assert_int_equal(port.linux_ifindex, 77);
		assert_memory_equal(device.mac, mac, sizeof(mac));
		assert_memory_equal(vlan.mac, mac, sizeof(mac));
		assert_string_equal(device.device, "net_null0");
	}
	dp_device_close(&device);
	assert_int_equal(rte_eth_dev_count_avail(), 0);
	dp_free(dp);
}

/* One that is back with fewer queues than workers have been given stays away. */
static void comes_back_less(void **state)
{
	struct dp *dp = whole_new(1);
	char error[512] = "";
	struct dp_device device;

	(void)state;
	assert_int_equal(open_device(dp, &device, "net_ring0", 0, 2, error, sizeof(error)), 0);
	dp_link_close(&device);
	device.rx_queues = 17;
	assert_int_equal(open_again(dp, &device, 0, error, sizeof(error)), -ENOSPC);
	assert_non_null(strstr(error, "port wan: device net_ring0 is back with fewer queues"));
	assert_int_equal(rte_eth_dev_count_avail(), 0);
	dp_device_close(&device);
	dp_free(dp);
}

/* The same with an interface of Linux's: it is found by its name again. */
static void shared_comes_back(void **state)
{
	int tap = own_namespace ? new_tap("t2") : -1;
	struct dp_bell bell = {.fd = -1};
	char error[512] = "";
	struct dp_device device;
	struct dp *dp;

	(void)state;
	if (tap < 0) {
		print_message("# no right to make a network namespace and a TAP in it\n");
		skip();
	}
	dp = whole_new(1);
	assert_int_equal(open_device(dp, &device, "t2", 1400, 1, error, sizeof(error)), 0);
	dp_link_watch(&device, &bell);
	assert_int_equal(link_of(&device), DP_LINK_UP);
	close(tap);
	assert_int_equal(link_of(&device), DP_LINK_GONE);
	dp_link_close(&device);
	assert_int_equal(open_again(dp, &device, 1400, error, sizeof(error)), -ENODEV);
	assert_non_null(strstr(error, "no network interface t2"));
	tap = new_tap("t2");
	assert_true(tap >= 0);
	assert_int_equal(open_again(dp, &device, 1400, error, sizeof(error)), 0);
	assert_int_equal(device.linux_ifindex, if_nametoindex("t2"));
	assert_int_equal(link_of(&device), DP_LINK_UP);
	assert_int_equal(mtu_of("t2"), 1400);
	dp_device_close(&device);
	assert_int_equal(mtu_of("t2"), 1500);
	assert_int_equal(rte_eth_dev_count_avail(), 0);
	dp_free(dp);
	close(tap);
}

/* An interface whose packets do not fit is left as it was. */
static void shared_refused(void **state)
{
	int tap = own_namespace ? new_tap("t1") : -1;
	struct ifreq req = {.ifr_mtu = 9000};
	char error[512] = "";
	struct dp_device port;
	struct dp *dp;

	(void)state;
	if (tap < 0) {
		print_message("# no right to make a network namespace and a TAP in it\n");
		skip();
	}
	dp = whole_new(1);
	assert_int_equal(open_device(dp, &port, "t1", 9000, 1, error, sizeof(error)), -EMSGSIZE);
	assert_int_equal(mtu_of("t1"), 1500);
	assert_int_equal(request("t1", SIOCSIFMTU, &req), 0);
	assert_int_equal(open_device(dp, &port, "t1", 0, 1, error, sizeof(error)), -EMSGSIZE);
	assert_non_null(strstr(error, "MTU of 9000"));
	assert_true(gro_on("t1"));
	dp_free(dp);
	close(tap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_devices),
		cmocka_unit_test(jumbo),
		cmocka_unit_test(lacks),
		cmocka_unit_test(assigned),
		cmocka_unit_test(too_few_buffers),
		cmocka_unit_test(mtu_or_more),
		cmocka_unit_test(made_elsewhere),
		cmocka_unit_test(refused),
		cmocka_unit_test(shared),
		cmocka_unit_test(shared_refused),
		cmocka_unit_test(comes_back),
		cmocka_unit_test(comes_back_less),
		cmocka_unit_test(shared_comes_back),
	};

	own_namespace = unshare(CLONE_NEWNET) == 0;
	test_eal_start();
	return UNIT_RUN(tests);
}
