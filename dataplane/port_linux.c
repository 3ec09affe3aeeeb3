/*
 * A port's interface in Linux: state, speed, MTU, receive offloads by ioctl, and a filter on the
 * packet sockets by which DPDK reads it. Control only, before workers start and after they end.
 */
#include "dataplane/port_linux.h"

#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool only_look;

void dp_linux_only_look(void)
{
	only_look = true;
}

static bool changes(unsigned long what, const struct ifreq *req)
{
	uint32_t command;

	if (what != SIOCETHTOOL)
		return what == SIOCSIFFLAGS || what == SIOCSIFMTU;
	memcpy(&command, req->ifr_data, sizeof(command));
	return command == ETHTOOL_SFEATURES;
}

/* One request about an interface; what it needs besides the name is in *req. 0 or -errno. */
static int ask(const char *name, unsigned long what, struct ifreq *req)
{
	int fd, rc;

	if (only_look && changes(what, req))
		return 0;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(req->ifr_name, sizeof(req->ifr_name), "%s", name);
	rc = ioctl(fd, what, req) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

int dp_linux_up(const char *name, uint16_t *mtu)
{
	struct ifreq req = {0};
	int rc = ask(name, SIOCGIFFLAGS, &req);

	if (rc == 0 && (req.ifr_flags & IFF_UP) == 0) {
		req.ifr_flags |= IFF_UP;
		rc = ask(name, SIOCSIFFLAGS, &req);
	}
	if (rc != 0)
		return rc;
	rc = ask(name, SIOCGIFMTU, &req);
	if (rc == 0)
		*mtu = (uint16_t)(req.ifr_mtu > UINT16_MAX ? UINT16_MAX : req.ifr_mtu);
	return rc;
}

int dp_linux_set_mtu(const char *name, uint16_t mtu)
{
	struct ifreq req = {.ifr_mtu = mtu};

	return ask(name, SIOCSIFMTU, &req);
}

/* ---- receive offloads ---- */

/* Names of features as the kernel has them; a bit of the mask each. */
static const char *const merging[] = {"rx-gro", "rx-gro-hw", "rx-lro"};
#define MERGING	     (sizeof(merging) / sizeof(merging[0]))
#define FEATURES_MAX 256

static int ethtool(const char *name, void *command)
{
	struct ifreq req = {.ifr_data = command};

	return ask(name, SIOCETHTOOL, &req);
}

/* How many features this kernel knows, 0 if it does not say. */
static uint32_t count_features(const char *name)
{
	union {
		struct ethtool_sset_info info; /* ends with counts, here one */
		uint8_t bytes[sizeof(struct ethtool_sset_info) + sizeof(uint32_t)];
	} request = {.info = {.cmd = ETHTOOL_GSSET_INFO, .sset_mask = 1 << ETH_SS_FEATURES}};

	if (ethtool(name, &request) != 0 || request.info.sset_mask == 0 ||
	    request.info.data[0] > FEATURES_MAX)
		return 0;
	return request.info.data[0];
}

/* Where each of the merging features is among the kernel's; n: not there. */
static void find_features(const char *name, uint32_t n, uint32_t at[MERGING])
{
	struct ethtool_gstrings *list = calloc(1, sizeof(*list) + (size_t)n * ETH_GSTRING_LEN);

	for (unsigned int i = 0; i < MERGING; i++)
		at[i] = n;
	if (list == NULL)
		return;
	list->cmd = ETHTOOL_GSTRINGS;
	list->string_set = ETH_SS_FEATURES;
	list->len = n;
	if (ethtool(name, list) == 0) {
		for (uint32_t f = 0; f < n; f++) {
			const char *feature = (const char *)&list->data[f * ETH_GSTRING_LEN];

			for (unsigned int i = 0; i < MERGING; i++) {
				if (strncmp(feature, merging[i], ETH_GSTRING_LEN) == 0)
					at[i] = f;
			}
		}
	}
	free(list);
}

/* Sets those of the merging features that are in which; returns those that have changed. */
static uint8_t set_merging(const char *name, uint8_t which, bool on)
{
	union {
		struct ethtool_gfeatures f; /* ends with blocks of 32 features */
		uint8_t bytes[sizeof(struct ethtool_gfeatures) +
			      FEATURES_MAX / 32 * sizeof(struct ethtool_get_features_block)];
	} now = {.f = {.cmd = ETHTOOL_GFEATURES, .size = FEATURES_MAX / 32}};
	union {
		struct ethtool_sfeatures f;
		uint8_t bytes[sizeof(struct ethtool_sfeatures) +
			      FEATURES_MAX / 32 * sizeof(struct ethtool_set_features_block)];
	} want = {.bytes = {0}};
	uint32_t n = count_features(name), at[MERGING];
	uint8_t changed = 0;

	if (n == 0 || ethtool(name, &now) != 0)
		return 0;
	find_features(name, n, at);
	for (unsigned int i = 0; i < MERGING; i++) {
		uint32_t bit = UINT32_C(1) << at[i] % 32;

		if ((which & 1 << i) == 0 || at[i] == n ||
		    ((now.f.features[at[i] / 32].active & bit) != 0) == on)
			continue;
		want.f.features[at[i] / 32].valid |= bit;
		want.f.features[at[i] / 32].requested |= on ? bit : 0;
		changed |= (uint8_t)(1 << i);
	}
	want.f.cmd = ETHTOOL_SFEATURES;
	want.f.size = (n + 31) / 32;
	/* Over 0: done, but the driver had other wishes for some of them. */
	if (changed != 0 && ethtool(name, &want) < 0)
		return 0;
	return changed;
}

uint8_t dp_linux_merge_off(const char *name)
{
	return set_merging(name, (1 << MERGING) - 1, false);
}

void dp_linux_merge_on(const char *name, uint8_t which)
{
	if (which != 0)
		set_merging(name, which, true);
}

/* ---- carrier ---- */

/* Of the driver: IFF_RUNNING follows up to a second later, and is what remains where a driver does
 * not say. */
static bool has_carrier(const char *name, bool flags_say)
{
	struct ethtool_value carrier = {.cmd = ETHTOOL_GLINK};

	return ethtool(name, &carrier) == 0 ? carrier.data != 0 : flags_say;
}

int dp_linux_running(unsigned int ifindex, bool *running, uint32_t *speed_mbps)
{
	struct ethtool_cmd settings = {.cmd = ETHTOOL_GSET};
	char name[IF_NAMESIZE];
	struct ifreq req = {0};
	int rc;

	/* By its number: another one may have its name meanwhile, and it another name. */
	if (if_indextoname(ifindex, name) == NULL)
		return -ENODEV;
	rc = ask(name, SIOCGIFFLAGS, &req);
	if (rc != 0)
		return rc;
	*running = (req.ifr_flags & IFF_UP) != 0 &&
		   has_carrier(name, (req.ifr_flags & IFF_RUNNING) != 0);
	*speed_mbps = 0;
	if (*running && ethtool(name, &settings) == 0 &&
	    ethtool_cmd_speed(&settings) != (uint32_t)SPEED_UNKNOWN)
		*speed_mbps = ethtool_cmd_speed(&settings);
	return 0;
}

/* ---- packet sockets ---- */

static bool is_packet_socket(int fd, unsigned int ifindex)
{
	struct sockaddr_ll at = {0};
	socklen_t len = sizeof(at);

	return getsockname(fd, (struct sockaddr *)&at, &len) == 0 && at.sll_family == AF_PACKET &&
	       (unsigned int)at.sll_ifindex == ifindex;
}

/*
 * DPDK's driver does not tell its sockets, and has joined them to a fanout group, which is too late
 * for PACKET_IGNORE_OUTGOING. A filter does the same: keep all but what is on its way out.
 */
void dp_linux_ignore_outgoing(unsigned int ifindex)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};
	DIR *fds = opendir("/proc/self/fd");
	struct dirent *entry;

	if (fds == NULL)
		return;
	while ((entry = readdir(fds)) != NULL) {
		int fd = (int)strtol(entry->d_name, NULL, 10);

		/* Without the filter the port only has more to throw away. */
		if (entry->d_name[0] != '.' && is_packet_socket(fd, ifindex))
			(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
	}
	closedir(fds);
}

/* ---- fragments ---- */

/*
 * DPDK's packet-socket driver joins its sockets to a fanout group that has the kernel put IPv4
 * fragments together, and takes frames of the port's MTU only: of a greater datagram it would
 * hand us the first part as if it were all. There is no argument to turn that off in DPDK 22.11, so
 * its call is met here, where the program's symbol precedes that of libc, and asks for fragments as
 * they come. All other calls go on as they are.
 */
int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	uint32_t fanout;

	if (level == SOL_PACKET && name == PACKET_FANOUT && len == sizeof(fanout)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= ~((uint32_t)PACKET_FANOUT_FLAG_DEFRAG << 16);
		return (int)syscall(SYS_setsockopt, fd, level, name, &fanout, len);
	}
	return (int)syscall(SYS_setsockopt, fd, level, name, value, len);
}
