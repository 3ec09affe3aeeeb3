/*
 * TCP frames that Linux hands over whole (GSO): cuts them into segments as a NIC would. Pure
 * functions on bytes; the face's thread calls them.
 */
#ifndef CONTROL_GSO_H
#define CONTROL_GSO_H

#include <stdint.h>

struct ctl_gso {
	const uint8_t *frame;
	uint32_t len;
	uint32_t header_len; /* up to the TCP payload */
	uint32_t segments;
	uint16_t l3_off;
	uint16_t l4_off;
	uint16_t size; /* payload of each segment but the last */
	uint8_t family;
};

/*
 * Looks whether the frame is what its virtio header says: TCP over IPv4 or IPv6 at l3_off, TCP
 * header at l4_off (csum_start), size bytes of payload per segment (gso_size). The frame must stay
 * as long as segments are made. 0 or -EINVAL.
 */
int ctl_gso_open(struct ctl_gso *g, const uint8_t *frame, uint32_t len, uint16_t l3_off,
		 uint16_t l4_off, uint16_t size);
/* Length of segment i (< g->segments). */
uint32_t ctl_gso_len(const struct ctl_gso *g, uint32_t i);
/* Writes segment i, complete with all checksums; out has room for ctl_gso_len(). */
void ctl_gso_segment(const struct ctl_gso *g, uint32_t i, uint8_t *out);

#endif
