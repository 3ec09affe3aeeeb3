/* Text forms of keys, prefixes and endpoints, both ways, and what must be refused. */
#include <net/if.h>
#include <sys/socket.h>

#include "config/keytext.h"
#include "tests/unit/unit.h"

static void test_key(void **state)
{
	static const char base64[] = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
	static const char hex[] =
		"c53201039adba14be71f886da1d8dbe9eebded08cb111b75340078999aa9f038";
	uint8_t key[CF_KEY_BYTES], same[CF_KEY_BYTES];
	char text[CF_KEY_HEX_BYTES], upper[CF_KEY_HEX_BYTES];

	assert_true(cf_key_from_base64(key, base64));
	cf_key_to_hex(text, key);
	assert_string_equal(text, hex);
	cf_key_to_base64(text, key);
	assert_string_equal(text, base64);
	assert_true(cf_key_from_hex(same, hex));
	assert_memory_equal(key, same, sizeof(key));
	for (size_t i = 0; i < sizeof(upper); i++)
		upper[i] = hex[i] >= 'a' ? (char)(hex[i] - 32) : hex[i];
	assert_true(cf_key_from_hex(same, upper));
	assert_memory_equal(key, same, sizeof(key));
}

static void test_key_random(void **state)
{
	uint64_t seed = 7;

	for (int i = 0; i < 10000; i++) {
		uint8_t key[CF_KEY_BYTES], same[CF_KEY_BYTES];
		char text[CF_KEY_HEX_BYTES];

		unit_random_fill(&seed, key, sizeof(key));
		cf_key_to_base64(text, key);
		assert_true(cf_key_from_base64(same, text));
		assert_memory_equal(key, same, sizeof(key));
		cf_key_to_hex(text, key);
		assert_true(cf_key_from_hex(same, text));
		assert_memory_equal(key, same, sizeof(key));
	}
}

static void test_bad_key(void **state)
{
	static const char *const base64[] = {
		"",
		"=",
		"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg",
		"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg==",
		"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8DgA",
		/* Bits beyond the last byte. */
		"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dh=",
		"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8D==",
		"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8-g=",
		"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8_g=",
		" TIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=",
		"xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=\n",
	};
	static const char *const hex[] = {
		"",
		"c53201039adba14be71f886da1d8dbe9eebded08cb111b75340078999aa9f03",
		"c53201039adba14be71f886da1d8dbe9eebded08cb111b75340078999aa9f0380",
		"g53201039adba14be71f886da1d8dbe9eebded08cb111b75340078999aa9f038",
		"c53201039adba14be71f886da1d8dbe9eebded08cb111b75340078999aa9f03 ",
		"c5:201039adba14be71f886da1d8dbe9eebded08cb111b75340078999aa9f038",
	};
	uint8_t key[CF_KEY_BYTES];

	for (size_t i = 0; i < sizeof(base64) / sizeof(base64[0]); i++)
		assert_false(cf_key_from_base64(key, base64[i]));
	for (size_t i = 0; i < sizeof(hex) / sizeof(hex[0]); i++)
		assert_false(cf_key_from_hex(key, hex[i]));
}

static void test_number(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		bool ok, decimal_ok;
		uint64_t value;
	} rows[] = {
		{"0", 0, true, true, 0},
		{"65535", 65535, true, true, 65535},
		{"65536", 65535, false, false, 0},
		{"0x10", 255, true, false, 16},
		{"0XfF", 255, true, false, 255},
		{"0x100", 255, false, false, 0},
		{"0x", 255, false, false, 0},
		{"0xg", 255, false, false, 0},
		{"", 255, false, false, 0},
		{"-1", 255, false, false, 0},
		{"+1", 255, false, false, 0},
		{" 1", 255, false, false, 0},
		{"1 ", 255, false, false, 0},
		{"010", 255, false, false, 0},
		{"00", 255, false, false, 0},
		{"1", 0, false, false, 0},
		{"9", 5, false, false, 0},
		{"1f", 255, false, false, 0},
		{"18446744073709551615", UINT64_MAX, true, true, UINT64_MAX},
		{"18446744073709551616", UINT64_MAX, false, false, 0},
		{"99999999999999999999999", UINT64_MAX, false, false, 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t value = 0;

		assert_int_equal(cf_number_from_text(&value, rows[i].text, rows[i].max),
				 rows[i].ok);
		if (rows[i].ok)
			assert_true(value == rows[i].value);
		assert_int_equal(cf_decimal_from_text(&value, rows[i].text, rows[i].max),
				 rows[i].decimal_ok);
	}
}

static void test_prefix(void **state)
{
	static const struct {
		const char *text, *back;
	} good[] = {
		{"10.0.0.0/8", "10.0.0.0/8"},
		{"10.8.0.1/16", "10.8.0.1/16"},
		{"10.8.0.1", "10.8.0.1/32"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"::/0", "::/0"},
		{"2001:DB8::1", "2001:db8::1/128"},
		{"2001:db8::/48", "2001:db8::/48"},
		{"::ffff:1.2.3.4/128", "::ffff:1.2.3.4/128"},
	};
	static const char *const bad[] = {
		"",
		"/",
		"10.0.0.0/33",
		"10.0.0.0/",
		"10.0.0/8",
		"10.0.0.0/-1",
		"10.0.0.0/ 8",
		"10.0.0.0/8/8",
		"10.0.0.0/0x8",
		"10.0.0.0/08",
		"::/129",
		"fe80::1%lo",
		"[::1]/128",
		" 10.0.0.0/8",
		"10.0.0.0/8 ",
		"010.0.0.0/8",
		"host/8",
		"-10.0.0.0/8",
		"1.2.3.4.5",
		"::1::/12",
	};
	struct cf_prefix p;
	char text[CF_PREFIX_TEXT_BYTES];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(cf_prefix_from_text(&p, good[i].text, false));
		cf_prefix_to_text(text, &p);
		assert_string_equal(text, good[i].back);
		assert_int_equal(cf_prefix_from_text(&p, good[i].text, true),
				 strchr(good[i].text, '/') != NULL);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cf_prefix_from_text(&p, bad[i], false))
			fail_msg("\"%s\" was taken as a prefix", bad[i]);
}

static void test_endpoint(void **state)
{
	static const struct {
		const char *text, *back;
	} good[] = {
		{"198.51.100.7:51820", "198.51.100.7:51820"},
		{"1.2.3.4:65535", "1.2.3.4:65535"},
		{"[2001:db8::1]:1", "[2001:db8::1]:1"},
		{"[fe80::1%lo]:5", "[fe80::1%lo]:5"},
		{"[fe80::1%1]:5", "[fe80::1%lo]:5"},
		{"[fe80::1%4000000000]:5", "[fe80::1%4000000000]:5"},
		{"[fe80::1]:5", "[fe80::1]:5"},
		/* A scope means nothing there. */
		{"[2001:db8::1%lo]:5", "[2001:db8::1]:5"},
	};
	static const char *const bad[] = {
		"",
		":",
		"1.2.3.4",
		"1.2.3.4:",
		"1.2.3.4:0",
		"1.2.3.4:65536",
		"1.2.3.4:0x5",
		"1.2.3.4:05",
		"1.2.3.4:+5",
		"1.2.3:5",
		"2001:db8::1:5",
		"[2001:db8::1]",
		"[2001:db8::1]5",
		"[1.2.3.4]:5",
		"[]:5",
		"[::1%nosuchlink]:5",
		"[::1%]:5",
		"[fe80::1%-1]:5",
		"host.example:5",
		"[::1:5",
		"::1]:5",
		"1.2.3.4:5 ",
		" 1.2.3.4:5",
		":51820",
		"[:5",
		"[2001:db8:1111:2222:3333:4444:5555:6666:7777:8888:9999]:5",
		"[fe80::1%0123456789012345678901234567890123456789]:5",
	};
	struct cf_endpoint e;
	char text[CF_ENDPOINT_TEXT_BYTES];

	if (if_nametoindex("lo") != 1)
		skip();
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		if (!cf_endpoint_from_text(&e, good[i].text))
			fail_msg("\"%s\" was refused", good[i].text);
		cf_endpoint_to_text(text, &e);
		assert_string_equal(text, good[i].back);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (cf_endpoint_from_text(&e, bad[i]))
			fail_msg("\"%s\" was taken as an endpoint", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key),	cmocka_unit_test(test_key_random),
		cmocka_unit_test(test_bad_key), cmocka_unit_test(test_number),
		cmocka_unit_test(test_prefix),	cmocka_unit_test(test_endpoint),
	};

	return UNIT_RUN(tests);
}
