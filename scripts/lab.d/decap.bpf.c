// Takes IPv4 in IPv4 and IPv6 in IPv4 apart on a backend of the lab, in place of the kernel's ipip and sit
// modules. An outer header that a real tunnel end would refuse is dropped, so that the lab is a fair judge.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// RFC 1071: the ones' complement sum over a right header, checksum included, is all ones.
static __always_inline int checksum_holds(const struct iphdr *ip)
{
	const __u16 *word = (const __u16 *)ip;
	__u32 sum = 0;

	for (int i = 0; i < 10; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

SEC("xdp")
int decapsulate(struct xdp_md *context)
{
	void *data = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct ethhdr *ethernet = data;
	struct iphdr *outer = data + sizeof(*ethernet);

	if ((void *)(outer + 1) > end || ethernet->h_proto != bpf_htons(ETH_P_IP))
		return XDP_PASS;
	if (outer->protocol != IPPROTO_IPIP && outer->protocol != IPPROTO_IPV6)
		return XDP_PASS;
	if (outer->version != 4 || outer->ihl != 5 || outer->ttl == 0 || !checksum_holds(outer))
		return XDP_DROP;
	if (data + sizeof(*ethernet) + bpf_ntohs(outer->tot_len) > end)
		return XDP_DROP;

	struct ethhdr inner = *ethernet;

	if (outer->protocol == IPPROTO_IPV6)
		inner.h_proto = bpf_htons(ETH_P_IPV6);
	__builtin_memcpy(data + sizeof(*outer), &inner, sizeof(inner));
	return bpf_xdp_adjust_head(context, sizeof(*outer)) ? XDP_DROP : XDP_PASS;
}

char _license[] SEC("license") = "GPL";
