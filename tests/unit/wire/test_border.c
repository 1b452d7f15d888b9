#include "unit/test.h"

#include "base/err.h"
#include "wire/border.h"

/* The border is marked with '|'. */
static void check(const char *marked, bool root)
{
    size_t at = strcspn(marked, "|");
    char text[200];

    snprintf(text, sizeof(text), "%.*s%s", (int)at, marked, marked[at] ? marked + at + 1 : "");
    for (size_t step = 1; step < 2 * sizeof(text); step += step < 9 ? 1 : sizeof(text)) {
        struct slice rest = slice_from(text);
        struct border b;
        size_t n = 0;

        border_start(&b, root);
        while (rest.len && b.state != BORDER_FOUND) {
            size_t got = border_find(&b, slice_sub(rest, 0, step));

            n += got;
            rest = slice_from_offset(rest, got);
        }
        CHECK_MSG(n == at && (b.state == BORDER_FOUND) == (marked[at] != '\0'),
                  "%s in steps of %zu: %zu", marked, step, n);
    }
}

TEST(border, is_behind_the_end_tag)
{
    static const char *const cases[] = {
        "<a/>|<b/>",
        " \n<a></a>|",
        "<a>x<b/>y<c><d/></c></a>|z",
        "<a b='/>' c=\"'>\"/>|<",
        "<a b='</a>'><c d='/'/><e f='g'/></a>|",
        "<a><![CDATA[</a>]] ]]]></a>|]]></a>",
        "<a><?x </a> ?\?></a>|",
        "<a",
        "<a>",
        "<a><b></b>",
        "<a b='>",
        "</s>|<a/>",
        "<a/ >x</a>|",
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        check(cases[i], false);
}

TEST(border, is_behind_the_start_tag_of_a_root)
{
    static const char *const cases[] = {"<s>|<a/>", "<?xml version='1.0'?>\n<s a='>'>|", "<s/>|",
                                        "<?xml?", " <"};

    for (size_t i = 0; i < COUNT(cases); i++)
        check(cases[i], true);
}

TESTS(TEST_OF(border, is_behind_the_end_tag), TEST_OF(border, is_behind_the_start_tag_of_a_root))
