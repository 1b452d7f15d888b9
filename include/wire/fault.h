/* wire/fault.h - what a peer did wrong and which stream error answers it. Pure.
 *
 * Spec: RFC 6120 4.9. The rows are wire/fault.def; code, logs and metrics read the same ones.
 */
#ifndef WIRE_FAULT_H
#define WIRE_FAULT_H

#include "base/byteq.h"

enum fault {
#define FAULT(id, word, condition, section, text) FAULT_##id,
#include "wire/fault.def"
#undef FAULT
    FAULT_MAX
};

const char *fault_word(enum fault f);
const char *fault_condition(enum fault f);
const char *fault_section(enum fault f);
const char *fault_text(enum fault f);
/* No offence of the peer's: we end the stream for reasons of our own. */
bool fault_is_ours(enum fault f);

/* Appends <stream:error>...</stream:error>, without the end tag of the stream. STANZA_TOO_BIG
 * carries <stanza-too-big xmlns='urn:xmpp:errors'/>, undefined-condition an element of our own
 * (6120 4.9.3.21). */
void fault_format(enum fault f, struct byteq *out);

#endif
