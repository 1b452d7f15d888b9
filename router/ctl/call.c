#include "call.h"

#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <jansson.h>
#include <libgen.h>
#include <stdio.h>
#include <sys/stat.h>

/* The router answers or gives up within 5 s; only a look-up in DNS may take longer. */
#define PATIENCE_MS 60000L
/* All rows of a very large router; more is not its answer. */
#define BODY_BYTES_MAX   (256u << 20)
#define SOCKET_BYTES_MAX 107

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct reply *r = arg;

    if (byteq_len(&r->body) + size * n > BODY_BYTES_MAX)
        return 0;
    byteq_append(&r->body, slice_make(data, size * n));
    return size * n;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    static const struct slice name = {"Fedrouter-Left-Out:", 19};
    struct slice line = slice_make(data, size * n);
    struct reply *r = arg;
    uint64_t count;

    if (slice_eq_nocase(slice_sub(line, 0, name.len), name) &&
        slice_to_u64(slice_trim(slice_from_offset(line, name.len)), SIZE_MAX, &count))
        r->left_out_count = count;
    return size * n;
}

/* --- what went wrong, and what to do about it --- */

static const char *group_of(const char *path, char *buf, size_t size)
{
    struct stat st;
    const struct group *g;

    if (stat(path, &st))
        return NULL;
    g = getgrgid(st.st_gid);
    snprintf(buf, size, "%s", g ? g->gr_name : "of its directory");
    return buf;
}

/* The socket itself, or, where we may not even look, the directory it is in. */
static void say_denied(const char *path, struct reply *r)
{
    char dir[SOCKET_BYTES_MAX + 1];
    char buf[64];
    const char *group = group_of(path, buf, sizeof(buf));

    if (!group) {
        snprintf(dir, sizeof(dir), "%s", path);
        group = group_of(dirname(dir), buf, sizeof(buf));
    }
    snprintf(r->error, sizeof(r->error),
             "%s: permission denied; become root or a member of the group %s", path,
             group ? group : "that owns it");
}

static void say_unreached(const char *path, int err_no, const char *curl_text, struct reply *r)
{
    switch (err_no) {
    case EACCES:
    case EPERM:
        say_denied(path, r);
        return;
    case ENOENT:
    case ENOTDIR:
        snprintf(r->error, sizeof(r->error),
                 "%s: there is no such socket; is the router running? --socket names another",
                 path);
        return;
    case ECONNREFUSED:
        snprintf(r->error, sizeof(r->error), "%s: nobody answers; the router is not running", path);
        return;
    default:
        snprintf(r->error, sizeof(r->error), "%s: %s", path, err_no ? strerror(err_no) : curl_text);
    }
}

static void say_failed(CURL *curl, CURLcode code, const char *path, struct reply *r)
{
    long err_no = 0;

    if (code == CURLE_COULDNT_CONNECT) {
        curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &err_no);
        say_unreached(path, (int)err_no, curl_easy_strerror(code), r);
    } else if (code == CURLE_OPERATION_TIMEDOUT) {
        snprintf(r->error, sizeof(r->error), "%s: no answer within %ld s", path,
                 PATIENCE_MS / 1000);
    } else {
        snprintf(r->error, sizeof(r->error), "%s: %s", path, curl_easy_strerror(code));
    }
}

/* The router's own words, where it found some. */
static void say_refused(long status, struct reply *r)
{
    struct slice body = byteq_slice(&r->body);
    json_t *o = json_loadb(body.ptr ? body.ptr : "", body.len, 0, NULL);
    const char *text = json_string_value(json_object_get(o, "error"));

    if (text)
        snprintf(r->error, sizeof(r->error), "%s", text);
    else
        snprintf(r->error, sizeof(r->error), "the router answered %ld: %.*s", status,
                 SLICE_ARGS(slice_trim(slice_sub(body, 0, 200))));
    json_decref(o);
}

/* --- the request --- */

static void set_url(CURL *curl, const struct call *c)
{
    char url[8192];
    size_t at = (size_t)snprintf(url, sizeof(url), "http://localhost%s", c->path);

    for (size_t i = 0; i < c->word_count && at < sizeof(url); i++) {
        char *value = curl_easy_escape(curl, c->words[i].value, 0);

        at += (size_t)snprintf(url + at, sizeof(url) - at, "%c%s=%s", i ? '&' : '?',
                               c->words[i].key, value ? value : "");
        curl_free(value);
    }
    curl_easy_setopt(curl, CURLOPT_URL, url);
}

static void set_options(CURL *curl, const struct call *c, struct reply *r)
{
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, c->socket_path);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, PATIENCE_MS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, r);
    if (c->post)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    set_url(curl, c);
}

bool call(const struct call *c, struct reply *r)
{
    CURL *curl = curl_easy_init();
    CURLcode code;
    long status = 0;

    memset(r, 0, sizeof(*r));
    byteq_init(&r->body);
    assert(curl);
    if (strlen(c->socket_path) > SOCKET_BYTES_MAX) {
        snprintf(r->error, sizeof(r->error), "%s: too long for the path of a socket",
                 c->socket_path);
    } else {
        set_options(curl, c, r);
        code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        if (code)
            say_failed(curl, code, c->socket_path, r);
        else if (status != 200)
            say_refused(status, r);
    }
    curl_easy_cleanup(curl);
    return !r->error[0];
}

void reply_fini(struct reply *r)
{
    byteq_fini(&r->body);
}
