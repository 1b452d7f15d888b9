/* test_cluster [--seed N | --from N --count N] - whole clusters in invented networks, by seed.
 *
 * Each seed draws nodes, components, servers, traffic and troubles (sim/cluster); after every event
 * at most one node may write for a pair, at the end every stanza has its fate and nothing is left.
 * --seed plays one and tells everything that happened. FEDROUTER_LONG=1 plays ten times as many.
 */
#include "sim/cluster/fleet.h"
#include "sim/links/player.h"

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 20 /* an ordinary run plays the rest without sanitizers */
#else
#define SEEDS 100
#endif

int main(int argc, char **argv)
{
    static const struct player cluster = {
        .program = "test_cluster",
        .dir = "cluster",
        .count = SEEDS,
        .at_most_s = 300,
        .prepare = fleet_prepare,
        .play = fleet_play,
    };

    return player_run(&cluster, argc, argv);
}
