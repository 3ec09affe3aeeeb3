/*
 * State and MTU of the Linux interfaces that ports use, noted before --check has DPDK open them and
 * made the same again afterwards, also if a driver ended or hung: DPDK's packet-socket driver, for
 * one, takes an interface out of promiscuous mode when it starts. Control.
 */
#include "control/check_links.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/log.h"
#include "control/preflight.h"

/* Of the flags, those that a driver may set or take. */
#define FLAGS (IFF_UP | IFF_PROMISC | IFF_ALLMULTI)

struct link {
	char name[CF_NAME_BYTES];
	short flags;
	int mtu;
};

struct ctl_check_links {
	int fd; /* -1: none, nothing was noted */
	size_t n;
	struct link at[];
};

static bool get(const struct ctl_check_links *links, struct link *l)
{
	struct ifreq req = {0};

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", l->name);
	if (ioctl(links->fd, SIOCGIFFLAGS, &req) < 0)
		return false;
	l->flags = req.ifr_flags;
	if (ioctl(links->fd, SIOCGIFMTU, &req) < 0)
		return false;
	l->mtu = req.ifr_mtu;
	return true;
}

struct ctl_check_links *ctl_check_links_note(const struct cf_config *config)
{
	struct ctl_check_links *links =
		calloc(1, sizeof(*links) + config->n_ports * sizeof(struct link));

	if (links == NULL)
		return NULL;
	links->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	for (size_t k = 0; k < config->n_ports && links->fd >= 0; k++) {
		struct link *l = &links->at[links->n];

		ctl_preflight_interface(&config->ports[k], l->name);
		if (l->name[0] != '\0' && get(links, l))
			links->n++;
	}
	return links;
}

static void set(const struct ctl_check_links *links, const struct link *was, const struct link *is)
{
	struct ifreq req = {0};
	int rc = 0;

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", was->name);
	if (was->mtu != is->mtu) {
		req.ifr_mtu = was->mtu;
		rc = ioctl(links->fd, SIOCSIFMTU, &req);
	}
	if (((was->flags ^ is->flags) & FLAGS) != 0) {
		req.ifr_flags = (short)((is->flags & ~FLAGS) | (was->flags & FLAGS));
		rc |= ioctl(links->fd, SIOCSIFFLAGS, &req);
	}
	if (rc != 0)
		ctl_log(CTL_ERROR, "interface %s could not be made as it was: %s", was->name,
			strerror(errno));
}

void ctl_check_links_restore(struct ctl_check_links *links)
{
	for (size_t k = 0; k < links->n; k++) {
		struct link is = links->at[k];

		if (get(links, &is))
			set(links, &links->at[k], &is);
	}
	if (links->fd >= 0)
		close(links->fd);
	free(links);
}
