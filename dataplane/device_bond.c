/*
 * Bonds: reads what the operator wrote and makes DPDK's bonding device of it, by its functions: the
 * driver's own arguments know no members with arguments, and not all settings. Control only, when
 * devices are opened and closed; members themselves are opened in device_find.c.
 */
#include "dataplane/device_bond.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_eth_bond.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_pci.h>
#include <rte_version.h>

#define DRIVER		"net_bonding"
#define POLL_MS_DEFAULT 20
#define POLL_MS_MAX	10000
#define ITEM_BYTES	(DP_BOND_MEMBER_BYTES_MAX + 32)

/* Renamed in DPDK 23.11. */
#if RTE_VERSION >= RTE_VERSION_NUM(23, 11, 0, 0)
#define bond_add rte_eth_bond_member_add
#else
#define bond_add rte_eth_bond_slave_add
#endif

struct message {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static int fail(const struct message *error,
						      const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(error->text, error->size, format, args);
	va_end(args);
	return -EINVAL;
}

/* ---- what the operator wrote ---- */

bool dp_bond_named(const char *device)
{
	return strncmp(device, DRIVER, strlen(DRIVER)) == 0;
}

/* The next item up to a comma outside of parentheses. 1, 0 at the end, -EINVAL. */
static int next_item(const char **at, char item[ITEM_BYTES], const struct message *error)
{
	size_t n = 0;
	int depth = 0;

	if (**at == '\0')
		return 0;
	while (**at != '\0' && (**at != ',' || depth > 0)) {
		depth += (**at == '(') - (**at == ')');
		if (depth < 0)
			break;
		if (n == ITEM_BYTES - 1)
			return fail(error, "an argument of the bond is too long");
		item[n++] = *(*at)++;
	}
	if (depth != 0)
		return fail(error, "parentheses of the bond's arguments do not match");
	item[n] = '\0';
	*at += **at == ',';
	return 1;
}

/* Cuts off the parentheses around a member with arguments. */
static char *bare(char *value)
{
	size_t n = strlen(value);

	if (n < 2 || value[0] != '(' || value[n - 1] != ')')
		return value;
	value[n - 1] = '\0';
	return value + 1;
}

/* Whether both name one device. */
static bool same_device(const char *a, const char *b)
{
	struct rte_pci_addr at, other;
	size_t n = strcspn(a, ",");

	if (rte_pci_addr_parse(a, &at) == 0 && rte_pci_addr_parse(b, &other) == 0)
		return rte_pci_addr_cmp(&at, &other) == 0;
	return n == strcspn(b, ",") && strncmp(a, b, n) == 0;
}

/* Index of a member, or n_members. */
static uint16_t find_member(const struct dp_bond_wish *wish, const char *device)
{
	uint16_t i = 0;

	while (i < wish->n_members && !same_device(wish->members[i], device))
		i++;
	return i;
}

static int add_member(struct dp_bond_wish *wish, char *value, const struct message *error)
{
	const char *member = bare(value);
	struct rte_pci_addr at;

	if (rte_pci_addr_parse(member, &at) != 0 && strncmp(member, "net_", 4) != 0)
		return fail(error,
			    "\"%s\" cannot be a member of a bond: name a PCI address, or a DPDK "
			    "device with its arguments in parentheses, like (net_tap0,iface=x)",
			    member);
	if (dp_bond_named(member))
		return fail(error, "%s: a bond cannot be a member of a bond", member);
	if (find_member(wish, member) < wish->n_members)
		return fail(error, "%s is a member of the bond twice", member);
	if (wish->n_members == DP_BOND_MEMBERS_MAX)
		return fail(error, "a bond has at most %d members", DP_BOND_MEMBERS_MAX);
	if (strlen(member) > DP_BOND_MEMBER_BYTES_MAX)
		return fail(error, "a member of the bond has too long a name");
	snprintf(wish->members[wish->n_members++], sizeof(wish->members[0]), "%s", member);
	return 0;
}

static int read_number(const char *key, const char *value, uint32_t min, uint32_t max,
		       uint32_t *number, const struct message *error)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (value[0] < '0' || value[0] > '9' || *end != '\0' || n < min || n > max)
		return fail(error, "%s=%s of the bond must be a number from %u to %u", key, value,
			    min, max);
	*number = (uint32_t)n;
	return 0;
}

static int read_mode(struct dp_bond_wish *wish, const char *value, const struct message *error)
{
	uint32_t mode = 0;
	int rc = read_number("mode", value, 0, BONDING_MODE_ALB, &mode, error);

	if (rc != 0)
		return rc;
	if (mode == BONDING_MODE_8023AD)
		return fail(error, "mode=4 (LACP) of the bond is not supported: DPDK speaks LACP "
				   "only while other frames are sent");
	wish->mode = (uint8_t)mode;
	return 0;
}

static int read_policy(struct dp_bond_wish *wish, const char *value, const struct message *error)
{
	static const char *const policies[] = {
		[BALANCE_XMIT_POLICY_LAYER2] = "l2",
		[BALANCE_XMIT_POLICY_LAYER23] = "l23",
		[BALANCE_XMIT_POLICY_LAYER34] = "l34",
	};

	for (uint8_t i = 0; i < RTE_DIM(policies); i++) {
		if (strcmp(value, policies[i]) == 0) {
			wish->xmit_policy = i;
			return 0;
		}
	}
	return fail(error, "xmit_policy=%s of the bond must be l2, l23 or l34", value);
}

static int read_mac(struct dp_bond_wish *wish, const char *value, const struct message *error)
{
	struct rte_ether_addr mac;

	if (rte_ether_unformat_addr(value, &mac) != 0)
		return fail(error, "mac=%s of the bond is no MAC address", value);
	memcpy(wish->mac, mac.addr_bytes, sizeof(wish->mac));
	wish->has_mac = true;
	return 0;
}

/* primary: where its value is kept until all members are known. */
static int read_item(struct dp_bond_wish *wish, char *item, char *primary,
		     const struct message *error)
{
	char *value = strchr(item, '=');

	if (value == NULL)
		return fail(error, "\"%s\" among the bond's arguments has no value", item);
	*value++ = '\0';
	if (strcmp(item, "slave") == 0 || strcmp(item, "member") == 0)
		return add_member(wish, value, error);
	if (strcmp(item, "mode") == 0)
		return read_mode(wish, value, error);
	if (strcmp(item, "xmit_policy") == 0)
		return read_policy(wish, value, error);
	if (strcmp(item, "mac") == 0)
		return read_mac(wish, value, error);
	if (strcmp(item, "lsc_poll_period_ms") == 0)
		return read_number(item, value, 1, POLL_MS_MAX, &wish->poll_ms, error);
	if (strcmp(item, "primary") != 0)
		return fail(error,
			    "a bond has no argument \"%s\": there are mode, slave (or member), "
			    "primary, xmit_policy, mac, lsc_poll_period_ms",
			    item);
	snprintf(primary, ITEM_BYTES, "%s", bare(value));
	return 0;
}

int dp_bond_parse(const char *device, struct dp_bond_wish *wish, char *error, size_t error_size)
{
	const struct message message = {error, error_size};
	char item[ITEM_BYTES], primary[ITEM_BYTES] = "";
	int rc = next_item(&device, item, &message);

	memset(wish, 0, sizeof(*wish));
	wish->mode = UINT8_MAX;
	wish->poll_ms = POLL_MS_DEFAULT;
	if (rc < 0)
		return rc;
	if (strlen(item) > DP_BOND_NAME_BYTES_MAX)
		return fail(&message, "the bond's name is too long");
	snprintf(wish->name, sizeof(wish->name), "%.*s", DP_BOND_NAME_BYTES_MAX, item);
	while ((rc = next_item(&device, item, &message)) > 0) {
		rc = read_item(wish, item, primary, &message);
		if (rc != 0)
			return rc;
	}
	if (rc < 0)
		return rc;
	if (wish->mode == UINT8_MAX)
		return fail(&message, "the bond has no mode: mode=1 is active-backup");
	if (wish->n_members == 0)
		return fail(&message, "the bond has no members: name them with slave=");
	wish->has_primary = primary[0] != '\0';
	if (wish->has_primary)
		wish->primary = find_member(wish, primary);
	if (wish->primary == wish->n_members)
		return fail(&message, "primary=%s is not a member of the bond", primary);
	return 0;
}

/* ---- the bond ---- */

/* 0 or what DPDK says, and what was tried. */
static int set_up(const struct dp_bond_wish *wish, const struct dp_bond *members, uint16_t id,
		  const char **what)
{
	struct rte_ether_addr mac;
	int rc = 0;

	memcpy(mac.addr_bytes, wish->mac, sizeof(wish->mac));
	*what = "mac";
	if (wish->has_mac)
		rc = rte_eth_bond_mac_address_set(id, &mac);
	for (uint16_t i = 0; rc == 0 && i < members->n; i++) {
		*what = wish->members[i];
		rc = bond_add(id, members->members[i].eth_id);
	}
	if (rc != 0)
		return rc;
	*what = "primary";
	if (wish->has_primary)
		rc = rte_eth_bond_primary_set(id, members->members[wish->primary].eth_id);
	*what = rc != 0 ? *what : "xmit_policy";
	if (rc == 0 && wish->mode == BONDING_MODE_BALANCE)
		rc = rte_eth_bond_xmit_policy_set(id, wish->xmit_policy);
	*what = rc != 0 ? *what : "lsc_poll_period_ms";
	if (rc == 0)
		rc = rte_eth_bond_link_monitoring_set(id, wish->poll_ms);
	return rc;
}

int dp_bond_make(const struct dp_bond_wish *wish, struct dp_bond *bond, uint16_t *eth_id,
		 char *error, size_t error_size)
{
	const struct message message = {error, error_size};
	const char *what;
	uint16_t taken;
	int id;

	if (rte_eth_dev_get_port_by_name(wish->name, &taken) == 0)
		return fail(&message, "%s is another port already", wish->name);
	id = rte_eth_bond_create(wish->name, wish->mode, (uint8_t)rte_socket_id());
	if (id < 0)
		return fail(&message, "DPDK can't make %s: its log says why", wish->name);
	if (set_up(wish, bond, (uint16_t)id, &what) != 0) {
		rte_eth_bond_free(wish->name);
		return fail(&message, "DPDK refuses %s for the bond: its log says why", what);
	}
	*eth_id = (uint16_t)id;
	bond->one_sends = wish->mode == BONDING_MODE_ACTIVE_BACKUP;
	bond->primary = wish->has_primary ? bond->members[wish->primary].eth_id : RTE_MAX_ETHPORTS;
	bond->look_every_ms = wish->poll_ms;
	return 0;
}

static bool has_link(uint16_t eth_id)
{
	struct rte_eth_link link;

	return rte_eth_link_get_nowait(eth_id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

/* DPDK's bond goes by interrupts of members that say they have them; the tap driver has, and does
 * not pass them on. For the others the bond has done this before we come. */
bool dp_bond_follow(const struct dp_bond *bond, uint16_t eth_id)
{
	int now = bond->one_sends ? rte_eth_bond_primary_get(eth_id) : -1;
	uint16_t best = RTE_MAX_ETHPORTS;

	for (uint16_t i = 0; i < bond->n; i++) {
		uint16_t id = bond->members[i].eth_id;

		if (has_link(id) && (best == RTE_MAX_ETHPORTS || id == bond->primary ||
				     (id == now && best != bond->primary)))
			best = id;
	}
	if (best == RTE_MAX_ETHPORTS)
		return false;
	if (bond->one_sends && best != now)
		(void)rte_eth_bond_primary_set(eth_id, best);
	return true;
}

void dp_bond_close_members(struct dp_bond *bond)
{
	struct rte_eth_dev_info info;

	for (uint16_t i = 0; i < bond->n; i++) {
		uint16_t id = bond->members[i].eth_id;

		if (rte_eth_dev_info_get(id, &info) != 0)
			continue;
		(void)rte_eth_dev_stop(id);
		(void)rte_eth_dev_close(id);
		if (bond->members[i].made)
			(void)rte_dev_remove(info.device);
	}
	bond->n = 0;
}
