// Drops every packet that the kernel receives on an interface. Packet sockets have their copy by then, so
// DPDK's pcap driver has the interface to itself, as it would have a NIC that the kernel does not keep.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_helpers.h>

SEC("tc")
int blackhole(struct __sk_buff *packet)
{
	return TC_ACT_SHOT;
}

char _license[] SEC("license") = "GPL";
