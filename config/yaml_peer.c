/*
 * The `peers` of an interface, and what must be unique among them. A million of them must be read
 * in seconds: everything here is constant time per peer and prefix. The engine is yaml_reader.c.
 */
#include "config/yaml_interface.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/items.h"
#include "config/keytext.h"

/* The peer that is being read. */
struct peer_reader {
	struct cf_interface_reader *in;
	struct cf_peer peer;
	bool has_key;
	uint32_t name_line, key_line;
};

static void read_name(struct cf_reader *r, void *target)
{
	struct peer_reader *p = target;
	const char *text = cf_read_text(r);

	p->name_line = cf_read_line(r);
	if (text && cf_check_name(r, p->name_line, "peer", text, sizeof(p->peer.name)))
		snprintf(p->peer.name, sizeof(p->peer.name), "%s", text);
}

static void read_public_key(struct cf_reader *r, void *target)
{
	struct peer_reader *p = target;
	const char *text = cf_read_text(r);

	p->key_line = cf_read_line(r);
	p->has_key = true;
	if (text && !cf_key_from_base64(p->peer.public_key, text))
		cf_read_error(
			r, p->key_line,
			"\"public-key\" must be 44 characters of base64 that end in \"=\", not "
			"\"%.64s\"",
			text);
}

/* Says what is wrong with an endpoint. */
static void bad_endpoint(struct cf_reader *r, const char *text)
{
	const char *colon = strrchr(text, ':'), *why = "is not an address with a port (like "
						       "198.51.100.7:51820 or [2001:db8::1]:51820)";
	struct cf_prefix prefix;

	if (strchr(text, '%'))
		why = "names a link that is not there, or is not like [fe80::1%eth0]:51820";
	else if (cf_prefix_from_text(&prefix, text, false) && !strchr(text, '/'))
		why = strchr(text, ':') ? "needs brackets and a port, like [2001:db8::1]:51820"
					: "needs a port, like 198.51.100.7:51820";
	else if (!colon || strspn(text, "0123456789.:[]abcdefABCDEF") < strlen(text))
		why = "must be an address, not a name: write what it resolves to, with the port";
	cf_read_error(r, cf_read_line(r), "endpoint \"%.80s\" %s", text, why);
}

static void read_endpoint(struct cf_reader *r, void *target)
{
	struct peer_reader *p = target;
	const char *text = cf_read_text(r);

	if (text && !cf_endpoint_from_text(&p->peer.endpoint, text))
		bad_endpoint(r, text);
}

static int compare_lined(const void *a, const void *b)
{
	const struct cf_lined_prefix *x = a, *y = b;
	int order = cf_prefix_compare(&x->prefix, &y->prefix);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

static void read_allowed_ips(struct cf_reader *r, void *target)
{
	struct peer_reader *p = target;
	char text[CF_PREFIX_TEXT_BYTES];
	size_t kept = 0;

	cf_read_prefixes(r, true);
	if (r->n_prefixes)
		qsort(r->prefixes, r->n_prefixes, sizeof(*r->prefixes), compare_lined);
	for (size_t i = 0; i < r->n_prefixes; i++) {
		if (kept &&
		    !cf_prefix_compare(&r->prefixes[kept - 1].prefix, &r->prefixes[i].prefix)) {
			cf_prefix_to_text(text, &r->prefixes[i].prefix);
			cf_read_warning(r, r->prefixes[i].line, "%s again at the same peer", text);
			continue;
		}
		r->prefixes[kept++] = r->prefixes[i];
	}
	r->n_prefixes = kept;
	cf_read_take_prefixes(r, &p->peer.allowed);
}

static void read_source_ports(struct cf_reader *r, void *target)
{
	struct peer_reader *p = target;
	uint64_t n;

	if (!cf_read_number(r, 1, CF_SOURCE_PORTS_MAX, &n))
		return;
	p->peer.source_ports = (uint8_t)n;
	if (n > p->in->listen.n) {
		p->in->listen.n = (uint16_t)n;
		p->in->listen.line = cf_read_line(r);
	}
}

static void read_persistent_keepalive(struct cf_reader *r, void *target)
{
	struct peer_reader *p = target;
	uint64_t seconds;

	if (r->event.type == YAML_SCALAR_EVENT &&
	    !strcmp((const char *)r->event.data.scalar.value, "off"))
		return;
	if (cf_read_number(r, 0, UINT16_MAX, &seconds))
		p->peer.keepalive_s = (uint16_t)seconds;
}

static void read_preshared_key_file(struct cf_reader *r, void *target)
{
	struct peer_reader *p = target;

	cf_read_key_file(r, p->peer.psk);
}

static const struct cf_item peer_items[] = {CF_PEER_ITEMS(CF_ITEM){NULL, NULL}};

static bool key_equal(const void *ctx, uint32_t number, const void *wanted)
{
	const struct cf_interface *interface = ctx;

	return !memcmp(interface->peers[number].public_key, wanted, CF_KEY_BYTES);
}

static bool name_equal(const void *ctx, uint32_t number, const void *wanted)
{
	const struct cf_interface *interface = ctx;

	return !strcmp(interface->peers[number].name, wanted);
}

static bool prefix_equal(const void *ctx, uint32_t number, const void *wanted)
{
	const struct cf_interface_reader *in = ctx;
	const struct cf_prefix_owner *owner = &in->owners[number];

	return !cf_prefix_compare(&in->interface->peers[owner->peer].allowed.at[owner->index],
				  wanted);
}

uint32_t cf_interface_reader_peer(const struct cf_interface_reader *in, const uint8_t *public_key)
{
	return cf_set_find(&in->keys, cf_set_hash(public_key, CF_KEY_BYTES), key_equal,
			   in->interface, public_key);
}

/* The peer's name, or the start of its key. */
static const char *peer_label(const struct cf_peer *peer, char text[CF_KEY_BASE64_BYTES])
{
	if (peer->name[0])
		return peer->name;
	cf_key_to_base64(text, peer->public_key);
	memcpy(text + 8, "...", 4);
	return text;
}

/* The checks of the peer itself; it is not in the interface yet. */
static void check_unique(struct cf_reader *r, struct peer_reader *p)
{
	struct cf_interface_reader *in = p->in;
	const struct cf_interface *interface = in->interface;
	uint32_t hash = cf_set_hash(p->peer.public_key, CF_KEY_BYTES), other;
	uint32_t number = (uint32_t)interface->n_peers;
	char text[CF_KEY_BASE64_BYTES];

	other = cf_set_find(&in->keys, hash, key_equal, interface, p->peer.public_key);
	if (other != CF_SET_NONE)
		cf_read_error(r, p->key_line, "this public key is peer %s already (line %u)",
			      peer_label(&interface->peers[other], text), in->peer_lines[other]);
	else if (!cf_set_add(&in->keys, hash, number))
		cf_read_no_memory(r);
	if (!p->peer.name[0])
		return;
	hash = cf_set_hash(p->peer.name, strlen(p->peer.name));
	other = cf_set_find(&in->names, hash, name_equal, interface, p->peer.name);
	if (other != CF_SET_NONE)
		cf_read_error(r, p->name_line, "peer name %s again: it is in use in line %u",
			      p->peer.name, in->peer_lines[other]);
	else if (!cf_set_add(&in->names, hash, number))
		cf_read_no_memory(r);
}

static void check_prefix(struct cf_reader *r, struct cf_interface_reader *in, uint32_t peer,
			 uint32_t index, uint32_t line)
{
	const struct cf_interface *interface = in->interface;
	const struct cf_prefix *prefix = &interface->peers[peer].allowed.at[index];
	char text[CF_PREFIX_TEXT_BYTES], label[CF_KEY_BASE64_BYTES];
	uint32_t hash = cf_set_hash(prefix, sizeof(*prefix)), other;

	other = cf_set_find(&in->prefixes, hash, prefix_equal, in, prefix);
	if (other != CF_SET_NONE) {
		cf_prefix_to_text(text, prefix);
		cf_read_error(r, line, "%s is allowed at peer %s already (line %u)", text,
			      peer_label(&interface->peers[in->owners[other].peer], label),
			      in->owners[other].line);
		return;
	}
	if (!cf_read_grow(r, &in->owners, in->n_owners, &in->owners_size, sizeof(*in->owners)))
		return;
	in->owners[in->n_owners] =
		(struct cf_prefix_owner){.peer = peer, .index = index, .line = line};
	if (!cf_set_add(&in->prefixes, hash, (uint32_t)in->n_owners++))
		cf_read_no_memory(r);
}

void cf_read_peer(struct cf_reader *r, void *target)
{
	struct cf_interface_reader *in = target;
	struct cf_interface *interface = in->interface;
	struct peer_reader p = {.in = in, .peer.source_ports = 1};
	uint32_t line = cf_read_line(r), peer = (uint32_t)interface->n_peers;
	size_t errors = r->n_errors;

	r->n_prefixes = 0;
	cf_read_mapping(r, "a peer", peer_items, &p);
	if (!p.has_key && r->n_errors == errors)
		cf_read_error(r, line, "a peer needs a \"public-key\"");
	if (r->n_errors == errors)
		check_unique(r, &p);
	if (r->n_errors != errors || r->stop ||
	    !cf_read_grow(r, &interface->peers, interface->n_peers, &in->peers_size,
			  sizeof(*interface->peers)) ||
	    !cf_read_grow(r, &in->peer_lines, interface->n_peers, &in->lines_size,
			  sizeof(*in->peer_lines))) {
		free(p.peer.allowed.at);
		explicit_bzero(&p, sizeof(p));
		return;
	}
	in->peer_lines[peer] = line;
	interface->peers[interface->n_peers++] = p.peer;
	for (uint32_t i = 0; i < p.peer.allowed.n; i++)
		check_prefix(r, in, peer, i, r->prefixes[i].line);
	explicit_bzero(&p, sizeof(p));
}
