/* base/err.h - trouble of the world: what a call could not do, and why.
 *
 * Our own bugs are `assert` (also in release builds); a peer's fault is a `struct fault`
 * (wire/fault.h). Everything else is one of these.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <assert.h>

#define MUST_USE     __attribute__((warn_unused_result))
#define PRINTF(a, b) __attribute__((format(printf, a, b)))
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

enum err {
    OK = 0,
#define ERR(name, word, text) ERR_##name,
#include "base/err.def"
#undef ERR
    ERR_MAX
};

/* "not found", "timed out" ... A constant. */
const char *err_text(enum err e);
/* "not-found": one word for logs. A constant. */
const char *err_name(enum err e);
/* The nearest enum err for an errno value. */
enum err err_from_errno(int err_no);

#endif
