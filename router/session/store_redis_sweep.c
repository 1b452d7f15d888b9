#include "session/store_redis_inner.h"

#include <stdio.h>

#define SCAN_KEYS "200"

/* --- sweep: a page of keys, a script for each batch of it, the next page --------------------- */

static void on_page(void *arg, const struct resp *reply);

static void ask_page(struct redis_call *c)
{
    char pattern[64];
    struct slice words[] = {SLICE("SCAN"), slice_from(c->cursor), SLICE("MATCH"),
                            slice_none(),  SLICE("COUNT"),        SLICE(SCAN_KEYS)};

    snprintf(pattern, sizeof(pattern), "{%.40s}:pair:*", c->s->table.prefix);
    words[3] = slice_from(pattern);
    redis_link_call(c->link, words, COUNT(words), on_page, c);
}

/* The next batch, or the next page, or the end. */
static void sweep_next(struct redis_call *c)
{
    const struct store_answer done = {.word = STORE_OK, .number = c->removed};
    size_t left = c->key_count - c->key_next;
    size_t count = left < STORE_BATCH_MAX ? left : STORE_BATCH_MAX;

    if (count) {
        arena_reset(&c->arena);
        rediswords_sweep(&c->s->table, &c->arena, c->s->store.state.connection, c->as,
                         c->keys + c->key_next, count, &c->words);
        c->key_next += count;
        redis_call_begin(c, c->link);
    } else if (strcmp(c->cursor, "0")) {
        ask_page(c);
    } else {
        redis_call_answer(c, &done);
    }
}

void redis_sweep_on(struct redis_call *c, uint64_t removed)
{
    c->removed += removed;
    sweep_next(c);
}

static bool read_page(struct redis_call *c, const struct resp *reply)
{
    const struct resp *keys = reply->count == 2 ? &reply->items[1] : NULL;
    struct slice cursor;

    arena_reset(&c->page);
    if (reply->kind != RESP_ARRAY || !keys || keys->kind != RESP_ARRAY ||
        !resp_text_at(reply, 0, &cursor) || !cursor.len)
        return false;
    c->cursor = (char *)arena_copy(&c->page, cursor).ptr;
    c->keys = arena_alloc(&c->page, (keys->count + 1) * sizeof(*c->keys));
    c->key_next = 0;
    c->key_count = keys->count;
    for (size_t i = 0; i < keys->count; i++) {
        if (!resp_text_at(keys, i, &c->keys[i]))
            return false;
        c->keys[i] = arena_copy(&c->page, c->keys[i]);
    }
    return true;
}

static void on_page(void *arg, const struct resp *reply)
{
    struct redis_call *c = arg;

    if (reply->kind == RESP_ERROR)
        redis_call_refused(c, reply);
    else if (!read_page(c, reply))
        redis_call_makes_no_sense(c);
    else
        sweep_next(c);
}

void redis_sweep(struct store *store, struct store_as as, store_done_fn *done, void *arg)
{
    struct store_redis *s = redis_of(store);
    struct redis_call *c = redis_call_new(s, done, arg);

    c->as = as;
    c->cursor = "0";
    c->link = s->work;
    c->busy = s->sweep != NULL;
    if (c->busy || !c->link) {
        redis_call_lose(c);
        return;
    }
    s->sweep = c;
    ask_page(c);
}
