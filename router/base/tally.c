#include "base/tally.h"

#define KEY_MAX (sizeof(((struct tally_row *)0)->key))

/* Another's last word. */
struct tally_other {
    struct list node;
    char *who;
    struct map counts; /* key -> row of `rows` */
    struct tally_row rows[];
};

static struct slice key_of(const struct addr *a, char buf[KEY_MAX])
{
    if (a->sa.sa_family == AF_INET) {
        memcpy(buf, &a->v4.sin_addr, 4);
        return slice_make(buf, 4);
    }
    if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr)) {
        memcpy(buf, (const char *)&a->v6.sin6_addr + 12, 4);
        return slice_make(buf, 4);
    }
    memcpy(buf, &a->v6.sin6_addr, 8);
    return slice_make(buf, 8);
}

static struct tally_row *add(struct tally *t, struct slice key)
{
    struct tally_row *c = MEM_NEW(struct tally_row);

    memcpy(c->key, key.ptr, key.len);
    c->key_len = key.len;
    map_add(&t->counts, slice_make(c->key, c->key_len), c);
    return c;
}

void tally_init(struct tally *t, const uint64_t seed[2])
{
    map_init(&t->counts, seed);
    list_init(&t->others);
}

static void other_free(struct tally_other *o)
{
    list_remove(&o->node);
    map_fini(&o->counts);
    mem_free(o->who);
    mem_free(o);
}

void tally_fini(struct tally *t)
{
    struct tally_row *c;
    size_t pos = 0;

    while ((c = map_next(&t->counts, &pos)))
        mem_free(c);
    map_fini(&t->counts);
    LIST_WALK(node, &t->others)
    other_free(LIST_ENTRY(node, struct tally_other, node));
}

static size_t elsewhere(const struct tally *t, struct slice key)
{
    size_t n = 0;

    LIST_WALK(node, &t->others)
    {
        const struct tally_row *row =
            map_find(&LIST_ENTRY(node, struct tally_other, node)->counts, key);

        n += row ? row->n : 0;
    }
    return n;
}

bool tally_take(struct tally *t, const struct addr *a, size_t most)
{
    char buf[KEY_MAX];
    struct slice key = key_of(a, buf);
    struct tally_row *c = map_find(&t->counts, key);

    if ((c ? c->n : 0) + elsewhere(t, key) >= most)
        return false;
    if (!c)
        c = add(t, key);
    c->n++;
    return true;
}

void tally_give(struct tally *t, const struct addr *a)
{
    char buf[KEY_MAX];
    struct slice key = key_of(a, buf);
    struct tally_row *c = map_find(&t->counts, key);

    if (!c || --c->n)
        return;
    map_remove(&t->counts, key);
    mem_free(c);
}

size_t tally_addresses(const struct tally *t)
{
    return map_count(&t->counts);
}

size_t tally_crowds(const struct tally *t, size_t over, struct tally_row *rows, size_t room)
{
    const struct tally_row *c;
    size_t pos = 0;
    size_t n = 0;

    while (n < room && (c = map_next(&t->counts, &pos)))
        if (c->n > over)
            rows[n++] = *c;
    return n;
}

void tally_hear(struct tally *t, struct slice who, const struct tally_row *rows, size_t count)
{
    struct tally_other *o;

    LIST_WALK(node, &t->others)
    if (slice_is(who, LIST_ENTRY(node, struct tally_other, node)->who))
        other_free(LIST_ENTRY(node, struct tally_other, node));
    if (!count)
        return;
    o = mem_zalloc(sizeof(*o) + count * sizeof(*rows));
    o->who = mem_strndup(who);
    memcpy(o->rows, rows, count * sizeof(*rows));
    map_init(&o->counts, t->counts.seed);
    for (size_t i = 0; i < count; i++) {
        struct slice key = slice_make(o->rows[i].key, o->rows[i].key_len);

        if (!map_find(&o->counts, key))
            map_add(&o->counts, key, &o->rows[i]);
    }
    list_push(&t->others, &o->node);
}
