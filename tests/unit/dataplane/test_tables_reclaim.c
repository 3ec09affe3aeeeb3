/* What waits for workers: in order, not before they have moved on, a bounded number at a time, and
 * also when memory is short. calloc is wrapped by the linker, to fail when told. */
#include <pthread.h>
#include <sched.h>

#include "tests/unit/dataplane/rcu.h"
#include "tests/unit/unit.h"

static bool fail_calloc;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

void *__wrap_calloc(size_t n, size_t size)
{
	return fail_calloc ? NULL : __real_calloc(n, size);
}

static struct {
	uintptr_t order[5000];
	unsigned int n;
} freed;

static void note_freed(void *arg)
{
	freed.order[freed.n++] = (uintptr_t)arg;
}

static void check_order(unsigned int n)
{
	assert_int_equal(freed.n, n);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(freed.order[i], i + 1);
}

static void later(struct test_rcu *t, uintptr_t what)
{
	dp_reclaim_later(t->reclaim, note_freed, (void *)what);
}

static void waits_for_workers(void **state)
{
	struct test_rcu t = test_rcu_new(2);

	(void)state;
	freed.n = 0;
	/* No worker runs: due at once, and on poll only. */
	later(&t, 1);
	assert_int_equal(freed.n, 0);
	assert_int_equal(dp_reclaim_poll(t.reclaim), 0);
	check_order(1);
	for (unsigned int id = 0; id < 2; id++) {
		rte_rcu_qsbr_thread_register(t.rcu, id);
		rte_rcu_qsbr_thread_online(t.rcu, id);
	}
	later(&t, 2);
	assert_int_equal(dp_reclaim_poll(t.reclaim), 1);
	rte_rcu_qsbr_quiescent(t.rcu, 0);
	assert_int_equal(dp_reclaim_poll(t.reclaim), 1);
	later(&t, 3);
	rte_rcu_qsbr_quiescent(t.rcu, 1);
	/* 2 is due; 3 was queued after the first worker had moved on. */
	assert_int_equal(dp_reclaim_poll(t.reclaim), 1);
	check_order(2);
	/* A worker that is offline is not waited for. */
	rte_rcu_qsbr_thread_offline(t.rcu, 0);
	assert_int_equal(dp_reclaim_poll(t.reclaim), 0);
	check_order(3);
	later(&t, 4);
	later(&t, 5);
	test_rcu_free(&t); /* frees what waits */
	check_order(5);
	dp_reclaim_free(NULL);
}

static void many(void **state)
{
	struct test_rcu t = test_rcu_new(1);
	size_t left = 0, before = 5000;
	unsigned int polls = 0;

	(void)state;
	freed.n = 0;
	for (uintptr_t i = 1; i <= 5000; i++) {
		later(&t, i);
		/* So that the ring is turned when it grows. */
		if (i == 200) {
			assert_int_equal(dp_reclaim_poll(t.reclaim), 0);
			before = 4800;
		}
	}
	do {
		left = dp_reclaim_poll(t.reclaim);
		assert_true(left < before && before - left <= 1000);
		before = left;
		polls++;
	} while (left > 0);
	assert_true(polls >= 5);
	check_order(5000);
	test_rcu_free(&t);
}

/* ---- memory is short ---- */

static struct {
	struct test_rcu t;
	_Atomic bool stop;
	_Atomic uint64_t turns;
} worker;

static void *worker_run(void *arg)
{
	rte_rcu_qsbr_thread_register(worker.t.rcu, 0);
	rte_rcu_qsbr_thread_online(worker.t.rcu, 0);
	while (!atomic_load(&worker.stop)) {
		rte_rcu_qsbr_quiescent(worker.t.rcu, 0);
		atomic_fetch_add(&worker.turns, 1);
		sched_yield();
	}
	rte_rcu_qsbr_thread_offline(worker.t.rcu, 0);
	return arg;
}

static void out_of_memory(void **state)
{
	pthread_t thread;
	uintptr_t i = 0;

	(void)state;
	freed.n = 0;
	worker.t = test_rcu_new(1);
	assert_int_equal(pthread_create(&thread, NULL, worker_run, NULL), 0);
	while (atomic_load(&worker.turns) == 0)
		sched_yield();
	fail_calloc = true;
	while (freed.n == 0) {
		uint64_t before = atomic_load(&worker.turns);

		later(&worker.t, ++i);
		assert_true(i < 5000);
		/* It was waited for: the worker has turned meanwhile. */
		assert_true(freed.n == 0 || atomic_load(&worker.turns) > before);
	}
	fail_calloc = false;
	check_order((unsigned int)i);
	atomic_store(&worker.stop, true);
	pthread_join(thread, NULL);
	test_rcu_free(&worker.t);
}

/* ---- what is freed may queue more ---- */

static struct test_rcu chain;

static void queue_next(void *arg)
{
	uintptr_t i = (uintptr_t)arg;

	note_freed(arg);
	if (i < 600)
		dp_reclaim_later(chain.reclaim, queue_next, (void *)(i + 1));
}

static void chained(void **state)
{
	(void)state;
	freed.n = 0;
	chain = test_rcu_new(1);
	dp_reclaim_later(chain.reclaim, queue_next, (void *)1);
	assert_int_equal(dp_reclaim_poll(chain.reclaim), 1); /* bounded here, too */
	test_rcu_free(&chain);
	check_order(600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_for_workers),
		cmocka_unit_test(many),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(chained),
	};

	return UNIT_RUN(tests);
}
