#include "node/unixsock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

struct attempt {
    struct sockaddr_un at;
    char *error;
    size_t error_size;
};

static enum err fail(struct attempt *a, int err_no, const char *remedy)
{
    enum err e = err_from_errno(err_no);

    snprintf(a->error, a->error_size, "%s: %s; %s", a->at.sun_path, strerror(err_no), remedy);
    return e ? e : ERR_SYSTEM;
}

static int open_socket(void)
{
    return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int knock(const struct sockaddr_un *at)
{
    int fd = open_socket();
    int e;

    if (fd < 0)
        return errno;
    e = connect(fd, (const struct sockaddr *)at, sizeof(*at)) ? errno : 0;
    close(fd);
    return e;
}

/* What a router that was killed left behind goes; whatever may be somebody's stays. */
static enum err make_way(struct attempt *a)
{
    struct stat st;

    if (lstat(a->at.sun_path, &st))
        return OK; /* not there, or not to be seen: bind will say */
    if (!S_ISSOCK(st.st_mode))
        return fail(a, EEXIST, "it is no socket; remove it or choose another path");
    switch (knock(&a->at)) {
    case ECONNREFUSED:
        if (unlink(a->at.sun_path))
            return fail(a, errno, "a stale socket is there; remove it");
        return OK;
    case ENOENT:
        return OK;
    case EACCES:
        return fail(a, EACCES, "a socket of another user is there; remove it");
    default:
        return fail(a, EADDRINUSE, "another router answers there; stop it or choose another path");
    }
}

static const char *bind_remedy(int err_no)
{
    switch (err_no) {
    case ENOENT:
        return "its directory does not exist; make it or choose another path";
    case EACCES:
    case EPERM:
    case EROFS:
        return "this user must be able to write to the directory";
    default:
        return "choose another path";
    }
}

/* Nobody gets in before listen(), so that the mode is right from the first connection on,
 * whatever the umask. */
static enum err bind_and_listen(struct attempt *a, int fd)
{
    if (bind(fd, (const struct sockaddr *)&a->at, sizeof(a->at)))
        return fail(a, errno, bind_remedy(errno));
    if (chmod(a->at.sun_path, 0660) || listen(fd, BACKLOG)) {
        int e = errno;

        unlink(a->at.sun_path);
        return fail(a, e, "choose another path");
    }
    return OK;
}

static void remember(struct unixsock *s, const struct attempt *a, int fd)
{
    struct stat st = {0};

    (void)lstat(a->at.sun_path, &st);
    memset(s, 0, sizeof(*s));
    s->fd = fd;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    memcpy(s->path, a->at.sun_path, sizeof(a->at.sun_path));
}

enum err unixsock_listen(const char *path, char *error, size_t size, struct unixsock *ret_socket)
{
    struct attempt a = {.at.sun_family = AF_UNIX, .error = error, .error_size = size};
    enum err e;
    int fd;

    if (strlen(path) >= sizeof(a.at.sun_path)) {
        snprintf(error, size, "%s: too long for a socket; choose a shorter path", path);
        return ERR_LIMIT;
    }
    strcpy(a.at.sun_path, path);
    e = make_way(&a);
    if (e)
        return e;
    fd = open_socket();
    if (fd < 0)
        return fail(&a, errno, "raise the limit of open files");
    e = bind_and_listen(&a, fd);
    if (e) {
        close(fd);
        return e;
    }
    remember(ret_socket, &a, fd);
    return OK;
}

void unixsock_remove(const struct unixsock *s)
{
    struct stat st;

    if (lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
        unlink(s->path);
}
