/* tests/sim/dnsserver.h - a name server that answers from a table, by hand-made packets.
 *
 * UDP and TCP on one address. Rows are text, as in a zone file:
 *   "_xmpp-server._tcp.remote.example SRV 10 5 5269 xmpp.remote.example"
 *   "remote.example A 10.0.0.9"   "alias.example CNAME remote.example"
 *   "x.example TLSA 3 1 1 <hex>"
 * and rows that say how a name (any type) behaves: "x.example SERVFAIL", NXDOMAIN, REFUSED, SILENT,
 * TRUNCATED (over UDP), GARBAGE, "DELAY 2500" (ms). A name without rows does not exist; one with
 * rows of other types only has no data.
 */
#ifndef SIM_DNSSERVER_H
#define SIM_DNSSERVER_H

#include "sim/world.h"

struct dnsserver;

/* NULL: that address is taken. Freed with the world. */
struct dnsserver *dnsserver_open(struct host *h, const char *at);
/* ERR_SYNTAX: not a row. */
enum err dnsserver_add(struct dnsserver *d, const char *row) MUST_USE;
/* All rows of that name. */
void dnsserver_remove(struct dnsserver *d, const char *name);
/* TTL of rows added from now on, and of negative answers; default 300. */
void dnsserver_set_ttl(struct dnsserver *d, uint32_t seconds);
/* Sets AD in answers: "it was validated". Default: no. */
void dnsserver_set_ad(struct dnsserver *d, bool ad);
/* Questions so far for a name and type ("SRV"; NULL: any). */
unsigned dnsserver_asked(const struct dnsserver *d, const char *name, const char *type);
/* Does not answer at all, or does again. */
void dnsserver_silence(struct dnsserver *d, bool silent);

#endif
