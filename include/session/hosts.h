/* session/hosts.h - the addresses that a hosts file gives a name. Pure: the text is an argument.
 *
 * Only for hosts that the operator configured; domains of the network are DNS's alone.
 */
#ifndef SESSION_HOSTS_H
#define SESSION_HOSTS_H

#include "base/addr.h"

/* Lines "address name name ... # comment"; case does not count. The addresses of `family`
 * (AF_INET, AF_INET6), in order, at most `room`. */
size_t hosts_find(struct slice text, struct slice name, int family, struct addr *addrs,
                  size_t room);

#endif
