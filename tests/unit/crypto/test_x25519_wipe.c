/*
 * A batch of X25519 leaves no secret on the stack and in vector registers. What is on its way
 * there are sums and products nobody can list, so nothing is searched for: the batch runs with two
 * sets of secrets, and what it leaves must be the same to the bit.
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sys/mman.h>

#include "crypto/cpu.h"
#include "crypto/x25519_avx512.h"

#define N_MAX	    40
#define STACK_BYTES (512 * 1024)

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* What one run is given and what it leaves; all but the stack itself lies elsewhere. */
static struct {
	uint8_t scalar[N_MAX][CR_POINT_BYTES], point[N_MAX][CR_POINT_BYTES];
	uint8_t out[N_MAX][CR_POINT_BYTES];
	struct cr_x25519_job jobs[N_MAX];
	size_t n;
	uint8_t *top; /* the stack below is the batch's, above is the thread's own */
	uint8_t registers[32][64];
} run;

static uint8_t *stack, *stack_before;

/* zmm0 to zmm31; the assembler knows them whatever the compiler is told. */
#define SAVE(i) "vmovdqu64 %%zmm" #i ", 64*" #i "(%0)\n\t"
#define SAVE_8(a, b, c, d, e, f, g, h)                                                             \
	SAVE(a) SAVE(b) SAVE(c) SAVE(d) SAVE(e) SAVE(f) SAVE(g) SAVE(h)

static void *run_batch(void *arg)
{
	run.top = __builtin_frame_address(0);
	cr_x25519_avx512(run.jobs, run.n);
	__asm__ __volatile__(SAVE_8(0, 1, 2, 3, 4, 5, 6, 7) SAVE_8(8, 9, 10, 11, 12, 13, 14, 15)
				     SAVE_8(16, 17, 18, 19, 20, 21, 22, 23)
					     SAVE_8(24, 25, 26, 27, 28, 29, 30, 31)
			     :
			     : "r"(run.registers)
			     : "memory");
	return arg;
}

/* Runs the batch in a thread on our stack, which is then as it left it. */
static void run_in_thread(uint64_t seed, size_t n)
{
	pthread_attr_t attr;
	pthread_t thread;

	unit_random_fill(&seed, run.scalar, sizeof(run.scalar));
	unit_random_fill(&seed, run.point, sizeof(run.point));
	for (unsigned int i = 0; i < N_MAX; i++)
		run.jobs[i] = (struct cr_x25519_job){run.scalar[i], run.point[i], run.out[i], 0};
	run.n = n;
	memset(stack, 0x5a, STACK_BYTES);
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, stack, STACK_BYTES), 0);
	assert_int_equal(pthread_create(&thread, &attr, run_batch, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	pthread_attr_destroy(&attr);
	for (unsigned int i = 0; i < n; i++)
		assert_true(run.jobs[i].ok);
}

static void nothing_is_left(void **state)
{
	static const size_t sizes[] = {1, 8, 13, 32, 40};
	static uint8_t registers[32][64];
	uint8_t out[CR_POINT_BYTES];
	unsigned int touched = 0;

	stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_before = malloc(STACK_BYTES);
	assert_true(stack != MAP_FAILED && stack_before);
	/* The first thread leaves what is looked up once per process. */
	run_in_thread(1, 1);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		run_in_thread(2, sizes[i]);
		memcpy(stack_before, stack, STACK_BYTES);
		memcpy(registers, run.registers, sizeof(registers));
		memcpy(out, run.out[0], sizeof(out));
		run_in_thread(3, sizes[i]);
		assert_memory_not_equal(out, run.out[0], sizeof(out));
		for (size_t at = 0; stack + at < run.top; at++) {
			if (stack[at] != stack_before[at])
				fail_msg("%zu jobs: %zu bytes below the top", sizes[i],
					 (size_t)(run.top - stack) - at);
			touched += stack[at] != 0x5a;
		}
		assert_memory_equal(registers, run.registers, sizeof(registers));
	}
	/* It is this stack that was used, and not a little of it. */
	assert_true(touched > 4096);
	free(stack_before);
	munmap(stack, STACK_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left),
	};

#ifdef SANITIZED
	printf("1..0 # SKIP AddressSanitizer's frames reach further than a build's without it\n");
	return 0;
#endif
	if (!cr_cpu_avx512()) {
		printf("1..0 # SKIP this CPU lacks AVX-512 IFMA\n");
		return 0;
	}
	return UNIT_RUN(tests);
}
