/* The JSON-RPC server and client: envelopes, transport, slow and rude clients, the lock. */
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "config/rpc.h"
#include "tests/unit/config/pump.h"

static char directory[] = "/tmp/wgdp-rpc-XXXXXX";
static char path[64];
static struct cf_rpc *rpc;
static struct pump pump;
static unsigned int calls;

static void echo(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	calls++;
	assert_true(json_is_object(params));
	answer->result = json_deep_copy(params);
}

static void refuse(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	answer->error_code = CF_RPC_REFUSED;
	snprintf(answer->error, sizeof(answer->error), "no");
	answer->error_data = json_pack("{s:[s]}", "errors", "gw.yaml:1: x");
}

static void nothing(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
}

/* A large answer. */
static void large(void *ctx, const json_t *params, struct cf_rpc_answer *answer)
{
	json_t *list = json_array();

	calls++;
	for (int i = 0; i < 100000; i++)
		json_array_append_new(list, json_string("0123456789"));
	answer->result = list;
}

static const struct cf_rpc_method methods[] = {
	{"echo", echo}, {"refuse", refuse}, {"nothing", nothing}, {"large", large}, {NULL, NULL},
};

static void run(void *server)
{
	cf_rpc_run(server);
}

static int start(void **state)
{
	int other;

	calls = 0;
	rpc = cf_rpc_open(path, methods, NULL, &other);
	if (!rpc)
		return -1;
	pump = (struct pump){.run = run, .server = rpc, .fd = cf_rpc_fd(rpc)};
	return 0;
}

static int stop(void **state)
{
	cf_rpc_close(rpc);
	return access(path, F_OK) ? 0 : -1;
}

#define ERROR(id, code, message)                                                                   \
	"{\"jsonrpc\":\"2.0\",\"id\":" id ",\"error\":{\"code\":" code ",\"message\":\"" message   \
	"\"}}"
#define RESULT(id, result) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":" result "}"
#define CALL(id, rest)	   "{\"jsonrpc\":\"2.0\",\"id\":" id "," rest "}"

static const struct {
	const char *request, *response; /* without the newlines; "" : no response */
} rows[] = {
	{CALL("1", "\"method\":\"echo\""), RESULT("1", "{}")},
	{CALL("\"a\"", "\"method\":\"echo\",\"params\":{\"x\":[1,\"\\n\"]}"),
	 RESULT("\"a\"", "{\"x\":[1,\"\\n\"]}")},
	{CALL("null", "\"method\":\"echo\""), RESULT("null", "{}")},
	{CALL("1.5", "\"method\":\"echo\",\"more\":1"), RESULT("1.5", "{}")},
	{CALL("2", "\"method\":\"nothing\""), RESULT("2", "null")},
	{CALL("3", "\"method\":\"refuse\""),
	 "{\"jsonrpc\":\"2.0\",\"id\":3,\"error\":{\"code\":-32000,\"message\":\"no\",\"data\":{"
	 "\"errors\":[\"gw.yaml:1: x\"]}}}"},
	{"  " CALL("4", "\"method\":\"echo\"") " \r", RESULT("4", "{}")},
	{"", ""},
	{" \t\r", ""},
	/* Notifications are called, not answered. */
	{"{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}", ""},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"nosuch\"}", ""},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"refuse\"}", ""},
	{"{\"jsonrpc\":\"2.0\",\"method\":\"echo\",\"params\":[]}", ""},
	/* Not JSON. */
	{"x", ERROR("null", "-32700", "not JSON: '[' or '{' expected near 'x' (at byte 1)")},
	{"{\"a\":1,\"a\":2}",
	 ERROR("null", "-32700", "not JSON: duplicate object key near '\\\"a\\\"' (at byte 10)")},
	{"1 2", ERROR("null", "-32700", "not JSON: '[' or '{' expected near '1' (at byte 1)")},
	/* Not a request. */
	{"{}", ERROR("null", "-32600", "\\\"jsonrpc\\\" must be \\\"2.0\\\"")},
	{"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"echo\"}",
	 ERROR("1", "-32600", "\\\"jsonrpc\\\" must be \\\"2.0\\\"")},
	{CALL("1", "\"method\":1"), ERROR("1", "-32600", "\\\"method\\\" must be a text")},
	{CALL("[]", "\"method\":\"echo\""),
	 ERROR("null", "-32600", "\\\"id\\\" must be a text or a number")},
	{CALL("1", "\"method\":\"nosuch\""), ERROR("1", "-32601", "no method \\\"nosuch\\\"")},
	{CALL("1", "\"method\":\"echo\",\"params\":[1]"),
	 ERROR("1", "-32602", "\\\"params\\\" must be an object")},
	{CALL("1", "\"method\":\"echo\",\"params\":null"),
	 ERROR("1", "-32602", "\\\"params\\\" must be an object")},
	/* Batches. */
	{"[]", ERROR("null", "-32600", "a request is an object")},
	{"[1]", "[" ERROR("null", "-32600", "a request is an object") "]"},
	{"[" CALL("1", "\"method\":\"echo\"") ",{\"jsonrpc\":\"2.0\",\"method\":\"echo\"},[]," CALL(
		 "2", "\"method\":\"nothing\"") "]",
	 "[" RESULT("1", "{}") "," ERROR("null", "-32600",
					 "a request is an object") "," RESULT("2", "null") "]"},
	{"[{\"jsonrpc\":\"2.0\",\"method\":\"echo\"},{\"jsonrpc\":\"2.0\",\"method\":\"echo\"}]",
	 ""},
};

#define MARK   CALL("\"mark\"", "\"method\":\"nothing\"") "\n"
#define MARKED RESULT("\"mark\"", "null") "\n"

static void test_rows(void **state)
{
	int fd = pump_connect(path);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[1024], expected[1024];
		char *got;

		snprintf(text, sizeof(text), "%s\n" MARK, rows[i].request);
		snprintf(expected, sizeof(expected), "%s%s" MARKED, rows[i].response,
			 rows[i].response[0] ? "\n" : "");
		pump_send(&pump, fd, text, strlen(text));
		got = pump_receive(&pump, fd, MARKED);
		if (strcmp(got, expected))
			fail_msg("row %zu: %s\ngave %s\nnot %s", i, rows[i].request, got, expected);
		free(got);
	}
	close(fd);
}

static void test_files(void **state)
{
	struct stat st;
	char lock[80];

	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 07777, 0600);
	snprintf(lock, sizeof(lock), "%s.lock", path);
	assert_int_equal(stat(lock, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* Of two starts, one fails and says whose socket it is. */
static void test_lock(void **state)
{
	int other = 0;

	errno = 0;
	assert_null(cf_rpc_open(path, methods, NULL, &other));
	assert_int_equal(errno, EADDRINUSE);
	assert_int_equal(other, getpid());
	/* The first one is not disturbed, and when it is gone its place is free. */
	int fd = pump_connect(path);

	pump_send(&pump, fd, MARK, strlen(MARK));
	pump_expect(&pump, fd, "\n", MARKED);
	close(fd);
	cf_rpc_close(rpc);
	assert_int_equal(start(NULL), 0);
}

/* A daemon that was killed leaves its files, which stop nobody. */
static void test_killed(void **state)
{
	int status, other;
	pid_t pid;

	cf_rpc_close(rpc);
	rpc = NULL;
	pid = fork();
	if (pid == 0)
		_exit(cf_rpc_open(path, methods, NULL, &other) ? 0 : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(access(path, F_OK), 0);
	assert_int_equal(start(NULL), 0);
}

static void test_split(void **state)
{
	static const char text[] = MARK MARK;
	int fd = pump_connect(path);

	for (size_t i = 0; text[i]; i++)
		pump_send(&pump, fd, text + i, 1);
	pump_expect(&pump, fd, MARKED MARKED, MARKED MARKED);
	/* Half of a request, and away. */
	pump_send(&pump, fd, text, 10);
	close(fd);
	pump_idle(&pump);
	/* Done sending, but not reading. */
	fd = pump_connect(path);
	pump_send(&pump, fd, text, strlen(text));
	shutdown(fd, SHUT_WR);
	pump_expect(&pump, fd, NULL, MARKED MARKED);
	close(fd);
}

static void test_oversize(void **state)
{
	const size_t most = CF_RPC_LINE_MAX_BYTES;
	char *text = malloc(most + 2);
	int fd = pump_connect(path);

	/* As large as allowed, with its newline. */
	memset(text, ' ', most);
	memcpy(text, MARK, strlen(MARK) - 1);
	text[most - 1] = '\n';
	pump_send(&pump, fd, text, most);
	pump_expect(&pump, fd, "\n", MARKED);
	text[most - 1] = ' ';
	pump_send(&pump, fd, text, most);
	pump_expect(&pump, fd, NULL,
		    ERROR("null", "-32600", "the request is larger than 1 MiB") "\n");
	close(fd);
	free(text);
}

static void test_slow_client(void **state)
{
	static const char ask[] = CALL("1", "\"method\":\"large\"") "\n";
	int slow = pump_connect(path), quick = pump_connect(path);
	char *got;

	for (int i = 0; i < 3; i++)
		pump_send(&pump, slow, ask, strlen(ask));
	pump_idle(&pump);
	/* The second answer is not made before the first is read. */
	assert_int_equal(calls, 1);
	pump_send(&pump, quick, MARK, strlen(MARK));
	pump_expect(&pump, quick, "\n", MARKED);
	for (int i = 1; i <= 3; i++) {
		got = pump_receive(&pump, slow, "\"]}\n");
		assert_true(strlen(got) > 1300000);
		free(got);
	}
	assert_int_equal(calls, 3);
	/* A batch is as patient. */
	calls = 0;
	got = NULL;
	assert_true(asprintf(&got, "[%.*s,%.*s]\n", (int)strlen(ask) - 1, ask, (int)strlen(ask) - 1,
			     ask) > 0);
	pump_send(&pump, slow, got, strlen(got));
	free(got);
	pump_idle(&pump);
	assert_int_equal(calls, 1);
	got = pump_receive(&pump, slow, "]}]\n");
	assert_true(strlen(got) > 2600000);
	free(got);
	close(slow);
	close(quick);
	pump_idle(&pump);
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
	pump_send(&pump, fds[31], MARK, strlen(MARK));
	pump_expect(&pump, fds[31], "\n", MARKED);
	for (int i = 0; i < 32; i++)
		close(fds[i]);
	pump_idle(&pump);
}

static void test_garbage(void **state)
{
	uint64_t seed = 6;
	int fd = pump_connect(path);

	for (int i = 0; i < 300; i++) {
		char text[256];

		unit_random_fill(&seed, text, sizeof(text));
		if (i % 2)
			text[0] = "[{\""[i % 3];
		text[255] = '\n';
		pump_send(&pump, fd, text, sizeof(text));
		close(fd); /* without reading what came back */
		pump_idle(&pump);
		fd = pump_connect(path);
	}
	pump_send(&pump, fd, MARK, strlen(MARK));
	pump_expect(&pump, fd, "\n", MARKED);
	close(fd);
}

/* What was answered is still sent when the server ends at once, as `stop` does. */
static void test_close_flushes(void **state)
{
	static const char ask[] = CALL("1", "\"method\":\"large\"") "\n";
	int fd = pump_connect(path), status;
	pid_t pid;

	pump_send(&pump, fd, ask, strlen(ask));
	pump_idle(&pump);
	pid = fork();
	if (pid == 0) {
		size_t total = 0;
		char text[65536];
		ssize_t n;
		struct pollfd p = {.fd = fd, .events = POLLIN};

		while (poll(&p, 1, 10000) == 1 && (n = recv(fd, text, sizeof(text), 0)) > 0) {
			total += (size_t)n;
			if (text[n - 1] == '\n')
				_exit(total > 1300000 ? 0 : 1);
		}
		_exit(2);
	}
	close(fd);
	cf_rpc_close(rpc);
	rpc = NULL;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* The blocking client, in a thread of its own. */
static void *call_all(void *arg)
{
	struct cf_rpc_client *client = cf_rpc_connect(path);
	struct cf_rpc_answer answer;
	intptr_t wrong = 0;

	if (!client)
		return (void *)1;
	for (int i = 0; i < 3; i++) {
		wrong |= cf_rpc_call(client, "echo", json_pack("{s:i}", "x", i), &answer) != 0 ||
			 json_integer_value(json_object_get(answer.result, "x")) != i;
		cf_rpc_answer_clear(&answer);
	}
	wrong |= cf_rpc_call(client, "large", NULL, &answer) != 0 ||
		 json_array_size(answer.result) != 100000;
	cf_rpc_answer_clear(&answer);
	wrong |= cf_rpc_call(client, "refuse", NULL, &answer) != 0 ||
		 answer.error_code != CF_RPC_REFUSED || strcmp(answer.error, "no") != 0 ||
		 !json_is_array(json_object_get(answer.error_data, "errors"));
	cf_rpc_answer_clear(&answer);
	wrong |= cf_rpc_call(client, "nosuch", NULL, &answer) != 0 ||
		 answer.error_code != CF_RPC_UNKNOWN_METHOD;
	cf_rpc_answer_clear(&answer);
	cf_rpc_disconnect(client);
	return (void *)wrong;
}

static void test_client(void **state)
{
	pthread_t thread;
	void *wrong = (void *)1;

	assert_int_equal(pthread_create(&thread, NULL, call_all, NULL), 0);
	while (pthread_tryjoin_np(thread, &wrong)) {
		struct pollfd p = {.fd = cf_rpc_fd(rpc), .events = POLLIN};

		poll(&p, 1, 10);
		cf_rpc_run(rpc);
	}
	assert_null(wrong);
	errno = 0;
	assert_null(cf_rpc_connect("/nonexistent/wgdp.sock"));
	assert_int_equal(errno, ENOENT);
}

static int make_directory(void **state)
{
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/wgdp/wgdp.sock", directory);
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
		cmocka_unit_test_setup_teardown(test_rows, start, stop),
		cmocka_unit_test_setup_teardown(test_files, start, stop),
		cmocka_unit_test_setup_teardown(test_lock, start, stop),
		cmocka_unit_test_setup_teardown(test_killed, start, stop),
		cmocka_unit_test_setup_teardown(test_split, start, stop),
		cmocka_unit_test_setup_teardown(test_oversize, start, stop),
		cmocka_unit_test_setup_teardown(test_slow_client, start, stop),
		cmocka_unit_test_setup_teardown(test_many_clients, start, stop),
		cmocka_unit_test_setup_teardown(test_garbage, start, stop),
		cmocka_unit_test_setup_teardown(test_close_flushes, start, stop),
		cmocka_unit_test_setup_teardown(test_client, start, stop),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
