/* link/entrance.h - what s2s_in and component do alike with a stanza before it is accepted, and
 * with their own reading under pressure.
 *
 * Spec: RFC 6120 8.1, 8.2.3, RFC 7622; CONFORMANCE ROUTE-01, ROUTE-10, LIMIT-10.
 */
#ifndef LINK_ENTRANCE_H
#define LINK_ENTRANCE_H

#include "link/site.h"

/* The domain of an address in normal form: borrowed from it where it is normal already, else in
 * `buf`. ERR_SYNTAX: no address. `strict_local`: from a component of ours (JID-08). */
enum err entrance_domain(struct slice address, bool strict_local, struct domain *buf,
                         struct slice *ret_domain) MUST_USE;
/* An iq that RFC 6120 8.2.3 does not allow. */
bool entrance_bad_request(const struct stanza *s);

/* A stream that brings stanzas: paused by a full queue at most pause_ms at a time, and while the
 * process holds more than limits.memory. */
struct entrance {
    struct source source;
    struct site *site;
    struct stream *stream;
    struct timer pause_over;
    bool shut; /* drain: not read any more, whatever gates say */
};

void entrance_init(struct entrance *e, struct site *site);
void entrance_fini(struct entrance *e);
void entrance_shut(struct entrance *e);
/* After the stanza was given to the router: enough is held, stop reading for a while. */
void entrance_check_memory(struct entrance *e);

#endif
