/* node/conf_memory.h - how much memory this process may use, by its cgroup or the machine.
 *
 * Spec: Linux cgroup v2 (memory.max of the own group and each above it), cgroup v1 (memory
 * controller, memory.limit_in_bytes).
 */
#ifndef NODE_CONF_MEMORY_H
#define NODE_CONF_MEMORY_H

#include <stdint.h>

/* The least bound found below `root` ("" in earnest), and at most `machine_bytes`. */
uint64_t conf_memory_bound(const char *root, uint64_t machine_bytes);

#endif
