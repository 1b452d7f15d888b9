/* tests/sim/links/player.h - a program that plays runs by seed: what it is told, who watches it. */
#ifndef SIM_LINKS_PLAYER_H
#define SIM_LINKS_PLAYER_H

#include <stdbool.h>
#include <stdint.h>

struct player {
    const char *program;
    const char *dir;    /* under tests/out; the first seed is added: several run at a time */
    uint64_t count;     /* unless told; ten times as many with FEDROUTER_LONG=1 */
    unsigned at_most_s; /* no seed takes as long, whatever the machine does besides */
    void (*prepare)(const char *dir);
    void (*play)(uint64_t seed, const char *dir, bool loud);
};

/* [--seed N | --from N --count N]; the exit code. */
int player_run(const struct player *p, int argc, char **argv);

#endif
