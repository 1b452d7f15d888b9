/* wire/tls.h and wire/certid.h without cryptography, for seeds by the thousand: a certificate is a
 * name, which each side says first; then bytes go through as they are. The name is the first of
 * chain_files. */
#include "wire/certid.h"

struct tls_context {
    unsigned refs;
    char *name;
};

struct cert {
    unsigned refs;
    char *name;
};

struct tls {
    char *own;
    struct byteq in;
    struct byteq out;
    struct cert *cert;
    bool greeted;
};

enum err tls_context_new(const struct tls_context_options *o, char *error, size_t error_size,
                         struct tls_context **ret_context)
{
    struct tls_context *c = MEM_NEW(struct tls_context);

    c->refs = 1;
    c->name = mem_strdup(o->chain_files[0]);
    *ret_context = c;
    return OK;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
    c->refs++;
    return c;
}

void tls_context_unref(struct tls_context *c)
{
    if (!c || --c->refs)
        return;
    mem_free(c->name);
    mem_free(c);
}

static struct tls *make(const struct tls_context *c)
{
    struct tls *t = MEM_NEW(struct tls);

    t->own = mem_strdup(c->name);
    byteq_init(&t->in);
    byteq_init(&t->out);
    return t;
}

struct tls *tls_server(struct tls_context *c, struct slice domain, bool direct)
{
    return make(c);
}

struct tls *tls_client(struct tls_context *c, struct slice reference, struct slice own, bool direct)
{
    return make(c);
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    cert_unref(t->cert);
    byteq_fini(&t->in);
    byteq_fini(&t->out);
    mem_free(t->own);
    mem_free(t);
}

void tls_feed(struct tls *t, struct slice cipher)
{
    byteq_append(&t->in, cipher);
}

void tls_keep(struct tls *t)
{
}

/* "length name", both ways. */
enum err tls_handshake(struct tls *t)
{
    struct slice in = byteq_slice(&t->in);
    char len = (char)strlen(t->own);
    size_t n;

    if (!t->greeted) {
        byteq_append(&t->out, slice_make(&len, 1));
        byteq_append(&t->out, slice_from(t->own));
        t->greeted = true;
    }
    if (in.len == 0 || in.len < 1 + (n = (unsigned char)in.ptr[0]))
        return ERR_AGAIN;
    t->cert = MEM_NEW(struct cert);
    t->cert->refs = 1;
    t->cert->name = mem_strndup(slice_sub(in, 1, n));
    byteq_take(&t->in, 1 + n);
    return OK;
}

enum err tls_read(struct tls *t, char *buf, size_t room, size_t *ret_n)
{
    struct slice in = slice_sub(byteq_slice(&t->in), 0, room);

    if (in.len == 0)
        return ERR_AGAIN;
    memcpy(buf, in.ptr, in.len);
    byteq_take(&t->in, in.len);
    *ret_n = in.len;
    return OK;
}

enum err tls_write(struct tls *t, struct slice plain, size_t *ret_n)
{
    *ret_n = plain.len < 16384 ? plain.len : 16384;
    byteq_append(&t->out, slice_sub(plain, 0, *ret_n));
    return OK;
}

void tls_close_notify(struct tls *t)
{
}

struct byteq *tls_output(struct tls *t)
{
    return &t->out;
}

const char *tls_error(const struct tls *t)
{
    return "";
}

struct cert *tls_peer_cert(struct tls *t)
{
    return t->cert ? cert_ref(t->cert) : NULL;
}

void tls_forget_peer(struct tls *t)
{
    cert_unref(t->cert);
    t->cert = NULL;
}

size_t tls_memory(const struct tls *t)
{
    return sizeof(*t);
}

struct cert *cert_ref(struct cert *c)
{
    c->refs++;
    return c;
}

void cert_unref(struct cert *c)
{
    if (!c || --c->refs)
        return;
    mem_free(c->name);
    mem_free(c);
}

enum err cert_chain(const struct cert *c)
{
    return OK;
}

const char *cert_chain_error(const struct cert *c)
{
    return "";
}

int64_t cert_not_after(const struct cert *c)
{
    return INT64_MAX;
}

bool cert_names_host(const struct cert *c, struct slice ascii_host)
{
    return slice_is(ascii_host, c->name);
}
