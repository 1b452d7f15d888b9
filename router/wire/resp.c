#include "wire/resp.h"

#include <hiredis/hiredis.h>
#include <stdio.h>

/* hiredis keeps an unfinished line or string in its buffer, of the length the server names, and
 * would ask for the memory of an array of any length. So bytes are counted before it sees them, and
 * objects are made by us, in an arena, up to our limits. */
struct resp_reader {
    redisReader *reader;
    struct arena arena;
    size_t unread_bytes; /* fed, and not part of a reply that was given out */
    size_t element_count;
    enum err broken;
    char error[160];
};

/* --- commands -------------------------------------------------------------------------------- */

void resp_format(struct byteq *out, const struct slice *words, size_t count)
{
    const char *texts[RESP_WORDS_MAX];
    size_t lengths[RESP_WORDS_MAX];
    char *command;
    int n;

    assert(count > 0 && count <= RESP_WORDS_MAX);
    for (size_t i = 0; i < count; i++) {
        texts[i] = words[i].len ? words[i].ptr : "";
        lengths[i] = words[i].len;
    }
    n = redisFormatCommandArgv(&command, (int)count, texts, lengths);
    assert(n > 0); /* memory is all it can lack */
    byteq_append(out, slice_make(command, (size_t)n));
    redisFreeCommand(command);
}

/* --- replies --------------------------------------------------------------------------------- */

/* Where a new object goes: into its array, or alone. NULL: over a limit. */
static struct resp *place(const redisReadTask *task)
{
    struct resp_reader *r = task->privdata;
    struct resp *parent = task->parent ? task->parent->obj : NULL;

    if (parent)
        return &parent->items[task->idx];
    r->element_count = 1;
    return arena_zalloc(&r->arena, sizeof(struct resp));
}

static unsigned depth_of(const redisReadTask *task)
{
    unsigned depth = 0;

    for (const redisReadTask *t = task->parent; t; t = t->parent)
        depth++;
    return depth;
}

static void *make_text(const redisReadTask *task, char *text, size_t len)
{
    struct resp_reader *r = task->privdata;
    struct resp *v = place(task);

    v->kind = task->type == REDIS_REPLY_ERROR    ? RESP_ERROR
              : task->type == REDIS_REPLY_STATUS ? RESP_STATUS
                                                 : RESP_STRING;
    v->text = arena_copy(&r->arena, slice_make(text, len));
    return v;
}

static void *make_array(const redisReadTask *task, int count)
{
    struct resp_reader *r = task->privdata;
    struct resp *v = place(task);

    if (count < 0 || (size_t)count > RESP_ELEMENTS_MAX - r->element_count ||
        depth_of(task) >= RESP_DEPTH_MAX) {
        r->broken = ERR_LIMIT;
        return NULL;
    }
    r->element_count += (size_t)count;
    v->kind = RESP_ARRAY;
    v->count = (size_t)count;
    v->items = arena_zalloc(&r->arena, (size_t)count * sizeof(*v->items));
    return v;
}

static void *make_integer(const redisReadTask *task, long long number)
{
    struct resp *v = place(task);

    v->kind = RESP_INTEGER;
    v->number = number;
    return v;
}

static void *make_nil(const redisReadTask *task)
{
    struct resp *v = place(task);

    v->kind = RESP_NIL;
    return v;
}

/* The arena holds them. */
static void forget(void *object)
{
}

static redisReplyObjectFunctions makers = {make_text, make_array, make_integer, make_nil, forget};

struct resp_reader *resp_reader_new(void)
{
    struct resp_reader *r = MEM_NEW(struct resp_reader);

    r->reader = redisReaderCreateWithFunctions(&makers);
    assert(r->reader);       /* memory is all it can lack */
    r->reader->privdata = r; /* the macro for it is no ISO C */
    arena_init(&r->arena);
    return r;
}

void resp_reader_free(struct resp_reader *r)
{
    if (!r)
        return;
    redisReaderFree(r->reader);
    arena_fini(&r->arena);
    mem_free(r);
}

static enum err break_off(struct resp_reader *r, enum err e, const char *error)
{
    if (!*r->error)
        snprintf(r->error, sizeof(r->error), "%s", error);
    r->broken = e;
    return e;
}

enum err resp_feed(struct resp_reader *r, struct slice bytes)
{
    if (r->broken)
        return r->broken;
    if (bytes.len > RESP_BYTES_MAX || r->unread_bytes > RESP_BYTES_MAX)
        return break_off(r, ERR_LIMIT, "a reply longer than we read");
    r->unread_bytes += bytes.len;
    if (bytes.len && redisReaderFeed(r->reader, bytes.ptr, bytes.len) != REDIS_OK)
        return break_off(r, ERR_SYNTAX, r->reader->errstr);
    return OK;
}

enum err resp_next(struct resp_reader *r, const struct resp **ret_reply)
{
    void *reply = NULL;

    if (r->broken)
        return r->broken;
    if (r->reader->ridx < 0)
        arena_reset(&r->arena); /* nothing is half read */
    if (redisReaderGetReply(r->reader, &reply) != REDIS_OK)
        return break_off(r, r->broken ? r->broken : ERR_SYNTAX,
                         r->broken ? "a reply with more in it than we read" : r->reader->errstr);
    if (!reply) {
        if (r->unread_bytes > RESP_BYTES_MAX)
            return break_off(r, ERR_LIMIT, "a reply longer than we read");
        return ERR_AGAIN;
    }
    r->unread_bytes = r->reader->len - r->reader->pos;
    *ret_reply = reply;
    return OK;
}

const char *resp_reader_error(const struct resp_reader *r)
{
    return r->error;
}

/* --- what a reply says ----------------------------------------------------------------------- */

struct slice resp_error_word(const struct resp *reply)
{
    if (reply->kind != RESP_ERROR)
        return slice_none();
    return slice_sub(reply->text, 0, slice_find(reply->text, ' '));
}

bool resp_to_u64(const struct resp *reply, uint64_t max, uint64_t *ret_value)
{
    if (reply->kind == RESP_STRING)
        return slice_to_u64(reply->text, max, ret_value);
    if (reply->kind != RESP_INTEGER || reply->number < 0 || (uint64_t)reply->number > max)
        return false;
    *ret_value = (uint64_t)reply->number;
    return true;
}

bool resp_text_at(const struct resp *array, size_t i, struct slice *ret_text)
{
    if (array->kind != RESP_ARRAY || i >= array->count ||
        (array->items[i].kind != RESP_STRING && array->items[i].kind != RESP_STATUS))
        return false;
    *ret_text = array->items[i].text;
    return true;
}

bool resp_u64_at(const struct resp *array, size_t i, uint64_t *ret_value)
{
    return array->kind == RESP_ARRAY && i < array->count &&
           resp_to_u64(&array->items[i], UINT64_MAX, ret_value);
}
