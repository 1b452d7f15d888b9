/* wire/xmlw.h - writing XML: escaped text and attributes into a byteq. Pure.
 *
 * Never emits comments, processing instructions, entities beyond the five (RFC 6120 11.1).
 */
#ifndef WIRE_XMLW_H
#define WIRE_XMLW_H

#include "base/byteq.h"

void xmlw_raw(struct byteq *out, const char *text);
void xmlw_text(struct byteq *out, struct slice s);
/* The five characters, and TAB, LF, CR as character references, so that they survive attribute
 * normalisation. */
void xmlw_value(struct byteq *out, struct slice s);
/* " name='value'"; nothing when value.ptr is NULL. */
void xmlw_attr(struct byteq *out, const char *name, struct slice value);

#endif
