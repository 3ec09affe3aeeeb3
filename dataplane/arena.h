/*
 * Memory of a trie: blocks of a few sizes, named by 32-bit references, which are offsets from one
 * base in units of 8 bytes: half the size of pointers, and nothing to look up on the way. One
 * writer (control) takes and gives back; readers (workers) only compute addresses. A block that
 * readers may still see is retired: it becomes free when they have passed. No DPDK here.
 *
 * The address range is reserved at first and becomes memory in steps; what is free again in pieces
 * of 2 MiB goes back to the kernel, at most one piece in a call.
 */
#ifndef DATAPLANE_ARENA_H
#define DATAPLANE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#define DP_ARENA_UNIT_BYTES  8
#define DP_ARENA_CLASSES_MAX 128

/* Calls fn(arg) after all readers have passed a quiescent state, never from within call itself. */
struct dp_later {
	void (*call)(void *ctx, void (*fn)(void *arg), void *arg);
	void *ctx;
};

/* A size of blocks. */
struct dp_arena_class {
	uint32_t bytes;		 /* a multiple of 8, up to 128 KiB */
	uint32_t link_off_bytes; /* of a uint32_t in the block that readers don't look at */
};

struct dp_arena;

/* NULL: out of memory or address space. Classes are copied. */
struct dp_arena *dp_arena_new(const struct dp_arena_class *classes, unsigned int n_classes,
			      const struct dp_later *later);
/* When no reader is left; frees all blocks with it, retired ones too. NULL is allowed. */
void dp_arena_delete(struct dp_arena *a);

/* Address of reference 0, which never changes. The first 64 bytes there are zero and no block. */
char *dp_arena_base(const struct dp_arena *a);

/* A block of a class, its contents undefined; 0: out of memory. */
uint32_t dp_arena_alloc(struct dp_arena *a, unsigned int class);
/* A block that no reader has ever seen. */
void dp_arena_free(struct dp_arena *a, uint32_t ref);
/* A block that readers may see until they pass. They may read it until then, but for its link. */
void dp_arena_retire(struct dp_arena *a, uint32_t ref);

/* Of the block's class. */
uint32_t dp_arena_block_bytes(const struct dp_arena *a, uint32_t ref);

/* Bytes of blocks that are in use, retired ones not counted; and of memory taken from the kernel at
 * most, with what is free or waits for readers. */
size_t dp_arena_used_bytes(const struct dp_arena *a);
size_t dp_arena_bytes(const struct dp_arena *a);

#endif
