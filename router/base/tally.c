#include "base/tally.h"

#define KEY_MAX 8

struct count {
    char key[KEY_MAX];
    size_t key_len;
    size_t n;
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

static struct count *add(struct tally *t, struct slice key)
{
    struct count *c = MEM_NEW(struct count);

    memcpy(c->key, key.ptr, key.len);
    c->key_len = key.len;
    map_add(&t->counts, slice_make(c->key, c->key_len), c);
    return c;
}

void tally_init(struct tally *t, const uint64_t seed[2])
{
    map_init(&t->counts, seed);
}

void tally_fini(struct tally *t)
{
    struct count *c;
    size_t pos = 0;

    while ((c = map_next(&t->counts, &pos)))
        mem_free(c);
    map_fini(&t->counts);
}

bool tally_take(struct tally *t, const struct addr *a, size_t most)
{
    char buf[KEY_MAX];
    struct slice key = key_of(a, buf);
    struct count *c = map_find(&t->counts, key);

    if ((c ? c->n : 0) >= most)
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
    struct count *c = map_find(&t->counts, key);

    if (!c || --c->n)
        return;
    map_remove(&t->counts, key);
    mem_free(c);
}

size_t tally_addresses(const struct tally *t)
{
    return map_count(&t->counts);
}
