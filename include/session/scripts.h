/* session/scripts.h - the Lua scripts that keep the table, as text: what runs inside Redis.
 *
 * The text stands in router/session/scripts/: each begins with its keys, arguments and answers.
 * A build step puts the shared prologue before each.
 */
#ifndef SESSION_SCRIPTS_H
#define SESSION_SCRIPTS_H

enum script_id {
    SCRIPT_RENEW,
    SCRIPT_CLAIM,
    SCRIPT_ASSERT,
    SCRIPT_RELEASE,
    SCRIPT_SWEEP,
    SCRIPT_BURY,
    SCRIPT_BYE,
    SCRIPT_COUNT
};

struct script {
    const char *name;
    const char *text; /* EVALSHA names its SHA-1 in hex */
};

extern const struct script scripts[SCRIPT_COUNT];

#endif
