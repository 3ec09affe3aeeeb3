/*
 * Tables when memory is short: each allocation fails in turn, and what was there stays, is found,
 * and can be removed. The functions that give memory are wrapped by the linker.
 */
#include <errno.h>
#include <sys/mman.h>

#include "dataplane/peer.h"
#include "dataplane/peers.h"
#include "dataplane/session.h"
#include "dataplane/sessions.h"
#include "tests/unit/dataplane/rcu.h"
#include "tests/unit/unit.h"

static int fail_in = -1; /* so many allocations succeed, the next one fails; -1: none */
static bool fail_all;
static unsigned int failed;

static bool fails(void)
{
	bool now = fail_all || fail_in == 0;

	if (fail_in >= 0)
		fail_in--;
	failed += now;
	return now;
}

void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
/* mmap() with offsets of 64 bits. */
void *__real_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t off);
int __real_mprotect(void *at, size_t bytes, int prot);
int __wrap_mprotect(void *at, size_t bytes, int prot);

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t off)
{
	return fails() ? MAP_FAILED : __real_mmap64(at, bytes, prot, flags, fd, off);
}

int __wrap_mprotect(void *at, size_t bytes, int prot)
{
	return fails() ? -1 : __real_mprotect(at, bytes, prot);
}

/* ---- sessions ---- */

#define MANY 6000u

/* What a lookup reads of a session is in its first two lines. */
static struct {
	_Alignas(64) uint8_t bytes[128];
} small[MANY];
static struct dp_iface iface;

static struct dp_session *session(unsigned int i)
{
	return (struct dp_session *)&small[i];
}

static void make_sessions(void)
{
	memset(small, 0, sizeof(small));
	for (uint32_t i = 0; i < MANY; i++) {
		/* A half is spread, the other one crowds two buckets. */
		session(i)->local_index = i % 2 == 0 ? i * UINT32_C(2654435761) : i << 18 | 1;
		session(i)->iface = &iface;
	}
}

static void check(const struct dp_sessions *t, const bool *in)
{
	for (unsigned int i = 0; i < MANY; i++)
		assert_ptr_equal(dp_sessions_lookup(t, &iface, session(i)->local_index),
				 in[i] ? session(i) : NULL);
}

/* Whatever step it is that there is no memory for. */
static void each_fails_in_turn(void **state)
{
	static bool in[MANY];
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_sessions *t = NULL;
	unsigned int refused = 0;

	(void)state;
	make_sessions();
	for (int n = 0; t == NULL; n++) {
		fail_in = n;
		t = dp_sessions_new(rcu.reclaim);
		assert_true(n < 8);
	}
	fail_in = -1;
	failed = 0;
	for (unsigned int i = 0; i < MANY; i++) {
		fail_in = i % 3 == 0 ? 0 : -1;
		for (int rc = -1; rc != 0;) {
			rc = dp_sessions_insert(t, session(i));
			assert_true(rc == 0 || rc == -ENOMEM);
			refused += rc != 0;
			assert_int_equal(dp_sessions_count(t), i + (rc == 0));
		}
		in[i] = true;
		if (i % 500 == 0)
			check(t, in);
		if (i % 10 == 0)
			dp_reclaim_poll(rcu.reclaim);
	}
	fail_in = -1;
	check(t, in);
	assert_true(failed > 100 && refused > 100);
	for (unsigned int i = 0; i < MANY; i++) {
		fail_in = i % 2 == 0 ? 0 : 1;
		dp_sessions_remove(t, session(i));
		in[i] = false;
		assert_int_equal(dp_sessions_count(t), MANY - 1 - i);
		if (i % 500 == 0)
			check(t, in);
		if (i % 7 == 0)
			dp_reclaim_poll(rcu.reclaim);
	}
	fail_in = -1;
	while (dp_reclaim_poll(rcu.reclaim) > 0)
		;
	assert_int_equal(dp_sessions_buckets(t), 64);
	dp_sessions_free(t);
	test_rcu_free(&rcu);
}

/* It neither grows nor shrinks then, and goes on when there is some again. */
static void none_for_long(void **state)
{
	static bool in[MANY];
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_sessions *t = dp_sessions_new(rcu.reclaim);
	unsigned int n = 0;

	(void)state;
	make_sessions();
	fail_all = true;
	for (unsigned int i = 0; i < MANY; i += 2, n += in[i - 2]) {
		in[i] = dp_sessions_insert(t, session(i)) == 0;
		if (i % 100 == 0)
			check(t, in);
	}
	fail_all = false;
	/* There is room for what 64 KiB of buckets hold. */
	assert_true(n > 300 && n <= 7 * dp_sessions_buckets(t));
	for (unsigned int i = 0; i < MANY; i++) {
		if (!in[i])
			assert_int_equal(dp_sessions_insert(t, session(i)), 0);
		in[i] = true;
	}
	while (dp_reclaim_poll(rcu.reclaim) > 0)
		;
	check(t, in);
	assert_in_range(dp_sessions_buckets(t), MANY / 2 - 1, MANY / 2 + 1);
	fail_all = true;
	for (unsigned int i = 0; i < MANY; i++) {
		dp_sessions_remove(t, session(i));
		in[i] = false;
		if (i % 500 == 0)
			check(t, in);
	}
	fail_all = false;
	check(t, in);
	dp_sessions_free(t);
	test_rcu_free(&rcu);
}

/* ---- peers ---- */

static void peers(void **state)
{
	struct test_rcu rcu = test_rcu_new(1);
	struct dp_peers *t;
	struct dp_peer *peer[2];

	(void)state;
	fail_all = true;
	assert_null(dp_peers_new(rcu.reclaim));
	fail_all = false;
	t = dp_peers_new(rcu.reclaim);
	fail_all = true;
	assert_null(dp_peers_take(t));
	assert_int_equal(dp_peers_count(t), 0);
	fail_all = false;
	for (unsigned int i = 0; i < 2; i++) {
		peer[i] = dp_peers_take(t);
		assert_non_null(peer[i]);
		dp_peers_add(t, peer[i]);
	}
	assert_ptr_equal(dp_peers_by_ref(t, peer[1]->ref), peer[1]);
	dp_peers_free(t);
	test_rcu_free(&rcu);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fails_in_turn),
		cmocka_unit_test(none_for_long),
		cmocka_unit_test(peers),
	};

	return UNIT_RUN(tests);
}
