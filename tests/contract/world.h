/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The ground that the contract of src/kernel/ops.h is tested on, with two implementations that are
 * linked to the same test bodies: world-fake.c and world-linux.c. Names given here are those of
 * links that stand for the host's own.
 */
#pragma once

#include "cmocka-all.h"
#include "ops.h"

/* The body of a program: its tests, run one after the other, each on a new world. */
extern const struct CMUnitTest contract_tests[];
extern const gsize n_contract_tests;

/* Fixtures: a new world has lo and the parent "up0", up and with carrier. */
int world_setup(void **state);
int world_teardown(void **state);

#define WORLD_TEST(function) cmocka_unit_test_setup_teardown(function, world_setup, world_teardown)

extern Kernel *world_kernel;

/* A further one of the same world; Linux only. Free it with kernel_free(). */
Kernel *world_kernel_new(void);

LinkInfo world_link(const char *name);
guint world_link_count(void);

void world_set_mac(const char *name, const char *mac);
void world_add_altname(const char *name, const char *altname);
void world_set_mtu(const char *name, guint mtu);
void world_set_up(const char *name, gboolean up);

/* The administrator writes 0 to the link's disable_ipv6. */
void world_enable_ipv6(const char *name);

void world_make_bridge_port(const char *name);
void world_remove(const char *name);

/* "bond0" in mode active-backup with the slaves up0 (active) and, new, up2. */
void world_make_bond(void);

/* A macvlan in bridge mode, up, on a link with carrier in another network namespace. */
void world_make_macvlan_of_elsewhere(const char *name);

/* Moves the link into another network namespace, and back; whether a link of this name is there. */
void world_move_away(const char *name);
void world_bring_back(const char *name);
gboolean world_is_away(const char *name);

/* A socket in a new network namespace, which ends when the socket is closed. */
int world_socket_of_elsewhere(void);
void world_close_elsewhere(int socket_fd);

/* Pulls and plugs the cable of up0 or up2. */
void world_set_carrier(const char *name, gboolean carrier);

/* QEMU on another host announces a guest with this MAC; it comes in at up0. Not to_all: to up0
 * alone, which is no announcement. */
void world_announce(const MacAddress *mac, gboolean to_all);

/* Another host on up0's wire listens from now on; it receives n announcements, a GArray of
 * MacAddress, free it, and sends each frame back. */
void world_begin_to_hear(void);
GArray *world_hear(guint n);

/* The host's, as "192.0.2.1/24". */
void world_add_address(const char *name, const char *address);

void world_remove_address(const char *name, const char *address);

/* The administrator routes something over this next hop on the link; enters a neighbour; removes
 * the route to this address alone. */
void world_add_gateway(const char *name, const char *gateway);
void world_set_neighbour(const char *name, const char *address, const char *mac);
void world_remove_route(const char *name, const char *address);

/* A station behind up0 answers a probe for this IPv4 address. */
void world_answer(const char *address, const MacAddress *mac);

/* The addresses for which the host answers on a host link, of IpAddress; free with g_array_unref().
 */
GArray *world_proxies(const char *name);

/* A loaded program that lets everything pass. */
LinkProgram world_program(void);

/* The administrator takes the link's filters away. */
void world_remove_filters(const char *name);

/* The same for its pace. */
void world_remove_pace(const char *name);

/* Whoever has a queue of this macvtap sends a frame. */
void world_transmit(const char *name);

/* A frame for this MAC comes in at up0; in is the link that gets it. */
void world_receive(const char *in, const MacAddress *to);

/* An ifindex for this program alone: /dev/tap<index> is the whole machine's, where others may be
 * running the same test. */
int world_index(void);

/* Who has the character device /dev/tap<index>, mode 0600; FALSE when nothing is there. */
gboolean world_node(int index, uid_t *ret_user);

/* From now on /dev is an empty folder without devtmpfs, where nodes neither come nor go. Something
 * that is not ours at /dev/tap<index> of it. */
void world_lose_devtmpfs(void);
void world_put_node(int index);

/* The sources of a macvtap: six octets each, sorted. */
GByteArray *world_sources(const char *name);

/* Gives up every queue, and so removes its node. */
void world_forget_queues(Kernel *kernel);

/* The daemon ends, as by SIGKILL, and another begins. */
void world_restart(void);

/* A spec for a macvtap of this name on up0: bridge mode, MAC 52:54:00:00:00:last. */
MacvtapSpec world_spec(const char *name, guint8 last);

/* Makes it, and fails the test if that fails. */
LinkInfo world_create(const MacvtapSpec *spec);

/* Expects making it to fail with errnum, and that nothing is left. */
void world_create_fails(const MacvtapSpec *spec, int errnum);

void assert_links_equal(const LinkInfo *a, const LinkInfo *b);
void assert_errno(GError **error, int errnum); /* and frees it */
