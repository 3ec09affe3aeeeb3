/*
 * Makes TUN and TAP devices: plain descriptors of /dev/net/tun that hand over checksums and TCP
 * segmentation (IFF_VNET_HDR). A device lives as long as its descriptor. Called by control; who
 * reads and writes them: face.c.
 */
#include "control/face_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dataplane/port.h"

#define TUN_PATH "/dev/net/tun"
/* What we can take over: checksums, TCP segments over IPv4 and IPv6, also with ECN. */
#define OFFLOADS (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)

static int fail(char *error, size_t error_size, const char *name, const char *what, int err)
{
	snprintf(error, error_size, "interface %s: %s: %s", name, what, strerror(-err));
	return err;
}

static int attach(int fd, const char *name, bool tap, char *error, size_t error_size)
{
	struct ifreq ifr = {.ifr_flags = (short)(IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL)};

	ifr.ifr_flags = (short)(ifr.ifr_flags | (tap ? IFF_TAP : IFF_TUN));
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		if (errno == EBUSY || errno == EEXIST ||
		    (errno == EINVAL && if_nametoindex(name))) {
			snprintf(error, error_size,
				 "interface %s exists already in Linux: remove it, or give "
				 "wgdp's another name",
				 name);
			return -EEXIST;
		}
		return fail(error, error_size, name, "cannot be made", -errno);
	}
	if (ioctl(fd, TUNSETOFFLOAD, (unsigned long)OFFLOADS) < 0)
		return fail(error, error_size, name, "does not hand over segments", -errno);
	return 0;
}

/* A WireGuard interface has only the addresses that it is given: no link-local one of Linux's own
 * making, and so no router solicitations and no multicast reports into the tunnel. */
static void no_link_local(const char *name)
{
	static const char none[] = "1\n";
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/addr_gen_mode", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* no IPv6 here, or no right to change it: not worth failing */
	if (write(fd, none, sizeof(none) - 1) < 0) {
		/* the same */
	}
	close(fd);
}

static int set_up(struct face_device *d, uint16_t mtu, const uint8_t *mac, char *error,
		  size_t error_size)
{
	struct ifreq ifr = {.ifr_mtu = mtu};
	int s, err = 0;

	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return fail(error, error_size, d->name, "socket", -errno);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", d->name);
	if (ioctl(s, SIOCSIFMTU, &ifr) < 0)
		err = fail(error, error_size, d->name, "its MTU cannot be set", -errno);
	if (!err && mac) {
		ifr.ifr_hwaddr.sa_family = ARPHRD_ETHER;
		memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
		if (ioctl(s, SIOCSIFHWADDR, &ifr) < 0)
			err = fail(error, error_size, d->name, "its MAC cannot be set", -errno);
	}
	if (!err && ioctl(s, SIOCGIFINDEX, &ifr) < 0)
		err = fail(error, error_size, d->name, "has no index", -errno);
	if (!err)
		d->ifindex = (uint32_t)ifr.ifr_ifindex;
	close(s);
	return err;
}

int face_device_open(struct face_device *d, const char *name, uint16_t mtu, const uint8_t *mac,
		     char *error, size_t error_size)
{
	int err;

	d->tap = mac != NULL;
	snprintf(d->name, sizeof(d->name), "%s", name);
	d->fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (d->fd < 0)
		return fail(error, error_size, name, TUN_PATH, -errno);
	err = attach(d->fd, name, d->tap, error, error_size);
	if (!err)
		err = set_up(d, mtu, mac, error, error_size);
	if (err) {
		close(d->fd);
		d->fd = -1;
		return err;
	}
	if (!d->tap)
		no_link_local(name);
	return 0;
}

int face_device_set_carrier(const struct face_device *d, bool carrier)
{
	int on = carrier;

	return ioctl(d->fd, TUNSETCARRIER, &on) < 0 ? -errno : 0;
}

int face_device_set_mac(const struct face_device *d, const uint8_t mac[6])
{
	struct ifreq ifr = {0};

	if (ioctl(d->fd, SIOCGIFHWADDR, &ifr) < 0)
		return -errno;
	if (memcmp(ifr.ifr_hwaddr.sa_data, mac, 6) == 0)
		return 0;
	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	return ioctl(d->fd, SIOCSIFHWADDR, &ifr) < 0 ? -errno : 0;
}

/* Loads: r0 = ingress_ifindex is one of these ? 0 (drop) : all. Returns a descriptor or -errno. */
static int load_filter(const uint32_t *ifindexes, size_t n)
{
	struct bpf_insn prog[DP_PORTS_MAX + 5];
	union bpf_attr attr = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER};
	size_t len = 0;
	long fd;

	prog[len++] = (struct bpf_insn){.code = BPF_LDX | BPF_MEM | BPF_W,
					.dst_reg = BPF_REG_2,
					.src_reg = BPF_REG_1,
					.off = offsetof(struct __sk_buff, ingress_ifindex)};
	/* Two instructions after the last comparison give "all"; the ones behind them drop. */
	for (size_t i = 0; i < n; i++)
		prog[len++] = (struct bpf_insn){.code = BPF_JMP | BPF_JEQ | BPF_K,
						.dst_reg = BPF_REG_2,
						.off = (int16_t)(n - i - 1 + 2),
						.imm = (int32_t)ifindexes[i]};
	prog[len++] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = INT32_MAX};
	prog[len++] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
	prog[len++] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 0};
	prog[len++] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
	attr.insns = (uintptr_t)prog;
	attr.insn_cnt = (uint32_t)len;
	attr.license = (uintptr_t) "BSD";
	fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

int face_device_shun(const struct face_device *d, const uint32_t *ifindexes, size_t n)
{
	int fd, err = 0;

	if (n > DP_PORTS_MAX)
		return -E2BIG;
	fd = load_filter(ifindexes, n);
	if (fd < 0)
		return fd;
	if (ioctl(d->fd, TUNSETFILTEREBPF, &fd) < 0)
		err = -errno;
	close(fd);
	return err;
}
