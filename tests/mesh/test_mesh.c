/* Nodes with a mesh between them: what each promise is about, one at a time. */
#include "mesh/cluster.h"
#include "unit/test.h"

static struct cluster c;

static bool all_meshed(void *arg)
{
    for (unsigned a = 0; a < c.node_count; a++)
        for (unsigned b = a + 1; b < c.node_count; b++)
            if (!cluster_meshed(&c, a, b))
                return false;
    return true;
}

static void set_up(uint64_t seed, unsigned nodes, unsigned workers, unsigned pairs)
{
    cluster_open(&c, seed, nodes, workers, pairs);
    for (unsigned p = 0; p < pairs; p++)
        cluster_own(&c, p, p % nodes);
    CHECK(world_run_until(c.w, all_meshed, NULL, 5000));
    world_advance(c.w, 500); /* those that cross have passed */
}

static void bring(unsigned node, unsigned pair, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        worker_bring(&c.nodes[node]->workers[i % c.worker_count], pair);
}

TEST(mesh, carries_to_the_owner_and_brings_fates_back)
{
    for (unsigned workers = 1; workers <= 3; workers++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            set_up(seed, 2, workers, 4);
            for (unsigned pair = 0; pair < 4; pair++) {
                bring(0, pair, 50);
                bring(1, pair, 50);
            }
            CHECK_EQ(cluster_held(&c), 400);
            CHECK(cluster_settle(&c, 5000));
            CHECK_EQ(c.arrived, 400);
            CHECK(node_out(c.nodes[0]) == 200 && node_out(c.nodes[1]) == 200);
            CHECK_EQ(node_count_of(c.nodes[0], COUNTER_OUT_MESH_MESSAGE, COUNTER_OUT_MESH_IQ), 100);
            CHECK_EQ(node_count_of(c.nodes[0], COUNTER_IN_MESH_MESSAGE, COUNTER_IN_MESH_IQ), 100);
            cluster_close(&c);
        }
}

/* CLUST-02: the ingress makes the bounce, and counts it. */
TEST(mesh, the_ingress_bounces_what_the_owner_cannot_send)
{
    set_up(1, 2, 2, 2);
    cluster_port(&c, 1, false, 0);
    bring(0, 1, 20);
    CHECK(cluster_settle(&c, 70000));
    CHECK_EQ(c.arrived, 0);
    CHECK_EQ(node_ended(c.nodes[0]), 20);
    CHECK_EQ(node_ended(c.nodes[1]), 0);
    CHECK_EQ(counter_read(&c.nodes[0]->workers[0].counters, COUNTER_BOUNCED + BOUNCE_AGE) +
                 counter_read(&c.nodes[0]->workers[1].counters, COUNTER_BOUNCED + BOUNCE_AGE),
             20);
    cluster_close(&c);
}

/* A connection that breaks, again and again: no stanza twice, none lost, no fate either. */
TEST(mesh, a_lane_goes_on_over_the_next_connection)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        set_up(seed, 2, 2, 2);
        for (unsigned round = 0; round < 10; round++) {
            unsigned side = round % 2;

            bring(0, 1, 100);
            world_advance(c.w, random_below(&c.rnd, 40));
            mesh_cut(node_mesh(c.nodes[side], c.nodes[1 - side]),
                     slice_from(c.nodes[1 - side]->name), "test");
            world_advance(c.w, random_below(&c.rnd, 400));
        }
        CHECK(cluster_settle(&c, 20000));
        CHECK_EQ(c.arrived, 1000);
        CHECK_EQ(node_out(c.nodes[0]), 1000);
        cluster_close(&c);
    }
}

/* One direction silent is as good as both: three PINGs. */
TEST(mesh, notices_a_cut_in_one_direction)
{
    set_up(3, 2, 1, 2);
    world_cut(c.w, c.nodes[0]->host, c.nodes[1]->host, true);
    bring(1, 0, 10); /* arrives; what is said of it does not */
    world_advance(c.w, 5500);
    CHECK(!cluster_meshed(&c, 0, 1));
    CHECK_EQ(c.arrived, 10);
    CHECK_EQ(cluster_held(&c), 10);
    world_cut(c.w, c.nodes[0]->host, c.nodes[1]->host, false);
    CHECK(cluster_settle(&c, 8000));
    CHECK_EQ(c.arrived, 10);
    CHECK_EQ(node_out(c.nodes[1]), 10);
    cluster_close(&c);
}

/* Both dial at the same moment: one connection stays, whoever was first. */
TEST(mesh, of_two_that_cross_one_stays)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        cluster_open(&c, seed, 2, 1 + seed % 3, 2);
        world_advance(c.w, 3000);
        CHECK(cluster_meshed(&c, 0, 1));
        cluster_own(&c, 0, 0);
        cluster_own(&c, 1, 1);
        bring(0, 1, 5);
        CHECK(cluster_settle(&c, 1000));
        cluster_close(&c);
    }
}

/* A view out of date costs one way more; the hint is followed. */
TEST(mesh, a_refusal_names_the_owner)
{
    set_up(5, 3, 2, 1);
    cluster_own(&c, 0, 1);
    cluster_hand_over(&c, 0, 2); /* the first node does not know */
    bring(0, 0, 40);
    CHECK(cluster_settle(&c, 3000));
    CHECK_EQ(c.arrived, 40);
    CHECK(c.nodes[0]->refused_count >= 1 && c.nodes[0]->refused_count <= 2);
    CHECK_EQ(c.nodes[0]->beliefs[0].node, 2);
    cluster_close(&c);
}

/* Nobody knows better: it is asked again, slower and slower. */
TEST(mesh, a_refusal_without_a_hint_backs_off)
{
    set_up(6, 2, 1, 1);
    cluster_own(&c, 0, 1);
    node_believe(c.nodes[1], 0, OWNER_UNKNOWN, 0, c.next_token);
    bring(0, 0, 10);
    world_advance(c.w, 10000);
    CHECK(c.nodes[0]->refused_count >= 5 && c.nodes[0]->refused_count <= 14);
    CHECK_EQ(cluster_held(&c), 10);
    node_believe(c.nodes[1], 0, OWNER_SELF, 1, c.next_token);
    CHECK(cluster_settle(&c, 3000));
    CHECK_EQ(c.arrived, 10);
    cluster_close(&c);
}

/* What waits for a decision waits in order, and ages. */
TEST(mesh, an_undecided_pair_waits_in_its_ingress)
{
    set_up(7, 2, 2, 2);
    node_believe(c.nodes[0], 1, OWNER_UNKNOWN, 0, 0);
    bring(0, 1, 30);
    world_advance(c.w, 1000);
    CHECK_EQ(c.arrived, 0);
    node_believe(c.nodes[0], 1, OWNER_NODE, 1, c.next_token);
    CHECK(cluster_settle(&c, 2000));
    CHECK_EQ(c.arrived, 30);
    node_believe(c.nodes[0], 1, OWNER_UNKNOWN, 0, 0);
    bring(0, 1, 30);
    CHECK(cluster_settle(&c, 70000));
    CHECK_EQ(c.arrived, 30);
    CHECK_EQ(node_ended(c.nodes[0]), 30);
    cluster_close(&c);
}

/* CLUST-05: another process under its name has nothing of what the old one had. */
TEST(mesh, a_restarted_owner_gets_everything_anew)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        set_up(seed, 2, 2, 1);
        cluster_own(&c, 0, 1);
        cluster_port(&c, 0, false, 0);
        bring(0, 0, 200);
        world_advance(c.w, 500);
        cluster_kill(&c, 1);
        world_advance(c.w, random_below(&c.rnd, 2000));
        cluster_start(&c, 1);
        cluster_own(&c, 0, 1);
        cluster_port(&c, 0, true, 10);
        CHECK(cluster_settle(&c, 10000));
        CHECK_EQ(c.arrived, 200);
        CHECK_EQ(node_out(c.nodes[0]), 200);
        cluster_close(&c);
    }
}

/* ... or a third node does, after the burial. */
TEST(mesh, a_burial_brings_back_what_the_dead_had)
{
    set_up(8, 3, 2, 1);
    cluster_own(&c, 0, 1);
    cluster_port(&c, 0, false, 0);
    bring(0, 0, 200);
    world_advance(c.w, 500);
    cluster_kill(&c, 1);
    world_advance(c.w, 3000);
    CHECK_EQ(cluster_held(&c), 200);
    cluster_own(&c, 0, 2);
    cluster_bury(&c, 1);
    cluster_port(&c, 0, true, 10);
    CHECK(cluster_settle(&c, 5000));
    CHECK_EQ(c.arrived, 200);
    cluster_close(&c);
}

/* LIMIT-10: credit bounds what a slow port's ingress may have under way; nobody else waits. */
TEST(mesh, a_slow_port_holds_up_no_other)
{
    set_up(9, 2, 1, 4);
    cluster_port(&c, 1, true, 0);
    bring(0, 1, 300);
    bring(0, 3, 300);
    world_advance(c.w, 2000);
    CHECK_EQ(c.arrived, 300);
    CHECK(mem_used(&c.nodes[1]->memory) < 64 * 1024); /* of 300 stanzas some 130 KB */
    cluster_port(&c, 1, true, 10);
    CHECK(cluster_settle(&c, 5000));
    CHECK_EQ(c.arrived, 600);
    cluster_close(&c);
}

/* Stanzas greater than any window. */
TEST(mesh, big_stanzas_travel_one_at_a_time)
{
    set_up(10, 2, 2, 2);
    c.body_most = 60000;
    bring(0, 1, 60);
    CHECK(cluster_settle(&c, 20000));
    CHECK_EQ(c.arrived, 60);
    cluster_close(&c);
}

TESTS(TEST_OF(mesh, carries_to_the_owner_and_brings_fates_back),
      TEST_OF(mesh, the_ingress_bounces_what_the_owner_cannot_send),
      TEST_OF(mesh, a_lane_goes_on_over_the_next_connection),
      TEST_OF(mesh, notices_a_cut_in_one_direction), TEST_OF(mesh, of_two_that_cross_one_stays),
      TEST_OF(mesh, a_refusal_names_the_owner), TEST_OF(mesh, a_refusal_without_a_hint_backs_off),
      TEST_OF(mesh, an_undecided_pair_waits_in_its_ingress),
      TEST_OF(mesh, a_restarted_owner_gets_everything_anew),
      TEST_OF(mesh, a_burial_brings_back_what_the_dead_had),
      TEST_OF(mesh, a_slow_port_holds_up_no_other), TEST_OF(mesh, big_stanzas_travel_one_at_a_time))
