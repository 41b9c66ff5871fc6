/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Network and mount namespaces for tests, and links in them. Everything here ends the program with
 * a message when it fails: a test cannot go on without the ground that it stands on.
 */
#pragma once

#include <glib.h>

/*
 * Moves the process into new network and mount namespaces with a sysfs of its own on /sys, and sets
 * lo up. Must come before any thread is started. Returns NULL, or the reason why this machine
 * cannot do it.
 */
const char *test_namespace_enter(void);

/*
 * Says as TAP that the whole program is skipped, and returns the exit status to end with: 0, or 1
 * if the environment has MACVTAPD_REQUIRE=1, which turns skips into failures.
 */
int test_skip_all(const char *reason);

/* A further network namespace; the descriptor holds it. The process stays where it is. */
int test_namespace_new(void);

/* Moves the thread into the network namespace of the descriptor; returns one of where it was. */
int test_namespace_switch(int fd);

/* Mounts a new tmpfs on which device nodes work on the folder path. */
void test_mount_dev(const char *path);

/* A pair of Ethernet links, both up. */
void test_veth_add(const char *name, const char *peer);

/* A bridge, up. */
void test_bridge_add(const char *name);

/* A macvtap in bridge mode with this ifindex (0: any), down; returns its index. */
int test_macvtap_add(const char *name, const char *parent, int index);

/* A macvlan in bridge mode on parent, down, in the network namespace of the descriptor. */
void test_macvlan_give(const char *name, const char *parent, int namespace);

/* Moves the link into the network namespace of the descriptor. */
void test_link_move(const char *name, int namespace);

/* master NULL: takes the link out of its bridge. */
void test_link_set_master(const char *name, const char *master);
void test_link_set_up(const char *name, gboolean up);
void test_link_set_mtu(const char *name, guint mtu);
void test_link_set_group(const char *name, guint group);
void test_link_set_mac(const char *name, const char *mac);
void test_link_set_name(const char *name, const char *new_name);
void test_link_add_altname(const char *name, const char *altname);
void test_link_delete(const char *name);

/* IFLA_GROUP of the link. */
guint test_link_group(const char *name);

/* What `ip -details link show` prints about the link; free with g_free(). */
char *test_link_show(const char *name);

/* An address as "192.0.2.1/24" for the link. */
void test_address_add(const char *name, const char *address);

/* How many addresses of family (AF_INET, AF_INET6) the link has. */
guint test_link_address_count(int index, int family);

/* How many IPv6 routes go out by the link, in all tables. */
guint test_ipv6_route_count(const char *name);

/* A blocking rtnetlink socket that hears of every change of an IPv6 address, or of a link. */
int test_address_monitor_open(void);
int test_link_monitor_open(void);

/* Reads from the link monitor until this link is removed, and returns the group it was in. */
guint test_removed_group(int monitor, int index);

/* Writes text into a file that exists, as those of /proc/sys. */
void test_write_file(const char *path, const char *text);
