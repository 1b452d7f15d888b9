#include "session/redisurl.h"

#include <stdio.h>

static bool is_host(struct slice host)
{
    for (size_t i = 0; i < host.len; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:",
                    host.ptr[i]) ||
            !host.ptr[i])
            return false;
    return host.len > 0;
}

/* Splits off ":port", if there is one; brackets around IPv6 go. False: an open bracket, or IPv6
 * without any. */
static bool split(struct slice text, struct slice *ret_host, struct slice *ret_port)
{
    size_t colon = slice_find(text, ':');

    if (text.len && text.ptr[0] == '[') {
        size_t end = slice_find(text, ']');

        *ret_host = slice_sub(text, 1, end - 1);
        *ret_port = slice_from_offset(text, end + 1);
        return end < text.len && (!ret_port->len || ret_port->ptr[0] == ':');
    }
    *ret_host = slice_sub(text, 0, colon);
    *ret_port = slice_from_offset(text, colon);
    return slice_find(slice_from_offset(text, colon + 1), ':') + colon + 1 >= text.len;
}

enum err redis_host_parse(struct slice text, uint16_t default_port, struct redis_place *ret_place,
                          const char **ret_problem)
{
    struct redis_place p = {.port = default_port};
    struct slice host, port;
    uint64_t n = default_port;

    *ret_problem = "not host:port; write IPv6 addresses in brackets";
    if (!split(text, &host, &port) || !is_host(host))
        return ERR_SYNTAX;
    if (port.len && !(slice_to_u64(slice_from_offset(port, 1), 65535, &n) && n))
        return ERR_SYNTAX;
    if (!slice_to_cstr(host, p.host, sizeof(p.host)))
        return ERR_LIMIT;
    p.port = (uint16_t)n;
    *ret_place = p;
    return OK;
}

static enum err parse_path(struct slice path, struct redis_place *ret_place,
                           const char **ret_problem)
{
    struct redis_place p = {.port = 0};

    *ret_problem = "no absolute path of at most 107 bytes; write unix:/path";
    if (!path.len || path.ptr[0] != '/' || !slice_to_cstr(path, p.path, sizeof(p.path)))
        return ERR_SYNTAX;
    *ret_place = p;
    return OK;
}

enum err redis_url_parse(struct slice text, struct redis_place *ret_place, const char **ret_problem)
{
    bool tls = slice_starts(text, SLICE("rediss://"));
    struct slice rest;
    enum err e;

    if (slice_starts(text, SLICE("unix:")))
        return parse_path(slice_from_offset(text, 5), ret_place, ret_problem);
    *ret_problem = "none of redis://host:port, rediss://host:port and unix:/path";
    if (!tls && !slice_starts(text, SLICE("redis://")))
        return ERR_SYNTAX;
    rest = slice_from_offset(text, tls ? 9 : 8);
    if (slice_find(rest, '@') < rest.len) {
        *ret_problem = "a URL with credentials; put them into username and password_file";
        return ERR_SYNTAX;
    }
    if (slice_ends(rest, SLICE("/")))
        rest.len--;
    if (slice_find(rest, '/') < rest.len) {
        *ret_problem = "a URL with a database number; only database 0 is used";
        return ERR_SYNTAX;
    }
    e = redis_host_parse(rest, REDIS_PORT, ret_place, ret_problem);
    if (!e)
        ret_place->tls = tls;
    return e;
}

const char *redis_place_format(const struct redis_place *p, char buf[REDIS_PLACE_TEXT_MAX])
{
    if (*p->path)
        snprintf(buf, REDIS_PLACE_TEXT_MAX, "unix:%s", p->path);
    else
        snprintf(buf, REDIS_PLACE_TEXT_MAX, strchr(p->host, ':') ? "[%s]:%u" : "%s:%u", p->host,
                 p->port);
    return buf;
}

const char *redis_url_format(const struct redis_place *p, char buf[REDIS_PLACE_TEXT_MAX])
{
    char place[REDIS_PLACE_TEXT_MAX];

    redis_place_format(p, place);
    snprintf(buf, REDIS_PLACE_TEXT_MAX, "%s%.265s",
             *p->path ? ""
             : p->tls ? "rediss://"
                      : "redis://",
             place);
    return buf;
}
