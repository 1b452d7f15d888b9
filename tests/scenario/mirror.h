/* tests/scenario/mirror.h - a server that says what it hears: the engine's own test partner. */
#ifndef SCENARIO_MIRROR_H
#define SCENARIO_MIRROR_H

#include "scenario/adapter.h"

/* Listens where a router of scenarios listens for S2S; each connection gets its own bytes back;
 * an end is answered by an end. Its only metric is mirror_bytes. */
extern const struct adapter mirror_adapter;

#endif
