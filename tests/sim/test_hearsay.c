/* link/hearsay: what another node says of remote domains is taken within bounds. STREAM-21. */
#include "link/hearsay.h"

#include "sim/bed.h"
#include "sim/world.h"
#include "unit/test.h"
#include "wire/frame.h"

#include <stdio.h>

#define ANY_MS 0xffffffff

static const uint64_t seed[2] = {1, 2};

static struct {
    struct bed bed;
    struct world *w;
    struct counters counters;
    struct site site;
    uint64_t since_ms;
} t;

static void on_tick(struct timer *timer)
{
    outages_tick(&t.site.heard, loop_now_ms(timer->loop));
}

/* As much of a worker as hearsay touches: one of two, without pairs. */
static void open_site(void)
{
    memset(&t, 0, sizeof(t));
    t.w = world_new(1);
    bed_init(&t.bed);
    world_use_host(t.w, world_host(t.w, "a", "10.0.0.1"));
    t.site.loop = loop_new(&t.counters, &t.bed.sink);
    t.site.worker = 1;
    t.site.router.worker_count = 2;
    memcpy(t.site.router.seed, seed, sizeof(seed));
    outages_init(&t.site.heard, seed);
    map_init(&t.site.pairs, seed);
    map_init(&t.site.remotes, seed);
    timer_init(&t.site.tick, t.site.loop, on_tick);
    world_advance(t.w, 1000);
}

static void close_site(void)
{
    timer_stop(&t.site.tick);
    outages_fini(&t.site.heard);
    map_fini(&t.site.pairs);
    map_fini(&t.site.remotes);
    loop_free(t.site.loop);
    world_free(t.w);
    bed_fini(&t.bed);
}

static struct frame_backoff row(const char *local, const char *remote, uint32_t left_ms)
{
    return (struct frame_backoff){
        .local = slice_from(local),
        .remote = slice_from(remote),
        .of_domain = true,
        .left_ms = left_ms,
        .failures_count = 3,
        .why = SLICE("unreachable"),
        .detail = SLICE("refused"),
    };
}

static void take(const struct frame_backoff *r)
{
    struct frame_backoff copy = *r;
    struct frame_backoffs told = {&copy, 1};

    hearsay_take(&t.site, SLICE("edge-2"), &told);
}

static bool find(const char *remote, bool of_domain, struct outage *ret)
{
    return hearsay_find(&t.site, SLICE("a.example"), slice_from(remote), of_domain, &t.since_ms,
                        ret);
}

TEST(hearsay, is_taken_as_it_was_said)
{
    struct frame_backoff r = row("a.example", "r.example", 5000);
    struct outage w;

    open_site();
    take(&r);
    CHECK(find("r.example", true, &w));
    CHECK_SLICE(w.detail, "refused");
    CHECK_SLICE(w.node, "edge-2");
    CHECK(w.why == BOUNCE_UNREACHABLE && w.failures_count == 3);
    CHECK(w.left_ms >= 5000 + HEARSAY_LATER_MS && w.left_ms < 5000 + 2 * HEARSAY_LATER_MS);
    world_advance(t.w, 5000 + 2 * HEARSAY_LATER_MS);
    CHECK(!find("r.example", true, &w));
    close_site();
}

TEST(hearsay, is_bounded_whatever_a_node_says)
{
    struct frame_backoff r = row("a.example", "r.example", ANY_MS);
    struct outage w;

    open_site();
    r.failures_count = ANY_MS;
    r.why = SLICE("a word of a later release");
    r.detail = SLICE("ends\nhere");
    take(&r);
    CHECK(find("r.example", true, &w));
    CHECK_EQ(w.left_ms, PAIR_BACKOFF_MOST_MS);
    CHECK_EQ(w.detail.len, 0);
    CHECK_EQ(w.why, BOUNCE_LINK_LOST);
    r.detail = SLICE("\xff");
    take(&r);
    CHECK(find("r.example", true, &w));
    CHECK_EQ(w.detail.len, 0);
    for (unsigned i = 0; i < 2 * OUTAGES_MAX; i++) {
        char name[32];

        snprintf(name, sizeof(name), "r%u.example", i);
        r.remote = slice_from(name);
        take(&r);
    }
    CHECK_EQ(outages_count(&t.site.heard), OUTAGES_MAX);
    CHECK_EQ(counter_read(&t.counters, COUNTER_BACKOFFS_LEFT_OUT), OUTAGES_MAX + 1);
    world_advance(t.w, PAIR_BACKOFF_MOST_MS + 1);
    outages_tick(&t.site.heard, loop_now_ms(t.site.loop));
    CHECK_EQ(outages_count(&t.site.heard), 0);
    close_site();
}

/* Said again and again, it holds a pair back for a minute; then that tries itself. */
TEST(hearsay, is_heeded_for_so_long)
{
    struct frame_backoff r = row("a.example", "r.example", ANY_MS);
    uint64_t ms = 0;
    struct outage w;

    open_site();
    for (take(&r); find("r.example", true, &w); take(&r)) {
        CHECK(ms + w.left_ms <= HEARSAY_MOST_MS);
        CHECK(ms < HEARSAY_MOST_MS);
        world_advance(t.w, 1000);
        ms += 1000;
    }
    CHECK_EQ(ms, HEARSAY_MOST_MS);
    t.since_ms = 0; /* it has */
    CHECK(find("r.example", true, &w));
    close_site();
}

TEST(hearsay, ends_with_a_success_or_with_its_node)
{
    struct frame_backoff r = row("a.example", "r.example", 5000);
    struct frame_backoff other = row("a.example", "s.example", 5000);
    struct frame_backoff end = {.remote = SLICE("r.example")};
    struct outage w;

    open_site();
    take(&r);
    take(&other);
    take(&end);
    CHECK(!find("r.example", true, &w) && find("s.example", true, &w));
    hearsay_forget(&t.site, SLICE("edge-3"));
    CHECK(find("s.example", true, &w));
    hearsay_forget(&t.site, SLICE("edge-2"));
    CHECK(!find("s.example", true, &w));
    close_site();
}

/* A pair lives on one worker, which alone keeps what concerns it. */
TEST(hearsay, of_a_pair_is_for_its_worker)
{
    unsigned kept = 0;
    struct outage w;

    open_site();
    for (unsigned i = 0; i < 100; i++) {
        struct frame_backoff r;
        char name[32], key[PORT_KEY_BYTES_MAX];
        size_t len;

        snprintf(name, sizeof(name), "r%u.example", i);
        r = row("a.example", name, 5000);
        r.of_domain = false;
        len = router_pair_key(r.local, r.remote, key);
        take(&r);
        CHECK(!find(name, true, &w));
        CHECK_EQ(find(name, false, &w),
                 router_key_worker(&t.site.router, slice_make(key, len)) == 1);
        kept += find(name, false, &w);
    }
    CHECK(kept > 20 && kept < 80);
    CHECK_EQ(outages_count(&t.site.heard), kept);
    close_site();
}

TESTS(TEST_OF(hearsay, is_taken_as_it_was_said), TEST_OF(hearsay, is_bounded_whatever_a_node_says),
      TEST_OF(hearsay, is_heeded_for_so_long),
      TEST_OF(hearsay, ends_with_a_success_or_with_its_node),
      TEST_OF(hearsay, of_a_pair_is_for_its_worker))
