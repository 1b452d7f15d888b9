/* link/s2s_in.h - an inbound stream: who is it, for which pairs may it speak, and its stanzas.
 *
 *   HEADER -> JUDGE -> NEGOTIATE -> (starttls: HEADER again) -> (SASL: HEADER again) -> OPEN
 * OPEN means that at least one pair is valid; dialback may add more at any time. Pairs have
 * machines of their own: PENDING (its key is being checked), VALID.
 *
 * Spec: RFC 6120 4-6 and 8.1, XEP-0178, XEP-0220 2.2, XEP-0344; CONFORMANCE STREAM-*, TLS-*,
 * SASL-*, DB-10..25, DB-31, ROUTE-01..03.
 */
#ifndef LINK_S2S_IN_H
#define LINK_S2S_IN_H

#include "link/site.h"

/* More pairs on one stream than any hosting provider needs; LIMIT-09. */
#define S2S_IN_PAIRS_MAX 10000
/* Keys of one stream being checked at a time, of one address on a worker, and of the worker:
 * dialback reflects traffic, and nobody is to keep others from it. */
#define S2S_IN_PENDING_MAX      32
#define SITE_VERIFY_ADDRESS_MAX 200
#define SITE_VERIFY_MAX         2000
#define S2S_IN_SASL_MAX         3

/* Takes fd. `direct`: TLS from the first byte. */
void s2s_in_accept(struct site *site, int fd, const struct addr *peer, bool direct);
/* Domains or rules changed: what they do not allow any more ends. */
void s2s_in_configure(struct link *l);

#endif
