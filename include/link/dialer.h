/* link/dialer.h - connects to the first endpoint of a domain that answers.
 *
 * Targets in their order, the addresses of one target staggered (happy eyeballs, RFC 8305 5);
 * the first that connects wins, the others are withdrawn. The owner may ask for the next one when
 * what it found behind a connection was no use (TLS failed, stream refused).
 * Spec: RFC 6120 3.2.1, CONFORMANCE SRV-02, SRV-06, SRV-08.
 */
#ifndef LINK_DIALER_H
#define LINK_DIALER_H

#include "link/site.h"

struct dialer;

struct dialer_handler {
    /* The stream is the owner's now (stream_set_handler). `e` lives as long as the dialer. */
    void (*connected)(void *arg, struct stream *s, const struct endpoint *e);
    /* No endpoint is left. `text`: what the last ones said, for people. */
    void (*exhausted)(void *arg, const char *text);
};

/* Takes a reference of `res` (kind RESOLVED). */
struct dialer *dialer_new(struct site *site, struct resolution *res, const struct stream_options *o,
                          const struct dialer_handler *h, void *arg);
/* Starts, or goes on behind the endpoint that was handed out last. Events come posted. */
void dialer_next(struct dialer *d);
/* Attempts under way are withdrawn. */
void dialer_free(struct dialer *d);

#endif
