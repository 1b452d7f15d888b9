/* route/bounce.h - the stanza error that tells a sender why. Pure.
 *
 * Spec: RFC 6120 8.3; CONFORMANCE ERR-01 to ERR-06. Rows: route/bounce.def.
 */
#ifndef ROUTE_BOUNCE_H
#define ROUTE_BOUNCE_H

#include "wire/stanza.h"

enum bounce {
#define BOUNCE(id, word, condition, type, text) BOUNCE_##id,
#include "route/bounce.def"
#undef BOUNCE
    BOUNCE_MAX
};

const char *bounce_word(enum bounce b);
/* LINK_LOST for a word that this release does not know. */
enum bounce bounce_of_word(struct slice word);
const char *bounce_condition(enum bounce b);
const char *bounce_text(enum bounce b);

/* The answer to `s`, or NULL when it must not be answered (an error, a result). `detail`: more
 * about the cause, for people, may be empty ("SRV xmpp.example.net: connection refused"). The
 * payload is not echoed. A malformed `from` of the answer is left to ERR-06: `own`, a domain of
 * ours, takes its place when s->to is unusable (empty slice: s->to is fine). */
struct stanza *bounce_make(const struct stanza *s, enum bounce why, struct slice detail,
                           struct slice own);

#endif
