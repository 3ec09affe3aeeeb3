/* Unix stream sockets in the file system: made, accepted from, removed. Nothing here blocks. */
#include "config/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 32

bool cf_listen_address(struct sockaddr_un *address, const char *path)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if ((size_t)snprintf(address->sun_path, sizeof(address->sun_path), "%s", path) <
	    sizeof(address->sun_path))
		return true;
	errno = ENAMETOOLONG;
	return false;
}

int cf_listen_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *directory;
	int rc = 0;

	if (!slash || slash == path)
		return 0;
	directory = strndup(path, (size_t)(slash - path));
	if (!directory)
		return -ENOMEM;
	if (mkdir(directory, 0755) == 0)
		rc = chmod(directory, 0755) ? -errno : 0; /* whatever the umask is */
	else if (errno != EEXIST)
		rc = -errno;
	free(directory);
	return rc;
}

/* 0: path is free now. */
static int clear_path(const struct sockaddr_un *address)
{
	struct stat st;
	int fd, rc;

	if (lstat(address->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	rc = connect(fd, (const struct sockaddr *)address, sizeof(*address));
	/* EAGAIN: somebody listens there whose backlog is full. */
	rc = rc == 0 || errno == EAGAIN ? -EADDRINUSE : 0;
	close(fd);
	if (rc == 0 && unlink(address->sun_path) < 0)
		rc = -errno;
	return rc;
}

static int bind_and_listen(struct cf_listener *listener, const struct sockaddr_un *address)
{
	struct stat st;

	/* Linux gives the file the mode that the socket has when it is bound: no moment of 0755. */
	if (fchmod(listener->fd, 0600) < 0 ||
	    bind(listener->fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return -errno;
	if (lstat(address->sun_path, &st) < 0)
		return -errno;
	memcpy(listener->path, address->sun_path, sizeof(listener->path));
	listener->dev = st.st_dev;
	listener->ino = st.st_ino;
	return listen(listener->fd, BACKLOG) < 0 ? -errno : 0;
}

int cf_listen_open(struct cf_listener *listener, const char *path)
{
	struct sockaddr_un address;
	int rc;

	*listener = (struct cf_listener){.fd = -1, .spare_fd = -1};
	if (!cf_listen_address(&address, path))
		return -errno;
	rc = clear_path(&address);
	if (rc)
		return rc;
	listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listener->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	rc = listener->fd < 0 ? -errno : bind_and_listen(listener, &address);
	if (rc)
		cf_listen_close(listener);
	return rc;
}

int cf_listen_accept(struct cf_listener *listener)
{
	int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
		return fd;
	/* Refuse it with the spare descriptor: left alone it would keep us awake for ever. */
	if (listener->spare_fd >= 0)
		close(listener->spare_fd);
	fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	listener->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return -1;
}

void cf_listen_close(struct cf_listener *listener)
{
	struct stat st;

	if (listener->fd >= 0)
		close(listener->fd);
	if (listener->spare_fd >= 0)
		close(listener->spare_fd);
	if (listener->path[0] && lstat(listener->path, &st) == 0 && st.st_dev == listener->dev &&
	    st.st_ino == listener->ino)
		unlink(listener->path);
	*listener = (struct cf_listener){.fd = -1, .spare_fd = -1};
}
