#include "sim/redislua.h"

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>

#define WORDS_MAX 16

struct redislua {
    lua_State *lua;
    /* of the script that runs */
    struct keyspace *ks;
    const struct slice *keys;
    size_t key_count;
};

/* --- values between the two --- */

static void push_reply(lua_State *lua, const struct reply *r)
{
    switch (r->kind) {
    case REPLY_NIL:
        lua_pushboolean(lua, 0);
        return;
    case REPLY_INT:
        lua_pushnumber(lua, (lua_Number)r->number);
        return;
    case REPLY_TEXT:
        lua_pushlstring(lua, r->text, r->len);
        return;
    case REPLY_ARRAY:
        lua_createtable(lua, (int)r->count, 0);
        for (size_t i = 0; i < r->count; i++) {
            push_reply(lua, &r->items[i]);
            lua_rawseti(lua, -2, (int)i + 1);
        }
        return;
    case REPLY_STATUS:
    case REPLY_ERROR:
        lua_createtable(lua, 0, 1);
        lua_pushlstring(lua, r->text, r->len);
        lua_setfield(lua, -2, r->kind == REPLY_STATUS ? "ok" : "err");
        return;
    }
}

static void take_reply(lua_State *lua, struct reply *r);

/* An array ends at its first nil. */
static void take_array(lua_State *lua, struct reply *r)
{
    r->kind = REPLY_ARRAY;
    for (int i = 1;; i++) {
        lua_rawgeti(lua, -1, i);
        if (lua_isnil(lua, -1)) {
            lua_pop(lua, 1);
            return;
        }
        take_reply(lua, reply_add(r));
        lua_pop(lua, 1);
    }
}

static void take_reply(lua_State *lua, struct reply *r)
{
    size_t len;
    const char *text;

    switch (lua_type(lua, -1)) {
    case LUA_TNUMBER:
        r->kind = REPLY_INT;
        r->number = (int64_t)lua_tonumber(lua, -1);
        return;
    case LUA_TSTRING:
        text = lua_tolstring(lua, -1, &len);
        reply_text(r, REPLY_TEXT, slice_make(text, len));
        return;
    case LUA_TTABLE:
        take_array(lua, r);
        return;
    case LUA_TBOOLEAN:
        if (lua_toboolean(lua, -1)) {
            r->kind = REPLY_INT;
            r->number = 1;
        }
        return;
    default:
        return;
    }
}

/* --- redis.call --- */

static bool touches_foreign_key(const struct redislua *r, struct slice key)
{
    for (size_t i = 0; i < r->key_count; i++)
        if (slice_eq(key, r->keys[i]))
            return false;
    return true;
}

static void check_keys(lua_State *lua, const struct redislua *r, const struct slice *words,
                       int count)
{
    bool all =
        slice_eq_nocase(words[0], SLICE("unlink")) || slice_eq_nocase(words[0], SLICE("del"));

    for (int i = 1; i < (all ? count : 2); i++)
        if (touches_foreign_key(r, words[i]))
            luaL_error(lua, "key not declared: %s", words[i].ptr);
}

static int redis_call(lua_State *lua)
{
    struct redislua *r = lua_touserdata(lua, lua_upvalueindex(1));
    struct slice words[WORDS_MAX];
    int count = lua_gettop(lua);
    struct reply reply;

    if (count < 1 || count > WORDS_MAX)
        return luaL_error(lua, "redis.call with %d words", count);
    for (int i = 0; i < count; i++) {
        size_t len;
        const char *text = luaL_checklstring(lua, i + 1, &len);

        words[i] = slice_make(text, len);
    }
    if (count > 1)
        check_keys(lua, r, words, count);
    keyspace_call(r->ks, words, (size_t)count, &reply);
    if (reply.kind == REPLY_ERROR) {
        lua_pushlstring(lua, reply.text, reply.len);
        reply_fini(&reply);
        return lua_error(lua);
    }
    push_reply(lua, &reply);
    reply_fini(&reply);
    return 1;
}

/* --- scripts --- */

static void open_library(lua_State *lua, lua_CFunction open, const char *name)
{
    lua_pushcfunction(lua, open);
    lua_pushstring(lua, name);
    lua_call(lua, 1, 0);
}

struct redislua *redislua_new(void)
{
    struct redislua *r = MEM_NEW(struct redislua);

    r->lua = luaL_newstate();
    assert(r->lua);
    open_library(r->lua, luaopen_base, "");
    open_library(r->lua, luaopen_string, LUA_STRLIBNAME);
    open_library(r->lua, luaopen_table, LUA_TABLIBNAME);
    open_library(r->lua, luaopen_math, LUA_MATHLIBNAME);
    lua_newtable(r->lua);
    lua_pushlightuserdata(r->lua, r);
    lua_pushcclosure(r->lua, redis_call, 1);
    lua_setfield(r->lua, -2, "call");
    lua_setglobal(r->lua, "redis");
    return r;
}

void redislua_free(struct redislua *r)
{
    lua_close(r->lua);
    mem_free(r);
}

int redislua_load(struct redislua *r, const char *name, const char *text)
{
    if (luaL_loadbuffer(r->lua, text, strlen(text), name) != 0) {
        fprintf(stderr, "%s\n", lua_tostring(r->lua, -1));
        abort();
    }
    return luaL_ref(r->lua, LUA_REGISTRYINDEX);
}

static void set_words(lua_State *lua, const char *name, const struct slice *words, size_t count)
{
    lua_createtable(lua, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushlstring(lua, words[i].ptr ? words[i].ptr : "", words[i].len);
        lua_rawseti(lua, -2, (int)i + 1);
    }
    lua_setglobal(lua, name);
}

void redislua_run(struct redislua *r, int script, struct keyspace *ks, const struct slice *keys,
                  size_t key_count, const struct slice *args, size_t arg_count,
                  struct reply *ret_reply)
{
    memset(ret_reply, 0, sizeof(*ret_reply));
    r->ks = ks;
    r->keys = keys;
    r->key_count = key_count;
    set_words(r->lua, "KEYS", keys, key_count);
    set_words(r->lua, "ARGV", args, arg_count);
    lua_rawgeti(r->lua, LUA_REGISTRYINDEX, script);
    if (lua_pcall(r->lua, 0, 1, 0) != 0)
        reply_text(ret_reply, REPLY_ERROR, slice_from(lua_tostring(r->lua, -1)));
    else
        take_reply(r->lua, ret_reply);
    lua_settop(r->lua, 0);
}
