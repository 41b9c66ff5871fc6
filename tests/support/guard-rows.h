/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The frame table: one row for each kind of frame, as a guest with guard_rows_settings() sends it.
 * The unit test judges them natively, the contract test starts from them, and test_guard_frames.py
 * sends them for real and writes docs/guard.md's table.
 */
#pragma once

#include "guard-map.h"

#include <glib.h>

typedef struct GuardRow {
    const char *name;
    int verdict; /* GUARD_ROW_PASSES or a GuardReason */
    int allow;   /* the GuardAllow bit that lets it pass; 0: none */
    /* What nwfilter's clean-traffic, neutron's OVS firewall, Incus and Proxmox do with it, P, D or
     * - (not looked at) each; NULL: not known. */
    const char *others;
    const char *hex; /* see guard-rows.c */
    /* NEEDS_CSUM of its virtio-net header; start 0: none is asked for. */
    guint16 start, offset;
} GuardRow;

enum { GUARD_ROW_PASSES = -1 };

/* The rows and their number. */
const GuardRow *guard_rows(guint *ret_count);

/* The frame of a row; free with g_byte_array_unref(). */
GByteArray *guard_row_frame(const GuardRow *row);

/* Frames that teach: what the port in the row's world gets. Name and hex, as above. */
const GuardRow *guard_rows_received(guint *ret_count);

/* The port that sends the rows: senders own, and its addresses listed. */
void guard_rows_settings(struct guard_settings *ret_settings);

/* A reason's name in the API; "" for GUARD_ROW_PASSES. */
const char *guard_row_reason(int verdict);
