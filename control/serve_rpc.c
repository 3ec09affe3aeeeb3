/*
 * What wgdp-cli asks: the methods of the JSON-RPC socket. Control thread; each call is answered at
 * once, long lists in pages. Keys other than public ones never appear in an answer. Counters are
 * in serve_counters.c, ports in serve_ports.c.
 */
#include "control/serve_rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <rte_version.h>

#include "config/keytext.h"
#include "config/yaml.h"
#include "control/control.h"
#include "control/log.h"
#include "control/show_devices.h"
#include "crypto/ct.h"

#define PEERS_PER_PAGE 1000
/* How long `load` waits for workers to let go of what it removed, before it answers. */
#define RECLAIM_WAIT_NS (UINT64_C(100) * 1000 * 1000)

static void refuse(struct cf_rpc_answer *a, int code, const char *why)
{
	a->error_code = code;
	snprintf(a->error, sizeof(a->error), "%s", why);
}

/* ---- version, stop ---- */

static void call_version(void *ctx, const json_t *params, struct cf_rpc_answer *a)
{
	const struct ctl *c = ctx;

	(void)params;
	a->result = json_pack("{s:s, s:s, s:s}", "version", WGDP_VERSION, "dpdk", rte_version(),
			      "crypto", cr_aead_backend(c->dp->workers[0]->aead));
}

static void call_stop(void *ctx, const json_t *params, struct cf_rpc_answer *a)
{
	struct ctl *c = ctx;

	(void)params;
	ctl_log(CTL_NOTICE, "stopping on request");
	c->stop = true;
	a->result = json_object();
}

/* ---- show ---- */

static json_t *show_prefixes(const struct cf_prefix *at, size_t n)
{
	json_t *list = json_array();
	char text[CF_PREFIX_TEXT_BYTES];

	for (size_t k = 0; k < n; k++) {
		cf_prefix_to_text(text, &at[k]);
		json_array_append_new(list, json_string(text));
	}
	return list;
}

static json_t *show_workers(const struct dp *dp)
{
	json_t *list = json_array();

	for (unsigned int k = 0; k < dp->n_workers; k++) {
		const struct dp_worker *w = dp->workers[k];
		uint64_t loops = dp_counted(&w->loops);
		uint64_t idle = dp_counted(&w->idle_loops);

		json_array_append_new(
			list, json_pack("{s:i, s:i, s:s, s:I, s:I}", "id", (int)k, "cpu", w->cpu,
					"idle", dp->backoff ? "backoff" : "poll", "loops",
					(json_int_t)loops, "idle_loops", (json_int_t)idle));
	}
	return list;
}

static json_t *show_iface(const struct ctl_iface *i)
{
	uint8_t key[CF_KEY_BYTES];
	char text[CF_KEY_BASE64_BYTES] = "";
	const struct ctl_peer *p;
	size_t sessions = 0;

	if (hs_device_public_key(i->hs, key))
		cf_key_to_base64(text, key);
	TAILQ_FOREACH (p, &i->peers, link)
		sessions += ctl_peer_usable(p);
	return json_pack("{s:s, s:s, s:i, s:I, s:i, s:o, s:I, s:I}", "name", i->name, "public_key",
			 text, "listen_port", (int)i->guard.port, "fwmark", (json_int_t)i->fwmark,
			 "mtu", (int)i->mtu, "addresses",
			 show_prefixes(i->addresses.at, i->addresses.n), "peers",
			 (json_int_t)i->n_peers, "sessions", (json_int_t)sessions);
}

/* The interface that params name, in *only; NULL: all. False: no such interface, refused. */
static bool one_iface(struct ctl *c, const json_t *params, struct ctl_iface **only,
		      struct cf_rpc_answer *a)
{
	const json_t *name = json_object_get(params, "interface");

	*only = NULL;
	if (name == NULL || json_is_null(name))
		return true;
	if (!json_is_string(name)) {
		refuse(a, CF_RPC_BAD_PARAMS, "\"interface\" must be a name");
		return false;
	}
	*only = ctl_iface_by_name(c, json_string_value(name));
	if (*only != NULL)
		return true;
	a->error_code = CF_RPC_REFUSED;
	snprintf(a->error, sizeof(a->error), "no interface \"%.64s\"", json_string_value(name));
	return false;
}

static void call_show(void *ctx, const json_t *params, struct cf_rpc_answer *a)
{
	struct ctl *c = ctx;
	struct ctl_iface *only;
	json_t *ifaces;

	if (!one_iface(c, params, &only, a))
		return;
	ifaces = json_array();
	for (unsigned int k = 0; k < DP_IFACES_MAX; k++)
		if (c->ifaces[k] != NULL && (only == NULL || only == c->ifaces[k]))
			json_array_append_new(ifaces, show_iface(c->ifaces[k]));
	a->result = json_pack("{s:s, s:s, s:I, s:i, s:o, s:s, s:o, s:o, s:o}", "version",
			      WGDP_VERSION, "config", c->settings->path, "uptime_s",
			      (json_int_t)((c->now.mono_ns - c->started.mono_ns) / WG_NS_PER_S),
			      "control", c->settings->control, "workers", show_workers(c->dp),
			      "memory", c->hugepages ? "hugepages" : "pages", "ports",
			      ctl_serve_ports(c->dp), "devices", ctl_show_devices(c->dp),
			      "interfaces", ifaces);
}

/* ---- peers ---- */

static json_t *show_drops(const struct ctl_peer *p)
{
	json_t *drops = json_object();

	for (unsigned int d = 0; d < DP_DROP_PEER_N; d++) {
		uint64_t n = dp_counted(&p->dp->drops[d]);

		if (n > 0)
			json_object_set_new(drops, dp_drop_name(d), json_integer((json_int_t)n));
	}
	return drops;
}

static json_t *show_endpoint(const struct wg_endpoint *e)
{
	struct cf_endpoint shown = {.scope = e->scope, .port = e->port, .family = e->family};
	char text[CF_ENDPOINT_TEXT_BYTES];

	if (e->family == 0)
		return json_null();
	memcpy(shown.addr, e->addr, sizeof(shown.addr));
	cf_endpoint_to_text(text, &shown);
	return json_string(text);
}

static json_t *show_peer(const struct ctl_peer *p)
{
	struct ctl_peer_totals t;
	struct cf_prefix *allowed = NULL;
	size_t n_allowed = 0;
	char key[CF_KEY_BASE64_BYTES];
	uint64_t wall_s;
	uint32_t wall_ns;
	json_t *shown;

	cf_key_to_base64(key, hs_peer_public_key(p->hs));
	hs_peer_last_handshake(p->hs, &wall_s, &wall_ns);
	ctl_peer_totals(p, &t);
	ctl_peer_allowed(p, &allowed, &n_allowed);
	shown = json_pack(
		"{s:s, s:s, s:s, s:o, s:o, s:i, s:b, s:I, s:s, s:I, s:I, s:I, s:I, s:i, s:i, s:o}",
		"interface", p->iface->name, "name", p->name, "public_key", key, "endpoint",
		show_endpoint(hs_peer_endpoint(p->hs)), "allowed_ips",
		show_prefixes(allowed, n_allowed), "persistent_keepalive",
		(int)hs_peer_keepalive_s(p->hs), "preshared_key",
		(int)!cr_is_zero(hs_peer_psk(p->hs), CF_KEY_BYTES), "latest_handshake",
		(json_int_t)wall_s, "session", ctl_peer_usable(p) ? "current" : "none", "rx_bytes",
		(json_int_t)t.rx_bytes, "tx_bytes", (json_int_t)t.tx_bytes, "rx_packets",
		(json_int_t)t.rx_packets, "tx_packets", (json_int_t)t.tx_packets, "staged",
		(int)p->staged_n, "attempts", (int)hs_peer_attempts(p->hs), "drops", show_drops(p));
	if (p->source_ports > 1)
		json_object_set_new(shown, "source_ports", json_integer(p->source_ports));
	free(allowed);
	return shown;
}

/* The first peer of the interfaces from id on; NULL: none. */
static struct ctl_peer *first_peer(struct ctl *c, const struct ctl_iface *only, unsigned int id)
{
	for (; id < DP_IFACES_MAX; id++)
		if (c->ifaces[id] != NULL && (only == NULL || only == c->ifaces[id]) &&
		    !TAILQ_EMPTY(&c->ifaces[id]->peers))
			return TAILQ_FIRST(&c->ifaces[id]->peers);
	return NULL;
}

/* The interface of the peer that a page starts after: as params say, or the first that has it. */
static struct ctl_iface *page_iface(struct ctl *c, const json_t *params, const uint8_t *key)
{
	const char *name = json_string_value(json_object_get(params, "after_interface"));

	if (name != NULL)
		return ctl_iface_by_name(c, name);
	for (unsigned int k = 0; k < DP_IFACES_MAX; k++)
		if (c->ifaces[k] != NULL && ctl_peer_find(c->ifaces[k], key) != NULL)
			return c->ifaces[k];
	return NULL;
}

/* Where a page starts: at the first peer, or after the one that params name. False: refused. */
static bool page_start(struct ctl *c, const json_t *params, struct ctl_iface *only,
		       struct ctl_peer **start, struct cf_rpc_answer *a)
{
	const json_t *after = json_object_get(params, "after");
	struct ctl_iface *i = only;
	uint8_t key[CF_KEY_BYTES];

	if (after == NULL || json_is_null(after)) {
		*start = first_peer(c, only, 0);
		return true;
	}
	if (!json_is_string(after) || !cf_key_from_base64(key, json_string_value(after))) {
		refuse(a, CF_RPC_BAD_PARAMS, "\"after\" must be a public key");
		return false;
	}
	if (i == NULL)
		i = page_iface(c, params, key);
	if (i == NULL) {
		refuse(a, CF_RPC_REFUSED,
		       "the peer that \"after\" names is gone: name its interface, too, in "
		       "\"after_interface\"");
		return false;
	}
	*start = ctl_peer_after(i, key);
	if (*start == NULL && only == NULL)
		*start = first_peer(c, NULL, i->dp->id + 1u);
	return true;
}

static struct ctl_peer *next_peer(struct ctl *c, const struct ctl_iface *only, struct ctl_peer *p)
{
	if (TAILQ_NEXT(p, link) != NULL)
		return TAILQ_NEXT(p, link);
	return only != NULL ? NULL : first_peer(c, NULL, p->iface->dp->id + 1u);
}

static void call_peers(void *ctx, const json_t *params, struct cf_rpc_answer *a)
{
	struct ctl *c = ctx;
	const json_t *limit = json_object_get(params, "limit");
	json_int_t page = PEERS_PER_PAGE;
	struct ctl_iface *only;
	struct ctl_peer *p;
	json_t *peers;

	if (!one_iface(c, params, &only, a) || !page_start(c, params, only, &p, a))
		return;
	if (json_is_integer(limit) && json_integer_value(limit) > 0 &&
	    json_integer_value(limit) < page)
		page = json_integer_value(limit);
	peers = json_array();
	for (; p != NULL && page > 0; p = next_peer(c, only, p)) {
		json_array_append_new(peers, show_peer(p));
		page--;
	}
	a->result = json_pack("{s:o, s:b}", "peers", peers, "more", p != NULL);
}

/* ---- load ---- */

static json_t *message_list(const struct cf_messages *m)
{
	json_t *list = json_array();

	for (size_t k = 0; k < m->n; k++)
		json_array_append_new(list, json_string(m->at[k]));
	return list;
}

/* "Removed" is said only after the keys are wiped. Workers pass in well under a millisecond. */
static void wait_for_wipe(struct ctl *c)
{
	struct timespec pause = {.tv_nsec = 50 * 1000};
	struct hs_now now;

	ctl_clock(&now);
	for (uint64_t end = now.mono_ns + RECLAIM_WAIT_NS; now.mono_ns < end; ctl_clock(&now)) {
		if (dp_reclaim_poll(c->dp->reclaim) == 0)
			return;
		nanosleep(&pause, NULL);
	}
}

static void load(struct ctl *c, const char *path, struct cf_rpc_answer *a)
{
	struct cf_messages errors = {0}, warnings = {0};
	struct cf_config *wanted = cf_yaml_load(path, &errors, &warnings);
	struct cf_edits done = {0};
	int rc = -EINVAL;

	if (wanted != NULL) {
		rc = ctl_apply(c, wanted, false, &done, &errors);
		cf_config_free(wanted);
		wait_for_wipe(c);
	}
	for (size_t k = 0; k < errors.n; k++)
		ctl_log(CTL_ERROR, "load: %s", errors.at[k]);
	if (rc != 0) {
		refuse(a, CF_RPC_REFUSED,
		       done.peers_added + done.peers_removed + done.peers_changed + done.other +
					       done.interfaces_added + done.interfaces_removed >
				       0
			       ? "loaded in part"
			       : "not loaded, nothing changed");
		a->error_data = json_pack("{s:o}", "errors", message_list(&errors));
	} else {
		ctl_log(CTL_NOTICE, "loaded %s: %zu peers added, %zu removed, %zu changed", path,
			done.peers_added, done.peers_removed, done.peers_changed);
		a->result = json_pack("{s:{s:I, s:I, s:I, s:I, s:I, s:I}, s:o}", "edits",
				      "peers_added", (json_int_t)done.peers_added, "peers_removed",
				      (json_int_t)done.peers_removed, "peers_changed",
				      (json_int_t)done.peers_changed, "interfaces_added",
				      (json_int_t)done.interfaces_added, "interfaces_removed",
				      (json_int_t)done.interfaces_removed, "other",
				      (json_int_t)done.other, "warnings", message_list(&warnings));
	}
	cf_messages_free(&errors);
	cf_messages_free(&warnings);
}

void ctl_load_again(struct ctl *c)
{
	struct cf_rpc_answer answer = {0};
	char *path = strdup(c->settings->path);

	if (path == NULL)
		return;
	load(c, path, &answer);
	cf_rpc_answer_clear(&answer);
	free(path);
}

static void call_load(void *ctx, const json_t *params, struct cf_rpc_answer *a)
{
	const char *path = json_string_value(json_object_get(params, "path"));

	if (path == NULL || path[0] != '/')
		refuse(a, CF_RPC_BAD_PARAMS, "\"path\" must be an absolute path");
	else
		load(ctx, path, a);
}

const struct cf_rpc_method ctl_rpc_methods[] = {
	{"version", call_version},
	{"show", call_show},
	{"peers", call_peers},
	{"counters", ctl_serve_counters},
	{"load", call_load},
	{"stop", call_stop},
	{NULL, NULL},
};
