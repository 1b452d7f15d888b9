#include "node/notify.h"

#include "base/slice.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void send_text(const char *text)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;
    int fd;

    if (len < 2 || len >= sizeof(to.sun_path) || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* the abstract namespace */
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    (void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&to,
                  (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
    close(fd);
}

/* One line of it: what follows a line end would be another variable. */
static void send_with_status(const char *what, const char *status)
{
    char text[640];

    snprintf(text, sizeof(text), "%s\nSTATUS=%.*s", what, (int)strcspn(status, "\n"), status);
    send_text(text);
}

void notify_ready(const char *status)
{
    send_with_status("READY=1", status);
}

void notify_reloading(uint64_t monotonic_us)
{
    char text[64];

    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, monotonic_us);
    send_with_status(text, "reading the configuration again");
}

void notify_stopping(void)
{
    send_with_status("STOPPING=1", "draining: what is held is sent, then links are closed");
}

void notify_watchdog(void)
{
    send_text("WATCHDOG=1");
}

static bool env_number(const char *name, uint64_t *ret)
{
    const char *text = getenv(name);

    return text && slice_to_u64(slice_from(text), UINT64_MAX, ret);
}

uint64_t notify_watchdog_ms(void)
{
    uint64_t us;
    uint64_t pid;

    if (!env_number("WATCHDOG_USEC", &us))
        return 0;
    if (env_number("WATCHDOG_PID", &pid) && pid != (uint64_t)getpid())
        return 0;
    return us / 2000 ? us / 2000 : 1;
}

size_t notify_given_fds(int fds[NOTIFY_FDS_MAX])
{
    uint64_t pid;
    uint64_t count;

    if (!env_number("LISTEN_PID", &pid) || pid != (uint64_t)getpid() ||
        !env_number("LISTEN_FDS", &count))
        return 0;
    if (count > NOTIFY_FDS_MAX)
        count = NOTIFY_FDS_MAX;
    for (uint64_t i = 0; i < count; i++) {
        fds[i] = 3 + (int)i;
        (void)fcntl(fds[i], F_SETFD, FD_CLOEXEC);
    }
    return (size_t)count;
}
