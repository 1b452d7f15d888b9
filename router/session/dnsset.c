#include "session/dnsset.h"

#include "session/resolver.h"

struct entry {
    struct list node;
    struct dns_set *set;
    uint64_t until_ms;
    size_t bytes;
    size_t key_len;
    char key[];
};

static size_t extra_bytes(const struct dns_record *records, size_t count)
{
    size_t n = 0;

    for (size_t i = 0; i < count; i++)
        n += records[i].target.len + records[i].rdata.len;
    return n;
}

static struct slice move_in(char **p, struct slice s)
{
    struct slice copy = slice_make(*p, s.len);

    if (s.len)
        memcpy(*p, s.ptr, s.len);
    *p += s.len;
    return copy;
}

struct dns_set *dns_set_new(enum dns_outcome outcome, const char *why,
                            const struct dns_record *records, size_t count)
{
    size_t head = sizeof(struct dns_set) + count * sizeof(*records);
    size_t bytes = head + extra_bytes(records, count);
    struct dns_set *s = mem_zalloc(bytes);
    char *p = (char *)s + head;

    s->refs = 1;
    s->outcome = outcome;
    s->why = why;
    s->bytes = bytes;
    s->count = count;
    s->records = (struct dns_record *)(s + 1);
    for (size_t i = 0; i < count; i++) {
        s->records[i] = records[i];
        s->records[i].target = move_in(&p, records[i].target);
        s->records[i].rdata = move_in(&p, records[i].rdata);
    }
    return s;
}

struct dns_set *dns_set_ref(struct dns_set *s)
{
    s->refs++;
    return s;
}

void dns_set_unref(struct dns_set *s)
{
    if (s && --s->refs == 0)
        mem_free(s);
}

struct slice dns_key(char buf[DNS_KEY_MAX], struct slice name, enum dns_type type)
{
    assert(name.len < DNS_NAME_TEXT_MAX && type < 256);
    buf[0] = (char)type;
    memcpy(buf + 1, name.ptr, name.len);
    return slice_make(buf, name.len + 1);
}

/* ---- cache ---- */

void dnscache_init(struct dnscache *c, const uint64_t seed[2])
{
    map_init(&c->entries, seed);
    list_init(&c->by_use);
    c->bytes = 0;
}

static void remove_entry(struct dnscache *c, struct entry *e)
{
    map_remove(&c->entries, slice_make(e->key, e->key_len));
    list_remove(&e->node);
    c->bytes -= e->bytes;
    dns_set_unref(e->set);
    mem_free(e);
}

void dnscache_clear(struct dnscache *c)
{
    while (!list_empty(&c->by_use))
        remove_entry(c, LIST_FIRST(&c->by_use, struct entry, node));
}

void dnscache_fini(struct dnscache *c)
{
    dnscache_clear(c);
    map_fini(&c->entries);
}

struct dns_set *dnscache_find(struct dnscache *c, struct slice key, uint64_t now_ms)
{
    struct entry *e = map_find(&c->entries, key);

    if (!e)
        return NULL;
    if (now_ms >= e->until_ms) {
        remove_entry(c, e);
        return NULL;
    }
    list_remove(&e->node);
    list_push(&c->by_use, &e->node);
    return e->set;
}

static void make_room(struct dnscache *c, size_t bytes)
{
    while (!list_empty(&c->by_use) &&
           (map_count(&c->entries) >= RESOLVER_CACHE_MAX || c->bytes + bytes > DNSCACHE_BYTES_MAX))
        remove_entry(c, LIST_FIRST(&c->by_use, struct entry, node));
}

void dnscache_put(struct dnscache *c, struct slice key, struct dns_set *set, uint64_t now_ms)
{
    size_t bytes = sizeof(struct entry) + key.len + set->bytes;
    struct entry *e;

    dnscache_drop(c, key);
    if (!set->ttl_s)
        return;
    make_room(c, bytes);
    e = mem_zalloc(sizeof(*e) + key.len);
    e->set = dns_set_ref(set);
    e->until_ms = now_ms + set->ttl_s * 1000ull;
    e->bytes = bytes;
    e->key_len = key.len;
    memcpy(e->key, key.ptr, key.len);
    list_init(&e->node);
    list_push(&c->by_use, &e->node);
    map_add(&c->entries, slice_make(e->key, e->key_len), e);
    c->bytes += bytes;
}

void dnscache_drop(struct dnscache *c, struct slice key)
{
    struct entry *e = map_find(&c->entries, key);

    if (e)
        remove_entry(c, e);
}

size_t dnscache_count(const struct dnscache *c)
{
    return map_count(&c->entries);
}
