/* One sentence of the rule of many nodes each, shown by the play that goes wrong without it: the
 * same plays are played once more with that sentence left out, and have to fail (sim/breaks). Fixed
 * plays of whole clusters (sim/cluster/scene.h); after every event at most one node may write for a
 * pair. CLUST-02, CLUST-04. SCENE_LOUD=1 tells what happened.
 */
#include "link/view.h"
#include "node/node.h"
#include "route/rendezvous.h"
#include "scenario/adapter.h"
#include "sim/cluster/scene.h"
#include "unit/test.h"

enum { A, B, C };
enum { R0, R1, R2 };

static struct scene s;

/* The pair of r0 is A's, its link is open. */
static void begin(uint64_t seed, size_t houses)
{
    scene_open(&s, seed, houses);
    scene_send(&s, A, R0, 1);
    CHECK(scene_settle(&s, 3000));
    CHECK(scene_owned(&s, R0, A, 0));
}

static struct host *host_of(size_t house)
{
    return scene_house(&s, house)->host;
}

static void cut_table(size_t house, bool cut)
{
    world_part(s.w, host_of(house), s.fleet.redis_host, cut);
}

static void cut_mesh(size_t a, size_t b, bool cut)
{
    world_part(s.w, host_of(a), host_of(b), cut);
}

static void set_far_apart(size_t a, size_t b, uint64_t us)
{
    world_set_latency(s.w, host_of(a), host_of(b), us, us);
    world_set_latency(s.w, host_of(b), host_of(a), us, us);
}

static const struct berth *berth(size_t server)
{
    return crew_berth(&s.fleet, "c.example", s.servers[server]->pattern);
}

/* The worker of that node that the pair lives on. */
static struct site *home_of(size_t house, size_t server)
{
    const struct crew *c = &s.fleet.crews[house];

    return c->sites[router_key_worker(&c->sites[0]->router, slice_from(berth(server)->key))];
}

/* --- a hint is followed only if its token is higher than any seen --- */

static void hear_refusal(size_t house, const char *owner, uint64_t token)
{
    struct site *at = home_of(house, R0);
    struct owner_view v = view_owners(at->view);
    struct owner hint = {OWNER_NODE, slice_from(owner), 0, token};

    v.ops->refused(v.arg, slice_from(berth(R0)->key), SLICE("c"), &hint);
}

static bool believes(size_t house, const char *owner)
{
    struct owner_view v = view_owners(home_of(house, R0)->view);
    struct owner found;

    v.ops->find(v.arg, slice_from(berth(R0)->key), &found);
    return found.where == OWNER_NODE && slice_is(found.node, owner);
}

/* C refuses what B sent it, and names whom it takes for the owner. */
TEST(clauses, a_hint_of_before_is_not_followed)
{
    begin(1, 3);
    scene_send(&s, B, R0, 1);
    CHECK(scene_settle(&s, 3000));
    CHECK(believes(B, "a"));
    hear_refusal(B, "c", berth(R0)->token);
    scene_run(&s, 1000);
    CHECK(believes(B, "a")); /* the table says it */
    scene_close(&s);
}

/* --- a claim waits until every member has acknowledged a list with the claimer on it --- */

/* The table comes back empty. B is back first; A, which owns and has its right for a while, could
 * not put its row back yet. */
TEST(clauses, who_is_back_first_does_not_claim_what_is_owned)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        begin(seed, 2);
        scene_trouble(&s, true);
        scene_send(&s, B, R1, 1);
        CHECK(scene_settle(&s, 3000));
        redisserver_stop(s.fleet.redis);
        scene_run(&s, 200);
        cut_table(A, true);
        cut_mesh(A, B, true);
        redisserver_restart(s.fleet.redis, true);
        scene_send(&s, B, R0, 1);
        scene_run(&s, 4000);
        CHECK(scene_writer(&s, R0) == scene_house(&s, A));
        cut_table(A, false);
        cut_mesh(A, B, false);
        CHECK(scene_settle(&s, 10000));
        scene_trouble(&s, false);
        scene_close(&s);
    }
}

/* --- what is held by promises alone is forgotten when they end --- */

static bool chooses(size_t server, const char *name)
{
    static const char *const names[] = {"a", "b"};
    struct rendezvous order;
    const char *first = NULL;

    rendezvous_begin(&order, slice_from(berth(server)->key));
    for (size_t i = 0; i < COUNT(names); i++)
        if (rendezvous_name_leads(&order, slice_from(names[i])))
            first = names[i];
    return strcmp(first, name) == 0;
}

/* Does r0 live on another worker than the one that has the connection to A? */
static bool is_apart(void)
{
    const struct crew *c = &s.fleet.crews[B];

    CHECK_EQ(c->count, 2);
    return home_of(B, R0) != c->sites[router_key_worker(&c->sites[0]->router, SLICE("a"))];
}

/* B's promises end while its worker hangs; A claims, loses the table, and promises again. The
 * worker, which heard nothing of all that, does not take the new promise for the old one. */
static void lapse(void)
{
    struct loop *worker = home_of(B, R0)->loop;

    CHECK(chooses(R0, "b"));
    cut_table(A, true);
    cut_table(B, true);
    scene_run(&s, 7500);
    scene_send(&s, B, R0, 1);
    CHECK(scene_owned(&s, R0, B, 5000));
    scene_house(&s, B)->stopped = true;
    world_pause_loop(worker, true);
    cut_mesh(A, B, true);
    scene_run(&s, 4500);
    cut_table(A, false);
    scene_run(&s, 1000);
    scene_send(&s, A, R0, 1);
    CHECK(scene_owned(&s, R0, A, 2000));
    cut_mesh(A, B, false);
    scene_run(&s, 2500); /* they meet, and A has not buried B yet */
    cut_table(A, true);
    scene_run(&s, 8000);
    world_pause_loop(worker, false);
    scene_house(&s, B)->stopped = false;
    cut_table(A, false);
    cut_table(B, false);
    CHECK(scene_settle(&s, 20000));
}

TEST(clauses, a_provisional_pair_ends_with_its_promises)
{
    unsigned played = 0;

    for (uint64_t seed = 1; seed <= 10; seed++) {
        scene_open(&s, seed, 2);
        scene_trouble(&s, true);
        if (is_apart()) {
            lapse();
            played++;
        }
        scene_trouble(&s, false);
        scene_close(&s);
    }
    CHECK(played > 1);
}

/* --- a release is of one row --- */

/* B lets go of its idle pair while the table is away, and takes it again without the table: when
 * the release gets there at last, it does not free what B writes for. */
TEST(clauses, a_late_release_frees_no_pair_that_was_taken_since)
{
    scene_open(&s, 1, 2);
    scene_trouble(&s, true);
    CHECK(chooses(R0, "b"));
    scene_send(&s, B, R0, 1);
    CHECK(scene_owned(&s, R0, B, 3000));
    cut_table(A, true);
    cut_table(B, true);
    for (unsigned ms = 0; scene_writer(&s, R0); ms += 100) {
        CHECK(ms < 120000);
        scene_run(&s, 100);
    }
    scene_send(&s, B, R0, 1);
    CHECK(scene_owned(&s, R0, B, 5000));
    cut_table(A, false);
    cut_table(B, false);
    scene_send(&s, A, R1, 1); /* A has the table, too */
    CHECK(scene_owned(&s, R1, A, 10000));
    scene_send(&s, A, R0, 1);
    CHECK(scene_settle(&s, 5000));
    CHECK(scene_writer(&s, R0) == scene_house(&s, B));
    scene_trouble(&s, false);
    scene_close(&s);
}

/* --- a hand-over --- */

/* The link has not opened yet, so that all of it waits; the offer takes its time. */
TEST(clauses, what_the_giver_takes_meanwhile_stays_behind)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        begin(seed, 2);
        scene_run(&s, 8000); /* idle, it was closed */
        set_far_apart(A, B, 100000);
        world_set_latency(s.w, host_of(A), s.servers[R0]->host, 300000, 300000);
        scene_send(&s, A, R0, 20);
        scene_run(&s, 20);
        CHECK_EQ(scene_delivered(&s, A), 1);
        CHECK(scene_writer(&s, R0) == scene_house(&s, A));
        scene_drain(&s, A, 60000);
        for (unsigned i = 0; i < 40; i++) {
            scene_send(&s, A, R0, 2);
            scene_run(&s, 20);
        }
        CHECK(scene_settle(&s, 10000));
        CHECK_EQ(scene_delivered(&s, A), 101);
        CHECK_EQ(s.fleet.land.ledger.repeats, 0);
        scene_close(&s);
    }
}

/* It arrived; word of that is late. */
TEST(clauses, the_giver_waits_for_acknowledgements)
{
    begin(1, 2);
    world_cut(s.w, s.servers[R0]->host, host_of(A), true);
    scene_send(&s, A, R0, 20);
    scene_run(&s, 100);
    scene_drain(&s, A, 60000);
    scene_run(&s, 1200); /* a link that is closed is given a second */
    world_cut(s.w, s.servers[R0]->host, host_of(A), false);
    scene_run(&s, 8000);
    CHECK(scene_gone(&s, A));
    CHECK_EQ(scene_delivered(&s, A), 21);
    CHECK_EQ(s.fleet.land.ledger.repeats, 0);
    scene_close(&s);
}

/* What is not acknowledged in time is reset, and not left to the kernel. */
TEST(clauses, what_the_giver_wrote_in_vain_does_not_come_late)
{
    begin(1, 2);
    scene_trouble(&s, true);
    world_cut(s.w, host_of(A), s.servers[R0]->host, true);
    scene_send(&s, A, R0, 20);
    scene_run(&s, 100);
    scene_drain(&s, A, 60000);
    scene_run(&s, 8000);
    CHECK(scene_gone(&s, A));
    CHECK_EQ(scene_delivered(&s, A), 21);
    world_cut(s.w, host_of(A), s.servers[R0]->host, false);
    scene_run(&s, 20000);
    CHECK_EQ(s.fleet.land.ledger.repeats, 0);
    scene_trouble(&s, false);
    scene_close(&s);
}

TESTS(TEST_OF(clauses, a_hint_of_before_is_not_followed),
      TEST_OF(clauses, who_is_back_first_does_not_claim_what_is_owned),
      TEST_OF(clauses, a_provisional_pair_ends_with_its_promises),
      TEST_OF(clauses, a_late_release_frees_no_pair_that_was_taken_since),
      TEST_OF(clauses, what_the_giver_takes_meanwhile_stays_behind),
      TEST_OF(clauses, the_giver_waits_for_acknowledgements),
      TEST_OF(clauses, what_the_giver_wrote_in_vain_does_not_come_late))
