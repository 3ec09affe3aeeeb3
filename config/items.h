/*
 * Every key of the configuration file: the parser's tables are made from these lists, and the
 * manual wgdp.yaml(5) is tested against them. X(reader, key, value, text): reader is the function
 * read_READER() of the file that parses the mapping.
 */
#ifndef CONFIG_ITEMS_H
#define CONFIG_ITEMS_H

#define CF_GATEWAY_ITEMS(X)                                                                        \
	X(control, "control", "cpu", "CPU of the control lcore.")                                  \
	X(workers, "workers", "cpus", "CPUs of the workers, one worker on each, or a number.")     \
	X(idle, "idle", "mode", "What a worker does when nothing comes.")                          \
	X(socket, "socket", "path", "Control socket.")                                             \
	X(hugepages, "hugepages", "mode", "Whether to use hugepages.")                             \
	X(packet_buffers, "packet-buffers", "number", "Packets in the pool of packet buffers.")    \
	X(ports, "ports", "mapping", "The ports, by name.")                                        \
	X(interfaces, "interfaces", "mapping", "The WireGuard interfaces, by name.")

#define CF_PORT_ITEMS(X)                                                                           \
	X(device, "device", "device", "What the port is.")                                         \
	X(vlan, "vlan", "number", "VLAN of the device that is the port.")                          \
	X(addresses, "addresses", "list", "Addresses of the port's Linux interface.")              \
	X(mtu, "mtu", "bytes", "MTU of the port.")                                                 \
	X(routes, "routes", "list", "Routes through the port.")

#define CF_PORT_ROUTE_ITEMS(X)                                                                     \
	X(to, "to", "prefix", "Destination of the route.")                                         \
	X(via, "via", "address", "Next hop.")

#define CF_INTERFACE_ITEMS(X)                                                                      \
	X(private_key_file, "private-key-file", "path", "File with the interface's private key.")  \
	X(listen_port, "listen-port", "port", "UDP port.")                                         \
	X(fwmark, "fwmark", "number", "Mark of the outer packets.")                                \
	X(mtu, "mtu", "bytes", "MTU of the interface.")                                            \
	X(addresses, "addresses", "list", "Addresses of the interface.")                           \
	X(routes, "routes", "policy", "Which routes Linux gets.")                                  \
	X(peers, "peers", "list", "The peers.")

#define CF_PEER_ITEMS(X)                                                                           \
	X(name, "name", "name", "Name of the peer.")                                               \
	X(public_key, "public-key", "key", "Public key of the peer.")                              \
	X(endpoint, "endpoint", "address:port", "Where the peer is reached at first.")             \
	X(allowed_ips, "allowed-ips", "list", "Prefixes that are routed to the peer.")             \
	X(source_ports, "source-ports", "number", "From how many UDP ports the peer is sent to.")  \
	X(persistent_keepalive, "persistent-keepalive", "seconds", "Interval of keepalives.")      \
	X(preshared_key_file, "preshared-key-file", "path", "File with the preshared key.")

#endif
