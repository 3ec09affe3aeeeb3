/*
 * Round trips over netlink: sends a request and waits for its answer, some 10 us; of a dump, all of
 * it. Not here: what is asked (linux_read.c, linux_set.c, linux_way.c, linux_hops.c), and what
 * Linux tells unasked (linux.c). Control thread.
 */
#include "control/linux_priv.h"

#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include <netlink/errno.h>

#include "control/log.h"

/* Greatest piece of a dump that the kernel makes. */
#define MESSAGE_BYTES 65536

struct nl_sock *linux_socket(void)
{
	struct nl_sock *s = nl_socket_alloc();
	int rc;

	if (!s)
		return NULL;
	rc = nl_connect(s, NETLINK_ROUTE);
	if (rc < 0 || nl_socket_set_msg_buf_size(s, MESSAGE_BYTES) < 0) {
		nl_socket_free(s);
		return NULL;
	}
	return s;
}

struct round_trip {
	int err;
	bool done;
};

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct round_trip *t = arg;

	t->err = e->error;
	t->done = true;
	return NL_STOP;
}

static int on_done(struct nl_msg *msg, void *arg)
{
	struct round_trip *t = arg;
	const struct nlmsghdr *nlh = nlmsg_hdr(msg);
	int err = 0;

	/* A dump may end with an error in the place of an error message. */
	if (nlh->nlmsg_type == NLMSG_DONE && nlmsg_datalen(nlh) >= (int)sizeof(err))
		memcpy(&err, nlmsg_data(nlh), sizeof(err));
	t->err = err < 0 ? err : 0;
	t->done = true;
	return NL_STOP;
}

static int await(struct ctl_linux *l, int (*each)(struct nl_msg *, void *), void *arg)
{
	struct round_trip t = {0};
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int rc = 0;

	if (!cb)
		return -ENOMEM;
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, &t);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_done, &t);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_done, &t);
	if (each)
		nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, each, arg);
	while (!t.done && (rc >= 0 || rc == -NLE_INTR))
		rc = nl_recvmsgs(l->request, cb);
	nl_cb_put(cb);
	if (t.err)
		return t.err;
	if (rc == -NLE_DUMP_INTR)
		return -EAGAIN;
	return t.done ? 0 : -EIO;
}

int linux_request(struct ctl_linux *l, struct nl_msg *msg, int (*each)(struct nl_msg *, void *),
		  void *arg)
{
	int rc;

	if (!msg)
		return -ENOMEM;
	rc = nl_send_auto(l->request, msg);
	nlmsg_free(msg);
	if (rc >= 0)
		rc = await(l, each, arg);
	else
		rc = -EIO;
	if (rc == -EIO)
		ctl_log_limited(&l->complaints, CTL_ERROR, "netlink: a request was not answered");
	return rc;
}

struct nl_msg *linux_message(int type, int flags, void *header, size_t header_bytes)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (msg && nlmsg_append(msg, header, header_bytes, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}
