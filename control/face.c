/*
 * The thread of the Linux face: sleeps in epoll until Linux or a worker has packets. Devices belong
 * to the thread while it runs; control asks for changes by a command and waits until it is done.
 * Packets from Linux: face_read.c. Making devices: face_device.c. ICMP and such: asked.c.
 */
#include "control/face.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "control/ending.h"
#include "control/face_priv.h"
#include "control/log.h"
#include "dataplane/publish.h"

/* Frames from one device, and packets from the rings, before the others have their turn. */
#define TURN_PKTS 64
#define EVENTS	  16
/* Segments of one packet buffer chain that are written at once. */
#define SEGMENTS_MAX 8

#define DEVICES	     (DP_IFACES_MAX + DP_PORTS_MAX)
#define EVENT_BELL   UINT32_MAX
#define EVENT_MANAGE (UINT32_MAX - 1)

enum command {
	COMMAND_NONE,
	COMMAND_ADD,	 /* device */
	COMMAND_REMOVE,	 /* slot */
	COMMAND_CARRIER, /* slot, carrier, mac */
	COMMAND_SHUN,	 /* all TUNs */
	COMMAND_STOP,
};

struct ctl_face {
	struct dp *dp;
	int cpu;
	int epoll;
	int manage; /* eventfd: there is a command */
	bool running;
	pthread_t thread;

	/* guards command and what belongs to it */
	pthread_mutex_t lock;
	pthread_cond_t done;
	enum command command;
	struct face_device device;
	unsigned int slot;
	bool carrier;
	const uint8_t *mac;
	int result;

	/* control only, but while it waits for COMMAND_SHUN */
	uint32_t shared[DP_PORTS_MAX];
	unsigned int n_shared;

	/* the thread's while it runs, else control's */
	struct face_device devices[DEVICES]; /* TUNs by interface, then TAPs by port */
	struct face_reader reader;
};

/* ---- changes ---- */

static unsigned int slot_of(bool tap, uint16_t id)
{
	return tap ? DP_IFACES_MAX + id : id;
}

static void watch(struct ctl_face *f, int fd, uint32_t slot)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = slot};

	if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		ctl_log(CTL_ERROR, "epoll: %s", strerror(errno));
}

static void close_device(struct face_device *d)
{
	if (d->fd >= 0)
		close(d->fd); /* epoll forgets it, Linux removes the interface */
	d->fd = -1;
}

static int set_carrier(const struct face_device *d, bool carrier, const uint8_t *mac)
{
	int err = d->fd < 0 ? -ENODEV : face_device_set_carrier(d, carrier);

	return err ? err : face_device_set_mac(d, mac);
}

/* slot: where it failed. */
static int shun(struct ctl_face *f)
{
	int err = 0;

	for (unsigned int i = 0; i < DP_IFACES_MAX && !err; i++) {
		f->slot = i;
		if (f->devices[i].fd >= 0)
			err = face_device_shun(&f->devices[i], f->shared, f->n_shared);
	}
	return err;
}

/* With the lock held, or while the thread does not run. Returns true for COMMAND_STOP. */
static bool run_command(struct ctl_face *f)
{
	enum command command = f->command;

	if (command == COMMAND_ADD) {
		f->devices[f->slot] = f->device;
		watch(f, f->device.fd, f->slot);
	} else if (command == COMMAND_REMOVE) {
		close_device(&f->devices[f->slot]);
	} else if (command == COMMAND_CARRIER) {
		f->result = set_carrier(&f->devices[f->slot], f->carrier, f->mac);
	} else if (command == COMMAND_SHUN) {
		f->result = shun(f);
	}
	f->command = COMMAND_NONE;
	return command == COMMAND_STOP;
}

/* Control: has it done by the thread if that runs. */
static void change(struct ctl_face *f, enum command command, unsigned int slot,
		   const struct face_device *device)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&f->lock);
	f->command = command;
	f->slot = slot;
	if (device)
		f->device = *device;
	if (!f->running) {
		run_command(f);
	} else if (write(f->manage, &one, sizeof(one)) == sizeof(one)) {
		while (f->command != COMMAND_NONE)
			pthread_cond_wait(&f->done, &f->lock);
	}
	pthread_mutex_unlock(&f->lock);
}

static bool managed(struct ctl_face *f)
{
	uint64_t count;
	bool stop;

	if (read(f->manage, &count, sizeof(count)) < 0)
		return false;
	pthread_mutex_lock(&f->lock);
	stop = run_command(f);
	pthread_cond_signal(&f->done);
	pthread_mutex_unlock(&f->lock);
	return stop;
}

/* ---- to Linux ---- */

static bool write_packet(const struct face_device *d, struct rte_mbuf *m)
{
	/* No flags: Linux checks all checksums itself. */
	struct virtio_net_hdr vh = {.gso_type = VIRTIO_NET_HDR_GSO_NONE};
	struct iovec iov[1 + SEGMENTS_MAX] = {{&vh, sizeof(vh)}};
	int n = 1;

	if (d->fd < 0 || m->nb_segs > SEGMENTS_MAX)
		return false;
	for (struct rte_mbuf *s = m; s; s = s->next)
		iov[n++] = (struct iovec){rte_pktmbuf_mtod(s, void *), s->data_len};
	return writev(d->fd, iov, n) >= 0;
}

static unsigned int to_linux(struct ctl_face *f)
{
	struct dp_counters *counters = &f->dp->face_counters;
	struct rte_mbuf *pkts[TURN_PKTS];
	unsigned int n = dp_take_for_linux(f->dp, pkts, TURN_PKTS);

	for (unsigned int i = 0; i < n; i++) {
		const struct dp_note *note = dp_note(pkts[i]);
		bool tap = note->ask == DP_ASK_TAP;
		unsigned int slot = slot_of(tap, tap ? note->port_id : note->iface_id);

		if (slot < DEVICES && write_packet(&f->devices[slot], pkts[i]))
			ctl_punted(counters, pkts[i]);
		else
			ctl_drop(counters, pkts[i], DP_DROP_linux_write);
	}
	return n;
}

/* ---- from Linux ---- */

static void from_linux(struct ctl_face *f, struct face_device *d)
{
	int n, err = 1;

	for (n = 0; n < TURN_PKTS && d->fd >= 0 && err > 0; n++)
		err = face_read_one(&f->reader, d);
	if (err < 0) {
		/* Somebody has deleted the interface; epoll would report it for ever. */
		ctl_log(CTL_ERROR, "interface %s has gone: %s", d->name, strerror(-err));
		close_device(d);
	}
}

/* ---- the thread ---- */

/* How long to sleep: for ever only if no ring has anything. */
static int sleep_ms(struct ctl_face *f, unsigned int taken)
{
	return taken > 0 || !dp_face_may_sleep(f->dp) ? 0 : -1;
}

static void silence_bell(struct dp_bell *bell)
{
	uint64_t count;

	if (read(bell->fd, &count, sizeof(count)) < 0) {
		/* nobody rang */
	}
}

static void *face_run(void *arg)
{
	struct epoll_event events[EVENTS];
	struct ctl_face *f = arg;
	bool stop = false;

	while (!stop) {
		unsigned int taken = to_linux(f);
		int n = epoll_wait(f->epoll, events, EVENTS, sleep_ms(f, taken));
		bool manage = false;

		atomic_store_explicit(&f->dp->face_bell.asleep, false, memory_order_relaxed);
		for (int i = 0; i < n; i++) {
			uint32_t slot = events[i].data.u32;

			if (slot == EVENT_BELL)
				silence_bell(&f->dp->face_bell);
			else if (slot == EVENT_MANAGE)
				manage = true;
			else
				from_linux(f, &f->devices[slot]);
		}
		/* After the events, which may be about a device that goes. */
		if (manage)
			stop = managed(f);
	}
	return NULL;
}

/* ---- what control calls ---- */

struct ctl_face *ctl_face_new(struct dp *dp, int cpu, char *error, size_t error_size)
{
	struct ctl_face *f = calloc(1, sizeof(*f));

	if (!f) {
		snprintf(error, error_size, "out of memory");
		return NULL;
	}
	f->dp = dp;
	f->reader.dp = dp;
	f->cpu = cpu;
	for (unsigned int i = 0; i < DEVICES; i++)
		f->devices[i].fd = -1;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->done, NULL);
	f->epoll = epoll_create1(EPOLL_CLOEXEC);
	f->manage = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->epoll < 0 || f->manage < 0) {
		snprintf(error, error_size, "epoll: %s", strerror(errno));
		ctl_face_free(f);
		return NULL;
	}
	watch(f, f->manage, EVENT_MANAGE);
	watch(f, dp->face_bell.fd, EVENT_BELL);
	return f;
}

int ctl_face_start(struct ctl_face *f)
{
	pthread_attr_t attr;
	sigset_t all, before;
	cpu_set_t cpus;
	int err;

	CPU_ZERO(&cpus);
	CPU_SET((size_t)f->cpu, &cpus);
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	/* Signals are the control thread's. */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = -pthread_create(&f->thread, &attr, face_run, f);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (err) {
		ctl_log(CTL_ERROR, "thread of the Linux face: %s", strerror(-err));
		return err;
	}
	pthread_setname_np(f->thread, "wgdp-face");
	f->running = true;
	return 0;
}

void ctl_face_free(struct ctl_face *f)
{
	if (!f)
		return;
	if (f->running) {
		change(f, COMMAND_STOP, 0, NULL);
		pthread_join(f->thread, NULL);
	}
	for (unsigned int i = 0; i < DEVICES; i++)
		close_device(&f->devices[i]);
	if (f->reader.spare)
		ctl_forget(f->reader.spare);
	if (f->manage >= 0)
		close(f->manage);
	if (f->epoll >= 0)
		close(f->epoll);
	pthread_cond_destroy(&f->done);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

void ctl_face_share(struct ctl_face *f, uint32_t ifindex)
{
	if (f->n_shared < DP_PORTS_MAX)
		f->shared[f->n_shared++] = ifindex;
}

static void complain_shun(const char *name, int err)
{
	ctl_log(CTL_WARNING,
		"interface %s: Linux refuses the filter that keeps packets from being tunnelled "
		"twice (%s): Linux must not forward between the ports it shares and %s "
		"(net.ipv4.ip_forward=0, net.ipv6.conf.all.forwarding=0)",
		name, strerror(-err), name);
}

void ctl_face_share_moved(struct ctl_face *f, uint32_t from, uint32_t to)
{
	for (unsigned int i = 0; i < f->n_shared; i++)
		if (f->shared[i] == from)
			f->shared[i] = to;
	f->result = 0;
	change(f, COMMAND_SHUN, 0, NULL);
	if (f->result)
		complain_shun(f->devices[f->slot].name, f->result);
}

int ctl_face_set_carrier(struct ctl_face *f, const struct dp_port *port, bool carrier)
{
	f->carrier = carrier;
	f->mac = port->mac;
	f->result = 0;
	change(f, COMMAND_CARRIER, slot_of(true, port->id), NULL);
	return f->result;
}

int ctl_face_add_tun(struct ctl_face *f, const struct dp_iface *iface, uint16_t mtu, char *error,
		     size_t error_size)
{
	struct face_device d = {.id = iface->id};
	int err;

	err = face_device_open(&d, iface->name, mtu, NULL, error, error_size);
	if (err)
		return err;
	err = f->n_shared ? face_device_shun(&d, f->shared, f->n_shared) : 0;
	if (err)
		complain_shun(iface->name, err);
	change(f, COMMAND_ADD, slot_of(false, iface->id), &d);
	return (int)d.ifindex;
}

void ctl_face_remove_tun(struct ctl_face *f, uint16_t iface_id)
{
	change(f, COMMAND_REMOVE, slot_of(false, iface_id), NULL);
}

int ctl_face_add_tap(struct ctl_face *f, const struct dp_port *port, char *error, size_t error_size)
{
	struct face_device d = {.id = port->id, .vlan = port->vlan};
	int err;

	err = face_device_open(&d, port->name, port->mtu, port->mac, error, error_size);
	if (err)
		return err;
	change(f, COMMAND_ADD, slot_of(true, port->id), &d);
	return (int)d.ifindex;
}
