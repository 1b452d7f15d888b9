#include "bench/component.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static bool complain(const struct component *c, const char *what)
{
    fprintf(stderr, "load: %s: %s\n", c->domain, what);
    return false;
}

static int dial(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST}, *found;
    int fd, one = 1;

    if (!colon ||
        !slice_to_cstr(slice_make(address, (size_t)(colon - address)), host, sizeof(host)))
        return -1;
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return -1;
    fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) != 0) {
        close(fd);
        fd = -1;
    }
    freeaddrinfo(found);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static bool blocking_write(struct component *c, const char *text)
{
    size_t len = strlen(text);

    return write(c->fd, text, len) == (ssize_t)len || complain(c, "cannot write the handshake");
}

static bool blocking_read(struct component *c)
{
    ssize_t n = read(c->fd, c->in + c->in_len, COMPONENT_IN_BYTES - c->in_len);

    if (n <= 0)
        return complain(c, "the server closed during the handshake");
    c->in_len += (size_t)n;
    if (memmem(c->in, c->in_len, "stream:error", 12))
        return complain(c, "the server refused with a stream error");
    return true;
}

/* Reads until the start tag of `name` is there, and gives it. */
static bool blocking_await(struct component *c, const char *name, struct slice *ret_tag)
{
    for (;;) {
        const char *start = memmem(c->in, c->in_len, name, strlen(name));
        const char *end = start ? memchr(start, '>', (size_t)(c->in + c->in_len - start)) : NULL;

        if (end) {
            *ret_tag = slice_make(start, (size_t)(end + 1 - start));
            return true;
        }
        if (!blocking_read(c))
            return false;
    }
}

static void handshake_text(struct slice id, const char *secret, char *text, size_t size)
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    char hex[2 * SHA_DIGEST_LENGTH + 1], both[1024];

    snprintf(both, sizeof(both), "%.*s%s", SLICE_ARGS(id), secret);
    SHA1((const unsigned char *)both, strlen(both), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
    snprintf(text, size, "<handshake>%s</handshake>", hex);
}

/* XEP-0114 3: header, header with an id, digest of id and secret, empty handshake. */
static bool authenticate(struct component *c, const char *secret)
{
    char text[1024];
    struct element header = {0};
    struct slice answer;

    snprintf(text, sizeof(text),
             "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
             "xmlns:stream='http://etherx.jabber.org/streams' to='%s'>",
             c->domain);
    if (!blocking_write(c, text) || !blocking_await(c, "<stream:stream", &header.start))
        return false;
    handshake_text(element_attribute(&header, " id="), secret, text, sizeof(text));
    c->in_len = 0;
    return blocking_write(c, text) && blocking_await(c, "<handshake", &answer);
}

bool component_open(struct component *c, const char *address, const char *domain,
                    const char *secret)
{
    memset(c, 0, sizeof(*c));
    snprintf(c->domain, sizeof(c->domain), "%s", domain);
    c->in = malloc(COMPONENT_IN_BYTES);
    c->out = malloc(COMPONENT_OUT_BYTES);
    if (!c->in || !c->out)
        abort();
    c->fd = dial(address);
    if (c->fd < 0)
        return complain(c, "cannot connect");
    if (!authenticate(c, secret))
        return false;
    c->in_len = 0; /* "<handshake/>" or "<handshake></handshake>"; nothing follows by itself */
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    return true;
}

void component_close(struct component *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    free(c->in);
    free(c->out);
    c->in = c->out = NULL;
}

char *component_reserve(struct component *c, size_t len)
{
    if (c->fd < 0)
        return NULL;
    if (COMPONENT_OUT_BYTES - c->out_len < len && c->out_start > 0) {
        memmove(c->out, c->out + c->out_start, c->out_len - c->out_start);
        c->out_len -= c->out_start;
        c->out_start = 0;
    }
    return COMPONENT_OUT_BYTES - c->out_len < len ? NULL : c->out + c->out_len;
}

void component_commit(struct component *c, size_t len)
{
    c->out_len += len;
}

static bool gone(struct component *c, const char *why)
{
    complain(c, why);
    close(c->fd);
    c->fd = -1;
    return false;
}

bool component_flush(struct component *c)
{
    ssize_t n;

    if (c->fd < 0)
        return false;
    if (c->out_start == c->out_len)
        return true;
    n = write(c->fd, c->out + c->out_start, c->out_len - c->out_start);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR || gone(c, strerror(errno));
    c->out_start += (size_t)n;
    if (c->out_start == c->out_len)
        c->out_start = c->out_len = 0;
    return true;
}

static void take_elements(struct component *c, component_stanza_fn *stanza, void *arg)
{
    struct slice rest = slice_make(c->in, c->in_len);
    struct element e;

    while (element_next(rest, &e)) {
        stanza(arg, c, &e);
        rest = slice_from_offset(rest, (size_t)(e.whole.ptr + e.whole.len - rest.ptr));
    }
    memmove(c->in, rest.ptr, rest.len);
    c->in_len = rest.len;
}

bool component_read(struct component *c, component_stanza_fn *stanza, void *arg)
{
    ssize_t n;

    if (c->fd < 0)
        return false;
    n = read(c->fd, c->in + c->in_len, COMPONENT_IN_BYTES - c->in_len);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR || gone(c, strerror(errno));
    if (n == 0)
        return gone(c, c->in_len == COMPONENT_IN_BYTES ? "a stanza is too big"
                                                       : "closed by the server");
    c->in_len += (size_t)n;
    take_elements(c, stanza, arg);
    return true;
}

static bool name_ends(char byte)
{
    return byte == ' ' || byte == '>' || byte == '/' || byte == '\n' || byte == '\t';
}

/* Where the element whose start tag ends before `from` ends, or NULL. */
static const char *find_end(struct slice text, const char *from, struct slice name)
{
    char tag[64];
    int len = snprintf(tag, sizeof(tag), "</%.*s>", SLICE_ARGS(name));
    const char *found;

    if (len < 0 || (size_t)len >= sizeof(tag))
        return NULL;
    found = memmem(from, (size_t)(text.ptr + text.len - from), tag, (size_t)len);
    return found ? found + len : NULL;
}

bool element_next(struct slice text, struct element *ret_element)
{
    struct slice s = text;
    const char *close, *end;
    size_t name_len = 1;

    while (s.len && s.ptr[0] != '<')
        s = slice_from_offset(s, 1);
    if (!s.len || !(close = memchr(s.ptr, '>', s.len)))
        return false;
    if (s.ptr[1] == '/') /* the end of the stream: an element of its own for us */
        name_len++;
    while (!name_ends(s.ptr[name_len]))
        name_len++;
    ret_element->name = slice_make(s.ptr + 1, name_len - 1);
    ret_element->start = slice_make(s.ptr, (size_t)(close + 1 - s.ptr));
    end = close + 1;
    if (close[-1] != '/' && s.ptr[1] != '/')
        end = find_end(s, close + 1, ret_element->name);
    if (!end)
        return false;
    ret_element->whole = slice_make(s.ptr, (size_t)(end - s.ptr));
    return true;
}

struct slice element_attribute(const struct element *e, const char *name)
{
    size_t len = strlen(name);
    const char *found = memmem(e->start.ptr, e->start.len, name, len);
    const char *value, *end, *limit = e->start.ptr + e->start.len;

    if (!found || found + len + 1 >= limit)
        return slice_none();
    value = found + len + 1;
    end = memchr(value, found[len], (size_t)(limit - value));
    return end ? slice_make(value, (size_t)(end - value)) : slice_none();
}
