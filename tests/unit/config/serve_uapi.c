/*
 * The UAPI server in front of an interface that is only data, for the real `wg` to talk to: listens
 * at the path given, says "ready", and ends when its standard input does.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/config/fake_interface.h"

int main(int argc, char **argv)
{
	struct fake_interface fake = {0};
	struct cf_uapi *uapi = argc == 2 ? cf_uapi_open(argv[1], &fake_ops, &fake) : NULL;
	struct pollfd fds[] = {{.fd = 0, .events = POLLIN}, {.events = POLLIN}};

	if (!uapi) {
		perror("serve_uapi");
		return 1;
	}
	fds[1].fd = cf_uapi_fd(uapi);
	puts("ready");
	fflush(stdout);
	while (poll(fds, 2, -1) > 0 && !fds[0].revents)
		cf_uapi_run(uapi);
	cf_uapi_close(uapi);
	fake_clear(&fake);
	return 0;
}
