/* tests/sim/certs.h - certificates made for a test: two authorities, leaves of any shape.
 *
 * Files in one directory: `ca.pem` (the authority that a router is told to trust), `other.pem`
 * (one that it is not), and NAME.pem, NAME.key for each leaf.
 */
#ifndef SIM_CERTS_H
#define SIM_CERTS_H

#include "base/err.h"
#include "base/slice.h"

struct certs;

/* `dir` exists. */
struct certs *certs_new(const char *dir);
void certs_free(struct certs *c);

/* Words, space separated, all optional:
 *   dns=a.example,*.b.example  srv=_xmpp-server.a.example  xmpp=a.example  ip=192.0.2.1  cn=...
 *   ca=main|other|self         who signs; main is trusted
 *   from=-1d until=+5s         validity, from now; default: 2020 to 2099
 *   eku=server,client|none     default: server,client
 *   ca-leaf                    basic constraints say that it is an authority
 *   key=p256|p384|rsa
 * False: a word that is none of these; nothing is made. */
bool certs_make(struct certs *c, const char *name, const char *words);
/* "DIR/NAME.pem", "DIR/NAME.key"; valid until the next call. */
const char *certs_chain_file(struct certs *c, const char *name);
const char *certs_key_file(struct certs *c, const char *name);
const char *certs_dir(const struct certs *c);

#endif
