/* wire/jid.h - addresses: split, checked, and their domain in the one form we route by.
 *
 * libidn2's door. Pure. Spec: RFC 7622, RFC 5890-5893; CONFORMANCE JID-01 to JID-12. Localparts
 * and resources are checked, never mapped or compared beyond bytes.
 *
 * The *normal form* of a domain is its U-label form, lower case, NFC, without final dot: the
 * routing key, and what we write in headers. `domain_to_ascii` gives the A-label form for DNS
 * and TLS. An ASCII lower-case name of plain letters, digits and hyphens (no xn--) is its own
 * normal form: that path allocates nothing and calls no library.
 *
 * Where the texts leave room: underscores are refused (no LDH label); unqualified names are
 * domains; a name whose last label is all digits is an IPv4 address or none; IPv6 needs brackets
 * and has no zone; width, case and the ideographic full stop are mapped (RFC 5895), compatibility
 * characters are not.
 */
#ifndef WIRE_JID_H
#define WIRE_JID_H

#include "base/err.h"
#include "base/slice.h"

#define JID_PART_BYTES_MAX 1023
#define JID_BYTES_MAX      3071
#define DOMAIN_BYTES_MAX   1023

struct jid {
    struct slice local;    /* as it came; empty: none */
    struct slice domain;   /* as it came, without a final dot */
    struct slice resource; /* as it came; empty: none */
};

struct domain {
    char text[DOMAIN_BYTES_MAX + 1]; /* normal form */
    uint16_t len;
    bool ip; /* an IPv4 address or a bracketed IPv6 one */
};

/* Splits and checks the lengths, UTF-8 and forbidden characters. Slices point into `text`.
 * ERR_SYNTAX. `strict_local`: also the localpart rules for our own components (JID-08's ASCII). */
enum err jid_parse(struct slice text, bool strict_local, struct jid *ret_jid) MUST_USE;

/* ERR_SYNTAX: not a domain (empty label, over-long, bad IDNA, port, ...). */
enum err domain_parse(struct slice text, struct domain *ret_domain) MUST_USE;
/* Fast path: `text` is its own normal form already (no copy needed). */
bool domain_is_normal(struct slice text);
/* A-label form; `buf` holds at least 254 bytes. IP literals: as they are, without brackets. */
enum err domain_to_ascii(struct slice normal, char *buf, size_t size) MUST_USE;

static inline struct slice domain_slice(const struct domain *d)
{
    return slice_make(d->text, d->len);
}

/* "a.b.example" fits "*.b.example" and "*.example" (one or more whole labels), "*" fits all, a
 * pattern without star only itself. Both in normal form. */
bool domain_fits(struct slice domain, struct slice pattern);
/* A pattern of configuration to normal form: "*", "*.name", "name". */
enum err domain_pattern_parse(struct slice text, struct domain *ret_pattern) MUST_USE;

#endif
