/* base/map */
#include "unit/test.h"

#include "base/map.h"
#include "base/random.h"

static const uint64_t seed[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

/* Aumasson and Bernstein's published vectors: key 00..0f, input 00, 01, 02 ... */
TEST(map, siphash_vectors)
{
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        {0, 0x726fdb47dd0e0e31u}, {1, 0x74f839c593dc67fdu},  {7, 0xab0200f58b01d137u},
        {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u}, {63, 0x958a324ceb064572u},
    };
    char in[64];

    for (int i = 0; i < 64; i++)
        in[i] = (char)i;
    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK(siphash(seed, slice_make(in, cases[i].len)) == cases[i].hash);
}

TEST(map, adds_finds_removes)
{
    struct map m;
    int a;
    int b;

    map_init(&m, seed);
    CHECK(map_find(&m, SLICE("a")) == NULL);
    CHECK(map_remove(&m, SLICE("a")) == NULL);
    map_add(&m, SLICE("a"), &a);
    map_add(&m, slice_none(), &b); /* an empty key is a key */
    CHECK(map_find(&m, SLICE("a")) == &a);
    CHECK(map_find(&m, SLICE("")) == &b);
    CHECK(map_find(&m, SLICE("A")) == NULL);
    CHECK_EQ(map_count(&m), 2);
    CHECK(map_remove(&m, SLICE("a")) == &a);
    CHECK(map_remove(&m, SLICE("a")) == NULL);
    CHECK(map_find(&m, SLICE("a")) == NULL);
    CHECK(map_remove(&m, slice_none()) == &b);
    CHECK_EQ(map_count(&m), 0);
    map_fini(&m);
}

#define KEYS 3000

static char keys[KEYS][16];
static bool present[KEYS];

static void check_all(const struct map *m)
{
    size_t n = 0;

    for (size_t i = 0; i < KEYS; i++) {
        CHECK(map_find(m, slice_from(keys[i])) == (present[i] ? keys[i] : NULL));
        n += present[i];
    }
    CHECK_EQ(map_count(m), n);
}

TEST(map, agrees_with_a_table)
{
    struct random rnd;
    struct map m;

    random_init_seeded(&rnd, 2);
    map_init(&m, seed);
    for (size_t i = 0; i < KEYS; i++)
        snprintf(keys[i], sizeof(keys[i]), "key-%zu", i);
    for (int round = 0; round < 200000; round++) {
        size_t i = random_below(&rnd, KEYS);

        if (present[i])
            CHECK(map_remove(&m, slice_from(keys[i])) == keys[i]);
        else
            map_add(&m, slice_from(keys[i]), keys[i]);
        present[i] = !present[i];
        if (round % 20000 == 0)
            check_all(&m);
    }
    check_all(&m);
    map_fini(&m);
}

/* The removed owner's bytes may go at once: nothing reads the key again. */
TEST(map, forgets_keys_of_removed_entries)
{
    struct map m;

    map_init(&m, seed);
    for (int i = 0; i < 1000; i++) {
        char text[16];
        char *other = mem_strdup("another");
        char *key;

        snprintf(text, sizeof(text), "key %d", i);
        key = mem_strdup(text);

        map_add(&m, slice_from(key), key);
        map_add(&m, slice_from(other), other);
        CHECK(map_remove(&m, slice_from(text)) == key);
        mem_free(key);
        CHECK(map_find(&m, slice_from(text)) == NULL);
        CHECK(map_remove(&m, SLICE("another")) == other);
        mem_free(other);
    }
    CHECK(m.room <= 16); /* graves are reused, the map does not grow */
    map_fini(&m);
}

struct visit {
    struct map *m;
    unsigned seen;
    bool remove;
};

static void visit(void *arg, struct slice key, void *value)
{
    struct visit *v = arg;

    CHECK(slice_is(key, value));
    v->seen++;
    if (v->remove)
        CHECK(map_remove(v->m, key) == value);
}

TEST(map, walks_over_all_and_lets_them_go)
{
    static char names[100][8];
    struct visit v = {.seen = 0};
    struct map m;
    size_t pos = 0;
    char *name;

    map_init(&m, seed);
    for (size_t i = 0; i < COUNT(names); i++) {
        snprintf(names[i], sizeof(names[i]), "%zu", i);
        map_add(&m, slice_from(names[i]), names[i]);
    }
    v.m = &m;
    map_walk(&m, visit, &v);
    CHECK_EQ(v.seen, 100);
    for (v.seen = 0; (name = map_next(&m, &pos)); v.seen++)
        if (v.seen % 2)
            CHECK(map_remove(&m, slice_from(name)) == name);
    CHECK_EQ(v.seen, 100);
    CHECK_EQ(map_count(&m), 50);
    v = (struct visit){.m = &m, .remove = true};
    map_walk(&m, visit, &v);
    CHECK_EQ(v.seen, 50);
    CHECK_EQ(map_count(&m), 0);
    map_fini(&m);
}

TEST(map, seeds_change_the_hash)
{
    static const uint64_t other[2] = {1, 2};

    CHECK(siphash(seed, SLICE("x")) != siphash(other, SLICE("x")));
}

TESTS(TEST_OF(map, siphash_vectors), TEST_OF(map, adds_finds_removes),
      TEST_OF(map, agrees_with_a_table), TEST_OF(map, forgets_keys_of_removed_entries),
      TEST_OF(map, walks_over_all_and_lets_them_go), TEST_OF(map, seeds_change_the_hash))
