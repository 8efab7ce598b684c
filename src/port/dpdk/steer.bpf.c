/* Which packets leave the kernel: those to a VIP go to the AF_XDP socket of their queue, all else goes on as ever,
 * so that SSH, ARP, BGP and ping of the host itself keep working. */
#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* The driver looks this map up by its name. */
struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} xsks_map SEC(".maps");

struct prefix {
	__u32 bits;
	__u8 address[16];
};

/* VIP prefixes; IPv4 as ::ffff:0:0/96. userland: wo, program: ro */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix);
	__type(value, __u8);
} vips SEC(".maps");

struct vlan {
	__be16 tci;
	__be16 type;
};

/* Offsets of the destination in the IPv4 and the IPv6 header. */
enum { DST4 = 16, DST6 = 24 };

/* IPv4 fragments and ICMP need no case of their own: their destination is the VIP too. */
SEC("xdp")
int tentetsu_steer(struct xdp_md *ctx)
{
	void *at = (void *)(long)ctx->data, *end = (void *)(long)ctx->data_end;
	struct prefix key = { .bits = 128 };
	struct ethhdr *eth = at;
	__be16 type;

	if (at + sizeof(*eth) > end)
		return XDP_PASS;
	type = eth->h_proto;
	at += sizeof(*eth);
#pragma unroll
	for (int tags = 0; tags < 2; tags++) {
		struct vlan *tag = at;

		if (type != bpf_htons(ETH_P_8021Q) && type != bpf_htons(ETH_P_8021AD))
			break;
		if (at + sizeof(*tag) > end)
			return XDP_PASS;
		type = tag->type;
		at += sizeof(*tag);
	}
	if (type == bpf_htons(ETH_P_IP) && at + DST4 + 4 <= end) {
		key.address[10] = key.address[11] = 0xff;
		__builtin_memcpy(key.address + 12, at + DST4, 4);
	} else if (type == bpf_htons(ETH_P_IPV6) && at + DST6 + 16 <= end) {
		__builtin_memcpy(key.address, at + DST6, 16);
	} else {
		return XDP_PASS;
	}
	if (!bpf_map_lookup_elem(&vips, &key))
		return XDP_PASS;
	return bpf_redirect_map(&xsks_map, ctx->rx_queue_index, XDP_PASS);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
