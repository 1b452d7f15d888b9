#include "node/conf_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err read_all(int fd, char *buf, size_t room, size_t *ret_size)
{
    size_t size = 0;

    while (size < room) {
        ssize_t n = read(fd, buf + size, room - size);

        if (n < 0 && errno != EINTR)
            return err_from_errno(errno);
        if (n == 0)
            break;
        size += n > 0 ? (size_t)n : 0;
    }
    *ret_size = size;
    return OK;
}

enum err conf_file_read(void *arg, const char *path, char *buf, size_t room,
                        struct conf_file *ret_file)
{
    /* Non-blocking: opening a FIFO must not hang the service. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;
    enum err e;

    if (fd < 0)
        return err_from_errno(errno);
    if (fstat(fd, &st))
        e = err_from_errno(errno);
    else if (!S_ISREG(st.st_mode))
        e = ERR_UNSUPPORTED;
    else
        e = read_all(fd, buf, room, &ret_file->size_bytes);
    if (!e)
        ret_file->mode = st.st_mode & 07777;
    close(fd);
    return e;
}

static const char *why(enum err e)
{
    return e == ERR_UNSUPPORTED ? "it is no regular file" : err_text(e);
}

static void warn_if_open(struct conf_reader *r, const char *key, unsigned line, const char *path,
                         unsigned mode)
{
    if (mode & S_IROTH)
        conf_remark(r->report, CONF_WARNING, line, "%s: %s can be read by every user; chmod o-r it",
                    key, path);
}

bool conf_file_look(struct conf_reader *r, const char *key, unsigned line, const char *path,
                    bool secret, enum conf_severity severity)
{
    struct conf_file file = {0, 0};
    char byte;
    enum err e = r->source->read(r->source->arg, path, &byte, 1, &file);

    if (e)
        conf_remark(r->report, severity, line,
                    "%s: %s cannot be read: %s; create it, or give the service leave to read it",
                    key, path, why(e));
    else if (!file.size_bytes)
        conf_remark(r->report, severity, line, "%s: %s is empty; fill it", key, path);
    else if (secret)
        warn_if_open(r, key, line, path, file.mode);
    return !e && file.size_bytes;
}

/* Editors and shells end a file with a line end; it is not part of the secret. */
static size_t without_line_end(const char *text, size_t len)
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return len;
}

static void keep(struct conf_secret *secret, const char *text, size_t len)
{
    char *kept = mem_alloc(len + 1);

    memcpy(kept, text, len);
    kept[len] = '\0';
    secret->text = slice_make(kept, len);
}

void conf_secret_read(struct conf_reader *r, const char *key, unsigned line, size_t at_least,
                      struct conf_secret *secret)
{
    size_t room = CONF_SECRET_BYTES_MAX + 3; /* a line end, and one byte too many */
    char *buf = mem_alloc(room);
    struct conf_file file = {0, 0};
    enum err e = r->source->read(r->source->arg, secret->file, buf, room, &file);
    size_t len = without_line_end(buf, file.size_bytes);

    if (e)
        conf_remark(r->report, CONF_ERROR, line,
                    "%s: %s cannot be read: %s; create it (openssl rand -hex 32), readable by the "
                    "service only",
                    key, secret->file, why(e));
    else if (len < at_least)
        conf_remark(r->report, CONF_ERROR, line,
                    "%s: the secret in %s is too short: %zu to %u bytes; make one with openssl "
                    "rand -hex 32",
                    key, secret->file, at_least, CONF_SECRET_BYTES_MAX);
    else if (len > CONF_SECRET_BYTES_MAX)
        conf_remark(r->report, CONF_ERROR, line,
                    "%s: the secret in %s is too long: %zu to %u bytes; shorten it", key,
                    secret->file, at_least, CONF_SECRET_BYTES_MAX);
    else {
        warn_if_open(r, key, line, secret->file, file.mode);
        keep(secret, buf, len);
    }
    mem_wipe(buf, room);
}
