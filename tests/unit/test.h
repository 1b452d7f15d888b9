/* tests/unit/test.h - cmocka with our words: TEST(room, claim) {...} and CHECK_*.
 *
 * A file lists its tests at the end: TESTS(TEST_OF(jid, rejects_bad_text), ...)
 * Run all, or one: build/tests/test_jid rejects_bad_text
 */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"

#define TEST(room, claim)    static void room##_##claim(void **state_)
#define TEST_OF(room, claim) {#claim, room##_##claim, NULL, NULL, NULL}

#define CHECK(condition)   assert_true(condition)
#define CHECK_EQ(a, b)     assert_int_equal((a), (b))
#define CHECK_STR(a, b)    assert_string_equal((a), (b))
#define CHECK_SLICE(s, t)  check_slice((s), (t), __FILE__, __LINE__)
#define CHECK_MSG(c, ...)                                                                          \
    do {                                                                                           \
        if (!(c)) {                                                                                \
            print_error(__VA_ARGS__);                                                              \
            print_error("\n");                                                                     \
            fail();                                                                                \
        }                                                                                          \
    } while (0)

static inline void check_slice(struct slice s, const char *text, const char *file, int line)
{
    if (slice_is(s, text))
        return;
    print_error("\"%.*s\" is not \"%s\"\n", SLICE_ARGS(s), text);
    _fail(file, line);
}

#define TESTS(...) TESTS_WITHIN(NULL, NULL, __VA_ARGS__)
/* Between `begin` and `end`, once for all: int begin(void **state), 0 if it could. */
#define TESTS_WITHIN(begin, end, ...)                                                              \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        const struct CMUnitTest tests[] = {__VA_ARGS__};                                           \
                                                                                                   \
        if (argc > 1)                                                                              \
            cmocka_set_test_filter(argv[1]);                                                       \
        return cmocka_run_group_tests(tests, begin, end);                                          \
    }

#endif
