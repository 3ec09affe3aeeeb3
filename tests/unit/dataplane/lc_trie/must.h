/*
 * What tests of the trie and its fuzz target share: a check that ends the program, values with a
 * list, and by how much sanitizers lessen the counts of what is done.
 */
#ifndef TESTS_UNIT_DATAPLANE_LC_TRIE_MUST_H
#define TESTS_UNIT_DATAPLANE_LC_TRIE_MUST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

/* How often something is done: in a plain build, and with sanitizers. */
#define TIMES(plain) (SANITIZED ? (plain) / 10 : (plain))

#define MUST(condition) must((condition), #condition, __FILE__, __LINE__)

static inline void must(bool is_true, const char *text, const char *file, int line)
{
	if (is_true)
		return;
	fflush(stdout);
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, text);
	abort();
}

/* A value: the list's head is not at its beginning; a second one for where it is in two tries. */
struct owner {
	uint32_t id;
	uint32_t list, list6;
};

#endif
