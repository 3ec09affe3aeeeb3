/*
 * Blocks of a few sizes in one reserved range of addresses. Control only; readers know just the
 * base.
 *
 * The range is divided into pages of 16 KiB. A slab is a run of pages with blocks of one class; a
 * slab without blocks in use becomes a free run, which joins its neighbours and serves any class.
 * What is retired waits in a list, linked through the blocks: those that were retired before the
 * last call of later.call() are `due`, those after it `fresh`. There is one such call at a time.
 */
#include "dataplane/arena.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "dataplane/range.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(addr, size)	((void)(addr), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(addr, size) ((void)(addr), (void)(size))
#endif

#define PAGE_BYTES    (UINT32_C(16) << 10)
#define PAGE_UNITS    (PAGE_BYTES / DP_ARENA_UNIT_BYTES)
#define CHUNK_BYTES   (UINT32_C(2) << 20) /* a huge page */
#define CHUNK_PAGES   (CHUNK_BYTES / PAGE_BYTES)
#define RESERVE_BYTES ((size_t)16 << 30)
#define RESERVE_PAGES (RESERVE_BYTES / PAGE_BYTES)
/* A slab has at most this many pages, and wastes no more than an eighth if it can help it. */
#define SLAB_PAGES_MAX 8
/* Free runs of so many pages and more share a list. */
#define RUN_BINS (SLAB_PAGES_MAX + 1)
/* Blocks that become free in one go: some 50 us. */
#define DUE_PER_CALL 1024
#define NONE	     UINT32_MAX

static_assert(RESERVE_BYTES / DP_ARENA_UNIT_BYTES <= UINT32_MAX, "references have 32 bits");

enum page_state { PAGE_FREE, PAGE_SLAB };

/* A page of the range. Of a run, free or slab, the first page speaks; the last knows the first. */
struct page {
	uint32_t first;	     /* page of the run that this one is in */
	uint32_t next, prev; /* free runs of a bin; slabs of a class with free blocks */
	uint32_t free_ref;   /* slab: blocks that were given back, linked by their first word */
	uint16_t n_pages;    /* of a slab */
	uint16_t n_used;     /* blocks */
	uint16_t n_cut;	     /* blocks that were ever used */
	uint8_t class;
	uint8_t state;
	uint32_t run_pages; /* of a free run */
};

struct class
{
	struct dp_arena_class is;
	uint32_t slab_pages, slab_blocks;
	uint32_t partial; /* slabs with free blocks */
};

/* Outlives an arena that is deleted while readers are waited for. */
struct limbo {
	struct dp_arena *arena; /* NULL: deleted */
};

struct list {
	uint32_t first, last; /* 0: empty */
};

struct dp_arena {
	struct dp_range range, page_range;
	struct page *pages; /* in page_range */
	uint32_t n_pages;   /* in use or free */
	uint32_t bins[RUN_BINS];
	struct class classes[DP_ARENA_CLASSES_MAX];
	unsigned int n_classes;
	size_t used_bytes;
	uint32_t freed_pages; /* since a chunk went back to the kernel */
	struct dp_later later;
	struct limbo *limbo;
	bool waiting; /* for readers */
	struct list due, fresh;
};

char *dp_arena_base(const struct dp_arena *a)
{
	return (char *)a->range.base;
}

static void *block_at(const struct dp_arena *a, uint32_t ref)
{
	return a->range.base + (size_t)ref * DP_ARENA_UNIT_BYTES;
}

static void *page_at(const struct dp_arena *a, uint32_t page)
{
	return a->range.base + (size_t)page * PAGE_BYTES;
}

/* ---- runs of free pages ---- */

static uint32_t *bin_of(struct dp_arena *a, uint32_t pages)
{
	return &a->bins[pages < RUN_BINS ? pages - 1 : RUN_BINS - 1];
}

static void list_add(struct dp_arena *a, uint32_t *head, uint32_t page)
{
	a->pages[page].prev = NONE;
	a->pages[page].next = *head;
	if (*head != NONE)
		a->pages[*head].prev = page;
	*head = page;
}

static void list_remove(struct dp_arena *a, uint32_t *head, uint32_t page)
{
	const struct page *p = &a->pages[page];

	if (p->prev == NONE)
		*head = p->next;
	else
		a->pages[p->prev].next = p->next;
	if (p->next != NONE)
		a->pages[p->next].prev = p->prev;
}

static void run_set(struct dp_arena *a, uint32_t first, uint32_t pages)
{
	a->pages[first] = (struct page){.first = first, .state = PAGE_FREE, .run_pages = pages};
	a->pages[first + pages - 1].first = first;
	a->pages[first + pages - 1].state = PAGE_FREE;
	list_add(a, bin_of(a, pages), first);
}

static void run_unset(struct dp_arena *a, uint32_t first)
{
	list_remove(a, bin_of(a, a->pages[first].run_pages), first);
}

/* Adds pages to what is free, joined with the runs on both sides; the run that comes of it. */
static uint32_t run_free(struct dp_arena *a, uint32_t first, uint32_t pages)
{
	uint32_t after = first + pages;

	if (first > 0 && a->pages[first - 1].state == PAGE_FREE) {
		uint32_t before = a->pages[first - 1].first;

		run_unset(a, before);
		pages += first - before;
		first = before;
	}
	if (after < a->n_pages && a->pages[after].state == PAGE_FREE) {
		pages += a->pages[after].run_pages;
		run_unset(a, after);
	}
	run_set(a, first, pages);
	return first;
}

/* More pages, at least so many at the end of the range. */
static bool grow(struct dp_arena *a, uint32_t pages)
{
	uint32_t had = a->n_pages, now;

	if (dp_range_grow(&a->range, (size_t)(had + pages) * PAGE_BYTES) != 0)
		return false;
	now = (uint32_t)(a->range.in_use_bytes / PAGE_BYTES);
	if (dp_range_grow(&a->page_range, now * sizeof(a->pages[0])) != 0)
		return false;
	a->n_pages = now;
	run_free(a, had, now - had);
	return true;
}

/* The first page of a run that is taken. */
static uint32_t run_take(struct dp_arena *a, uint32_t pages)
{
	for (unsigned int try = 0; try < 2; try++) {
		for (uint32_t i = pages - 1; i < RUN_BINS; i++) {
			uint32_t first = a->bins[i], whole;

			if (first == NONE)
				continue;
			whole = a->pages[first].run_pages;
			run_unset(a, first);
			if (whole > pages)
				run_set(a, first + pages, whole - pages);
			return first;
		}
		if (!grow(a, pages))
			break;
	}
	return NONE;
}

/* ---- slabs ---- */

static bool slab_new(struct dp_arena *a, unsigned int class)
{
	struct class *c = &a->classes[class];
	uint32_t first = run_take(a, c->slab_pages);

	if (first == NONE)
		return false;
	for (uint32_t i = 0; i < c->slab_pages; i++)
		a->pages[first + i] = (struct page){.first = first, .state = PAGE_SLAB};
	a->pages[first].n_pages = (uint16_t)c->slab_pages;
	a->pages[first].class = (uint8_t) class;
	ASAN_POISON_MEMORY_REGION(page_at(a, first), c->slab_pages * PAGE_BYTES);
	list_add(a, &c->partial, first);
	return true;
}

/*
 * If the chunk of a page that became free is now free as a whole, it goes back to the kernel; the
 * run stays usable. Not for each slab that comes and goes: only after half a chunk of them.
 */
static void drop_chunk(struct dp_arena *a, uint32_t run, uint32_t page, uint32_t freed_pages)
{
	uint32_t chunk = page / CHUNK_PAGES * CHUNK_PAGES;

	a->freed_pages += freed_pages;
	if (a->freed_pages < CHUNK_PAGES / 2 || chunk < run ||
	    chunk + CHUNK_PAGES > run + a->pages[run].run_pages)
		return;
	madvise(page_at(a, chunk), CHUNK_BYTES, MADV_DONTNEED);
	a->freed_pages = 0;
}

static void slab_delete(struct dp_arena *a, uint32_t first)
{
	uint32_t pages = a->pages[first].n_pages;

	list_remove(a, &a->classes[a->pages[first].class].partial, first);
	ASAN_UNPOISON_MEMORY_REGION(page_at(a, first), pages * PAGE_BYTES);
	drop_chunk(a, run_free(a, first, pages), first, pages);
}

/* How many pages its slabs have: the fewest that waste little, or else the best. */
static void class_init(struct class *c, const struct dp_arena_class *is)
{
	uint32_t best_waste = UINT32_MAX;

	assert(is->bytes % DP_ARENA_UNIT_BYTES == 0 && is->bytes > 0);
	assert(is->bytes <= SLAB_PAGES_MAX * PAGE_BYTES);
	c->is = *is;
	c->partial = NONE;
	for (uint32_t pages = 1; pages <= SLAB_PAGES_MAX && best_waste > 125; pages++) {
		uint32_t blocks = pages * PAGE_BYTES / is->bytes, waste;

		if (blocks == 0)
			continue;
		waste = 1000 -
			(uint32_t)((uint64_t)blocks * is->bytes * 1000 / (pages * PAGE_BYTES));
		if (waste < best_waste) {
			best_waste = waste;
			c->slab_pages = pages;
			c->slab_blocks = blocks;
		}
	}
}

/* ---- blocks ---- */

static struct page *slab_of(const struct dp_arena *a, uint32_t ref)
{
	return &a->pages[a->pages[ref / PAGE_UNITS].first];
}

uint32_t dp_arena_block_bytes(const struct dp_arena *a, uint32_t ref)
{
	return a->classes[slab_of(a, ref)->class].is.bytes;
}

static uint32_t slab_page(const struct dp_arena *a, const struct page *slab)
{
	return (uint32_t)(slab - a->pages);
}

uint32_t dp_arena_alloc(struct dp_arena *a, unsigned int class)
{
	struct class *c = &a->classes[class];
	struct page *slab;
	uint32_t ref;

	if (c->partial == NONE && !slab_new(a, class))
		return 0;
	slab = &a->pages[c->partial];
	ref = slab->free_ref;
	if (ref != 0) {
		ASAN_UNPOISON_MEMORY_REGION(block_at(a, ref), c->is.bytes);
		memcpy(&slab->free_ref, block_at(a, ref), sizeof(slab->free_ref));
	} else {
		ref = slab_page(a, slab) * PAGE_UNITS +
		      slab->n_cut * (c->is.bytes / DP_ARENA_UNIT_BYTES);
		slab->n_cut++;
		ASAN_UNPOISON_MEMORY_REGION(block_at(a, ref), c->is.bytes);
	}
	slab->n_used++;
	if (slab->n_used == c->slab_blocks)
		list_remove(a, &c->partial, slab_page(a, slab));
	a->used_bytes += c->is.bytes;
	return ref;
}

static void block_free(struct dp_arena *a, uint32_t ref)
{
	struct page *slab = slab_of(a, ref);
	struct class *c = &a->classes[slab->class];

	memcpy(block_at(a, ref), &slab->free_ref, sizeof(slab->free_ref));
	ASAN_POISON_MEMORY_REGION(block_at(a, ref), c->is.bytes);
	slab->free_ref = ref;
	if (slab->n_used == c->slab_blocks)
		list_add(a, &c->partial, slab_page(a, slab));
	slab->n_used--;
	if (slab->n_used == 0)
		slab_delete(a, slab_page(a, slab));
}

void dp_arena_free(struct dp_arena *a, uint32_t ref)
{
	a->used_bytes -= dp_arena_block_bytes(a, ref);
	block_free(a, ref);
}

/* ---- what readers may still see ---- */

static char *link_of(const struct dp_arena *a, uint32_t ref)
{
	return (char *)block_at(a, ref) + a->classes[slab_of(a, ref)->class].is.link_off_bytes;
}

/* Readers have passed: some become free, the rest at the next time. */
static void readers_passed(void *arg)
{
	struct limbo *limbo = arg;
	struct dp_arena *a = limbo->arena;

	if (a == NULL) {
		free(limbo);
		return;
	}
	for (unsigned int i = 0; i < DUE_PER_CALL && a->due.first != 0; i++) {
		uint32_t ref = a->due.first;

		memcpy(&a->due.first, link_of(a, ref), sizeof(a->due.first));
		block_free(a, ref);
	}
	if (a->due.first == 0) {
		a->due = a->fresh;
		a->fresh = (struct list){0};
	}
	a->waiting = a->due.first != 0;
	if (a->waiting)
		a->later.call(a->later.ctx, readers_passed, limbo);
}

void dp_arena_retire(struct dp_arena *a, uint32_t ref)
{
	const uint32_t none = 0;

	a->used_bytes -= dp_arena_block_bytes(a, ref);
	memcpy(link_of(a, ref), &none, sizeof(none));
	if (!a->waiting) {
		a->due = (struct list){ref, ref};
		a->waiting = true;
		a->later.call(a->later.ctx, readers_passed, a->limbo);
		return;
	}
	if (a->fresh.first == 0)
		a->fresh.first = ref;
	else
		memcpy(link_of(a, a->fresh.last), &ref, sizeof(ref));
	a->fresh.last = ref;
}

/* ---- the whole ---- */

struct dp_arena *dp_arena_new(const struct dp_arena_class *classes, unsigned int n_classes,
			      const struct dp_later *later)
{
	struct dp_arena *a = calloc(1, sizeof(*a));

	assert(n_classes <= DP_ARENA_CLASSES_MAX);
	if (a == NULL)
		return NULL;
	a->limbo = calloc(1, sizeof(*a->limbo));
	if (a->limbo == NULL || dp_range_init(&a->range, RESERVE_BYTES) != 0 ||
	    dp_range_init(&a->page_range, RESERVE_PAGES * sizeof(a->pages[0])) != 0)
		goto fail;
	a->pages = (struct page *)a->page_range.base;
	a->limbo->arena = a;
	a->later = *later;
	a->n_classes = n_classes;
	for (unsigned int i = 0; i < n_classes; i++)
		class_init(&a->classes[i], &classes[i]);
	for (unsigned int i = 0; i < RUN_BINS; i++)
		a->bins[i] = NONE;
	/* The first page is no block's, so that 0 is no reference. */
	if (run_take(a, 1) != 0)
		goto fail;
	a->pages[0].state = PAGE_SLAB;
	return a;
fail:
	dp_arena_delete(a);
	return NULL;
}

void dp_arena_delete(struct dp_arena *a)
{
	if (a == NULL)
		return;
	if (a->n_pages != 0)
		ASAN_UNPOISON_MEMORY_REGION(a->range.base, (size_t)a->n_pages * PAGE_BYTES);
	dp_range_fini(&a->range);
	dp_range_fini(&a->page_range);
	if (a->waiting)
		a->limbo->arena = NULL; /* freed by readers_passed() */
	else
		free(a->limbo);
	free(a);
}

size_t dp_arena_used_bytes(const struct dp_arena *a)
{
	return a->used_bytes;
}

size_t dp_arena_bytes(const struct dp_arena *a)
{
	return (size_t)a->n_pages * PAGE_BYTES;
}
