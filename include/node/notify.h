/* node/notify.h - the service manager's protocol: readiness, watchdog, given sockets.
 *
 * sd_notify(3) and sd_listen_fds(3) as documented: datagrams of KEY=VALUE lines to the socket that
 * NOTIFY_SOCKET names; descriptors from 3 on. All no-ops where there is no such manager.
 */
#ifndef NODE_NOTIFY_H
#define NODE_NOTIFY_H

#include <stddef.h>
#include <stdint.h>

#define NOTIFY_FDS_MAX 32

/* `status`: one line for people, as in the others. */
void notify_ready(const char *status);
void notify_reloading(uint64_t monotonic_us);
void notify_stopping(void);
void notify_watchdog(void);
/* Half of the manager's watchdog time; 0: none wanted. */
uint64_t notify_watchdog_ms(void);
/* Listening sockets handed to this process; returns how many. */
size_t notify_given_fds(int fds[NOTIFY_FDS_MAX]);

#endif
