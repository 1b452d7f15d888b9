"""Real servers, names, certificates and components for the system tests and the benchmark.

Everything runs in one network namespace (tests/lib/isolated.sh), each server on loopback
addresses of its own, so that all can have the ports of the protocol: 5269 STARTTLS, 5270 Direct
TLS, 5347 components. `Site` is one scene: a folder, a CA, a name server, the servers.
"""
S2S_PORT = 5269
S2S_TLS_PORT = 5270
COMPONENT_PORT = 5347
SECRET = "s3cret"  # of every component; nobody else can reach this network
