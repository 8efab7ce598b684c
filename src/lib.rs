//! Tentetsu: a layer-4 load balancer appliance. This page is the map of the house.
//!
//! # The graph's picture
//!
//! Eleven stages and four doors. A line names a stage and everywhere it may send a packet; a test holds the lines
//! against [`graph::Stage::next`] and against a graph that ran.
//!
//! ```text
//! ethernet  -> ip4 | ip6 | punt | drop            # is the frame ours, and what does it carry?
//! ip4       -> lookup | drop                      # IPv4 header, flow key
//! ip6       -> lookup | drop                      # IPv6 header and extension headers, flow key
//! lookup    -> select | icmp | punt | drop        # destination to service
//! icmp      -> select | answer | drop             # echo is answered, an error follows its flow
//! select    -> ipip4 | ipip6 | l2dsr | consult | drop       # hash, slot, backend
//! consult   -> ipip4 | ipip6 | l2dsr | drop       # a slot in transition: the flow's entry
//! ipip4     -> neighbour | drop                   # outer IPv4 header
//! ipip6     -> neighbour | drop                   # outer IPv6 header
//! l2dsr     -> neighbour | drop                   # no outer header
//! neighbour -> forward | drop                     # the next hop's Ethernet header
//! ```
//!
//! *forward*, *answer*, *punt* and *drop* are the doors: to a backend, back to the sender, to the host's kernel, and
//! nowhere, with a [`packet::DropReason`]. Each packet leaves by exactly one, so the doors' counters add up to what
//! was received.
//!
//! # A packet's walk
//!
//! 1. A [`worker`] takes up to a burst of packets from a queue of a [`port`] into a [`packet::Frame`]. It looks
//!    whether a newer [`table::Snapshot`] was published: between frames is the only moment at which tables change.
//! 2. The walker ([`graph::Graph::process`]) runs each stage once, over all packets that wait before it. A stage reads
//!    and writes bytes and a [`packet::Meta`] per packet, and says where each goes next; the walker moves them.
//! 3. *ethernet* drops what a switch flooded. *ip4* and *ip6* check the header, once, and write the 5-tuple where the
//!    hash wants it ([`packet::FlowKeys`]). Views of [`wire`] check before they are made, and can't fail afterwards.
//! 4. *lookup* finds the service ([`table::ServiceIndex`]). An address that is no service's is the host's: punted.
//! 5. *select* hashes all flow keys of the frame together ([`table::FlowHasher`]), and reads the backend from the
//!    view of the pool's Maglev table ([`table::View`]). No flow table is touched: the same flow finds the same slot on
//!    every node that has the same key and the same file. Only a slot that is changing its backend sends its
//!    packets to *consult*: there the flow's entry decides ([`flow::Flows`]), so that no connection breaks.
//! 6. *ipip4* and *ipip6* put the outer header before the packet, *l2dsr* nothing; *neighbour* puts the Ethernet
//!    header of the next hop ([`table::Adjacency`]) before that.
//! 7. The worker empties the doors: a burst to the transmit queue, punts to the host, drops to the buffer pool; then it
//!    takes the next frame. It allocates, locks and logs nothing after its start.
//!
//! The graph knows no driver. `replay` and `explain` send captured and made-up packets through the same stages.
//!
//! # Who may import whom
//!
//! Imports point downwards only; a test (`tests/style.rs`) checks it.
//!
//! ```text
//!   cli                               one file per command; a Result becomes an exit code
//!    └─ appliance                     start, events, stop: the wiring of all below
//!        ├─ explain                   where a connection goes and why: a packet of it is walked through the graph
//!        ├─ worker                    the pinned loop, dispatch, counters, latency
//!        │   ├─ graph                 stages, walker, counters per stage
//!        │   │   └─ flow              slots in transition: entries, the decision table, the machine that moves slots
//!        │   │       └─ table         services, hash, Maglev, views, the snapshot and its publication
//!        │   │           └─ packet    buffer trait, frame, metadata, flow key, drop reasons
//!        │   │               └─ wire  headers: checked views and builders
//!        │   └─ port                  pcap (pure Rust), dpdk (the binding), exception path: knows packet
//!        └─ control                   what is wanted, kept and answered for; the way there, in plans: knows flow
//!            └─ config                the typed file, all faults at once: plain data, imports nothing of ours
//! ```
//!
//! Since the configuration is plain data, a port and a worker read in its own words what to open and how to idle.
//!
//! # How a change breaks nothing
//!
//! [`control::ledger`] stores what is wanted; [`control::views`] keeps, for each pool, which backend each slot sends
//! unlisted flows to (D) and which one new flows (T). Where they differ the slot is consulted, its flows are listed one
//! by one as their packets come, and when each flow that may be alive is listed, D becomes T. The order of the steps, and
//! what every worker must have seen before the next one, is [`flow::transition`]; where a packet goes meanwhile is
//! the table in [`flow::decide`]. Entries end with their flows, and a slot without entries is settled again.
//!
//! Control reaches a worker by two doors only. It *publishes*: a [`table::Publisher`] hands over a snapshot, the worker
//! picks it up between frames, and the old one comes back to be freed by the publisher. And it *reads*: counters have
//! one writer, the worker, and anybody reads them at any time.
//!
//! `unsafe` lives in `port::dpdk`, and in the SIMD compilations of [`table::FlowHasher`]; everywhere else it is denied.

#[cfg(feature = "dpdk")]
pub mod appliance;
pub mod cli;
pub mod config;
pub mod control;
pub mod explain;
pub mod flow;
pub mod graph;
pub mod packet;
pub mod port;
pub mod table;
pub mod wire;
pub mod worker;
