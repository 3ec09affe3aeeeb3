/* Bonds: how what the operator wrote is read, and what is refused with a sentence that helps; bonds
 * of devices that need nothing. */
#include <errno.h>

#include <rte_eth_bond.h>
#include <rte_ethdev.h>

#include "dataplane/device.h"
#include "tests/unit/dataplane/whole.h"

static int open_bond(struct dp *dp, struct dp_device *d, const char *port, const char *device,
		     char *error, size_t size)
{
	const struct dp_device_wish wish = {.port = port, .device = device, .queues = 2};

	return dp_device_open(d, 0, &wish, dp->pool, error, size);
}

static void parsed(void **state)
{
	struct dp_bond_wish wish;
	char error[256] = "";

	(void)state;
	assert_true(dp_bond_named("net_bonding0,mode=1"));
	assert_false(dp_bond_named("net_tap0,iface=net_bonding0"));
	assert_int_equal(dp_bond_parse("net_bonding_x,slave=0000:3b:00.0,mode=2,"
				       "member=(net_tap0,iface=x,mac=fixed),xmit_policy=l34,"
				       "slave=net_null0,primary=net_tap0,mac=02:00:00:00:00:01,"
				       "lsc_poll_period_ms=50",
				       &wish, error, sizeof(error)),
			 0);
	assert_string_equal(wish.name, "net_bonding_x");
	assert_int_equal(wish.mode, BONDING_MODE_BALANCE);
	assert_int_equal(wish.n_members, 3);
	assert_string_equal(wish.members[0], "0000:3b:00.0");
	assert_string_equal(wish.members[1], "net_tap0,iface=x,mac=fixed");
	assert_string_equal(wish.members[2], "net_null0");
	assert_int_equal(wish.primary, 1);
	assert_int_equal(wish.xmit_policy, BALANCE_XMIT_POLICY_LAYER34);
	assert_true(wish.has_mac && wish.mac[0] == 2 && wish.mac[5] == 1);
	assert_int_equal(wish.poll_ms, 50);
	assert_int_equal(dp_bond_parse("net_bonding0,mode=1,slave=3b:00.0,slave=3b:00.1,"
				       "primary=0000:3b:00.1",
				       &wish, error, sizeof(error)),
			 0);
	assert_int_equal(wish.primary, 1);
}

static void refused(void **state)
{
	static const struct {
		const char *device, *says;
	} rows[] = {
		{"net_bonding0", "no mode"},
		{"net_bonding0,mode=1", "no members"},
		{"net_bonding0,mode=7,slave=net_null0", "mode=7 of the bond must be a number"},
		{"net_bonding0,mode=x,slave=net_null0", "mode=x of the bond must be a number"},
		{"net_bonding0,mode=4,slave=net_null0", "LACP"},
		{"net_bonding0,mode=1,slave=eth1", "\"eth1\" cannot be a member"},
		{"net_bonding0,mode=1,slave=", "\"\" cannot be a member"},
		{"net_bonding0,mode=1,slave=(net_tap0,iface=x", "parentheses"},
		{"net_bonding0,mode=1,slave=net_tap0)", "parentheses"},
		{"net_bonding0,mode=1,slave=net_null0,slave=(net_null0,size=64)",
		 "net_null0,size=64 is a member of the bond twice"},
		{"net_bonding0,mode=1,slave=0000:3b:00.0,slave=3b:00.0", "3b:00.0 is a member"},
		{"net_bonding0,mode=1,slave=net_bonding1", "a bond cannot be a member"},
		{"net_bonding0,mode=1,slave=net_null0,primary=net_null1", "primary=net_null1"},
		{"net_bonding0,mode=1,slave=net_null0,colour=red", "no argument \"colour\""},
		{"net_bonding0,mode=1,slave=net_null0,mac=red", "mac=red"},
		{"net_bonding0,mode=1,slave=net_null0,xmit_policy=l5", "l2, l23 or l34"},
		{"net_bonding0,mode=1,slave=net_null0,lsc_poll_period_ms=-1", "from 1 to 10000"},
		{"net_bonding0,mode=1,slave", "\"slave\" among the bond's arguments has no value"},
		{"net_bonding0_of_a_name_that_goes_on_and_on,mode=1,slave=net_null0", "too long"},
	};
	struct dp *dp = whole_new(1);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct dp_device port;
		char error[512] = "";
		int rc = open_bond(dp, &port, "wan", rows[i].device, error, sizeof(error));

		if (rc >= 0 || strncmp(error, "port wan: ", 10) != 0 ||
		    strstr(error, rows[i].says) == NULL)
			fail_msg("%s: %d, %s", rows[i].device, rc, error);
		assert_int_equal(rte_eth_dev_count_avail(), 0);
	}
	dp_free(dp);
}

/* Members are of the bond alone, and go with it. */
static void members(void **state)
{
	static const struct {
		const char *device, *says;
	} rows[] = {
		{"net_null0", "net_null0 is another port already"},
		{"net_bonding1,mode=1,slave=net_null2,slave=net_null0",
		 "net_null0 is another port already"},
		{"net_bonding0,mode=1,slave=net_null2", "net_bonding0 is another port already"},
		{"net_bonding1,mode=1,slave=0000:ff:1f.7", "no PCI device 0000:ff:1f.7"},
		{"net_bonding1,mode=1,slave=net_nosuch0", "no driver of DPDK takes net_nosuch0"},
	};
	struct dp *dp = whole_new(1);
	struct dp_device port, other;
	char error[512] = "";
	uint16_t id;

	(void)state;
	/* Twice: what is closed is really given back. */
	for (unsigned int round = 0; round < 2; round++) {
		if (open_bond(dp, &port, "wan",
			      "net_bonding0,mode=1,slave=(net_null0,copy=1),slave=net_null1", error,
			      sizeof(error)) != 0 ||
		    dp_device_start(&port, 2, 2, dp->pool, error, sizeof(error)) != 0)
			fail_msg("%s", error);
		assert_string_equal(port.driver, "net_bonding");
		assert_int_equal(port.bond.n, 2);
		assert_int_equal(rte_eth_bond_primary_get(port.eth_id),
				 port.bond.members[0].eth_id);
		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
			int rc = open_bond(dp, &other, "lan", rows[i].device, error, sizeof(error));

			if (rc >= 0 || strncmp(error, "port lan: ", 10) != 0 ||
			    strstr(error, rows[i].says) == NULL)
				fail_msg("%s: %d, %s", rows[i].device, rc, error);
			assert_int_not_equal(rte_eth_dev_get_port_by_name("net_null2", &id), 0);
		}
		dp_device_close(&port);
		assert_int_not_equal(rte_eth_dev_get_port_by_name("net_null0", &id), 0);
		assert_int_not_equal(rte_eth_dev_get_port_by_name("net_bonding0", &id), 0);
	}
	dp_free(dp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsed),
		cmocka_unit_test(refused),
		cmocka_unit_test(members),
	};

	test_eal_start();
	return UNIT_RUN(tests);
}
