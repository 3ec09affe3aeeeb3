/* Listening on a unix stream socket in the file system. Private to config/uapi.c and config/rpc.c.
 */
#ifndef CONFIG_LISTEN_H
#define CONFIG_LISTEN_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/un.h>

struct cf_listener {
	int fd;
	int spare_fd; /* given up to accept and close when descriptors run out */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	dev_t dev;
	ino_t ino; /* of the socket's file, so that nobody else's is removed */
};

/* Fills in the address; false with errno = ENAMETOOLONG. */
bool cf_listen_address(struct sockaddr_un *address, const char *path);
/* Makes the directory of path (0755; its parent must exist). Returns 0 or -errno. */
int cf_listen_directory(const char *path);
/*
 * Listens at path, mode 0600, not blocking. A socket that nobody answers at is replaced. Returns 0
 * or -errno: -EADDRINUSE if somebody does, -EEXIST if there is a file that is no socket.
 */
int cf_listen_open(struct cf_listener *listener, const char *path);
/* A connection (not blocking, close-on-exec), or -1: none. */
int cf_listen_accept(struct cf_listener *listener);
/* Closes, and removes the socket's file if it is still the one that was made. */
void cf_listen_close(struct cf_listener *listener);

#endif
