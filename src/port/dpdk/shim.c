/* The C side of the DPDK binding: see shim.h. */
#define _GNU_SOURCE
#include "shim.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>

#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <rte_mbuf.h>

/* mbuf.rs reads these fields in place. DPDK 24.11 moves some of them into unions: then this fails, not a packet. */
_Static_assert(offsetof(struct rte_mbuf, buf_addr) == 0, "mbuf.rs: buf_addr");
_Static_assert(offsetof(struct rte_mbuf, data_off) == 16, "mbuf.rs: data_off");
_Static_assert(offsetof(struct rte_mbuf, nb_segs) == 20, "mbuf.rs: nb_segs");
_Static_assert(offsetof(struct rte_mbuf, pkt_len) == 36, "mbuf.rs: pkt_len");
_Static_assert(offsetof(struct rte_mbuf, data_len) == 40, "mbuf.rs: data_len");
_Static_assert(offsetof(struct rte_mbuf, buf_len) == 54, "mbuf.rs: buf_len");
/* plan.rs fills pages exactly: a pool header, an mbuf, the room. */
_Static_assert(sizeof(struct rte_mbuf) + sizeof(struct rte_mempool_objhdr) <= 192, "plan.rs: HEADERS");
_Static_assert(sizeof(struct tt_info) == 48, "device.rs: RawInfo");
_Static_assert(sizeof(struct tt_setup) == 24, "device.rs: RawSetup");
_Static_assert(sizeof(struct tt_stats) == 64, "device.rs: Stats");
_Static_assert(sizeof(struct tt_link) == 8, "device.rs: RawLink");
_Static_assert(sizeof(struct tt_prefix) == 20, "steer.rs: RawPrefix");

/* ---- the environment ---- */

static tt_log_sink log_sink;

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
	(void)cookie;
	log_sink(text, len);
	return (ssize_t)len;
}

static int log_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[512];
	int len = vsnprintf(text, sizeof(text), format, args);

	if (level != LIBBPF_DEBUG && len > 0)
		log_sink(text, RTE_MIN((size_t)len, sizeof(text) - 1));
	return len;
}

/* The AF_XDP driver's library prints for itself. It comes with the driver, so it is asked only where it is there. */
static void quieten_libxdp(void)
{
	void *library = dlopen("libxdp.so.1", RTLD_NOW | RTLD_NOLOAD);
	void *(*set_print)(libbpf_print_fn_t) = NULL;

	if (library != NULL)
		*(void **)&set_print = dlsym(library, "libxdp_set_print");
	if (set_print != NULL)
		set_print(log_libbpf);
}

int tt_eal_init(int argc, char **argv, tt_log_sink sink)
{
	FILE *stream = fopencookie(NULL, "w", (cookie_io_functions_t){ .write = log_write });

	if (stream == NULL)
		return -errno;
	setvbuf(stream, NULL, _IONBF, 0);
	log_sink = sink;
	rte_openlog_stream(stream);
	libbpf_set_print(log_libbpf);
	if (rte_eal_init(argc, argv) < 0)
		return -rte_errno;
	quieten_libxdp();
	return 0;
}

int tt_eal_cleanup(void)
{
	return rte_eal_cleanup();
}

int tt_thread_register(void)
{
	return rte_thread_register() < 0 ? -rte_errno : 0;
}

void tt_thread_unregister(void)
{
	rte_thread_unregister();
}

/* ---- ports ---- */

int tt_probe(const char *devargs)
{
	return rte_dev_probe(devargs);
}

int tt_port_by_name(const char *name)
{
	uint16_t port;
	int err = rte_eth_dev_get_port_by_name(name, &port);

	return err < 0 ? err : port;
}

int tt_port_info(uint16_t port, struct tt_info *info)
{
	struct rte_eth_dev_info dev;
	struct rte_ether_addr mac;
	int err = rte_eth_dev_info_get(port, &dev);

	if (err == 0)
		err = rte_eth_macaddr_get(port, &mac);
	if (err < 0)
		return err;
	snprintf(info->driver, sizeof(info->driver), "%s", dev.driver_name);
	info->socket = rte_eth_dev_socket_id(port);
	info->max_rx_queues = dev.max_rx_queues;
	info->max_tx_queues = dev.max_tx_queues;
	info->max_mtu = dev.max_mtu;
	memcpy(info->mac, mac.addr_bytes, sizeof(info->mac));
	return 0;
}

/* Packets of one flow go to one queue: spread by addresses and ports as far as the device can. */
static void spread(const struct rte_eth_dev_info *dev, uint16_t queues, struct rte_eth_conf *conf)
{
	uint64_t want = RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP;

	if (queues < 2 || (dev->flow_type_rss_offloads & want) == 0)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = dev->flow_type_rss_offloads & want;
}

static int set_up_queues(uint16_t port, struct rte_eth_dev_info *dev, const struct rte_eth_conf *conf, struct tt_setup *setup)
{
	struct rte_eth_rxconf rx = dev->default_rxconf;
	struct rte_eth_txconf tx = dev->default_txconf;
	int socket = rte_eth_dev_socket_id(port);
	int err = rte_eth_dev_adjust_nb_rx_tx_desc(port, &setup->rx_descriptors, &setup->tx_descriptors);

	rx.offloads = conf->rxmode.offloads;
	tx.offloads = conf->txmode.offloads;
	for (uint16_t q = 0; err == 0 && q < setup->queues; q++) {
		err = rte_eth_rx_queue_setup(port, q, setup->rx_descriptors, socket, &rx, setup->pool);
		if (err == 0)
			err = rte_eth_tx_queue_setup(port, q, setup->tx_descriptors, socket, &tx);
	}
	return err;
}

static int is_af_packet(const struct rte_eth_dev_info *dev)
{
	return strcmp(dev->driver_name, "net_af_packet") == 0;
}

static int is_packet_socket(int fd, unsigned int ifindex)
{
	struct sockaddr_ll bound = { 0 };
	socklen_t len = sizeof(bound);

	return getsockname(fd, (struct sockaddr *)&bound, &len) == 0 && bound.sll_family == AF_PACKET &&
	       bound.sll_ifindex == (int)ifindex;
}

/* Keeps what the host sends over the interface from the driver's sockets: no wire would bring that back. By a filter,
 * because PACKET_IGNORE_OUTGOING does nothing for sockets that share their flows, as those of several queues do. */
static void receive_no_outgoing(unsigned int ifindex)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, SKF_AD_OFF + SKF_AD_PKTTYPE),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	static const char failed[] = "the host's own packets will count as received\n";
	const struct sock_fprog filter = { .len = RTE_DIM(code), .filter = code };
	DIR *folder = opendir("/proc/self/fd");
	struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		int fd = atoi(entry->d_name);

		if (is_packet_socket(fd, ifindex) &&
		    setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0)
			log_sink(failed, sizeof(failed) - 1);
	}
	if (folder != NULL)
		closedir(folder);
}

/* Drops what came before receive_no_outgoing() took hold: the sockets take packets from the moment the device is
 * probed. What comes meanwhile off the wire is no loss: a port that starts has missed packets before. */
static void drop_early(uint16_t port, const struct tt_setup *setup)
{
	enum { EARLY_MAX = 4096 };
	struct rte_mbuf *early[32];

	for (uint16_t q = 0; q < setup->queues; q++) {
		/* A ring of them (512 unless the vdev says otherwise), bounded so that a busy wire can't hold the start up. */
		for (unsigned int seen = 0, n = 1; n > 0 && seen < EARLY_MAX; seen += n) {
			n = rte_eth_rx_burst(port, q, early, RTE_DIM(early));
			rte_pktmbuf_free_bulk(early, n);
		}
	}
	(void)rte_eth_stats_reset(port);
}

/* The descriptor counts and the mtu in `setup` become those that the device took. */
int tt_port_start(uint16_t port, struct tt_setup *setup)
{
	struct rte_eth_dev_info dev;
	struct rte_eth_conf conf = { 0 };
	uint16_t mtu;
	int err = rte_eth_dev_info_get(port, &dev);

	if (err < 0)
		return err;
	if (is_af_packet(&dev))
		receive_no_outgoing(dev.if_index);
	/* Nothing is cloned, so with a single pool a transmit queue may return its mbufs unlooked at. */
	if (setup->one_pool)
		conf.txmode.offloads = dev.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
	/* AF_PACKET claims 1,514 octets at most, whatever its interface carries: there the interface's own mtu holds. */
	conf.rxmode.mtu = is_af_packet(&dev) ? RTE_ETHER_MTU : setup->mtu;
	spread(&dev, setup->queues, &conf);
	err = rte_eth_dev_configure(port, setup->queues, setup->queues, &conf);
	if (err == 0)
		err = set_up_queues(port, &dev, &conf, setup);
	/* Kernel-backed devices have the interface's mtu; set it only where it differs. */
	if (err == 0 && !is_af_packet(&dev) && (rte_eth_dev_get_mtu(port, &mtu) < 0 || mtu != setup->mtu)) {
		int set = rte_eth_dev_set_mtu(port, setup->mtu);
		err = set == -ENOTSUP ? 0 : set;
	}
	if (err == 0)
		err = rte_eth_dev_start(port);
	if (err == 0 && is_af_packet(&dev))
		drop_early(port, setup);
	/* The host's IPv6 neighbours are asked by multicast. A device that can't filter has nothing to switch. */
	if (err == 0 && setup->all_multicast)
		(void)rte_eth_allmulticast_enable(port);
	return err;
}

int tt_port_stop(uint16_t port)
{
	return rte_eth_dev_stop(port);
}

int tt_port_close(uint16_t port)
{
	return rte_eth_dev_close(port);
}

int tt_port_link(uint16_t port, struct tt_link *link)
{
	struct rte_eth_link state;
	int err = rte_eth_link_get_nowait(port, &state);

	if (err == 0) {
		link->mbit_per_s = state.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : state.link_speed;
		link->up = state.link_status;
	}
	return err;
}

int tt_port_stats(uint16_t port, struct tt_stats *stats)
{
	struct rte_eth_stats s;
	int err = rte_eth_stats_get(port, &s);

	if (err == 0)
		*stats = (struct tt_stats){
			.rx_packets = s.ipackets, .rx_bytes = s.ibytes, .rx_errors = s.ierrors,
			.rx_missed = s.imissed, .rx_no_buffer = s.rx_nombuf,
			.tx_packets = s.opackets, .tx_bytes = s.obytes, .tx_errors = s.oerrors,
		};
	return err;
}

/* ---- packets ---- */

/* As rte_pktmbuf_pool_create_by_ops, which takes no flags. */
struct rte_mempool *tt_pool_create(const char *name, unsigned int n, unsigned int cache, uint16_t room,
				   enum tt_layout layout, int socket, int *err)
{
	static const unsigned int flags[] = {
		[TT_DENSE] = RTE_MEMPOOL_F_NO_IOVA_CONTIG,
		[TT_PAGED] = RTE_MEMPOOL_F_NO_SPREAD,
	};
	struct rte_pktmbuf_pool_private priv = { .mbuf_data_room_size = room };
	struct rte_mempool *pool = rte_mempool_create_empty(name, n, sizeof(struct rte_mbuf) + room, cache,
							    sizeof(priv), socket, flags[layout]);

	*err = -rte_errno;
	if (pool == NULL)
		return NULL;
	/* With ring_mt_rts a thread that loses its core inside the pool's ring does not hold up the others. */
	*err = rte_mempool_set_ops_byname(pool, "ring_mt_rts", NULL);
	if (*err == 0) {
		rte_pktmbuf_pool_init(pool, &priv);
		*err = rte_mempool_populate_default(pool);
	}
	if (*err < 0) {
		rte_mempool_free(pool);
		return NULL;
	}
	rte_mempool_obj_iter(pool, rte_pktmbuf_init, NULL);
	return pool;
}

unsigned int tt_pool_in_use(struct rte_mempool *pool)
{
	return rte_mempool_in_use_count(pool);
}

struct rte_mbuf *tt_alloc(struct rte_mempool *pool)
{
	return rte_pktmbuf_alloc(pool);
}

uint16_t tt_rx(uint16_t port, uint16_t queue, struct rte_mbuf **into, uint16_t n)
{
	return rte_eth_rx_burst(port, queue, into, n);
}

/* Takes all packets: those that the device refuses `tries` times are freed. Gives the number sent. */
uint16_t tt_tx(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n, unsigned int tries)
{
	uint16_t sent = rte_eth_tx_burst(port, queue, packets, n);

	while (unlikely(sent < n) && --tries > 0)
		sent += rte_eth_tx_burst(port, queue, packets + sent, n - sent);
	if (unlikely(sent < n))
		rte_pktmbuf_free_bulk(packets + sent, n - sent);
	return sent;
}

void tt_free(struct rte_mbuf *packet)
{
	rte_pktmbuf_free(packet);
}

void tt_free_bulk(struct rte_mbuf **packets, unsigned int n)
{
	rte_pktmbuf_free_bulk(packets, n);
}

int tt_linearize(struct rte_mbuf *packet)
{
	return rte_pktmbuf_linearize(packet);
}

/* ---- the steering program of a NIC that the kernel keeps ---- */

static int attached(unsigned int ifindex, struct bpf_prog_info *info)
{
	uint32_t id = 0, len = sizeof(*info);
	int err = bpf_xdp_query_id((int)ifindex, 0, &id), fd;

	if (err < 0 || id == 0)
		return err < 0 ? err : -ENOENT;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd < 0)
		return fd;
	err = bpf_obj_get_info_by_fd(fd, info, &len);
	close(fd);
	return err;
}

int tt_xdp_attached(unsigned int ifindex, char *name, size_t len)
{
	struct bpf_prog_info info = { 0 };
	int err = attached(ifindex, &info);

	if (err == 0)
		snprintf(name, len, "%s", info.name);
	return err;
}

int tt_xdp_detach(unsigned int ifindex)
{
	return bpf_xdp_detach((int)ifindex, 0, NULL);
}

/* Gives a descriptor of the map of that name of the program attached to the interface. */
int tt_xdp_map(unsigned int ifindex, const char *map)
{
	uint32_t ids[16] = { 0 };
	struct bpf_prog_info info = { .nr_map_ids = RTE_DIM(ids), .map_ids = (uintptr_t)ids };
	int err = attached(ifindex, &info);

	for (uint32_t i = 0; err == 0 && i < RTE_MIN(info.nr_map_ids, RTE_DIM(ids)); i++) {
		struct bpf_map_info about = { 0 };
		uint32_t len = sizeof(about);
		int fd = bpf_map_get_fd_by_id(ids[i]);

		if (fd < 0)
			return fd;
		if (bpf_obj_get_info_by_fd(fd, &about, &len) == 0 && strcmp(about.name, map) == 0)
			return fd;
		close(fd);
	}
	return err < 0 ? err : -ENOENT;
}

int tt_map_put(int map, const struct tt_prefix *prefix)
{
	uint8_t yes = 1;

	return bpf_map_update_elem(map, prefix, &yes, BPF_ANY);
}

int tt_map_remove(int map, const struct tt_prefix *prefix)
{
	return bpf_map_delete_elem(map, prefix);
}
