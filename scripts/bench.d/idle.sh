#!/usr/bin/env bash
# What waiting costs: the CPU share of a worker with nothing to do, and the round trip of an echo to a VIP, which the
# worker answers itself, in both idle modes over both kernel drivers. Prints one table. As root.
#   scripts/bench.d/idle.sh [BINARY]
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
binary=${1:-$top/target/release/tentetsu}
name=idle-bench state=/run/tentetsu-lab/idle-bench
vip=203.0.113.10 own=198.51.100.10
seconds=5

lab() { "$top/scripts/lab" "$1" --name "$name" "${@:2}"; }

# Starts the appliance over driver $1 with idle mode $2: the lab's own configuration, and one line more.
start() {
  lab start --binary "$binary" --driver "$1" >/dev/null
  lab stop >/dev/null
  { cat "$state/lb1/tentetsu.toml" && printf '[workers]\nidle = "%s"\n' "$2"; } >"$state/idle.toml"
  lab start --binary "$binary" --config "$state/idle.toml" >/dev/null
}

# Clock ticks that the worker has used.
used() {
  local task
  for task in "/proc/$(<"$state/lb1/pid")/task"/*; do
    # utime and stime are the 12th and 13th field behind the thread's name, which has a space in it.
    [[ $(<"$task/comm") != worker* ]] || sed 's/.*) //' "$task/stat" | awk '{ print $12 + $13 }'
  done
}

# Per cent of its core that the worker uses while nothing comes.
share() {
  local before
  before=$(used)
  sleep "$seconds"
  awk -v used="$(($(used) - before))" -v all="$((seconds * $(getconf CLK_TCK)))" 'BEGIN { printf "%.1f", 100 * used / all }'
}

# Median and 99th percentile of 500 round trips to $1, in microseconds.
round_trips() {
  lab exec client ping -i 0.01 -c 500 "$1" | sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | sort -n |
    awk '{ t[NR] = 1000 * $1 } END { printf "%9.0f%9.0f", t[int((NR + 1) / 2)], t[int(0.99 * NR)] }'
}

measure() {
  start "$1" "$2"
  printf '%-12s%-12s%10s%s\n' "$1" "$2" "$(share)" "$(round_trips "$vip")"
  lab stop >/dev/null
}

trap 'exit 130' INT TERM
trap 'lab down' EXIT
lab up >/dev/null
printf '%-12s%-12s%10s%9s%9s\n' driver idle "cpu (%)" "p50 (us)" "p99 (us)"
for driver in af_xdp af_packet; do
  for idle in adaptive poll; do
    measure "$driver" "$idle"
  done
done
printf '%-12s%-12s%10s%s\n' "(kernel)" "-" "-" "$(round_trips "$own")"
