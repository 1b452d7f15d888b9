/* tests/sim/links/trouble.h - what befalls a land: one misfortune at a time, drawn by its mood. */
#ifndef SIM_LINKS_TROUBLE_H
#define SIM_LINKS_TROUBLE_H

#include "sim/links/land.h"

enum trouble {
    TROUBLE_CRASH,
    TROUBLE_LEAVE,
    TROUBLE_STALL,
    TROUBLE_CUT,
    TROUBLE_ONE_WAY,
    TROUBLE_LOSS,
    TROUBLE_SLOW,
    TROUBLE_DNS,
    TROUBLE_RELOAD,
    TROUBLE_CLOSE,
    TROUBLE_DOUBLE,
    TROUBLE_KILL,
    TROUBLE_DRAIN,
    TROUBLES
};

void trouble_make(struct land *l);
/* Ends what is over by now. */
void trouble_look(struct land *l);
/* Ends all. */
void trouble_heal(struct land *l);
/* The DNS rows of all parties. */
void trouble_fill_dns(struct land *l);

#endif
