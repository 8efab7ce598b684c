/* What the Rust side may call. Each function is a thin wrapper: policy lives in Rust, DPDK's static inlines and
 * structures stay here. Functions that can fail give 0 or a count, and a negative errno on failure. */
#ifndef TENTETSU_SHIM_H
#define TENTETSU_SHIM_H

#include <stddef.h>
#include <stdint.h>

struct rte_mbuf;
struct rte_mempool;

/* What a device is and can do. Mirrored by `RawInfo` in device.rs. */
struct tt_info {
	char driver[32];
	int32_t socket;
	uint16_t max_rx_queues;
	uint16_t max_tx_queues;
	uint16_t max_mtu;
	uint8_t mac[6];
};

/* How a device is to be set up. Mirrored by `RawSetup` in device.rs. */
struct tt_setup {
	uint16_t queues;
	uint16_t rx_descriptors;
	uint16_t tx_descriptors;
	uint16_t mtu;
	uint8_t all_multicast;
	uint8_t one_pool; /* every mbuf of this process comes from `pool` */
	struct rte_mempool *pool;
};

/* Mirrored by `Stats` in device.rs. */
struct tt_stats {
	uint64_t rx_packets, rx_bytes, rx_errors, rx_missed, rx_no_buffer;
	uint64_t tx_packets, tx_bytes, tx_errors;
};

/* Mirrored by `RawLink` in device.rs. */
struct tt_link {
	uint32_t mbit_per_s;
	uint8_t up;
};

/* A prefix of the steering program's map: `bits` counts over the 16 bytes, IPv4 is mapped (::ffff:0:0/96). */
struct tt_prefix {
	uint32_t bits;
	uint8_t address[16];
};

typedef void (*tt_log_sink)(const char *text, size_t len);

int tt_eal_init(int argc, char **argv, tt_log_sink sink);
int tt_eal_cleanup(void);
int tt_thread_register(void);
void tt_thread_unregister(void);

int tt_probe(const char *devargs);
int tt_port_by_name(const char *name);
int tt_port_info(uint16_t port, struct tt_info *info);
int tt_port_start(uint16_t port, struct tt_setup *setup);
int tt_port_stop(uint16_t port);
int tt_port_close(uint16_t port);
int tt_port_link(uint16_t port, struct tt_link *link);
int tt_port_stats(uint16_t port, struct tt_stats *stats);

/* Where a pool's objects lie. Mirrored by `Layout` in plan.rs. */
enum tt_layout { TT_CONTIGUOUS, TT_DENSE, TT_PAGED };

struct rte_mempool *tt_pool_create(const char *name, unsigned int n, unsigned int cache, uint16_t room,
				   enum tt_layout layout, int socket, int *err);
unsigned int tt_pool_in_use(struct rte_mempool *pool);
struct rte_mbuf *tt_alloc(struct rte_mempool *pool);

uint16_t tt_rx(uint16_t port, uint16_t queue, struct rte_mbuf **into, uint16_t n);
uint16_t tt_tx(uint16_t port, uint16_t queue, struct rte_mbuf **packets, uint16_t n, unsigned int tries);
void tt_free(struct rte_mbuf *packet);
void tt_free_bulk(struct rte_mbuf **packets, unsigned int n);
int tt_linearize(struct rte_mbuf *packet);

int tt_xdp_attached(unsigned int ifindex, char *name, size_t len);
int tt_xdp_detach(unsigned int ifindex);
int tt_xdp_map(unsigned int ifindex, const char *map);
int tt_map_put(int map, const struct tt_prefix *prefix);
int tt_map_remove(int map, const struct tt_prefix *prefix);

#endif
