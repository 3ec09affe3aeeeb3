/* What DPDK's tap driver does to a process, and its undoing. Control only; device.c uses it. */
#ifndef DATAPLANE_DEVICE_TAP_H
#define DATAPLANE_DEVICE_TAP_H

/*
 * DPDK's tap driver has the kernel send a real-time signal for each frame that comes in, to any
 * thread. Call it from the process's first thread after a device was started: such signals are
 * ignored from then on. Before, the process must have blocked real-time signals in all threads.
 */
void dp_tap_ignore_signals(void);

#endif
