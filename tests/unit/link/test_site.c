/* link/site: the ids of our streams. */
#include "unit/test.h"

#include "link/site.h"

#define NODES 3
#define IDS   20000 /* of each node */

static struct counters counters[NODES];
static struct log_sink sink;
static struct site sites[NODES];

static void open_sites(void)
{
    for (size_t i = 0; i < NODES; i++) {
        sites[i].loop = loop_new(&counters[i], &sink);
        sites[i].id_secret[0] = 1;
        sites[i].id_secret[1] = 2;
    }
}

static void close_sites(void)
{
    for (size_t i = 0; i < NODES; i++)
        loop_free(sites[i].loop);
}

static bool is_hex(const char *text)
{
    return strspn(text, "0123456789abcdef") == strlen(text);
}

/* STREAM-06: 128 bits of chance, never the same twice, wherever they are made. */
TEST(site, stream_ids_never_repeat)
{
    static char ids[NODES * IDS][STREAM_ID_LEN + 1];
    static const uint64_t seed[2] = {3, 4};
    unsigned ones[128] = {0};
    struct map seen;

    open_sites();
    map_init(&seen, seed);
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct slice chance;

        site_stream_id(&sites[i % NODES], ids[i]);
        CHECK_EQ(strlen(ids[i]), STREAM_ID_LEN);
        CHECK(is_hex(ids[i]));
        chance = slice_make(ids[i], 32);
        CHECK(!map_find(&seen, chance));
        map_add(&seen, chance, ids[i]);
        for (size_t bit = 0; bit < 128; bit++) {
            char digit = ids[i][bit / 4];
            int value = digit <= '9' ? digit - '0' : digit - 'a' + 10;

            ones[bit] += value >> bit % 4 & 1;
        }
    }
    for (size_t bit = 0; bit < 128; bit++) /* each bit is one about half the time: ten sigma */
        CHECK_MSG(ones[bit] > COUNT(ids) / 2 - 1250 && ones[bit] < COUNT(ids) / 2 + 1250,
                  "bit %zu is one %u times", bit, ones[bit]);
    map_fini(&seen);
    close_sites();
}

/* ROUTE-16: whoever shows us an id of ours was given it by us; nobody else can make one. */
TEST(site, knows_its_own_stream_ids)
{
    char id[STREAM_ID_LEN + 1];

    open_sites();
    sites[1].id_secret[1] = 5;
    site_stream_id(&sites[0], id);
    CHECK(site_stream_id_ours(&sites[0], slice_from(id)));
    CHECK(site_stream_id_ours(&sites[2], slice_from(id)));
    CHECK(!site_stream_id_ours(&sites[1], slice_from(id)));
    CHECK(!site_stream_id_ours(&sites[0], slice_make(id, STREAM_ID_LEN - 1)));
    for (size_t i = 0; i < STREAM_ID_LEN; i++) {
        char kept = id[i];

        id[i] = kept == '0' ? '1' : '0';
        CHECK(!site_stream_id_ours(&sites[0], slice_from(id)));
        id[i] = kept;
    }
    CHECK(!site_stream_id_ours(&sites[0], SLICE("")));
    close_sites();
}

TESTS(TEST_OF(site, stream_ids_never_repeat), TEST_OF(site, knows_its_own_stream_ids))
