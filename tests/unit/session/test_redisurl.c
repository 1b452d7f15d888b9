/* session/redisurl: where a Redis is. */
#include "unit/test.h"

#include "session/redisurl.h"

TEST(redisurl, reads_each_form)
{
    static const struct {
        const char *text, *shown, *url;
        bool tls;
    } cases[] = {
        {"redis://127.0.0.1:6379", "127.0.0.1:6379", "redis://127.0.0.1:6379", false},
        {"redis://redis.example", "redis.example:6379", "redis://redis.example:6379", false},
        {"rediss://[2001:db8::1]:7000/", "[2001:db8::1]:7000", "rediss://[2001:db8::1]:7000", true},
        {"rediss://[::1]", "[::1]:6379", "rediss://[::1]:6379", true},
        {"unix:/run/redis/redis.sock", "unix:/run/redis/redis.sock", "unix:/run/redis/redis.sock",
         false},
    };
    struct redis_place p;
    const char *problem;
    char buf[REDIS_PLACE_TEXT_MAX];

    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_EQ(redis_url_parse(slice_from(cases[i].text), &p, &problem), OK);
        CHECK_STR(redis_place_format(&p, buf), cases[i].shown);
        CHECK_STR(redis_url_format(&p, buf), cases[i].url);
        CHECK_EQ(p.tls, cases[i].tls);
    }
    CHECK_EQ(redis_host_parse(SLICE("s1"), REDIS_SENTINEL_PORT, &p, &problem), OK);
    CHECK_STR(redis_place_format(&p, buf), "s1:26379");
}

TEST(redisurl, refuses_with_a_remedy)
{
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"", "none of"},
        {"127.0.0.1:6379", "none of"},
        {"http://127.0.0.1", "none of"},
        {"redis://", "brackets"},
        {"redis://::1:6379", "brackets"},
        {"redis://[::1", "brackets"},
        {"redis://[::1]6379", "brackets"},
        {"redis://a:0", "brackets"},
        {"redis://a:65536", "brackets"},
        {"redis://a b:1", "brackets"},
        {"redis://:secret@a:1", "password_file"},
        {"redis://a:1/3", "database"},
        {"unix:", "absolute"},
        {"unix:redis.sock", "absolute"},
        {"unix:/0123456789012345678901234567890123456789012345678901234567890123456789012345678901"
         "234567890123456789012345678",
         "107"},
    };
    struct redis_place p;
    const char *problem;

    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_MSG(redis_url_parse(slice_from(cases[i].text), &p, &problem), "%s", cases[i].text);
        CHECK_MSG(strstr(problem, cases[i].word), "%s: %s", cases[i].text, problem);
    }
}

TESTS(TEST_OF(redisurl, reads_each_form), TEST_OF(redisurl, refuses_with_a_remedy))
