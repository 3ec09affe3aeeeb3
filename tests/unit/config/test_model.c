/* Prefixes against a bit-by-bit oracle, kinds of devices, lookup. */
#include <sys/socket.h>

#include "config/keytext.h"
#include "config/model.h"
#include "tests/unit/unit.h"

static struct cf_prefix prefix(const char *text)
{
	struct cf_prefix p;

	assert_true(cf_prefix_from_text(&p, text, false));
	return p;
}

static void test_mask(void **state)
{
	static const struct {
		const char *given, *masked;
	} rows[] = {
		{"1.2.3.77/24", "1.2.3.0/24"},
		{"1.2.3.77/0", "0.0.0.0/0"},
		{"1.2.3.77/32", "1.2.3.77/32"},
		{"1.2.3.255/25", "1.2.3.128/25"},
		{"1.2.3.255/31", "1.2.3.254/31"},
		{"255.255.255.255/1", "128.0.0.0/1"},
		{"2001:db8:ffff::1/33", "2001:db8:8000::/33"},
		{"2001:db8::ffff/128", "2001:db8::ffff/128"},
		{"2001:db8::ffff/127", "2001:db8::fffe/127"},
		{"ffff::1/0", "::/0"},
		{"::ffff:1.2.3.4/96", "::ffff:0.0.0.0/96"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_prefix p = prefix(rows[i].given);
		char text[CF_PREFIX_TEXT_BYTES];

		cf_prefix_mask(&p);
		cf_prefix_to_text(text, &p);
		assert_string_equal(text, rows[i].masked);
	}
}

static bool bit(const struct cf_prefix *p, unsigned int i)
{
	return p->addr[i / 8] >> (7 - i % 8) & 1;
}

static bool naive_contains(const struct cf_prefix *outer, const struct cf_prefix *inner)
{
	if (outer->family != inner->family || outer->len > inner->len)
		return false;
	for (unsigned int i = 0; i < outer->len; i++)
		if (bit(outer, i) != bit(inner, i))
			return false;
	return true;
}

static struct cf_prefix random_prefix(uint64_t *seed)
{
	struct cf_prefix p = {.family = unit_random(seed) >> 40 & 1 ? AF_INET : AF_INET6};
	unsigned int bits = p.family == AF_INET ? 32 : 128;

	/* Few values, so that containment happens. */
	for (unsigned int i = 0; i < bits / 8; i++)
		p.addr[i] = unit_random(seed) >> 40 & 1 ? 0x80 : 0;
	p.len = (uint8_t)((unit_random(seed) >> 40) % (bits + 1));
	if ((unit_random(seed) >> 40) % 2)
		p.len %= 20;
	return p;
}

static void test_contains(void **state)
{
	uint64_t seed = 42;
	unsigned int contained = 0;

	for (int i = 0; i < 200000; i++) {
		struct cf_prefix a = random_prefix(&seed), b = random_prefix(&seed), c = a;
		bool expected = naive_contains(&a, &b);

		assert_int_equal(cf_prefix_contains(&a, &b), expected);
		contained += expected;
		cf_prefix_mask(&c);
		for (unsigned int j = 0; j < (a.family == AF_INET ? 32 : 128); j++)
			assert_int_equal(bit(&c, j), j < a.len && bit(&a, j));
		assert_int_equal(cf_prefix_compare(&a, &b) < 0, cf_prefix_compare(&b, &a) > 0);
		assert_int_equal(cf_prefix_compare(&a, &a), 0);
	}
	assert_true(contained > 1000);
}

static void test_order(void **state)
{
	static const char *const sorted[] = {"0.0.0.0/0",    "10.0.0.0/8", "10.0.0.0/9",
					     "10.1.0.0/16",  "::/0",	   "2001:db8::/32",
					     "2001:db8::/48"};

	for (size_t i = 0; i < 7; i++)
		for (size_t j = 0; j < 7; j++) {
			struct cf_prefix a = prefix(sorted[i]), b = prefix(sorted[j]);
			int order = cf_prefix_compare(&a, &b);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
}

static void test_device(void **state)
{
	static const struct {
		const char *device;
		enum cf_device kind;
	} rows[] = {
		{"eth1", CF_DEVICE_LINUX},
		{"enp3s0f0", CF_DEVICE_LINUX},
		{"0000:3b:00.0", CF_DEVICE_PCI},
		{"0000:3b:00.g", CF_DEVICE_LINUX},
		{"0000:3b:00.01", CF_DEVICE_LINUX},
		{"3b:00.0", CF_DEVICE_PCI},
		{"net_null0", CF_DEVICE_VDEV},
		{"net_pcap0,iface=lo", CF_DEVICE_VDEV},
		{"eth_ring0,nodeaction=x", CF_DEVICE_VDEV},
		{"", CF_DEVICE_LINUX},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char device[64];
		struct cf_port port = {.device = device};

		snprintf(device, sizeof(device), "%s", rows[i].device);
		assert_int_equal(cf_port_device(&port), rows[i].kind);
	}
}

static void test_pci(void **state)
{
	static const struct {
		const char *device;
		bool pci;
	} rows[] = {
		{"0000:3b:00.0", true},
		{"3b:00.0", true},
		{"eth1", false},
		{"net_null0,x=3b:00.0", false},
		{"net_bonding0,mode=1,slave=net_null0", false},
		{"net_bonding0,mode=1,slave=3b:00.0", true},
		{"net_bonding0,mode=1,slave=net_null0,member=0000:3b:00.1,mac=x", true},
		{"net_bonding0,mode=1,slave=(net_tap0,iface=3b:00.0)", false},
		{"net_bonding0,mode=1,slave=0000:3b:00.1.2", false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char device[128];
		struct cf_port port = {.device = device};

		snprintf(device, sizeof(device), "%s", rows[i].device);
		assert_int_equal(cf_port_has_pci(&port), rows[i].pci);
	}
}

static void test_interface(void **state)
{
	struct cf_interface interfaces[] = {{.name = "wg0"}, {.name = "wg1"}};
	struct cf_config config = {.interfaces = interfaces, .n_interfaces = 2};

	assert_ptr_equal(cf_config_interface(&config, "wg1"), &interfaces[1]);
	assert_null(cf_config_interface(&config, "wg"));
	cf_config_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mask),  cmocka_unit_test(test_contains),
		cmocka_unit_test(test_order), cmocka_unit_test(test_device),
		cmocka_unit_test(test_pci),   cmocka_unit_test(test_interface),
	};

	return UNIT_RUN(tests);
}
