/* node/unixsock.h - the listening end of a Unix socket in the file system. */
#ifndef NODE_UNIXSOCK_H
#define NODE_UNIXSOCK_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

struct unixsock {
    int fd; /* listening, non-blocking; the taker's to close */
    char path[108];
    dev_t dev;
    ino_t ino;
};

/* Listens at `path` for this user and group (mode 0660). A socket file that nobody answers on any
 * more is replaced; one that is in use, or anything else of that name, stays. On failure `error`
 * is one line: what, where, and how to mend it. */
enum err unixsock_listen(const char *path, char *error, size_t size,
                         struct unixsock *ret_socket) MUST_USE;
/* Removes the file if it is still the one that was made here. */
void unixsock_remove(const struct unixsock *s);

#endif
