/* tests/sim/links/house.h - a router of a run: its configuration, its starts and ends. */
#ifndef SIM_LINKS_HOUSE_H
#define SIM_LINKS_HOUSE_H

#include "sim/links/land.h"

/* `parties` of the land that live there exist. Draws its settings and starts. */
void house_open(struct house *h);
void house_start(struct house *h);
/* Ended by itself, or time to start again? */
void house_look(struct house *h);
/* SIGHUP with other settings. */
void house_reload(struct house *h);
/* SIGTERM, and again after a while. */
void house_drain(struct house *h, uint64_t down_ms);
void house_kill(struct house *h, uint64_t down_ms);
void house_close_links(struct house *h, const char *domain);
/* No queue is longer than its bound allows. */
void house_check_queues(struct house *h);
/* At rest: everything has its fate, nothing is left but components. */
void house_check_rest(struct house *h);
void house_free(struct house *h);

#endif
