/* test_links [--seed N | --from N --count N] - whole routers in invented networks, by seed.
 *
 * Each seed draws routers, components, servers, traffic and troubles (sim/links); at the end every
 * stanza has its fate and nothing is left. --seed plays one and tells everything that happened.
 * FEDROUTER_LONG=1 plays ten times as many.
 */
#include "sim/links/land.h"
#include "sim/links/player.h"

static void prepare(const char *dir)
{
    certs_free(land_certs(dir));
}

int main(int argc, char **argv)
{
    static const struct player links = {
        .program = "test_links",
        .dir = "links",
        .count = 100,
        .at_most_s = 120,
        .prepare = prepare,
        .play = land_play,
    };

    return player_run(&links, argc, argv);
}
