/* session/trunk.c
 *
 *   DIALLING --connected--> SECURING --secured, a good chain--> GREETING --HELLO--> OPEN
 *      adopt ------------------^                                                     |
 *      any of them, and OPEN --- fault, deadline, trunk_close, the other's end ----> ENDED
 */
#include "session/trunk.h"

#include "wire/certid.h"

enum trunk_state { TRUNK_DIALLING, TRUNK_SECURING, TRUNK_GREETING, TRUNK_OPEN, TRUNK_ENDED };

struct trunk {
    struct loop *loop;
    struct conn *conn;
    const struct trunk_handler *h;
    void *arg;
    enum trunk_state state;
    bool dialled;
    struct tls_context *tls;
    char node[FRAME_NAME_MAX + 1]; /* ours */
    char peer[FRAME_NAME_MAX + 1];
    char *mesh_name;
    struct byteq hello; /* ours, encoded */
    struct byteq in;    /* the beginning of a frame */
    struct arena arena;
    struct timer deadline;
    struct cert *cert;
    uint16_t version;
    enum err why;
    const char *reason;
};

static const struct conn_handler conn_handler;

static void fail(struct trunk *t, enum err why, const char *reason)
{
    if (t->state == TRUNK_ENDED)
        return;
    t->state = TRUNK_ENDED;
    t->why = why;
    t->reason = reason;
    timer_stop(&t->deadline);
    conn_close(t->conn);
}

void trunk_close(struct trunk *t, const char *reason)
{
    fail(t, ERR_CLOSED, reason);
}

static void on_deadline(struct timer *timer)
{
    fail(LIST_ENTRY(timer, struct trunk, deadline), ERR_TIMEOUT, "no hello in time");
}

/* --- beginning --- */

static void on_connected(void *arg)
{
    struct trunk *t = arg;
    char preface[FRAME_PREFACE_MAX];

    t->state = TRUNK_SECURING;
    conn_write(t->conn, slice_make(preface, frame_preface_write(slice_from(t->node), preface)));
    conn_start_tls(t->conn, tls_client(t->tls, slice_none(), slice_none(), false));
}

static const char *check_chain(struct trunk *t)
{
    t->cert = tls_peer_cert(conn_tls(t->conn));
    if (!t->cert)
        return "it shows no certificate";
    if (cert_chain(t->cert))
        return "its certificate is not of mesh.ca_file's authority, or not valid now";
    return NULL;
}

/* Ours goes out only to somebody whom the authority knows. */
static void on_secured(void *arg)
{
    struct trunk *t = arg;
    const char *bad = check_chain(t);

    if (bad) {
        fail(t, ERR_DENIED, bad);
        return;
    }
    tls_forget_peer(conn_tls(t->conn));
    t->state = TRUNK_GREETING;
    conn_write(t->conn, byteq_slice(&t->hello));
    byteq_fini(&t->hello);
}

static bool names_peer(const struct trunk *t)
{
    if (cert_names_host(t->cert, slice_from(t->peer)))
        return true;
    return t->mesh_name[0] && cert_names_host(t->cert, slice_from(t->mesh_name));
}

static const char *check_hello(const struct trunk *t, const struct frame *f)
{
    const struct frame_hello *h = &f->hello;

    if (f->type != FRAME_HELLO)
        return "it does not begin with hello";
    if (h->version_least > FRAME_VERSION_MOST || h->version_most < FRAME_VERSION_LEAST)
        return "no version in common: its release and ours are no neighbours";
    if (slice_is(h->node, t->node))
        return "it has our own node.name";
    if (!slice_is(h->node, t->peer))
        return "it is another node than was expected there";
    return names_peer(t) ? NULL : "its certificate names neither the node nor mesh.name";
}

static void greet(struct trunk *t, const struct frame *f)
{
    const char *bad = check_hello(t, f);

    if (bad) {
        fail(t, f->type == FRAME_HELLO ? ERR_DENIED : ERR_SYNTAX, bad);
        return;
    }
    timer_stop(&t->deadline);
    t->version =
        f->hello.version_most < FRAME_VERSION_MOST ? f->hello.version_most : FRAME_VERSION_MOST;
    t->state = TRUNK_OPEN;
    t->h->opened(t->arg, &f->hello);
}

/* --- reading --- */

static void take_frame(struct trunk *t, const struct frame *f)
{
    if (t->state == TRUNK_GREETING)
        greet(t, f);
    else if (f->type == FRAME_HELLO && !slice_is(f->hello.node, t->peer))
        fail(t, ERR_DENIED, "it changes its name");
    else
        t->h->frame(t->arg, f);
}

/* Returns how much of `bytes` was whole frames. */
static size_t take_frames(struct trunk *t, struct slice bytes)
{
    size_t sum = 0;

    while (t->state == TRUNK_GREETING || t->state == TRUNK_OPEN) {
        struct frame f;
        size_t used;
        enum err e = frame_next(slice_from_offset(bytes, sum), &t->arena, &f, &used);

        if (e == ERR_AGAIN)
            break;
        if (e) {
            fail(t, e, e == ERR_LIMIT ? "a frame over its limit" : "a malformed frame");
            break;
        }
        sum += used;
        take_frame(t, &f);
        if (t->arena.used_bytes)
            arena_reset(&t->arena);
    }
    return sum;
}

static void on_data(void *arg, struct slice plain)
{
    struct trunk *t = arg;

    if (byteq_len(&t->in)) {
        byteq_append(&t->in, plain);
        byteq_take(&t->in, take_frames(t, byteq_slice(&t->in)));
        return;
    }
    plain = slice_from_offset(plain, take_frames(t, plain));
    if (plain.len)
        byteq_append(&t->in, plain);
}

/* --- writing --- */

void trunk_send(struct trunk *t, const struct frame *f)
{
    if (t->state != TRUNK_OPEN)
        return;
    frame_write(conn_out(t->conn), f);
    conn_touch(t->conn);
}

bool trunk_writable(const struct trunk *t)
{
    return t->state == TRUNK_OPEN && conn_pending(t->conn) < CONN_HIGH_BYTES;
}

static void on_drained(void *arg)
{
    struct trunk *t = arg;

    if (t->state == TRUNK_OPEN)
        t->h->writable(t->arg);
}

/* --- the end --- */

static void on_ended(void *arg)
{
    fail(arg, ERR_EOF, "it ended the connection");
}

static void on_closed(void *arg, enum err why)
{
    struct trunk *t = arg;
    struct trunk_end end = {t->why, t->reason, conn_tls_error(t->conn)};

    if (t->state != TRUNK_ENDED) {
        end.why = why;
        end.reason = end.tls_error[0] ? "TLS failed" : err_text(why);
    }
    t->state = TRUNK_ENDED;
    timer_stop(&t->deadline);
    t->h->closed(t->arg, &end);
    cert_unref(t->cert);
    tls_context_unref(t->tls);
    arena_fini(&t->arena);
    byteq_fini(&t->in);
    byteq_fini(&t->hello);
    mem_free(t->mesh_name);
    mem_free(t);
}

static const struct conn_handler conn_handler = {
    .connected = on_connected,
    .secured = on_secured,
    .data = on_data,
    .drained = on_drained,
    .ended = on_ended,
    .closed = on_closed,
};

/* --- life --- */

static void copy_name(char to[FRAME_NAME_MAX + 1], struct slice name)
{
    bool fits = slice_to_cstr(name, to, FRAME_NAME_MAX + 1);

    assert(fits && name.len);
}

static struct trunk *make(struct loop *l, const struct trunk_options *o,
                          const struct trunk_handler *h, void *arg)
{
    struct trunk *t = MEM_NEW(struct trunk);
    struct frame hello = {.type = FRAME_HELLO, .hello = *o->hello};

    t->loop = l;
    t->h = h;
    t->arg = arg;
    t->tls = tls_context_ref(o->tls);
    copy_name(t->node, o->hello->node);
    copy_name(t->peer, o->peer);
    t->mesh_name = mem_strndup(o->mesh_name);
    arena_init(&t->arena);
    byteq_init(&t->in);
    byteq_init(&t->hello);
    frame_write(&t->hello, &hello);
    timer_init(&t->deadline, l, on_deadline);
    timer_start(&t->deadline, o->open_ms);
    return t;
}

/* It never had a connection. */
static enum err undo(struct trunk *t, enum err e)
{
    timer_stop(&t->deadline);
    tls_context_unref(t->tls);
    arena_fini(&t->arena);
    byteq_fini(&t->hello);
    mem_free(t->mesh_name);
    mem_free(t);
    return e;
}

enum err trunk_dial(struct loop *l, const struct addr *to, const struct trunk_options *o,
                    const struct trunk_handler *h, void *arg, struct trunk **ret_trunk)
{
    struct trunk *t = make(l, o, h, arg);
    enum err e = conn_dial(l, to, NULL, &conn_handler, t, &t->conn);

    if (e)
        return undo(t, e);
    t->dialled = true;
    *ret_trunk = t;
    return OK;
}

enum err trunk_adopt(struct loop *l, int fd, const struct addr *peer, const struct trunk_options *o,
                     const struct trunk_handler *h, void *arg, struct trunk **ret_trunk)
{
    struct trunk *t = make(l, o, h, arg);
    enum err e = conn_adopt(l, fd, peer, slice_none(), &conn_handler, t, &t->conn);

    if (e)
        return undo(t, e);
    t->state = TRUNK_SECURING;
    conn_start_tls(t->conn, tls_server(t->tls, slice_none(), false));
    *ret_trunk = t;
    return OK;
}

bool trunk_dialled(const struct trunk *t)
{
    return t->dialled;
}

uint16_t trunk_version(const struct trunk *t)
{
    return t->version;
}

const struct addr *trunk_peer(const struct trunk *t)
{
    return conn_peer(t->conn);
}

int64_t trunk_expires_s(const struct trunk *t)
{
    return t->cert ? cert_not_after(t->cert) : 0;
}
