/*
 * The `wg` protocol without sockets: each row is what a client says in one request to an interface
 * that the rows before it left, the answer, and what a get shows then.
 */
#include <errno.h>

#include <sodium.h>

#include "config/keytext.h"
#include "config/uapi_get.h"
#include "config/uapi_parse.h"
#include "tests/unit/config/fake_interface.h"
#include "tests/unit/unit.h"

#define A	  "00000000000000000000000000000000000000000000000000000000000000aa"
#define B	  "00000000000000000000000000000000000000000000000000000000000000bb"
#define ZEROS	  "0000000000000000000000000000000000000000000000000000000000000000"
#define FF	  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define F8	  "f8ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
#define F8_PUBLIC "847c0d2c375234f365e660955187a3735a0f7613d1609d3a6a4d8c53aeaa5a22"

#define PSK  "preshared_key="
#define TAIL "persistent_keepalive_interval=0\n"

#define HANDSHAKE   "last_handshake_time_sec=0\nlast_handshake_time_nsec=0\n"
#define STATS	    HANDSHAKE "tx_bytes=0\nrx_bytes=0\n"
#define PEER(key)   "public_key=" key "\n" PSK ZEROS "\nprotocol_version=1\n" STATS TAIL
#define PEER_A	    "listen_port=0\n" PEER(A)
#define ONLY_PORT_0 "listen_port=0\n"

static const struct {
	const char *set; /* after set=1, without the empty line */
	int error;
	const char *get; /* what is there then, without errno; NULL: as before */
} rows[] = {
	/* Device. */
	{"", 0, ONLY_PORT_0},
	{"listen_port=51820\n", 0, "listen_port=51820\n"},
	{"listen_port=65536\n", -EINVAL, NULL},
	{"listen_port=\n", -EINVAL, NULL},
	{"listen_port=-1\n", -EINVAL, NULL},
	{"listen_port= 1\n", -EINVAL, NULL},
	{"listen_port=0x1\n", -EINVAL, NULL},
	{"fwmark=16\n", 0, "listen_port=51820\nfwmark=16\n"},
	{"fwmark=0x10\n", -EINVAL, NULL},
	{"fwmark=4294967296\n", -EINVAL, NULL},
	{"fwmark=4294967295\n", 0, "listen_port=51820\nfwmark=4294967295\n"},
	{"fwmark=0\nlisten_port=0\n", 0, ONLY_PORT_0},
	{"private_key=" FF "\n", 0, "private_key=" F8 "\n" ONLY_PORT_0},
	{"private_key=" ZEROS "\n", 0, ONLY_PORT_0},
	{"private_key=" FF "f\n", -EINVAL, NULL},
	{"private_key=\n", -EINVAL, NULL},
	/* What was applied before an error stays. */
	{"listen_port=7\nfwmark=x\nlisten_port=8\n", -EINVAL, "listen_port=7\n"},
	{"listen_port=0\n", 0, ONLY_PORT_0},
	/* Lines that are none. */
	{"listen_port\n", -EPROTO, NULL},
	{"=\n", -EPROTO, NULL},
	{"=1\n", -EPROTO, NULL},
	{"nonsense=1\n", -EINVAL, NULL},
	{"Listen_port=1\n", -EINVAL, NULL},
	{"get=1\n", -EINVAL, NULL},
	{"listen_port=1\r\n", -EINVAL, NULL},
	/* Peers. */
	{"public_key=" A "\n", 0, PEER_A},
	{"public_key=" A "\n", 0, PEER_A},
	{"public_key=zz\n", -EINVAL, NULL},
	{"public_key=\n", -EINVAL, NULL},
	{"public_key=" A "\nlisten_port=1\n", -EINVAL, NULL},
	{"public_key=" A "\nprivate_key=" FF "\n", -EINVAL, NULL},
	{"public_key=" A "\nreplace_peers=true\n", -EINVAL, NULL},
	{"endpoint=1.2.3.4:5\n", -EINVAL, NULL},
	{"allowed_ip=1.2.3.4/32\n", -EINVAL, NULL},
	{"remove=true\n", -EINVAL, NULL},
	{"update_only=true\n", -EINVAL, NULL},
	{"protocol_version=1\n", -EINVAL, NULL},
	{"public_key=" A "\nprotocol_version=1\n", 0, PEER_A},
	{"public_key=" A "\nprotocol_version=2\n", -EINVAL, NULL},
	{"public_key=" A "\npreshared_key=" FF "\n", 0,
	 "listen_port=0\npublic_key=" A "\n" PSK FF "\nprotocol_version=1\n" STATS TAIL},
	{"public_key=" A "\npreshared_key=12\n", -EINVAL, NULL},
	{"public_key=" A "\npreshared_key=" ZEROS "\n", 0, PEER_A},
	{"public_key=" A "\nendpoint=host.example:5\n", -EINVAL, NULL},
	{"public_key=" A "\nendpoint=1.2.3.4\n", -EINVAL, NULL},
	{"public_key=" A "\nendpoint=[2001:db8::1]:5\n", 0,
	 "listen_port=0\npublic_key=" A "\n" PSK ZEROS
	 "\nprotocol_version=1\nendpoint=[2001:db8::1]:5\n" STATS TAIL},
	{"public_key=" A "\npersistent_keepalive_interval=65536\n", -EINVAL, NULL},
	{"public_key=" A "\npersistent_keepalive_interval=off\n", -EINVAL, NULL},
	{"public_key=" A "\nremove=yes\n", -EINVAL, NULL},
	{"public_key=" A "\nremove=true\n", 0, ONLY_PORT_0},
	/* Removing what is not there is no error, and makes nothing. */
	{"public_key=" A "\nremove=true\n", 0, ONLY_PORT_0},
	{"public_key=" A "\nremove=true\nallowed_ip=1.2.3.0/24\n", 0, ONLY_PORT_0},
	/* What is ignored is still checked. */
	{"public_key=" A "\nremove=true\nallowed_ip=1.2.3.0\n", -EINVAL, ONLY_PORT_0},
	{"public_key=" A "\nupdate_only=true\nendpoint=1.2.3.4:5\n", 0, ONLY_PORT_0},
	{"public_key=" A "\nupdate_only=false\n", -EINVAL, PEER_A},
	{"public_key=" A "\nupdate_only=true\npersistent_keepalive_interval=9\n", 0,
	 "listen_port=0\npublic_key=" A "\n" PSK ZEROS "\nprotocol_version=1\n" STATS
	 "persistent_keepalive_interval=9\n"},
	{"replace_peers=no\n", -EINVAL, NULL},
	{"replace_peers=true\n", 0, ONLY_PORT_0},
	/* The peer of a section with an error exists, and so does the one of `update_only` too
	   late. */
	{"public_key=" A "\nallowed_ip=1.2.3.0\npublic_key=" B "\n", -EINVAL, PEER_A},
	{"replace_peers=true\npublic_key=" A "\nfoo=1\n", -EINVAL, PEER_A},
	{"replace_peers=true\npublic_key=" A "\nendpoint=1.2.3.4:5\nupdate_only=true\n", 0,
	 ONLY_PORT_0},
	/* Prefixes. */
	{"public_key=" A "\nallowed_ip=1.2.3.77/24\nallowed_ip=1.2.3.0/24\n", 0,
	 PEER_A "allowed_ip=1.2.3.0/24\n"},
	{"public_key=" A "\nallowed_ip=::ffff:1.2.3.0/120\nallowed_ip=0.0.0.0/0\nallowed_ip=::/0\n",
	 0,
	 PEER_A "allowed_ip=1.2.3.0/24\nallowed_ip=::ffff:1.2.3.0/120\nallowed_ip=0.0.0.0/0\n"
		"allowed_ip=::/0\n"},
	{"public_key=" A "\nallowed_ip=-0.0.0.0/0\nallowed_ip=-9.9.9.9/32\nallowed_ip=-::1/0\n", 0,
	 PEER_A "allowed_ip=1.2.3.0/24\nallowed_ip=::ffff:1.2.3.0/120\n"},
	{"public_key=" A "\nallowed_ip=--1.2.3.0/24\n", -EINVAL, NULL},
	{"public_key=" A "\nallowed_ip=1.2.3.0/33\n", -EINVAL, NULL},
	{"public_key=" A "\nallowed_ip=-1.2.3.0\n", -EINVAL, NULL},
	/* Removing a prefix of another peer does nothing; adding it takes it. */
	{"public_key=" B "\nallowed_ip=-1.2.3.0/24\n", 0,
	 PEER_A "allowed_ip=1.2.3.0/24\nallowed_ip=::ffff:1.2.3.0/120\n" PEER(B)},
	{"public_key=" B "\nallowed_ip=1.2.3.0/24\n", 0,
	 PEER_A "allowed_ip=::ffff:1.2.3.0/120\n" PEER(B) "allowed_ip=1.2.3.0/24\n"},
	{"public_key=" A "\nreplace_allowed_ips=true\nallowed_ip=9.0.0.0/8\npublic_key=" B
	 "\nreplace_allowed_ips=true\n",
	 0, PEER_A "allowed_ip=9.0.0.0/8\n" PEER(B)},
	{"public_key=" A "\nreplace_allowed_ips=1\n", -EINVAL, NULL},
	{"public_key=" A "\nremove=true\npublic_key=" B "\n", 0, ONLY_PORT_0 PEER(B)},
	/* One's own key is no peer, whichever comes first. */
	{"replace_peers=true\nprivate_key=" FF "\npublic_key=" F8_PUBLIC
	 "\nendpoint=1.2.3.4:5\nallowed_ip=::/0\n",
	 0, "private_key=" F8 "\n" ONLY_PORT_0},
	{"private_key=" ZEROS "\npublic_key=" F8_PUBLIC "\n", 0, ONLY_PORT_0 PEER(F8_PUBLIC)},
	{"private_key=" FF "\n", 0, "private_key=" F8 "\n" ONLY_PORT_0},
};

/* Gives each line; returns the last verdict. */
static enum cf_uapi_verdict say(struct cf_uapi_request *request, struct fake_interface *f,
				const char *text)
{
	enum cf_uapi_verdict verdict = CF_UAPI_MORE;

	while (*text) {
		size_t len = strcspn(text, "\n");
		char line[256];

		assert_int_equal(verdict, CF_UAPI_MORE);
		assert_true(len < sizeof(line));
		memcpy(line, text, len);
		line[len] = '\0';
		verdict = cf_uapi_line(request, &fake_ops, f, line, len);
		text += len + 1;
	}
	return verdict;
}

static void get_text(struct fake_interface *f, char *out, size_t size)
{
	struct cf_uapi_get get = {0};

	while (get.at != CF_UAPI_GET_DONE) {
		char piece[CF_UAPI_PIECE_BYTES];
		size_t n = cf_uapi_get_write(&get, &fake_ops, f, piece, sizeof(piece));

		assert_true(n > 0 || get.at != CF_UAPI_GET_DONE);
		assert_true(n < size);
		memcpy(out, piece, n);
		out += n;
		size -= n;
	}
	*out = '\0';
	cf_uapi_get_reset(&get);
}

static void test_rows(void **state)
{
	struct fake_interface f = {0};
	struct cf_uapi_request request = {0};
	const char *there = "";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char expected[4096], got[4096];

		there = rows[i].get ? rows[i].get : there;
		snprintf(expected, sizeof(expected), "%serrno=0\n\n", there);
		assert_int_equal(say(&request, &f, "set=1\n"), CF_UAPI_MORE);
		assert_int_equal(say(&request, &f, rows[i].set), CF_UAPI_MORE);
		assert_int_equal(say(&request, &f, "\n"), CF_UAPI_SET);
		if (request.error != rows[i].error)
			fail_msg("row %zu:\n%sgave %d, not %d", i, rows[i].set, request.error,
				 rows[i].error);
		cf_uapi_request_reset(&request, &fake_ops, &f);
		get_text(&f, got, sizeof(got));
		if (strcmp(got, expected))
			fail_msg("row %zu:\n%sleft\n%snot\n%s", i, rows[i].set, got, expected);
		/* Whatever happened, no section is left open. */
		for (struct fake_peer *p = f.peers; p; p = p->next)
			assert_false(p->in_section);
	}
	fake_clear(&f);
}

static void test_first_line(void **state)
{
	static const char *const unknown[] = {"",      "get", "get=2",	"get=1 ",  "set=",
					      "GET=1", "foo", "set=11", "errno=0", "get=1\r"};
	struct fake_interface f = {0};

	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		struct cf_uapi_request request = {0};
		char line[16];

		snprintf(line, sizeof(line), "%s", unknown[i]);
		assert_int_equal(cf_uapi_line(&request, &fake_ops, &f, line, strlen(line)),
				 CF_UAPI_UNKNOWN);
	}
}

static void test_get(void **state)
{
	struct fake_interface f = {0};
	struct cf_uapi_request request = {0};
	struct cf_uapi_get get = {.at = CF_UAPI_GET_END, .error = -EINVAL};
	char text[CF_UAPI_PIECE_BYTES + 1];

	assert_int_equal(say(&request, &f, "get=1\n"), CF_UAPI_MORE);
	assert_int_equal(say(&request, &f, "\n"), CF_UAPI_GET);
	assert_int_equal(request.error, 0);
	cf_uapi_request_reset(&request, &fake_ops, &f);
	/* Positive: `wg` takes a minus for a broken protocol. */
	assert_int_equal(say(&request, &f, "get=1\nlisten_port=1\n\n"), CF_UAPI_GET);
	assert_int_equal(request.error, -EINVAL);
	text[cf_uapi_get_write(&get, &fake_ops, &f, text, sizeof(text) - 1)] = '\0';
	assert_string_equal(text, "errno=22\n\n");
	get = (struct cf_uapi_get){0};
	f.fail = -ENODEV;
	text[cf_uapi_get_write(&get, &fake_ops, &f, text, sizeof(text) - 1)] = '\0';
	assert_string_equal(text, "errno=19\n\n");
}

static void test_owner_refuses(void **state)
{
	struct fake_interface f = {.fail = -EADDRINUSE};
	struct cf_uapi_request request = {0};

	assert_int_equal(say(&request, &f, "set=1\nlisten_port=5\nfwmark=1\n\n"), CF_UAPI_SET);
	assert_int_equal(request.error, -EADDRINUSE);
	/* Nothing after the error. */
	assert_int_equal(f.device.fwmark, 0);
}

/* Every section that touched a peer is ended once, also by the end of the connection. */
static void test_sections(void **state)
{
	struct fake_interface f = {0};
	struct cf_uapi_request request = {0};

	say(&request, &f, "set=1\npublic_key=" A "\nallowed_ip=::/0\npublic_key=" B "\n\n");
	assert_int_equal(f.peer_done, 2);
	cf_uapi_request_reset(&request, &fake_ops, &f);
	assert_int_equal(f.peer_done, 2);
	say(&request, &f, "set=1\npublic_key=" A "\nfoo=bar\n");
	assert_int_equal(f.peer_done, 3);
	say(&request, &f, "\n");
	cf_uapi_request_reset(&request, &fake_ops, &f);
	assert_int_equal(f.peer_done, 3);
	say(&request, &f, "set=1\npublic_key=" A "\nallowed_ip=::/0\n");
	cf_uapi_request_reset(&request, &fake_ops, &f);
	assert_int_equal(f.peer_done, 4);
	fake_clear(&f);
}

/* A line that may have held a key is overwritten. */
static void test_wiped(void **state)
{
	struct fake_interface f = {0};
	struct cf_uapi_request request = {0};
	char line[] = "private_key=" FF, bad[] = "private_kex=" FF;

	say(&request, &f, "set=1\n");
	cf_uapi_line(&request, &fake_ops, &f, line, strlen(line));
	assert_true(sodium_is_zero((uint8_t *)line, sizeof(line)));
	cf_uapi_line(&request, &fake_ops, &f, bad, strlen(bad));
	assert_true(sodium_is_zero((uint8_t *)bad, sizeof(bad)));
}

/* A NUL does not end a line. */
static void test_nul(void **state)
{
	struct fake_interface f = {0};
	struct cf_uapi_request request = {0};
	char line[] = "listen_port=1\0"
		      "2";

	say(&request, &f, "set=1\n");
	cf_uapi_line(&request, &fake_ops, &f, line, sizeof(line) - 1);
	assert_int_equal(request.error, -EINVAL);
	assert_int_equal(f.device.listen_port, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	 cmocka_unit_test(test_first_line),
		cmocka_unit_test(test_get),	 cmocka_unit_test(test_owner_refuses),
		cmocka_unit_test(test_sections), cmocka_unit_test(test_wiped),
		cmocka_unit_test(test_nul),
	};

	return UNIT_RUN(tests);
}
