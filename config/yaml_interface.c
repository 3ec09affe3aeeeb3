/* The `interfaces` of the configuration. Peers are read in yaml_peer.c; the engine is
 * yaml_reader.c. */
#include "config/yaml_interface.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "config/items.h"

#define INTERFACES_MAX	  1024
#define INTERFACE_MTU_MIN 576

static void read_private_key_file(struct cf_reader *r, void *target)
{
	struct cf_interface_reader *in = target;
	uint8_t *key = in->interface->private_key;

	in->private_key_line = cf_read_line(r);
	if (!cf_read_key_file(r, key))
		return;
	if (sodium_is_zero(key, CF_KEY_BYTES)) {
		cf_read_error(r, in->private_key_line, "the private key is all zeros");
		return;
	}
	/* As it is used, so that a comparison with what runs finds it unchanged. */
	key[0] &= 248;
	key[31] = (key[31] & 127) | 64;
}

static void read_listen_port(struct cf_reader *r, void *target)
{
	struct cf_interface_reader *in = target;
	uint64_t port;

	if (!cf_read_number(r, 0, UINT16_MAX, &port))
		return;
	in->interface->listen_port = (uint16_t)port;
	in->listen.first = (uint16_t)port;
	if (in->listen.n == 1)
		in->listen.line = cf_read_line(r);
	for (size_t i = 0; port && i < r->config->n_interfaces; i++) {
		const struct cf_interface *other = &r->config->interfaces[i];

		if (other != in->interface && other->listen_port == port)
			cf_read_error(r, cf_read_line(r),
				      "\"listen-port\" %u is that of interface %s already",
				      other->listen_port, other->name);
	}
}

static void read_fwmark(struct cf_reader *r, void *target)
{
	struct cf_interface_reader *in = target;
	uint64_t mark;

	if (cf_read_number(r, 0, UINT32_MAX, &mark))
		in->interface->fwmark = (uint32_t)mark;
}

static void read_mtu(struct cf_reader *r, void *target)
{
	struct cf_interface_reader *in = target;
	uint64_t mtu;

	if (cf_read_number(r, INTERFACE_MTU_MIN, UINT16_MAX, &mtu))
		in->interface->mtu = (uint16_t)mtu;
}

static void read_addresses(struct cf_reader *r, void *target)
{
	struct cf_interface_reader *in = target;

	cf_read_addresses(r, &in->interface->addresses);
}

static int compare_prefixes(const void *a, const void *b)
{
	return cf_prefix_compare(a, b);
}

static void read_routes(struct cf_reader *r, void *target)
{
	static const char *const policies[] = {"allowed-ips", "none", NULL};
	struct cf_interface_reader *in = target;
	struct cf_prefixes *routes = &in->interface->routes;
	size_t kept = 0;

	if (!cf_read_is_list(r)) {
		int choice = cf_read_choice(r, policies);

		in->interface->route_policy = choice == 1 ? CF_ROUTES_NONE : CF_ROUTES_ALLOWED_IPS;
		return;
	}
	in->interface->route_policy = CF_ROUTES_LIST;
	cf_read_prefixes(r, true);
	if (!cf_read_take_prefixes(r, routes) || !routes->n)
		return;
	if (routes->n)
		qsort(routes->at, routes->n, sizeof(*routes->at), compare_prefixes);
	for (size_t i = 0; i < routes->n; i++)
		if (!kept || cf_prefix_compare(&routes->at[kept - 1], &routes->at[i]))
			routes->at[kept++] = routes->at[i];
	routes->n = kept;
}

static void read_peers(struct cf_reader *r, void *target)
{
	cf_read_list(r, cf_read_peer, target);
}

static const struct cf_item interface_items[] = {CF_INTERFACE_ITEMS(CF_ITEM){NULL, NULL}};

/* A gateway that is its own peer would talk to itself. */
static void check_own_key(struct cf_reader *r, const struct cf_interface_reader *in)
{
	uint8_t own[CF_KEY_BYTES];
	uint32_t peer;

	if (sodium_is_zero(in->interface->private_key, CF_KEY_BYTES) ||
	    crypto_scalarmult_base(own, in->interface->private_key))
		return;
	peer = cf_interface_reader_peer(in, own);
	if (peer != CF_SET_NONE)
		cf_read_error(r, in->peer_lines[peer],
			      "this peer has the public key of interface %s itself",
			      in->interface->name);
}

/* The interfaces that have been read. */
struct interfaces_reader {
	size_t size, listens_size;
	struct cf_listen *listens;
};

static bool overlap(const struct cf_listen *a, const struct cf_listen *b)
{
	return a->first < b->first + b->n && b->first < a->first + a->n;
}

/* What was read before is compared with what was read now: where one of the two needs more than its
 * listen port. */
static void check_listen(struct cf_reader *r, const struct interfaces_reader *all,
			 const struct cf_listen *on)
{
	size_t n = r->config->n_interfaces - 1;
	const char *name = r->config->interfaces[n].name;

	if (on->n > 1 && on->first == 0)
		cf_read_error(
			r, on->line,
			"\"source-ports\" needs a \"listen-port\" that is given: interface %s "
			"has none",
			name);
	else if (on->first + on->n > UINT16_MAX + 1)
		cf_read_error(r, on->line, "\"source-ports\" %u: ports from %u on end beyond 65535",
			      on->n, on->first);
	for (size_t i = 0; on->first && i < n; i++) {
		const struct cf_listen *other = &all->listens[i];

		/* The same listen port has been told of already. */
		if (other->first && other->first != on->first && overlap(on, other))
			cf_read_error(r, on->line,
				      "ports %u to %u of interface %s overlap with %u to %u of "
				      "interface %s (line %u): see \"source-ports\"",
				      on->first, on->first + on->n - 1, name, other->first,
				      other->first + other->n - 1, r->config->interfaces[i].name,
				      other->line);
	}
}

static void check_name(struct cf_reader *r, const struct cf_interface_reader *in, const char *name)
{
	const struct cf_config *config = r->config;

	for (size_t i = 0; i < config->n_interfaces; i++)
		if (&config->interfaces[i] != in->interface &&
		    !strcmp(config->interfaces[i].name, name))
			cf_read_error(r, in->line, "interface %s is in the file twice", name);
	if (cf_check_name(r, in->line, "interface", name, CF_NAME_BYTES))
		snprintf(in->interface->name, sizeof(in->interface->name), "%s", name);
}

static void read_interface(struct cf_reader *r, const char *name, void *target)
{
	struct cf_config *config = r->config;
	uint32_t line = cf_read_line(r);
	struct cf_interface_reader in = {.listen = {.n = 1, .line = line}, .line = line};
	struct interfaces_reader *all = target;

	if (config->n_interfaces == INTERFACES_MAX) {
		cf_read_error(r, in.line, "too many interfaces (at most %d)", INTERFACES_MAX);
		r->stop = true;
		return;
	}
	if (!cf_read_grow(r, &config->interfaces, config->n_interfaces, &all->size,
			  sizeof(*config->interfaces)) ||
	    !cf_read_grow(r, &all->listens, config->n_interfaces, &all->listens_size,
			  sizeof(*all->listens)))
		return;
	in.interface = &config->interfaces[config->n_interfaces++];
	memset(in.interface, 0, sizeof(*in.interface));
	in.interface->mtu = CF_MTU_DEFAULT;
	check_name(r, &in, name);
	if (cf_read_next(r) != YAML_NO_EVENT)
		cf_read_mapping(r, "an interface", interface_items, &in);
	if (!r->stop) {
		check_own_key(r, &in);
		check_listen(r, all, &in.listen);
	}
	all->listens[config->n_interfaces - 1] = in.listen;
	cf_set_free(&in.keys);
	cf_set_free(&in.names);
	cf_set_free(&in.prefixes);
	free(in.owners);
	free(in.peer_lines);
}

void cf_read_interfaces(struct cf_reader *r, void *target)
{
	struct interfaces_reader all = {0};

	cf_read_named(r, "\"interfaces\"", read_interface, &all);
	free(all.listens);
}
