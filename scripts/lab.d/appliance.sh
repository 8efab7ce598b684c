# The appliance: its configuration, its start and its stop. Sourced by scripts/lab.
# shellcheck shell=bash disable=SC2154

# Keeps the DPDK instances of several labs apart.
file_prefix() { echo "tentetsu-$name"; }

start() {
  is_up || fail "lab '$name' is not up; scripts/lab up --name $name comes first"
  ! appliance_runs || fail "the appliance of lab '$name' runs already; scripts/lab stop --name $name ends it"
  [[ -x $binary ]] || fail "no program at $binary; cargo build --release makes it"
  mkdir -p "$state/lb1"
  rm -f "$state/lb1/exit" "$state/lb1/pid"
  if [[ -n $config ]]; then cat "$config"; else appliance_config; fi >"$state/lb1/tentetsu.toml"
  [[ $driver != pcap ]] || give_port_to_dpdk
  launch
  [[ $services != api ]] || give_definitions
  [[ $driver != pcap ]] || within 20 tap_is_set_up || died "no TAP interface appeared in 20 s"
  within 20 served_or_ended || died "no answer through it in 20 s"
  appliance_runs || died "it ended with exit code $(<"$state/lb1/exit")"
  echo "appliance of lab '$name': $encap over $driver, process $(<"$state/lb1/pid")"
}

# A supervisor outlives this script and keeps the exit code. setsid: a Ctrl-C at this terminal is not for it.
launch() {
  # shellcheck disable=SC2016  # expanded by the inner shell
  setsid ip netns exec "$prefix-lb1" bash -c '
    cd "$1" || exit
    "$2" run --config tentetsu.toml >log 2>&1 </dev/null &
    echo $! >"$1/pid"; wait $!; echo $? >"$1/exit"
  ' lab "$state/lb1" "$(realpath "$binary")" >/dev/null 2>&1 </dev/null 9>&- &
  within 5 test -s "$state/lb1/pid" || fail "the appliance did not start"
}

appliance_runs() { [[ -s $state/lb1/pid && ! -e $state/lb1/exit ]]; }
has_ended() { [[ -s $state/lb1/exit ]]; }
served_or_ended() { has_ended || { serves "$vip4" && serves "[$vip6]"; }; }
serves() { inside client curl --silent --fail --output /dev/null --max-time 1 "http://$1/"; }

died() {
  echo "lab: the appliance is not in service: $1. It said ($state/lb1/log):" >&2
  tail -n 40 "$state/lb1/log" >&2
  exit 1
}

stop() {
  [[ -s $state/lb1/pid ]] || fail "no appliance was started in lab '$name'"
  has_ended || kill -TERM "$(<"$state/lb1/pid")"
  within 15 has_ended || fail "the appliance did not end within 15 s of SIGTERM; its log: $state/lb1/log"
  cat "$state/lb1/log"
  return "$(<"$state/lb1/exit")"
}

appliance_config() {
  local device="net_${driver}0,iface=eth0" exception=kernel
  [[ $driver != pcap ]] || device+=",phy_mac=1" exception=tap
  cat <<TOML
[node]
name = "$prefix"
state_dir = "$state/lb1"

[dpdk]
huge_pages = "off"
file_prefix = "$(file_prefix)"

[flows]
entries = 65536
file = "$state/lb1/flows"
moving_slots = "$moving_slots"

[api]
socket = "$state/lb1/api.sock"

[maglev]
hash_key = "$(hash_key)"

[[port]]
name = "lan"
device = "$device"
mtu = $lan_mtu
addresses = ["$lb4/24", "$lb6/64"]
exception = "$exception"
TOML
  [[ $services == api ]] || services_config
}

# The pools' word for it: the family of the outer header is that of the backend's address.
encap_mode() { [[ $encap == l2dsr ]] && echo l2dsr || echo ipip; }

# The same after a restart: a connection has to find its slot again.
hash_key() {
  [[ -s $state/lb1/key ]] || od -An -N16 -tx1 /dev/urandom | tr -d ' \n' >"$state/lb1/key"
  cat "$state/lb1/key"
}

services_config() {
  cat <<TOML

[[pool]]
name = "web4"
encap = "$(encap_mode)"
idle = "5s"
backends = [
$(backend_lines 4)
]

[[pool]]
name = "web6"
encap = "$(encap_mode)"
idle = "5s"
backends = [
$(backend_lines 6)
]

[[service]]
name = "http4"
address = "$vip4"
protocol = "tcp"
ports = [80]
pool = "web4"

[[service]]
name = "http6"
address = "$vip6"
protocol = "tcp"
ports = [80]
pool = "web6"
TOML
}

# What the configuration has not got comes by the API, unless an earlier start left it there.
give_definitions() {
  within 20 api_answers || died "its API did not answer in 20 s"
  [[ $(api /services) != "{}" ]] || definitions | api /state --request PUT --json @- >/dev/null || died "its API refused the services"
}

api() { curl --silent --show-error --fail --unix-socket "$state/lb1/api.sock" "http://localhost$1" "${@:2}"; }
api_answers() { has_ended || api /services >/dev/null 2>&1; }

# The same pools and services as the API has them.
definitions() {
  cat <<JSON
{
  "pools": {
    "web4": { "encap": "$(encap_mode)", "idle_ms": 5000, "backends": { $(backend_members 4) } },
    "web6": { "encap": "$(encap_mode)", "idle_ms": 5000, "backends": { $(backend_members 6) } }
  },
  "services": {
    "http4": { "address": "$vip4", "protocol": "tcp", "ports": [80], "pool": "web4" },
    "http6": { "address": "$vip6", "protocol": "tcp", "ports": [80], "pool": "web6" }
  }
}
JSON
}

# The backends as seen from a VIP of family $1, with their weights: `NAME ADDRESS WEIGHT` each.
backends_of() {
  local -a list
  IFS=, read -ra list <<<"$weights"
  local i count=${#list[@]}
  ((count > 0)) || count=$(backend_count)
  for ((i = 1; i <= count; i++)); do
    echo "web$i $(backend_address "$1" "$i") ${list[i - 1]:-100}"
  done
}

backend_lines() { backends_of "$1" | awk '{ printf "  { name = \"%s\", address = \"%s\", weight = %s },\n", $1, $2, $3 }'; }
backend_members() { backends_of "$1" | awk '{ printf "%s\"%s\": { \"address\": \"%s\", \"weight\": %s }", (NR > 1 ? ", " : ""), $1, $2, $3 }'; }

backend_count() { namespaces | grep -c -- "-web[0-9]*$"; }

backend_address() {
  case $encap$1 in
    ipip? | l2dsr4) web4 "$2" ;;
    ipip64) segment4 "$2" ;;
    ipip66) segment6 "$2" ;;
    l2dsr6) web6 "$2" ;;
  esac
}

# As if the port were bound to DPDK alone: lb1's kernel keeps no address on it, and drops its copy of each packet.
give_port_to_dpdk() {
  ip -n "$prefix-lb1" address flush dev eth0
  inside lb1 sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
  inside lb1 tc qdisc replace dev eth0 clsact
  inside lb1 tc filter replace dev eth0 ingress pref 1 handle 1 bpf direct-action obj "$(bpf_object blackhole)" sec tc
}

# The TAP that stands for the port gets the routes which eth0 had, as soon as it has its addresses.
tap_is_set_up() {
  has_ended || {
    ip -n "$prefix-lb1" route replace default via "$router_lan4" 2>/dev/null &&
      ip -n "$prefix-lb1" route replace default via "$router_lan6" 2>/dev/null &&
      all_segments_routed 2>/dev/null
  }
}

all_segments_routed() {
  local i
  for ((i = 1; i <= $(backend_count); i++)); do
    route_segments "$i" || return 1
  done
}
