#include "route/verdict.h"

static const struct {
    const char *word;
    const char *text;
} methods[METHOD_MAX] = {
#define METHOD(id, word, text) [METHOD_##id] = {word, text},
#include "route/method.def"
#undef METHOD
};

const char *method_word(enum method m)
{
    assert((unsigned)m < METHOD_MAX);
    return methods[m].word;
}

const char *method_text(enum method m)
{
    assert((unsigned)m < METHOD_MAX);
    return methods[m].text;
}

enum err method_parse(struct slice word, enum method *ret_method)
{
    for (int i = METHOD_NONE + 1; i < METHOD_MAX; i++) {
        if (slice_is(word, methods[i].word)) {
            *ret_method = (enum method)i;
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

const char *dnssec_word(enum dnssec d)
{
    static const char *const words[] = {"indeterminate", "insecure", "secure", "bogus"};

    assert((unsigned)d < COUNT(words));
    return words[d];
}
