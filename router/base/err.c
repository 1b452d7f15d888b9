#include "base/err.h"

#include <errno.h>

static const struct {
    const char *word;
    const char *text;
} rows[ERR_MAX] = {
    [OK] = {"ok", "no error"},
#define ERR(name, word, text) [ERR_##name] = {word, text},
#include "base/err.def"
#undef ERR
};

const char *err_text(enum err e)
{
    assert((unsigned)e < ERR_MAX);
    return rows[e].text;
}

const char *err_name(enum err e)
{
    assert((unsigned)e < ERR_MAX);
    return rows[e].word;
}

enum err err_from_errno(int err_no)
{
    switch (err_no) {
    case 0:
        return OK;
    case EAGAIN:
        return ERR_AGAIN;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return ERR_RESET;
    case ECONNREFUSED:
        return ERR_REFUSED;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return ERR_UNREACHABLE;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ENOENT:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case ENOMEM:
    case ENOBUFS:
        return ERR_MEMORY;
    case EMFILE:
    case ENFILE:
        return ERR_DESCRIPTORS;
    case EADDRINUSE:
        return ERR_IN_USE;
    case ECANCELED:
        return ERR_CANCELLED;
    case EIO:
    case ENOSPC:
        return ERR_IO;
    default:
        return ERR_SYSTEM;
    }
}
