#include "base/map.h"

#define MAP_MIN_ROOM 8

/* SipHash-2-4, after the description by Aumasson and Bernstein (2012). */
static inline uint64_t rotl(uint64_t v, int n)
{
    return (v << n) | (v >> (64 - n));
}

struct sip {
    uint64_t a, b, c, d;
};

static inline void sip_round(struct sip *s)
{
    s->a += s->b;
    s->b = rotl(s->b, 13) ^ s->a;
    s->a = rotl(s->a, 32);
    s->c += s->d;
    s->d = rotl(s->d, 16) ^ s->c;
    s->a += s->d;
    s->d = rotl(s->d, 21) ^ s->a;
    s->c += s->b;
    s->b = rotl(s->b, 17) ^ s->c;
    s->c = rotl(s->c, 32);
}

static inline void sip_word(struct sip *s, uint64_t w)
{
    s->d ^= w;
    sip_round(s);
    sip_round(s);
    s->a ^= w;
}

uint64_t siphash(const uint64_t seed[2], struct slice in)
{
    struct sip s = {
        seed[0] ^ 0x736f6d6570736575u,
        seed[1] ^ 0x646f72616e646f6du,
        seed[0] ^ 0x6c7967656e657261u,
        seed[1] ^ 0x7465646279746573u,
    };
    const char *p = in.ptr;
    size_t left = in.len;
    uint64_t last = (uint64_t)in.len << 56;

    for (; left >= 8; left -= 8, p += 8) {
        uint64_t w;

        memcpy(&w, p, 8);
        sip_word(&s, w);
    }
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)(unsigned char)p[i] << (8 * i);
    sip_word(&s, last);
    s.c ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(&s);
    return s.a ^ s.b ^ s.c ^ s.d;
}

static bool removed(const struct map_slot *slot)
{
    return !slot->value && slot->key.ptr;
}

void map_init(struct map *m, const uint64_t seed[2])
{
    memset(m, 0, sizeof(*m));
    m->seed[0] = seed[0];
    m->seed[1] = seed[1];
}

void map_fini(struct map *m)
{
    mem_free(m->slots);
    m->slots = NULL;
    m->room = m->count = m->used = 0;
}

/* The slot that holds the key, or NULL. */
static struct map_slot *lookup(const struct map *m, struct slice key, uint64_t hash)
{
    if (!m->count)
        return NULL;
    for (size_t i = hash & (m->room - 1);; i = (i + 1) & (m->room - 1)) {
        struct map_slot *slot = &m->slots[i];

        if (!slot->value && !slot->key.ptr)
            return NULL;
        if (slot->value && slot->hash == hash && slice_eq(slot->key, key))
            return slot;
    }
}

static void place(struct map *m, struct map_slot entry)
{
    size_t i = entry.hash & (m->room - 1);

    while (m->slots[i].value)
        i = (i + 1) & (m->room - 1);
    if (!removed(&m->slots[i]))
        m->used++;
    m->slots[i] = entry;
    m->count++;
}

static void resize(struct map *m, size_t room)
{
    struct map_slot *old = m->slots;
    size_t old_room = m->room;

    m->slots = mem_array(room, sizeof(*m->slots));
    m->room = room;
    m->count = m->used = 0;
    for (size_t i = 0; i < old_room; i++)
        if (old[i].value)
            place(m, old[i]);
    mem_free(old);
}

void *map_find(const struct map *m, struct slice key)
{
    struct map_slot *slot = m->count ? lookup(m, key, siphash(m->seed, key)) : NULL;

    return slot ? slot->value : NULL;
}

void map_add(struct map *m, struct slice key, void *value)
{
    struct map_slot entry = {siphash(m->seed, key), key, value};

    assert(value && !lookup(m, key, entry.hash));
    if (!m->room)
        resize(m, MAP_MIN_ROOM);
    else if ((m->used + 1) * 4 > m->room * 3)
        resize(m, (m->count + 1) * 2 > m->room ? m->room * 2 : m->room);
    place(m, entry);
}

void *map_remove(struct map *m, struct slice key)
{
    struct map_slot *slot = m->count ? lookup(m, key, siphash(m->seed, key)) : NULL;
    void *value;

    if (!slot)
        return NULL;
    value = slot->value;
    slot->value = NULL;
    slot->key = SLICE("removed"); /* the owner's bytes may go now */
    m->count--;
    return value;
}

void *map_next(const struct map *m, size_t *pos)
{
    while (*pos < m->room) {
        struct map_slot *slot = &m->slots[(*pos)++];

        if (slot->value)
            return slot->value;
    }
    return NULL;
}

void map_walk(struct map *m, void (*fn)(void *arg, struct slice key, void *value), void *arg)
{
    for (size_t i = 0; i < m->room; i++)
        if (m->slots[i].value)
            fn(arg, m->slots[i].key, m->slots[i].value);
}
