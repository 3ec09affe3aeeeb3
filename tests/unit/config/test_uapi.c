/* The UAPI server on a socket: transport, slow and rude clients, bounds. */
#include <fcntl.h>
#include <sys/stat.h>

#include "config/keytext.h"
#include "config/uapi.h"
#include "tests/unit/config/fake_interface.h"
#include "tests/unit/config/pump.h"

#define A     "00000000000000000000000000000000000000000000000000000000000000aa"
#define EMPTY "listen_port=0\nerrno=0\n\n"

static char directory[] = "/tmp/wgdp-uapi-XXXXXX";
static char path[64];
static struct fake_interface fake;
static struct cf_uapi *uapi;
static struct pump pump;

static void run(void *server)
{
	cf_uapi_run(server);
}

static int start(void **state)
{
	uapi = cf_uapi_open(path, &fake_ops, &fake);
	if (!uapi)
		return -1;
	pump = (struct pump){.run = run, .server = uapi, .fd = cf_uapi_fd(uapi)};
	return 0;
}

static int stop(void **state)
{
	cf_uapi_close(uapi);
	fake_clear(&fake);
	return access(path, F_OK) ? 0 : -1; /* the socket is gone */
}

static void test_files(void **state)
{
	struct stat st;
	char parent[64];

	snprintf(parent, sizeof(parent), "%s/wireguard", directory);
	assert_int_equal(stat(parent, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void test_in_use(void **state)
{
	errno = 0;
	assert_null(cf_uapi_open(path, &fake_ops, &fake));
	assert_int_equal(errno, EADDRINUSE);
	/* The one that runs still answers. */
	int fd = pump_connect(path);

	pump_send(&pump, fd, "get=1\n\n", 7);
	pump_expect(&pump, fd, "\n\n", EMPTY);
	close(fd);
}

static void test_stale(void **state)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	struct cf_uapi *second;
	struct stat st;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/stale.sock", directory);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	close(fd); /* as after a crash: the file stays */
	second = cf_uapi_open(address.sun_path, &fake_ops, &fake);
	assert_non_null(second);
	/* Somebody else's file in the place of ours is not removed. */
	unlink(address.sun_path);
	fd = open(address.sun_path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	cf_uapi_close(second);
	assert_int_equal(lstat(address.sun_path, &st), 0);
	errno = 0;
	assert_null(cf_uapi_open(address.sun_path, &fake_ops, &fake));
	assert_int_equal(errno, EEXIST);
	unlink(address.sun_path);
}

/* wg looks whether somebody is there by connecting and closing. */
static void test_probe(void **state)
{
	for (int i = 0; i < 100; i++) {
		close(pump_connect(path));
		pump_idle(&pump);
	}
	int fd = pump_connect(path);

	pump_send(&pump, fd, "get=1\n\n", 7);
	pump_expect(&pump, fd, "\n\n", EMPTY);
	/* Gone without reading the answer. */
	pump_send(&pump, fd, "get=1\n\n", 7);
	close(fd);
	pump_idle(&pump);
}

static void test_split(void **state)
{
	static const char text[] = "set=1\nlisten_port=5\npublic_key=" A "\n\nget=1\n\n";
	int fd = pump_connect(path);
	char *got;

	for (size_t i = 0; text[i]; i++)
		pump_send(&pump, fd, text + i, 1);
	got = pump_receive(&pump, fd, "keepalive_interval=0\nerrno=0\n\n");
	assert_non_null(strstr(got, "errno=0\n\nlisten_port=5\npublic_key=" A "\n"));
	free(got);
	close(fd);
}

static void test_several(void **state)
{
	static const char text[] = "get=1\n\nset=1\nfwmark=7\n\nset=1\nfwmark=x\nfwmark=8\n\n"
				   "get=1\n\nset=1\n\nget=1\nfoo=bar\n\n";
	int fd = pump_connect(path);

	pump_send(&pump, fd, text, strlen(text));
	pump_expect(&pump, fd, "errno=22\n\n",
		    EMPTY "errno=0\n\nerrno=-22\n\nlisten_port=0\nfwmark=7\nerrno=0\n\n"
			  "errno=0\n\nerrno=22\n\n");
	/* A client that is done sending still gets its answer. */
	pump_send(&pump, fd, "set=1\nfwmark=0\n\nget=1\n\n", 23);
	shutdown(fd, SHUT_WR);
	pump_expect(&pump, fd, NULL, "errno=0\n\n" EMPTY);
	close(fd);
}

static void test_unknown(void **state)
{
	static const char *const texts[] = {"get=2\n", "foo\n", "\n", "set=1 \n", "errno=0\n\n"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int fd = pump_connect(path);

		pump_send(&pump, fd, texts[i], strlen(texts[i]));
		pump_expect_closed(&pump, fd);
	}
}

static void test_long_line(void **state)
{
	char text[8192];
	int fd;

	memset(text, 'a', sizeof(text));
	fd = pump_connect(path);
	pump_send(&pump, fd, text, 4096);
	pump_expect_closed(&pump, fd);
	/* 4096 bytes with the newline are a line; this one is just wrong. */
	fd = pump_connect(path);
	pump_send(&pump, fd, "set=1\n", 6);
	text[4095] = '\n';
	text[4096] = '\n';
	pump_send(&pump, fd, text, 4097);
	pump_expect(&pump, fd, "\n\n", "errno=-71\n\n");
	close(fd);
}

/* More prefixes than fit into any buffer, all to one peer. */
static void add_prefixes(unsigned int n)
{
	uint8_t key[CF_KEY_BYTES];
	struct fake_peer *p;

	assert_true(cf_key_from_hex(key, A));
	assert_int_equal(fake_ops.add_peer(&fake, key), 0);
	p = fake_find(&fake, key);
	p->peer.allowed = calloc(n, sizeof(*p->peer.allowed));
	p->peer.n_allowed = p->allowed_size = n;
	for (unsigned int i = 0; i < n; i++)
		p->peer.allowed[i] = (struct cf_prefix){
			.family = AF_INET,
			.len = 32,
			.addr = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i},
		};
}

static void test_slow_client(void **state)
{
	const unsigned int n = 100000;
	int slow = pump_connect(path), quick = pump_connect(path);
	unsigned int found = 0;
	char *got;

	add_prefixes(n);
	pump_send(&pump, slow, "get=1\n\n", 7);
	/* The socket is full, and the server at rest: it waits for the client, not the other way.
	 */
	pump_idle(&pump);
	pump_send(&pump, quick, "set=1\nlisten_port=9\n\n", 21);
	pump_expect(&pump, quick, "\n\n", "errno=0\n\n");
	/* The peer goes while its prefixes are on their way: the answer still ends. */
	pump_send(&pump, quick, "set=1\nreplace_peers=true\n\n", 26);
	pump_expect(&pump, quick, "\n\n", "errno=0\n\n");
	got = pump_receive(&pump, slow, "errno=0\n\n");
	for (const char *at = strstr(got, "allowed_ip="); found < n; found++) {
		char expected[64];
		size_t len = (size_t)snprintf(expected, sizeof(expected),
					      "allowed_ip=10.%u.%u.%u/32\n", found >> 16,
					      found >> 8 & 255, found & 255);

		assert_non_null(at);
		if (strncmp(at, expected, len))
			fail_msg("expected %sbut got %.30s", expected, at);
		at += len;
		if (found == n - 1)
			assert_string_equal(at, "errno=0\n\n");
	}
	free(got);
	close(slow);
	close(quick);
}

/* One call does a bounded amount, however much has come. */
static void test_bounded(void **state)
{
	char text[4096];
	size_t len = (size_t)snprintf(text, sizeof(text), "set=1\n");
	int fd = pump_connect(path);
	unsigned int calls = 0;

	while (len + 10 < sizeof(text))
		len += (size_t)snprintf(text + len, sizeof(text) - len, "fwmark=1\n");
	text[len++] = '\n';
	pump_idle(&pump);
	assert_int_equal(send(fd, text, len, 0), len);
	while (pump_is_ready(&pump)) {
		unsigned int before = fake.upcalls;

		cf_uapi_run(uapi);
		calls++;
		assert_true(fake.upcalls - before <= 64);
	}
	assert_true(calls >= 4);
	assert_true(fake.upcalls > 400);
	pump_expect(&pump, fd, "\n\n", "errno=0\n\n");
	close(fd);
}

static void test_many_clients(void **state)
{
	int fds[40];

	for (int i = 0; i < 32; i++)
		fds[i] = pump_connect(path);
	pump_idle(&pump);
	for (int i = 32; i < 40; i++) {
		fds[i] = pump_connect(path);
		pump_expect_closed(&pump, fds[i]);
	}
	/* Those that have idled are served, and a place that is given up can be had. */
	pump_send(&pump, fds[31], "get=1\n\n", 7);
	pump_expect(&pump, fds[31], "\n\n", EMPTY);
	close(fds[0]);
	pump_idle(&pump);
	fds[0] = pump_connect(path);
	pump_send(&pump, fds[0], "get=1\n\n", 7);
	pump_expect(&pump, fds[0], "\n\n", EMPTY);
	for (int i = 0; i < 32; i++)
		close(fds[i]);
	pump_idle(&pump);
}

/* Ended in the middle of a section: its peer is told, nothing leaks (the sanitizer looks). */
static void test_cut_off(void **state)
{
	int fd = pump_connect(path);

	pump_send(&pump, fd, "set=1\npublic_key=" A "\nallowed_ip=::/0\nallowed", 98);
	pump_idle(&pump);
	assert_int_equal(fake.peer_done, 0);
	close(fd);
	pump_idle(&pump);
	assert_int_equal(fake.peer_done, 1);
}

static void test_garbage(void **state)
{
	uint64_t seed = 5;

	for (int i = 0; i < 300; i++) {
		char text[512];
		int fd = pump_connect(path);

		unit_random_fill(&seed, text, sizeof(text));
		if (i % 2)
			memcpy(text, "set=1\n", 6);
		if (send(fd, text, sizeof(text), MSG_NOSIGNAL) < 0)
			assert_int_equal(errno, EPIPE);
		pump_idle(&pump);
		close(fd);
		pump_idle(&pump);
	}
}

static int make_directory(void **state)
{
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/wireguard/wg0.sock", directory);
	return 0;
}

static int remove_directory(void **state)
{
	*strrchr(path, '/') = '\0';
	return rmdir(path) || rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_files, start, stop),
		cmocka_unit_test_setup_teardown(test_in_use, start, stop),
		cmocka_unit_test_setup_teardown(test_stale, start, stop),
		cmocka_unit_test_setup_teardown(test_probe, start, stop),
		cmocka_unit_test_setup_teardown(test_split, start, stop),
		cmocka_unit_test_setup_teardown(test_several, start, stop),
		cmocka_unit_test_setup_teardown(test_unknown, start, stop),
		cmocka_unit_test_setup_teardown(test_long_line, start, stop),
		cmocka_unit_test_setup_teardown(test_slow_client, start, stop),
		cmocka_unit_test_setup_teardown(test_bounded, start, stop),
		cmocka_unit_test_setup_teardown(test_many_clients, start, stop),
		cmocka_unit_test_setup_teardown(test_cut_off, start, stop),
		cmocka_unit_test_setup_teardown(test_garbage, start, stop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
