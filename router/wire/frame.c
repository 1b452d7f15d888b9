#include "wire/frame.h"

#include "wire/stanza.h"

/* --- the shape of each frame --- */

enum kind { END, FLAG, WORD, U16, U32, U64, TEXT, REST, LIST };

struct field {
    uint8_t kind;
    uint16_t at;    /* in the struct */
    uint16_t count; /* LIST: where its length stands */
    uint32_t least; /* TEXT, LIST: bytes, items; WORD: unused */
    uint32_t most;  /* ... WORD: the first number that is none */
    const struct field *item;
    uint16_t item_size;
};

#define F(type, kind, member)                                                                      \
    {                                                                                              \
        kind, offsetof(struct frame_##type, member), 0, 0, 0, NULL, 0                              \
    }
#define W(type, member, end)                                                                       \
    {                                                                                              \
        WORD, offsetof(struct frame_##type, member), 0, 0, end, NULL, 0                            \
    }
#define T(type, member, least, most)                                                               \
    {                                                                                              \
        TEXT, offsetof(struct frame_##type, member), 0, least, most, NULL, 0                       \
    }
#define L(type, list, number, rows)                                                                \
    {                                                                                              \
        LIST, offsetof(struct frame_##type, list), offsetof(struct frame_##type, number), 0,       \
            FRAME_LIST_MAX, rows, sizeof(*((struct frame_##type *)0)->list)                        \
    }
#define STOP                                                                                       \
    {                                                                                              \
        END, 0, 0, 0, 0, NULL, 0                                                                   \
    }

static const struct field hello[] = {
    F(hello, U16, version_least),
    F(hello, U16, version_most),
    T(hello, node, 1, FRAME_NAME_MAX),
    F(hello, U64, process),
    F(hello, U64, incarnation),
    F(hello, U64, format),
    F(hello, U16, worker_count),
    T(hello, address, 0, FRAME_TEXT_MAX),
    T(hello, dialback_digest, 0, FRAME_DIGEST_LEN),
    T(hello, components_digest, 0, FRAME_DIGEST_LEN),
    T(hello, peers_digest, 0, FRAME_DIGEST_LEN),
    F(hello, REST, rest),
    STOP,
};
static const struct field open[] = {F(open, U64, lane), F(open, U32, generation),
                                    F(open, U64, done), T(open, key, 1, FRAME_KEY_MAX), STOP};
static const struct field data[] = {
    F(data, U64, lane),
    F(data, U32, generation),
    F(data, U64, seq),
    F(data, U64, done),
    F(data, U32, age_ms),
    W(data, kind, STANZA_IQ + 1),
    W(data, type, STANZA_TYPE_RESULT + 1),
    W(data, scope, SCOPE_COMPONENT + 1),
    W(data, flags, (STANZA_SCOPED | STANZA_BAD_IQ | STANZA_MADE) + 1),
    F(data, REST, wire),
    STOP,
};
static const struct field close[] = {F(close, U64, lane), F(close, U32, generation), STOP};
static const struct field run[] = {F(run, U64, last_seq), W(run, fate, FRAME_FATES),
                                   T(run, why, 0, FRAME_WORD_MAX),
                                   T(run, detail, 0, FRAME_TEXT_MAX), STOP};
static const struct field done[] = {F(done, U64, lane), F(done, U32, generation),
                                    L(done, runs, run_count, run), STOP};
static const struct field refuse[] = {
    F(refuse, U64, lane),
    F(refuse, U32, generation),
    T(refuse, why, 0, FRAME_WORD_MAX),
    T(refuse, node, 0, FRAME_NAME_MAX),
    F(refuse, U64, incarnation),
    F(refuse, U64, token),
    STOP,
};
static const struct field credit[] = {
    F(credit, U64, lane),
    F(credit, U32, generation),
    F(credit, U64, expected),
    F(credit, U32, window_bytes),
    F(credit, FLAG, open),
    F(credit, FLAG, moving),
    STOP,
};
static const struct field handoff[] = {
    W(handoff, step, FRAME_HANDOFF_STEPS), T(handoff, local, 1, FRAME_DOMAIN_MAX),
    T(handoff, remote, 1, FRAME_DOMAIN_MAX), F(handoff, U64, token), STOP};
static const struct field pair[] = {T(pair, local, 1, FRAME_DOMAIN_MAX),
                                    T(pair, remote, 1, FRAME_DOMAIN_MAX), STOP};
static const struct field member[] = {T(member, node, 1, FRAME_NAME_MAX),
                                      F(member, U64, incarnation), STOP};
static const struct field ping[] = {F(ping, U64, number), F(ping, U64, incarnation),
                                    F(ping, U64, list_hash), L(ping, pairs, pair_count, pair),
                                    STOP};
static const struct field pong[] = {
    F(pong, U64, number),
    F(pong, U64, incarnation),
    F(pong, FLAG, promise),
    F(pong, FLAG, can_claim),
    F(pong, FLAG, draining),
    F(pong, FLAG, same_list),
    T(pong, not_mine, 0, FRAME_LIST_MAX),
    STOP,
};
static const struct field bye[] = {F(bye, U64, incarnation),
                                   L(bye, holds_for, holds_for_count, member), STOP};
static const struct field component[] = {T(component, pattern, 1, FRAME_DOMAIN_MAX),
                                         F(component, U64, id), F(component, U64, draw),
                                         F(component, FLAG, joined), STOP};
static const struct field components[] = {F(components, U64, number), F(components, FLAG, full),
                                          F(components, FLAG, more),
                                          L(components, rows, row_count, component), STOP};
static const struct field address[] = {T(address, ip, 4, 16), F(address, U32, count), STOP};
static const struct field addresses[] = {L(addresses, rows, row_count, address), STOP};
static const struct field backoff[] = {
    T(backoff, local, 0, FRAME_DOMAIN_MAX),
    T(backoff, remote, 1, FRAME_DOMAIN_MAX),
    F(backoff, FLAG, of_domain),
    F(backoff, U32, left_ms),
    F(backoff, U32, failures_count),
    T(backoff, why, 0, FRAME_WORD_MAX),
    T(backoff, detail, 0, FRAME_TEXT_MAX),
    STOP,
};
static const struct field backoffs[] = {L(backoffs, rows, row_count, backoff), STOP};
static const struct field gone[] = {T(gone, who.node, 1, FRAME_NAME_MAX),
                                    F(gone, U64, who.incarnation), STOP};
static const struct field ask[] = {F(ask, U64, number), T(ask, command, 1, FRAME_WORD_MAX),
                                   T(ask, argument, 0, FRAME_TEXT_MAX), STOP};
static const struct field answer[] = {F(answer, U64, number), F(answer, FLAG, more),
                                      F(answer, REST, body), STOP};

static const struct field heard[] = {F(heard, U64, number), STOP};

static const struct {
    const char *name;
    const struct field *fields;
} shapes[FRAME_TYPES] = {
    [FRAME_HELLO] = {"hello", hello},
    [FRAME_OPEN] = {"open", open},
    [FRAME_DATA] = {"data", data},
    [FRAME_CLOSE] = {"close", close},
    [FRAME_DONE] = {"done", done},
    [FRAME_REFUSE] = {"refuse", refuse},
    [FRAME_CREDIT] = {"credit", credit},
    [FRAME_HANDOFF] = {"handoff", handoff},
    [FRAME_PING] = {"ping", ping},
    [FRAME_PONG] = {"pong", pong},
    [FRAME_BYE] = {"bye", bye},
    [FRAME_COMPONENTS] = {"components", components},
    [FRAME_ADDRESSES] = {"addresses", addresses},
    [FRAME_BACKOFFS] = {"backoffs", backoffs},
    [FRAME_BURIED] = {"buried", gone},
    [FRAME_FORGET] = {"forget", gone},
    [FRAME_ASK] = {"ask", ask},
    [FRAME_ANSWER] = {"answer", answer},
    [FRAME_HEARD] = {"heard", heard},
};

const char *frame_name(enum frame_type t)
{
    assert(t > 0 && t < FRAME_TYPES);
    return shapes[t].name;
}

static uint32_t most_bytes(uint8_t type)
{
    return type == FRAME_DATA ? FRAME_DATA_MAX : FRAME_CONTROL_MAX;
}

/* --- numbers --- */

static uint64_t get_number(const char *at, size_t n)
{
    uint64_t v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | (unsigned char)at[i];
    return v;
}

static void put_number(struct byteq *out, uint64_t v, size_t n)
{
    char *at = byteq_reserve(out, n);

    for (size_t i = n; i-- > 0; v >>= 8)
        at[i] = (char)(v & 0xff);
    byteq_grow(out, n);
}

static size_t width_of(uint8_t kind)
{
    static const uint8_t widths[] = {[FLAG] = 1, [WORD] = 1, [U16] = 2, [U32] = 4, [U64] = 8};

    return widths[kind];
}

/* --- reading --- */

struct reader {
    struct slice left;
    struct arena *arena;
    bool bad;
};

static struct slice take(struct reader *r, size_t n)
{
    struct slice s = slice_sub(r->left, 0, n);

    r->bad |= s.len < n;
    r->left = slice_from_offset(r->left, n);
    return s;
}

static uint64_t take_number(struct reader *r, size_t n)
{
    struct slice s = take(r, n);

    return r->bad ? 0 : get_number(s.ptr, n);
}

static void read_struct(struct reader *r, const struct field *f, char *to);

static void store_number(struct reader *r, const struct field *f, uint64_t v, char *to)
{
    switch (f->kind) {
    case FLAG:
        r->bad |= v > 1;
        *(bool *)(void *)(to + f->at) = v == 1;
        return;
    case WORD:
        r->bad |= v >= f->most;
        *(uint8_t *)(to + f->at) = (uint8_t)v;
        return;
    case U16:
        *(uint16_t *)(void *)(to + f->at) = (uint16_t)v;
        return;
    case U32:
        *(uint32_t *)(void *)(to + f->at) = (uint32_t)v;
        return;
    default:
        *(uint64_t *)(void *)(to + f->at) = v;
    }
}

static void read_text(struct reader *r, const struct field *f, struct slice *to)
{
    size_t n = f->kind == REST ? r->left.len : (size_t)take_number(r, 2);

    r->bad |= f->kind == TEXT && (n < f->least || n > f->most);
    *to = r->bad ? slice_none() : take(r, n);
}

/* No memory before it is certain that the items can be there: each has a byte at least. */
static void read_list(struct reader *r, const struct field *f, char *to)
{
    size_t n = (size_t)take_number(r, 2);
    char *items;

    r->bad |= n > f->most || n > r->left.len;
    if (r->bad || n == 0)
        return;
    items = arena_zalloc(r->arena, n * f->item_size);
    *(void **)(void *)(to + f->at) = items;
    *(size_t *)(void *)(to + f->count) = n;
    for (size_t i = 0; i < n && !r->bad; i++)
        read_struct(r, f->item, items + i * f->item_size);
}

static void read_struct(struct reader *r, const struct field *f, char *to)
{
    for (; f->kind != END && !r->bad; f++) {
        if (f->kind == TEXT || f->kind == REST)
            read_text(r, f, (struct slice *)(void *)(to + f->at));
        else if (f->kind == LIST)
            read_list(r, f, to);
        else
            store_number(r, f, take_number(r, width_of(f->kind)), to);
    }
}

static bool sound_address(const struct frame_addresses *a)
{
    for (size_t i = 0; i < a->row_count; i++)
        if (a->rows[i].ip.len != 4 && a->rows[i].ip.len != 16)
            return false;
    return true;
}

/* node.name: letters, digits, ".", "-", "_". */
static bool sound_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '-' || c == '_'))
            return false;
    }
    return true;
}

static bool sound_members(const struct frame_member *m, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!sound_name(m[i].node))
            return false;
    return true;
}

static bool sound_digest(struct slice d)
{
    return d.len == 0 || d.len == FRAME_DIGEST_LEN;
}

/* Runs go up, and none is of nothing. */
static bool sound_runs(const struct frame_done *d)
{
    uint64_t last = 0;

    for (size_t i = 0; i < d->run_count; i++) {
        if (d->runs[i].last_seq <= last)
            return false;
        last = d->runs[i].last_seq;
    }
    return d->run_count > 0;
}

static bool sound_flags(struct slice flags)
{
    for (size_t i = 0; i < flags.len; i++)
        if (flags.ptr[i] != '0' && flags.ptr[i] != '1')
            return false;
    return true;
}

/* That a domain lives is said of it alone. */
static bool sound_backoffs(const struct frame_backoffs *b)
{
    for (size_t i = 0; i < b->row_count; i++) {
        const struct frame_backoff *r = &b->rows[i];
        bool says_more = r->of_domain || r->failures_count || r->detail.len;

        if (r->left_ms ? !r->local.len || !r->why.len : r->local.len || r->why.len || says_more)
            return false;
    }
    return true;
}

/* What the shape cannot say. */
static bool is_sound(const struct frame *f)
{
    switch (f->type) {
    case FRAME_HELLO:
        return f->hello.version_least <= f->hello.version_most && sound_name(f->hello.node) &&
               sound_digest(f->hello.dialback_digest) && sound_digest(f->hello.components_digest) &&
               sound_digest(f->hello.peers_digest) &&
               (!f->hello.rest.len || f->hello.version_most > FRAME_VERSION_MOST);
    case FRAME_DATA:
        return f->data.seq > f->data.done && f->data.wire.len > 0;
    case FRAME_DONE:
        return sound_runs(&f->done);
    case FRAME_REFUSE:
        return sound_name(f->refuse.node);
    case FRAME_CREDIT:
        return f->credit.expected > 0;
    case FRAME_BYE:
        return sound_members(f->bye.holds_for, f->bye.holds_for_count);
    case FRAME_BURIED:
    case FRAME_FORGET:
        return sound_name(f->gone.who.node);
    case FRAME_PONG:
        return sound_flags(f->pong.not_mine);
    case FRAME_ADDRESSES:
        return sound_address(&f->addresses);
    case FRAME_BACKOFFS:
        return sound_backoffs(&f->backoffs);
    default:
        return true;
    }
}

/* All members of the union begin where the first does. */
static char *body_of(const struct frame *f)
{
    return (char *)(uintptr_t)&f->hello;
}

enum err frame_next(struct slice bytes, struct arena *arena, struct frame *ret_frame,
                    size_t *ret_used)
{
    struct reader r = {.arena = arena};
    struct frame f;
    uint64_t len;
    uint8_t type;

    if (bytes.len < FRAME_HEADER_BYTES)
        return ERR_AGAIN;
    len = get_number(bytes.ptr, 4);
    type = (uint8_t)bytes.ptr[4];
    if (len == 0 || type == 0 || type >= FRAME_TYPES)
        return ERR_SYNTAX;
    if (len > most_bytes(type))
        return ERR_LIMIT;
    if (bytes.len - 4 < len)
        return ERR_AGAIN;
    memset(&f, 0, sizeof(f));
    f.type = (enum frame_type)type;
    r.left = slice_sub(bytes, FRAME_HEADER_BYTES, (size_t)len - 1);
    read_struct(&r, shapes[type].fields, body_of(&f));
    if (r.bad || r.left.len || !is_sound(&f))
        return ERR_SYNTAX;
    *ret_frame = f;
    *ret_used = 4 + (size_t)len;
    return OK;
}

/* --- writing --- */

static uint64_t load_number(const struct field *f, const char *from)
{
    switch (f->kind) {
    case FLAG:
        return *(const bool *)(const void *)(from + f->at);
    case WORD:
        assert(*(const uint8_t *)(from + f->at) < f->most);
        return *(const uint8_t *)(from + f->at);
    case U16:
        return *(const uint16_t *)(const void *)(from + f->at);
    case U32:
        return *(const uint32_t *)(const void *)(from + f->at);
    default:
        return *(const uint64_t *)(const void *)(from + f->at);
    }
}

static void write_text(struct byteq *out, const struct field *f, const struct slice *from)
{
    if (f->kind == TEXT) {
        assert(from->len >= f->least && from->len <= f->most);
        put_number(out, from->len, 2);
    }
    if (from->len)
        byteq_append(out, *from);
}

static void write_struct(struct byteq *out, const struct field *f, const char *from);

static void write_list(struct byteq *out, const struct field *f, const char *from)
{
    const char *items = *(char *const *)(const void *)(from + f->at);
    size_t n = *(const size_t *)(const void *)(from + f->count);

    assert(n <= f->most);
    put_number(out, n, 2);
    for (size_t i = 0; i < n; i++)
        write_struct(out, f->item, items + i * f->item_size);
}

static void write_struct(struct byteq *out, const struct field *f, const char *from)
{
    for (; f->kind != END; f++) {
        if (f->kind == TEXT || f->kind == REST)
            write_text(out, f, (const struct slice *)(const void *)(from + f->at));
        else if (f->kind == LIST)
            write_list(out, f, from);
        else
            put_number(out, load_number(f, from), width_of(f->kind));
    }
}

void frame_write(struct byteq *out, const struct frame *f)
{
    size_t before = byteq_len(out);
    size_t len;

    assert(is_sound(f));
    put_number(out, 0, 4);
    put_number(out, (uint64_t)f->type, 1);
    write_struct(out, shapes[f->type].fields, body_of(f));
    len = byteq_len(out) - before - 4;
    assert(len <= most_bytes((uint8_t)f->type));
    for (size_t i = 0; i < 4; i++)
        out->data[out->from + before + i] = (char)(len >> (24 - 8 * i) & 0xff);
}

/* --- the preface --- */

#define PREFACE SLICE("FRMESH1\n")

size_t frame_preface_write(struct slice node, char out[FRAME_PREFACE_MAX])
{
    struct slice preface = PREFACE;

    assert(node.len > 0 && node.len <= FRAME_NAME_MAX);
    memcpy(out, preface.ptr, preface.len);
    out[preface.len] = (char)node.len;
    memcpy(out + preface.len + 1, node.ptr, node.len);
    return preface.len + 1 + node.len;
}

enum err frame_preface_parse(struct slice bytes, struct slice *ret_node, size_t *ret_used)
{
    struct slice preface = PREFACE;
    size_t known = bytes.len < preface.len ? bytes.len : preface.len;
    size_t len;

    if (!slice_eq(slice_sub(bytes, 0, known), slice_sub(preface, 0, known)))
        return ERR_SYNTAX;
    *ret_used = preface.len + 1;
    if (bytes.len < *ret_used)
        return ERR_AGAIN;
    len = (unsigned char)bytes.ptr[preface.len];
    if (len == 0 || len > FRAME_NAME_MAX)
        return ERR_SYNTAX;
    *ret_used += len;
    if (bytes.len < *ret_used)
        return ERR_AGAIN;
    *ret_node = slice_sub(bytes, preface.len + 1, len);
    return sound_name(*ret_node) ? OK : ERR_SYNTAX;
}
