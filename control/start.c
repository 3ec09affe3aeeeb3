/*
 * Starting and stopping: what the file leaves open, then the start order in one table (steps[]),
 * the control lcore's loop, and the same table backwards. The loop itself is in control.c.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <rte_launch.h>
#include <rte_lcore.h>
#include <systemd/sd-daemon.h>

#include "config/yaml.h"
#include "control/control.h"
#include "control/cpus.h"
#include "control/eal.h"
#include "control/log.h"
#include "control/memory.h"
#include "control/ports.h"
#include "control/preflight.h"
#include "dataplane/port_linux.h"

#define MTU_DEFAULT  1500
#define POLLING_NICE (-19) /* a worker that shares its CPU must not wait out a time slice */
/* One that backs off is on a machine where Linux has the ports, too, and Linux hands packets over
 * in a thread of each CPU: it must get there. */
#define BACKOFF_NICE	    (-5)
#define PORT_OVERHEAD_BYTES 80 /* outer IPv6, UDP and WireGuard around an inner packet */

/* Start-up state that nothing needs later. */
struct start {
	struct ctl *c;
	struct ctl_eal eal;
	int cpus[DP_WORKERS_MAX];
	unsigned int lcores[DP_WORKERS_MAX];
	const struct ctl_look *look; /* --check: nothing that others can see. NULL: a real start */
	bool workers_run;
	bool eal_runs;
};

/* ---- the settings that the file leaves open ---- */

/* CPUs that are not named, and what can be known of the ports before DPDK has them. */
static int prepare(struct start *s)
{
	struct cf_config *f = s->c->settings;
	struct cf_messages errors = {0}, warnings = {0};
	struct ctl_machine machine;
	int rc = ctl_machine_read(&machine, f);

	if (rc != 0)
		return rc;
	(void)ctl_cpus_choose(f, &machine, &errors);
	ctl_memory_choose(f);
	ctl_preflight(f, 0, &errors);
	for (unsigned int k = 0; k < f->n_workers; k++) {
		s->cpus[k] = f->workers[k];
		s->lcores[k] = k + 1;
	}
	return ctl_log_messages(&errors, &warnings) ? 0 : -EINVAL;
}

static uint16_t greatest_mtu(const struct cf_config *f)
{
	uint16_t mtu = MTU_DEFAULT;

	for (size_t k = 0; k < f->n_ports; k++)
		mtu = f->ports[k].mtu > mtu ? f->ports[k].mtu : mtu;
	for (size_t k = 0; k < f->n_interfaces; k++) {
		unsigned int outer = f->interfaces[k].mtu + PORT_OVERHEAD_BYTES;

		mtu = outer > mtu ? (uint16_t)(outer > UINT16_MAX ? UINT16_MAX : outer) : mtu;
	}
	return mtu;
}

/* ---- the start order ---- */

static int start_settings(struct start *s)
{
	/*
	 * No core file may hold keys, and no other process of this user look into us. (A leak
	 * checker has to, so builds with one keep this open.)
	 */
#ifndef __SANITIZE_ADDRESS__
	if (prctl(PR_SET_DUMPABLE, 0) != 0)
		return -errno;
#endif
	return 0;
}

static int start_signals(struct start *s)
{
	sigset_t set, block;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	block = set;
	for (int n = SIGRTMIN; n <= SIGRTMAX; n++)
		sigaddset(&block, n);
	/* Before any thread exists: all inherit it. SIGPIPE is for writes to clients that went;
	 * real-time signals are a driver's, see dataplane/device_tap.h. */
	if (pthread_sigmask(SIG_BLOCK, &block, NULL) != 0 || signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	s->c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->c->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (s->c->epoll_fd < 0 || s->c->signal_fd < 0)
		return -errno;
	return ctl_watch(s->c, s->c->signal_fd, s->c);
}

static void stop_signals(struct start *s)
{
	close(s->c->epoll_fd);
	close(s->c->signal_fd);
}

/* First of all that others can see: it is also what keeps a second start out. */
static int start_rpc(struct start *s)
{
	struct ctl *c = s->c;
	int other = 0;

	c->rpc = cf_rpc_open(c->settings->socket, ctl_rpc_methods, c, &other);
	if (c->rpc == NULL && errno == EADDRINUSE) {
		ctl_log(CTL_ERROR,
			"%s: already running (pid %d holds %s): stop it with wgdp-cli -s %s stop",
			c->settings->path, other, c->settings->socket, c->settings->socket);
		return -EADDRINUSE;
	}
	if (c->rpc == NULL) {
		ctl_log(CTL_ERROR, "%s: %m", c->settings->socket);
		return -errno;
	}
	return ctl_watch(c, cf_rpc_fd(c->rpc), c->rpc);
}

static void stop_rpc(struct start *s)
{
	cf_rpc_close(s->c->rpc);
}

static int start_eal(struct start *s)
{
	const struct cf_config *f = s->c->settings;
	struct cf_messages errors = {0}, warnings = {0};
	int rc;

	s->eal.control_cpu = f->control;
	s->eal.worker_cpus = s->cpus;
	s->eal.n_workers = f->n_workers;
	s->eal.packet_buffers = f->packet_buffers;
	s->eal.mtu_max = greatest_mtu(f);
	s->eal.config = f;
	(void)ctl_memory_check(f, ctl_eal_bytes(&s->eal), &s->c->hugepages, &errors, &warnings);
	if (!ctl_log_messages(&errors, &warnings))
		return -ENOMEM;
	rc = ctl_eal_start(&s->eal, s->c->hugepages);
	s->eal_runs = rc == 0;
	return rc;
}

static void stop_eal(struct start *s)
{
	if (s->eal_runs)
		ctl_eal_stop();
}

static int start_dataplane(struct start *s)
{
	const struct cf_config *f = s->c->settings;
	char error[256] = "out of memory";
	struct dp_settings settings = {
		.cpus = s->cpus,
		.lcores = s->lcores,
		.n_workers = (uint16_t)f->n_workers,
		.backoff = !ctl_cpus_poll(f),
		.packet_buffers = f->packet_buffers,
		.mtu_max = s->eal.mtu_max,
	};

	s->c->dp = dp_new(&settings, error, sizeof(error));
	if (s->c->dp == NULL) {
		ctl_log(CTL_ERROR, "data plane: %s", error);
		return -ENOMEM;
	}
	return ctl_watch(s->c, s->c->dp->control_bell.fd, s->c->dp);
}

static void stop_dataplane(struct start *s)
{
	if (s->c->dp != NULL)
		dp_free(s->c->dp);
}

static int start_ports(struct start *s)
{
	return ctl_ports_open(s->c->dp, s->c->settings, s->look);
}

static void stop_ports(struct start *s)
{
	ctl_ports_close(s->c->dp);
}

static void on_ways_changed(void *ctx)
{
	struct ctl *c = ctx;

	for (unsigned int k = 0; k < DP_IFACES_MAX; k++)
		if (c->ifaces[k] != NULL)
			ctl_iface_ways_anew(c->ifaces[k]);
}

static void on_neighbour(void *ctx, uint32_t ifindex, int family, const uint8_t *addr,
			 const uint8_t *mac)
{
	struct ctl *c = ctx;

	ctl_peers_neighbour(c, ifindex, family, addr, mac == NULL);
	ctl_asked_neighbour(c->asked, ifindex, family, addr, mac);
}

static void on_link(void *ctx, uint32_t ifindex, bool gone)
{
	struct ctl *c = ctx;

	ctl_links_changed(c->links, ifindex, gone);
}

static int start_face(struct start *s)
{
	static const struct ctl_linux_ops ops = {on_ways_changed, on_neighbour, on_link};
	struct ctl *c = s->c;
	char error[256];
	int rc;

	c->netlink = ctl_linux_new(c->dp, &ops, c, error, sizeof(error));
	if (c->netlink == NULL)
		goto failed;
	c->face = ctl_face_new(c->dp, c->settings->control, error, sizeof(error));
	if (c->face == NULL)
		goto failed;
	c->asked = ctl_asked_new(c->dp, c->netlink, error, sizeof(error));
	if (c->asked == NULL)
		goto failed;
	for (unsigned int k = 0; k < c->dp->n_ports; k++) {
		if (ctl_port_face(c, c->dp->ports[k], c->settings->ports[k].mtu, error,
				  sizeof(error)) != 0)
			goto failed;
	}
	rc = ctl_face_start(c->face);
	return rc == 0 ? ctl_watch(c, ctl_linux_fd(c->netlink), c->netlink) : rc;

failed:
	ctl_log(CTL_ERROR, "Linux face: %s", error);
	return -EIO;
}

static void stop_face(struct start *s)
{
	struct ctl *c = s->c;

	if (c->asked != NULL)
		ctl_asked_free(c->asked);
	ctl_face_free(c->face);
	if (c->netlink != NULL)
		ctl_ports_unface(c);
	if (c->netlink != NULL)
		ctl_linux_free(c->netlink);
}

static int start_links(struct start *s)
{
	s->c->links = ctl_links_new(s->c);
	return s->c->links == NULL ? -ENOMEM : 0;
}

static void stop_links(struct start *s)
{
	ctl_links_free(s->c->links);
}

/* On a CPU of its own a worker goes before whatever else the kernel runs there. */
static int run_worker_first(void *arg)
{
	/* Refused without the right to: no harm. */
	setpriority(PRIO_PROCESS, 0,
		    ((struct dp_worker *)arg)->dp->backoff ? BACKOFF_NICE : POLLING_NICE);
	return dp_worker_run(arg);
}

static int start_workers(struct start *s)
{
	struct dp *dp = s->c->dp;
	int rc = 0;

	s->workers_run = true;
	/* One that shares control's CPU must leave it its part. */
	for (unsigned int k = 0; k < dp->n_workers && rc == 0; k++)
		rc = rte_eal_remote_launch(dp->workers[k]->cpu == s->c->settings->control
						   ? dp_worker_run
						   : run_worker_first,
					   dp->workers[k], dp->workers[k]->lcore);
	return rc;
}

static void stop_workers(struct start *s)
{
	if (!s->workers_run)
		return;
	atomic_store(&s->c->dp->stop, true);
	rte_eal_mp_wait_lcore();
}

/* What runs is the only truth from here on: the file's copy of it, and of its keys, goes. */
static void forget_interfaces(struct cf_config *f)
{
	struct cf_config *spent = calloc(1, sizeof(*spent));

	if (spent == NULL)
		return;
	spent->interfaces = f->interfaces;
	spent->n_interfaces = f->n_interfaces;
	f->interfaces = NULL;
	f->n_interfaces = 0;
	cf_config_free(spent);
}

static int start_config(struct start *s)
{
	struct cf_messages errors = {0};
	struct cf_edits done = {0};
	int rc = ctl_linux_start(s->c->netlink);

	if (rc == 0)
		rc = ctl_apply(s->c, s->c->settings, true, &done, &errors);
	for (size_t k = 0; k < errors.n; k++)
		ctl_log(CTL_ERROR, "%s", errors.at[k]);
	if (rc != 0 && errors.n == 0)
		ctl_log(CTL_ERROR, "%s: %s", s->c->settings->path, strerror(-rc));
	cf_messages_free(&errors);
	if (rc == 0)
		forget_interfaces(s->c->settings);
	return rc;
}

static void stop_config(struct start *s)
{
	for (unsigned int k = 0; k < DP_IFACES_MAX; k++)
		if (s->c->ifaces[k] != NULL)
			ctl_iface_free(s->c->ifaces[k]);
}

/* In this order, and stopped in the opposite one. --check starts those to look at, too. */
static const struct step {
	const char *name;
	int (*start)(struct start *s);
	void (*stop)(struct start *s);
	bool to_look;
} steps[] = {
	{"settings", start_settings, NULL, true},
	{"signals", start_signals, stop_signals, true},
	{"control socket", start_rpc, stop_rpc, false},
	{"CPUs and devices", prepare, NULL, true},
	{"DPDK", start_eal, stop_eal, true},
	{"data plane", start_dataplane, stop_dataplane, true},
	{"ports", start_ports, stop_ports, true},
	{"Linux face", start_face, stop_face, false},
	{"links", start_links, stop_links, false},
	{"workers", start_workers, stop_workers, false},
	{"interfaces and peers", start_config, stop_config, false},
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static unsigned int count_interfaces(const struct ctl *c)
{
	unsigned int n = 0;

	for (unsigned int k = 0; k < DP_IFACES_MAX; k++)
		n += c->ifaces[k] != NULL;
	return n;
}

/* Handshake state and sessions are wiped before the workers end, so nothing half is sent. */
static void undo(struct start *s, size_t done)
{
	while (done-- > 0)
		if (steps[done].stop != NULL && (s->look == NULL || steps[done].to_look))
			steps[done].stop(s);
}

uint64_t ctl_start_bytes(const struct cf_config *f)
{
	const struct ctl_eal eal = {.packet_buffers = f->packet_buffers,
				    .mtu_max = greatest_mtu(f)};

	return ctl_eal_bytes(&eal);
}

bool ctl_start_to_look(struct ctl *c, const struct ctl_look *look)
{
	struct start s = {.c = c, .look = look};
	size_t done = 0;
	int rc = 0;

	dp_linux_only_look();
	for (; done < STEPS && rc == 0; done++) {
		if (!steps[done].to_look)
			continue;
		look->at(look->ctx, steps[done].name);
		rc = steps[done].start(&s);
	}
	if (c->dp != NULL)
		look->look(look->ctx, c);
	look->at(look->ctx, "closing it all");
	undo(&s, done);
	return rc == 0;
}

int ctl_start(struct ctl *c)
{
	struct start s = {.c = c};
	size_t done = 0;
	int rc = 0;

	ctl_clock(&c->now);
	c->started = c->now;
	while (done < STEPS && rc == 0) {
		rc = steps[done].start(&s);
		done++;
	}
	if (rc == 0) {
		ctl_log(CTL_NOTICE, "ready: %u workers, %u ports, %u interfaces", c->dp->n_workers,
			c->dp->n_ports, count_interfaces(c));
		sd_notify(0, "READY=1");
		ctl_run(c);
		sd_notify(0, "STOPPING=1");
	} else {
		ctl_log(CTL_ERROR, "not started: %s: %s", steps[done - 1].name, strerror(-rc));
	}
	undo(&s, done);
	return rc == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
