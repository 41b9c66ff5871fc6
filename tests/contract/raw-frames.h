/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Raw frames on a link (packet(7)), for tests that must see or say them. Linux only. */
#pragma once

#include "mac-address.h"

#include <glib.h>

/* A packet socket on the link, for every frame that comes in or goes out there; close it. */
int frame_open(const char *name);

/* Sends a whole frame. */
void frame_send(int fd, const void *frame, gsize length);

/* The next incoming frame's length; waits for one. */
gsize frame_receive(int fd, guint8 *frame, gsize size);

/* Writes a 60 byte frame of ethertype 0x88b5 (local experiments) that carries text; its length. */
gsize frame_text_frame(guint8 *frame, const MacAddress *to, const char *text);

/* Writes a router advertisement to all nodes: default route for an hour, and prefix/64 with which
 * to make addresses. prefix is its third 16-bit word: 2001:db8:PREFIX::/64. */
gsize frame_router_advertisement(guint8 *frame, guint16 prefix);

/* Writes QEMU's announcement of a guest that it has taken over: a broadcast RARP request of 60
 * bytes from its MAC. */
gsize frame_announcement(guint8 *frame, const MacAddress *mac);

/* Writes a broadcast ARP request for the IPv4 address 192.0.2.last. */
gsize frame_arp_request(guint8 *frame, guint8 last);
