#include "link/members_private.h"

struct word *word_new(enum word_kind kind, struct slice text)
{
    struct word *w = MEM_NEW(struct word);

    w->kind = kind;
    w->text = mem_strndup(text);
    return w;
}

void word_free(struct word *w)
{
    if (w->frame)
        bytes_unref(w->frame);
    mem_free(w->text);
    mem_free(w);
}

struct order *order_new(enum order_kind kind, struct slice key, struct slice node)
{
    struct order *o = MEM_NEW(struct order);

    o->kind = kind;
    o->key = mem_strndup(key);
    o->node = mem_strndup(node);
    return o;
}

void order_free(struct order *o)
{
    if (o->frame)
        bytes_unref(o->frame);
    mem_free(o->key);
    mem_free(o->node);
    mem_free(o);
}

struct bytes *frame_pack(const struct frame *f)
{
    struct byteq q;
    struct bytes *b;

    byteq_init(&q);
    frame_write(&q, f);
    b = bytes_copy(byteq_slice(&q));
    byteq_fini(&q);
    return b;
}

void frame_unpack(const struct bytes *bytes, struct arena *arena, struct frame *ret_frame)
{
    size_t used;
    enum err e = frame_next(bytes_slice(bytes), arena, ret_frame, &used);

    assert(e == OK); /* our own writing */
}
