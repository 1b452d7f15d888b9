/* tests/scenario/words.h - names that a script binds, and what stands in $NAME and ${...}.
 *
 *   $NAME, ${NAME}                      its value; an error when nothing is bound
 *   ${sha1:TEXT} ${sha256:TEXT}         lower-case hex
 *   ${hmac:KEY:TEXT}                    HMAC-SHA256, lower-case hex
 *   ${dialback:SECRET:RECEIVING:ORIGINATING:ID}   XEP-0185's key
 *   ${b64:TEXT} ${hex:626f6f} ${repeat:N:TEXT} ${upper:TEXT} ${length:TEXT}
 *   ${sp} ${nl} ${tab} ${cr} ${dollar}
 * Arguments are expanded first. A lone $ stays one.
 */
#ifndef SCENARIO_WORDS_H
#define SCENARIO_WORDS_H

#include "base/byteq.h"
#include "base/list.h"

struct words {
    struct list list;
};

void words_init(struct words *w);
void words_fini(struct words *w);
void words_set(struct words *w, struct slice name, struct slice value);
/* ptr NULL: not bound. */
struct slice words_get(const struct words *w, struct slice name);
/* Undo of names bound since `words_count` was `count`. */
size_t words_count(const struct words *w);
void words_rewind(struct words *w, size_t count);
/* Appends; false: `why` says what was wrong, with its text. */
bool words_expand(const struct words *w, struct slice text, struct byteq *out, char *why,
                  size_t why_size);
/* "$NAME" or "${NAME}" and nothing else: the name; empty otherwise. */
struct slice words_single(struct slice text);

#endif
