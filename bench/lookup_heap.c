/*
 * wgdp-bench lookup: where the tables of rte_* have their memory. A heap of DPDK's over anonymous
 * memory of our own: without reserved hugepages DPDK has pages of 4 KiB only, which would hold its
 * tables back, and here the kernel is asked for transparent huge pages, as for ours. It also tells
 * how much they take. And how much memory this process has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_errno.h>
#include <rte_malloc.h>

#include "bench/lookup.h"

#define NAME	    "lookup"
#define PAGE_BYTES  (UINT64_C(1) << 21)
#define BYTES_MAX   (UINT64_C(4) << 30) /* of one table */
#define REGIONS_MAX 8

struct region {
	void *mapped; /* with a page more, to align it */
	char *at;
	size_t bytes;
};

static struct {
	bool open;
	int socket;
	struct region regions[REGIONS_MAX]; /* DPDK touches all of what it is given: no more */
	unsigned int n;
} heap;

bool lookup_heap_open(void)
{
	heap.open = rte_malloc_heap_create(NAME) == 0;
	if (heap.open)
		heap.socket = rte_malloc_heap_get_socket(NAME);
	if (heap.open && heap.socket >= 0)
		return true;
	fprintf(stderr, "wgdp-bench: no heap of DPDK: %s\n", rte_strerror(rte_errno));
	return false;
}

bool lookup_heap_reserve(size_t bytes)
{
	struct region *r = &heap.regions[heap.n];

	r->bytes = (bytes + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
	if (heap.n == REGIONS_MAX || r->bytes > BYTES_MAX)
		return false;
	r->mapped = mmap(NULL, r->bytes + PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (r->mapped == MAP_FAILED)
		return false;
	r->at = (char *)(((uintptr_t)r->mapped + PAGE_BYTES - 1) & ~(uintptr_t)(PAGE_BYTES - 1));
	madvise(r->at, r->bytes, MADV_HUGEPAGE);
	if (rte_malloc_heap_memory_add(NAME, r->at, r->bytes, NULL, 0, PAGE_BYTES) == 0) {
		heap.n++;
		return true;
	}
	munmap(r->mapped, r->bytes + PAGE_BYTES);
	return false;
}

void lookup_heap_empty(void)
{
	for (; heap.n > 0; heap.n--) {
		struct region *r = &heap.regions[heap.n - 1];

		if (rte_malloc_heap_memory_remove(NAME, r->at, r->bytes) == 0)
			munmap(r->mapped, r->bytes + PAGE_BYTES);
	}
}

void lookup_heap_close(void)
{
	lookup_heap_empty();
	if (heap.open)
		rte_malloc_heap_destroy(NAME);
	heap.open = false;
}

int lookup_heap_socket(void)
{
	return heap.socket;
}

size_t lookup_heap_used(void)
{
	struct rte_malloc_socket_stats stats;

	return rte_malloc_get_socket_stats(heap.socket, &stats) == 0 ? stats.heap_allocsz_bytes : 0;
}

double lookup_heap_huge(void)
{
	const struct region *last = &heap.regions[heap.n - 1];
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long from, to, kib, resident = 0, huge = 0;
	char line[256];
	bool ours = false;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			ours = from < (uintptr_t)last->at + last->bytes && to > (uintptr_t)last->at;
		else if (ours && sscanf(line, "Rss: %lu", &kib) == 1)
			resident += kib;
		else if (ours && sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			huge += kib;
	}
	if (f)
		fclose(f);
	return resident ? 100.0 * (double)huge / (double)resident : 0;
}

void lookup_resident(size_t *bytes, size_t *huge)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	unsigned long kib;
	char line[256];

	*bytes = *huge = 0;
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Anonymous: %lu", &kib) == 1)
			*bytes = kib << 10;
		else if (sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			*huge = kib << 10;
	}
	if (f)
		fclose(f);
}
