/* wire/plain.h - stanzas of plain shape, read without the parser.
 *
 * Pure. Nearly all stanzas are written in a small part of XML: ASCII names without prefixes, quoted
 * values, text, the usual references, default namespaces. That part is read here, at a fifth of
 * the parser's price, and wholly checked: what is accepted is well-formed and namespace-well-formed
 * and needs no rewriting. Whatever else comes, wrong or merely unusual, is left to the parser.
 *
 * Spec: XML 1.0 (fifth edition), Namespaces in XML 1.0. Private to the rooms of wire/xml. The
 * fuzzer of wire/xml holds it against the parser.
 */
#ifndef WIRE_PLAIN_H
#define WIRE_PLAIN_H

#include "wire/stanza.h"

/* Of one element, declaration included; with more of them the parser reads the stanza. */
#define PLAIN_ATTRS_MAX 16

struct plain_attr {
    struct slice name;  /* as written: "to", "xml:lang" */
    struct slice value; /* as written is as meant: nothing in it needs an escape */
};

struct plain {
    enum stanza_kind kind;
    struct plain_attr attrs[PLAIN_ATTRS_MAX]; /* of the stanza, without xmlns */
    size_t attr_count;
    unsigned children;
    struct slice content;
    size_t len; /* first '<' to last '>' */
};

enum plain_result {
    PLAIN_READ,
    PLAIN_SHORT, /* plain so far, but the end is not there */
    PLAIN_NOT,   /* the parser must look */
};

/* `s` begins with the stanza's '<'. `inherits`: `content_ns` is the default namespace around it.
 * All slices point into `s`. */
enum plain_result plain_read(struct slice s, struct slice content_ns, bool inherits,
                             struct plain *ret_plain);

#endif
