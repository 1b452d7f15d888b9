/* session/dnstry.h - one question to one server, once: over UDP, then over TCP if the answer was
 * truncated or if what came cannot be ours.
 *
 * Each has its own socket, so a forger must guess port, id and the case of the name (0x20,
 * RFC 5452). A server that does not repeat the case, and a flood of guesses, both end in TCP,
 * which cannot be guessed; the case is not mixed there. It has no deadline of its own.
 */
#ifndef SESSION_DNSTRY_H
#define SESSION_DNSTRY_H

#include "base/addr.h"
#include "loop/loop.h"
#include "wire/dnsmsg.h"

struct dns_try;

/* Once. OK: `answer` is borrowed until dns_try_close. ERR_REFUSED, ERR_CLOSED ...: the server
 * cannot be talked with. ERR_SYNTAX: it talks nonsense, also over TCP. */
typedef void dns_try_fn(void *arg, struct dns_try *t, enum err e, const struct dns_answer *answer);

/* Wrong ids before UDP is given up: more than chance brings, far fewer than a forger needs. */
#define DNS_TRY_STRAYS_MAX 8

enum err dns_try_open(struct loop *l, const struct addr *server, const char *name,
                      enum dns_type type, bool tcp, dns_try_fn *done, void *arg,
                      struct dns_try **ret_try) MUST_USE;
/* It answered our id with another question: most likely it does not keep the case. */
bool dns_try_mangled(const struct dns_try *t);
/* At any time, inside `done` too; no call after it. */
void dns_try_close(struct dns_try *t);

#endif
