# Namespaces, links, addresses and routes of the lab. Sourced by scripts/lab.
# shellcheck shell=bash disable=SC2154  # name, prefix, state and backends are the lab's

vip4=203.0.113.10 vip6=2001:db8:ff::10
client4=192.0.2.2 client6=2001:db8:1::2
lb4=198.51.100.10 lb6=2001:db8:2::10
router_lan4=198.51.100.1 router_lan6=2001:db8:2::1

# The appliance's net takes a full packet of the client's (1,500) with an outer IPv6 header and room to spare.
lan_mtu=1600

# Backend number $1.
web4() { echo "198.51.100.$((100 + $1))"; }
web6() { echo "2001:db8:2::$((100 + $1))"; }
# Where backend number $1 takes IPv4 and IPv6 out of IPv6: segments behind its address, not addresses of its own.
segment4() { echo "2001:db8:4::$((100 + $1))"; }
segment6() { echo "2001:db8:6::$((100 + $1))"; }

# Those that this lab made, and that are still there.
namespaces() {
  local namespace
  [[ ! -e $state/namespaces ]] || while read -r namespace; do
    [[ ! -e /run/netns/$namespace ]] || echo "$namespace"
  done <"$state/namespaces"
}
is_up() { grep -qxF "$prefix-lb1" < <(namespaces); }
inside() { ip netns exec "$prefix-$1" "${@:2}"; }

# A new node: quiet (no router advertisements), with its addresses usable at once (no duplicate check).
make_node() {
  echo "$prefix-$1" >>"$state/namespaces"
  ip netns add "$prefix-$1"
  inside "$1" sysctl -qw \
    net.ipv6.conf.all.accept_ra=0 net.ipv6.conf.default.accept_ra=0 \
    net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
    net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
    net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.default.send_redirects=0 \
    "${@:2}"
  ip -n "$prefix-$1" link set lo up
}

# A cable from eth0 of node $1 to interface $2 of the router. Without offloads, or the veth pair would carry
# blank checksums and frames of up to 64 KiB, which no real wire does.
plug() {
  ip -n "$prefix-$1" link add eth0 mtu "$3" type veth peer name "$2" mtu "$3" netns "$prefix-router"
  inside "$1" ethtool -K eth0 tx off tso off gso off gro off >/dev/null
  inside router ethtool -K "$2" tx off tso off gso off gro off >/dev/null
  ip -n "$prefix-$1" link set eth0 up
  ip -n "$prefix-router" link set "$2" up
}

# A node on the router's bridge, with an IPv4 and an IPv6 address, and the router as its gateway.
join_lan() {
  plug "$1" "$1" "$lan_mtu"
  ip -n "$prefix-router" link set "$1" master lan
  ip -n "$prefix-$1" -batch - <<BATCH
address add $2/24 dev eth0
address add $3/64 dev eth0 nodad
route add default via $router_lan4
route add default via $router_lan6
BATCH
}

make_network() {
  make_router
  make_client
  make_node lb1
  join_lan lb1 "$lb4" "$lb6"
  local i
  for ((i = 1; i <= backends; i++)); do
    make_backend "$i"
    route_segments "$i"
  done
}

# lb1 reaches the segments of backend number $1 by its address.
route_segments() {
  ip -n "$prefix-lb1" route replace "$(segment4 "$1")" via "$(web6 "$1")" &&
    ip -n "$prefix-lb1" route replace "$(segment6 "$1")" via "$(web6 "$1")"
}

make_router() {
  make_node router net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  ip -n "$prefix-router" -batch - <<BATCH
link add lan mtu $lan_mtu type bridge
link set lan up
address add $router_lan4/24 dev lan
address add $router_lan6/64 dev lan nodad
route add $vip4 via $lb4
route add $vip6 via $lb6
BATCH
}

make_client() {
  # Ten thousand connections to one address need ten thousand ports of the client's.
  make_node client net.ipv4.ip_local_port_range="1024 65535"
  plug client wan 1500
  ip -n "$prefix-router" address add 192.0.2.1/24 dev wan
  ip -n "$prefix-router" address add 2001:db8:1::1/64 dev wan nodad
  ip -n "$prefix-client" -batch - <<BATCH
address add $client4/24 dev eth0
address add $client6/64 dev eth0 nodad
route add default via 192.0.2.1
route add default via 2001:db8:1::1
BATCH
}

# A backend holds the VIPs on lo, never answers ARP for them, and takes every encapsulation off: IPv4 outside
# by the lab's own XDP program (the kernel's ipip and sit modules are not everywhere), IPv6 outside by the
# kernel's seg6local. Forwarding is on for seg6local's sake.
make_backend() {
  local node=web$1
  make_node "$node" net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
    net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 \
    net.ipv6.conf.all.seg6_enabled=1 net.ipv6.conf.default.seg6_enabled=1
  join_lan "$node" "$(web4 "$1")" "$(web6 "$1")"
  ip -n "$prefix-$node" -batch - <<BATCH
address add $vip4/32 dev lo
address add $vip6/128 dev lo nodad
route add $(segment4 "$1") encap seg6local action End.DX4 nh4 $vip4 dev eth0
route add $(segment6 "$1") encap seg6local action End.DT6 table local dev eth0
BATCH
  inside "$node" ip link set eth0 xdpgeneric obj "$(bpf_object decap)" sec xdp
}

# Compiles lab.d/$1.bpf.c once per lab, and prints where the object is.
bpf_object() {
  local object=$state/$1.bpf.o
  [[ -e $object ]] || clang -O2 -g -target bpf -I"/usr/include/$(uname -m)-linux-gnu" -c "$here/lab.d/$1.bpf.c" -o "$object"
  echo "$object"
}
