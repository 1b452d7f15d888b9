/* The configuration of the shared table: what it comes to, and what is refused or warned of. */
#include "conf_world.h"
#include "node/conf_row.h"

struct remark {
    const char *keys; /* of store.redis, on line 3 */
    const char *text; /* of the report; NULL: nothing is said */
    size_t errors;
};

static void check_remark(const struct remark *c)
{
    char text[1024], line[1200] = "";
    struct conf_source source;
    struct conf *conf;
    size_t found;
    char *said;

    snprintf(text, sizeof(text), MINIMAL "store: { redis: { %s } }\n", c->keys);
    if (c->text)
        snprintf(line, sizeof(line), "test.yaml:3: %s%s\n", c->errors ? "" : "warning: ", c->text);
    source = world_source(text);
    said = parse_said(&source, &found, &conf);
    CHECK_MSG((c->errors ? strstr(said, line) != NULL : !strcmp(said, line)) && found == c->errors,
              "of\n%swanted\n%sgot\n%s", text, line, said);
    free(said);
    conf_unref(conf);
}

TEST(conf_store, defaults)
{
    struct conf *c = parsed(MINIMAL);
    char text[REDIS_PLACE_TEXT_MAX];

    CHECK_EQ(c->redis.urls.count, 1);
    CHECK_STR(redis_url_format(&c->redis.urls.list[0], text), "redis://127.0.0.1:6379");
    CHECK_STR(c->redis.prefix, "fr");
    CHECK_STR(c->redis.username, "");
    CHECK_STR(c->redis.password.file, "");
    CHECK_EQ(c->redis.outage, CONF_OUTAGE_DEGRADE);
    CHECK_EQ(c->redis.wait_replica_count, 0);
    CHECK_EQ(c->redis.sentinels.count, 0);
    conf_unref(c);
}

static const char all[] = MINIMAL
    "store:\n  kind: memory\n  redis:\n"
    "    url: [\"rediss://redis.example\", \"rediss://[::1]:7000\"]\n"
    "    username: edge\n    password_file: rooms.secret\n    ca_file: tls/example.org.pem\n"
    "    cert_file: tls/example.org.pem\n    key_file: tls/example.org.key\n"
    "    sentinels: [\"10.0.0.1\", \"s2.example:26380\"]\n    master: table-1\n"
    "    prefix: test_1\n    outage: stop\n    wait_replicas: 1\n";

static void check_all(struct conf *c)
{
    const struct conf_redis *r = &c->redis;
    char text[REDIS_PLACE_TEXT_MAX];

    CHECK_EQ(r->urls.count, 2);
    CHECK_STR(redis_url_format(&r->urls.list[0], text), "rediss://redis.example:6379");
    CHECK_STR(redis_url_format(&r->urls.list[1], text), "rediss://[::1]:7000");
    CHECK_STR(r->username, "edge");
    CHECK_SLICE(r->password.text, "rooms");
    CHECK_STR(r->ca_file, "/conf/tls/example.org.pem");
    CHECK_STR(r->key_file, "/conf/tls/example.org.key");
    CHECK_EQ(r->sentinels.count, 2);
    CHECK_STR(redis_place_format(&r->sentinels.list[0], text), "10.0.0.1:26379");
    CHECK_STR(redis_place_format(&r->sentinels.list[1], text), "s2.example:26380");
    CHECK_STR(r->master, "table-1");
    CHECK_STR(r->prefix, "test_1");
    CHECK_EQ(r->outage, CONF_OUTAGE_STOP);
    CHECK_EQ(r->wait_replica_count, 1);
    conf_unref(c);
}

/* What is printed says the same, sections within sections. */
TEST(conf_store, reads_and_prints_all_keys)
{
    struct conf *c = parsed(all);
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    conf_print(c, out);
    fclose(out);
    CHECK_MSG(strstr(text, "store:\n  kind: memory\n  redis:\n    url: [\"rediss://"), "%s", text);
    check_all(c);
    check_all(parsed(text));
    free(text);
}

TEST(conf_store, refuses_what_cannot_work)
{
    static const struct remark cases[] = {
        {"url: \"http://a\"",
         "store.redis.url: http://a is none of redis://host:port, rediss://host:port and "
         "unix:/path: redis://host:port, rediss://host:port, unix:/path; mend it",
         1},
        {"url: [\"redis://a\", 5]",
         "store.redis.url: 5 is none of redis://host:port, rediss://host:port and unix:/path: "
         "redis://host:port, rediss://host:port, unix:/path; mend it",
         1},
        {"url: []", "store.redis.url: an empty list; name one or leave it out", 1},
        {"url: \"redis://me:secret@a\"",
         "store.redis.url: redis://me:secret@a is a URL with credentials; put them into username "
         "and password_file: redis://host:port, rediss://host:port, unix:/path; mend it",
         1},
        {"url: [\"redis://127.0.0.1\", \"rediss://127.0.0.1:1\"]",
         "store.redis.url: some with TLS, some without; a cluster has one way; write all with "
         "rediss:// or none",
         1},
        {"sentinels: [\"10.0.0.1\"], wait_replicas: 1",
         "store.redis.sentinels: they are asked by a master's name; give store.redis.master, as in "
         "their \"sentinel monitor NAME ...\"",
         1},
        {"sentinels: [\"10.0.0.1\"], master: m",
         "store.redis.sentinels: a master that they replaced must not count; raise "
         "store.redis.wait_replicas to 1 or more, and run one replica more than that",
         1},
        {"sentinels: [\"::1\"], master: m, wait_replicas: 1",
         "store.redis.sentinels: ::1 is not host:port; write IPv6 addresses in brackets: host or "
         "host:port; mend it",
         1},
        {"username: me",
         "store.redis.username: a user without a password; give store.redis.password_file", 1},
        {"cert_file: tls/example.org.pem, url: \"rediss://127.0.0.1\"",
         "store.redis.cert_file: a certificate and its key go together; give both or none", 1},
        {"prefix: \"a*\"",
         "store.redis.prefix: a* is no such word: letters, digits, \".\", \"-\", \"_\"; use these, "
         "1 to 32",
         1},
        {"prefix: \"\"",
         "store.redis.prefix: \"\" is no such word: letters, digits, \".\", \"-\", \"_\"; use "
         "these, 1 to 32",
         1},
        {"wait_replicas: 17",
         "store.redis.wait_replicas: 17 is too large: 0 to 16; lower it or leave it out", 1},
        {"outage: go",
         "store.redis.outage: go is none of the words: degrade, stop; choose one or "
         "leave it out",
         1},
        {"sentinel: a", "store.redis.sentinel: unknown key; did you mean store.redis.sentinels?",
         1},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        check_remark(&cases[i]);
}

TEST(conf_store, warns_of_what_is_seldom_meant)
{
    static const struct remark cases[] = {
        {"url: \"redis://10.0.0.1\"",
         "store.redis.url: redis://10.0.0.1:6379 is reached in clear; use rediss:// unless nobody "
         "else is on that network",
         0},
        {"master: m",
         "store.redis.master: nobody is asked for it; name the sentinels in "
         "store.redis.sentinels, or leave it out",
         0},
        {"ca_file: tls/example.org.pem",
         "store.redis.ca_file: not used, since store.redis.url has no rediss://", 0},
        {"url: \"redis://127.0.0.2\"", NULL, 0},
        {"url: \"redis://[::1]:1\"", NULL, 0},
        {"url: \"redis://localhost\"", NULL, 0},
        {"url: \"unix:/run/redis.sock\"", NULL, 0},
        {"url: \"rediss://10.0.0.1\"", NULL, 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        check_remark(&cases[i]);
}

/* Nobody can be believed who is not there. */
TEST(conf_store, tls_needs_an_authority)
{
    static const char text[] =
        "tls: { certificates: [ { chain: tls/example.org.pem, key: tls/example.org.key } ],\n"
        "       trust_file: \"\" }\n" COMPONENT "peers: [ { match: \"*\", auth: [dialback] } ]\n"
        "store: { redis: { url: \"rediss://127.0.0.1\" } }\n";
    struct conf_source source = world_source(text);
    struct conf *c;
    size_t errors;
    char *said = parse_said(&source, &errors, &c);

    CHECK_EQ(errors, 1);
    CHECK_MSG(strstr(said, "test.yaml:5: store.redis.url: rediss needs somebody to trust; give "
                           "store.redis.ca_file\n"),
              "%s", said);
    free(said);
    conf_unref(c);
}

TESTS(TEST_OF(conf_store, defaults), TEST_OF(conf_store, reads_and_prints_all_keys),
      TEST_OF(conf_store, refuses_what_cannot_work),
      TEST_OF(conf_store, warns_of_what_is_seldom_meant),
      TEST_OF(conf_store, tls_needs_an_authority))
