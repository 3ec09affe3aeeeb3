/*
 * Inside of the Linux face: devices (face_device.c), packets from Linux (face_read.c), the thread
 * and packets to Linux (face.c).
 */
#ifndef CONTROL_FACE_PRIV_H
#define CONTROL_FACE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/worker.h"

/* A TUN (id: of the WireGuard interface) or a TAP (id: of the port). fd -1: none. */
struct face_device {
	int fd;
	uint16_t id;
	bool tap;
	uint16_t vlan; /* of a TAP: the tag that its frames get; 0: none */
	uint32_t ifindex;
	char name[16];
};

/* Greatest frame that Linux hands over whole: an IP packet and an Ethernet header with a tag. */
#define FACE_FRAME_MAX_BYTES (65535 + 18)
/* No packet buffer has more room than this. */
#define FACE_BUFFER_MAX_BYTES 65535

/* What a reader needs beside packet buffers; the face's thread. */
struct face_reader {
	struct dp *dp;
	struct rte_mbuf *spare; /* kept when there was nothing to read */
	/* The rest of a frame that does not fit its buffer, with room to put the beginning before
	 * it. */
	uint8_t big[FACE_BUFFER_MAX_BYTES + FACE_FRAME_MAX_BYTES];
};

/* face_device.c, control thread. 0 or -errno with a sentence in error. mac only for a TAP. */
int face_device_open(struct face_device *d, const char *name, uint16_t mtu, const uint8_t *mac,
		     char *error, size_t error_size);
/* A TAP's link state, and its MAC. 0 or -errno. */
int face_device_set_carrier(const struct face_device *d, bool carrier);
int face_device_set_mac(const struct face_device *d, const uint8_t mac[6]);
/* Packets that came in by one of these interfaces will not enter the TUN. 0 or -errno. */
int face_device_shun(const struct face_device *d, const uint32_t *ifindexes, size_t n);

/* face_read.c. Reads one frame and hands it to a worker, in segments if need be. 1, 0: nothing to
 * read, -errno: the device is gone. */
int face_read_one(struct face_reader *r, const struct face_device *d);

#endif
