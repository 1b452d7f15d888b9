/* node/rowtext.h - one flat JSON object, written member by member. Pure.
 *
 * For rows by the thousand, written while a worker's streams wait: a tree that is built, hashed
 * and thrown away costs ten times as much. Texts become valid UTF-8; bytes that are not, and NUL,
 * come from peers and turn into '?'. Keys are constants of plain letters. Spec: RFC 8259.
 */
#ifndef NODE_ROWTEXT_H
#define NODE_ROWTEXT_H

#include "base/byteq.h"

struct rowtext {
    struct byteq *out;
    bool any;
};

/* Between two rows: nothing before the first. */
void rowtext_border(struct byteq *out);
void rowtext_begin(struct rowtext *r, struct byteq *out);
void rowtext_end(struct rowtext *r);
/* A text without pointer is null. */
void rowtext_slice(struct rowtext *r, const char *key, struct slice text);
void rowtext_text(struct rowtext *r, const char *key, const char *text);
void rowtext_count(struct rowtext *r, const char *key, uint64_t n);
/* 0: null. */
void rowtext_number(struct rowtext *r, const char *key, uint64_t id);
void rowtext_flag(struct rowtext *r, const char *key, bool flag);

/* "2026-01-31T23:59:59Z"; NULL: 0, or no date of this calendar. */
#define DATE_TEXT_MAX 40
const char *date_format(int64_t seconds, char buf[DATE_TEXT_MAX]);

#endif
