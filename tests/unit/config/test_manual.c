/*
 * wgdp.yaml(5) lists the keys that the parser knows: all of them, no others, in the parser's order,
 * with its text.
 */
#include "tests/unit/unit.h"

#include "config/items.h"

struct row {
	const char *section, *key, *value, *text;
};

#define GATEWAY(reader, key, value, text)    {"The gateway", key, value, text},
#define PORT(reader, key, value, text)	     {"A port", key, value, text},
#define PORT_ROUTE(reader, key, value, text) {"A route of a port", key, value, text},
#define INTERFACE(reader, key, value, text)  {"An interface", key, value, text},
#define PEER(reader, key, value, text)	     {"A peer", key, value, text},

static const struct row rows[] = {
	/* clang-format off */
	CF_GATEWAY_ITEMS(GATEWAY)
	CF_PORT_ITEMS(PORT)
	CF_PORT_ROUTE_ITEMS(PORT_ROUTE)
	CF_INTERFACE_ITEMS(INTERFACE)
	CF_PEER_ITEMS(PEER)
	/* clang-format on */
};

static void test_wgdp_yaml(void **state)
{
	FILE *f = fopen(WGDP_SOURCE_ROOT "/docs/man/wgdp.yaml.5", "r");
	char line[256], section[256] = "", expected[256];
	size_t row = 0, n = sizeof(rows) / sizeof(rows[0]);

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, ".Ss ", 4))
			snprintf(section, sizeof(section), "%s", line + 4);
		if (strncmp(line, ".It Cm ", 7))
			continue;
		if (row == n)
			fail_msg("the parser does not know what the manual says: %s", line);
		snprintf(expected, sizeof(expected), ".It Cm %s : Ar %s", rows[row].key,
			 rows[row].value);
		assert_string_equal(line, expected);
		assert_string_equal(section, rows[row].section);
		assert_non_null(fgets(line, sizeof(line), f));
		line[strcspn(line, "\n")] = '\0';
		assert_string_equal(line, rows[row].text);
		row++;
	}
	fclose(f);
	if (row < n)
		fail_msg("the manual lacks \"%s\" of \"%s\"", rows[row].key, rows[row].section);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_wgdp_yaml)};

	return UNIT_RUN(tests);
}
