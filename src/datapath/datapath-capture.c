/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "datapath-private.h"

#include "capture-map.h"

#include "error.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/mman.h>

/* The most frames to read before other sources of the loop get their turn. They have a higher
 * priority anyway: captures use what time the daemon has left. */
enum { FRAMES_PER_TURN = 64 };

enum {
    MACS = 12, /* the two addresses before a VLAN tag */
    TAG = 4,
};

G_STATIC_ASSERT((guint)DATAPATH_FRAME_SENT == CAPTURE_SENT);
G_STATIC_ASSERT((guint)DATAPATH_FRAME_RECEIVED == CAPTURE_RECEIVED);
G_STATIC_ASSERT((guint)DATAPATH_FRAME_DROPPED == CAPTURE_DROPPED);
G_STATIC_ASSERT(DATAPATH_CAPTURE_MOST == CAPTURE_BYTES);

struct DatapathCaptures {
    int ring_fd;
    struct capture_table *table;
    guint64 lost_before[CAPTURE_SLOTS]; /* the slot's counter when its port got it */
    struct ring_buffer *ring;
    GSource *source;
    const DatapathFrameHandler *handler;
    gpointer user_data;
    guint n_frames; /* read in this turn */
    guint8 tagged[CAPTURE_BYTES + TAG];
};

DatapathCaptures *
datapath_captures_new(int table_fd, int ring_fd, GError **error)
{
    void *table =
        mmap(NULL, sizeof(struct capture_table), PROT_READ | PROT_WRITE, MAP_SHARED, table_fd, 0);
    DatapathCaptures *captures;

    if (table == MAP_FAILED) {
        error_set_errno(error, errno, "cannot map the table of captures");
        return NULL;
    }
    captures = g_new0(DatapathCaptures, 1);
    captures->ring_fd = ring_fd;
    captures->table = table;
    return captures;
}

void
datapath_captures_free(DatapathCaptures *captures)
{
    if (!captures)
        return;
    if (captures->source) {
        g_source_destroy(captures->source);
        g_source_unref(captures->source);
    }
    ring_buffer__free(captures->ring);
    munmap(captures->table, sizeof *captures->table);
    g_free(captures);
}

/* ---- slots ---- */

static struct capture_slot *
find_slot(DatapathCaptures *captures, int index)
{
    for (guint i = 0; i < CAPTURE_SLOTS; i++) {
        if (captures->table->slots[i].ifindex == (guint)index)
            return &captures->table->slots[i];
    }
    return NULL;
}

/* All ports get the same part of the ring, and at least the largest record, without which no large
 * frame would ever be copied. */
static void
share_ring(DatapathCaptures *captures)
{
    guint64 part = CAPTURE_RING / MAX(captures->table->active, 1);
    guint64 credit = MAX(part, CAPTURE_RECORD_MAX);

    for (guint i = 0; i < CAPTURE_SLOTS; i++)
        __atomic_store_n(&captures->table->slots[i].credit, credit, __ATOMIC_RELAXED);
}

static void
end_slot(DatapathCaptures *captures, struct capture_slot *slot)
{
    __atomic_store_n(&slot->kinds, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->ifindex, 0, __ATOMIC_RELEASE);
    /* After that: a program which sees the next generation does not see the old port. */
    __atomic_store_n(&slot->generation, slot->generation + 1, __ATOMIC_RELEASE);
    captures->table->active--;
    share_ring(captures);
}

static struct capture_slot *
begin_slot(DatapathCaptures *captures, GError **error)
{
    struct capture_slot *slot = find_slot(captures, 0);

    if (!slot) {
        g_set_error(error, ERRNO_ERROR, ENOSPC, "%d ports are already captured", CAPTURE_SLOTS);
        return NULL;
    }
    captures->lost_before[slot - captures->table->slots] = slot->lost;
    slot->generation++;
    captures->table->active++;
    share_ring(captures);
    return slot;
}

gboolean
datapath_captures_set(DatapathCaptures *captures, const DatapathCapture *wanted, GError **error)
{
    struct capture_slot *slot = find_slot(captures, wanted->index);

    if (wanted->kinds == 0) {
        if (slot)
            end_slot(captures, slot);
        return TRUE;
    }
    if (!slot)
        slot = begin_slot(captures, error);
    if (!slot)
        return FALSE;
    slot->most = CLAMP(wanted->most, 1, DATAPATH_CAPTURE_MOST);
    __atomic_store_n(&slot->is_paused, (guint32)wanted->is_paused, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->kinds, wanted->kinds, __ATOMIC_RELEASE);
    __atomic_store_n(&slot->ifindex, (guint32)wanted->index, __ATOMIC_RELEASE);
    return TRUE;
}

guint64
datapath_captures_lost(DatapathCaptures *captures, int index)
{
    const struct capture_slot *slot = find_slot(captures, index);

    return slot ? slot->lost - captures->lost_before[slot - captures->table->slots] : 0;
}

/* ---- frames ---- */

/* The frame's bytes as they are on the wire: with the tag that the kernel keeps beside them. */
static const guint8 *
put_tag_in(DatapathCaptures *captures, const struct capture_frame *head, gsize *n_bytes)
{
    const guint8 *bytes = (const guint8 *)(head + 1);
    const guint16 tag = GUINT16_TO_BE(head->tag);

    if (!head->has_tag || *n_bytes < MACS)
        return bytes;
    memcpy(captures->tagged, bytes, MACS);
    memcpy(captures->tagged + MACS, &head->tag_protocol, 2);
    memcpy(captures->tagged + MACS + 2, &tag, 2);
    memcpy(captures->tagged + MACS + TAG, bytes + MACS, *n_bytes - MACS);
    *n_bytes += TAG;
    return captures->tagged;
}

static void
pass_frame(DatapathCaptures *captures, const struct capture_frame *head)
{
    const struct capture_slot *slot = &captures->table->slots[head->slot];
    gsize n_bytes = head->copied;
    const guint8 *bytes = put_tag_in(captures, head, &n_bytes);
    const DatapathFrame frame = {
        .index = (int)slot->ifindex,
        .kind = (DatapathFrameKind)head->kind,
        .has_reason = head->reason > 0,
        .reason = head->reason - 1,
        .time = head->time,
        .lost = head->lost - captures->lost_before[head->slot],
        .length = head->length + (head->has_tag ? TAG : 0),
        .bytes = bytes,
        .n_bytes = n_bytes,
    };

    captures->handler->frame(&frame, captures->user_data);
}

/* A negative value ends ring_buffer__consume(); this record has been consumed. */
static int
on_record(void *context, void *data, size_t size)
{
    DatapathCaptures *captures = context;
    const struct capture_frame *head = data;
    struct capture_slot *slot;

    if (size >= sizeof *head && head->slot < CAPTURE_SLOTS) {
        slot = &captures->table->slots[head->slot];
        if (slot->ifindex != 0 && slot->generation == head->generation)
            pass_frame(captures, head);
        __atomic_fetch_add(&slot->consumed, size + 8, __ATOMIC_RELEASE);
    }
    return ++captures->n_frames % FRAMES_PER_TURN == 0 ? -EAGAIN : 0;
}

static gboolean
on_readable(gint fd, GIOCondition condition, gpointer user_data)
{
    DatapathCaptures *captures = user_data;

    captures->n_frames = 0;
    ring_buffer__consume(captures->ring);
    captures->handler->turn_over(captures->user_data);
    return G_SOURCE_CONTINUE;
}

gboolean
datapath_captures_watch(DatapathCaptures *captures, const DatapathFrameHandler *handler,
                        gpointer user_data, GError **error)
{
    captures->handler = handler;
    captures->user_data = user_data;
    captures->ring = ring_buffer__new(captures->ring_fd, on_record, captures, NULL);
    if (!captures->ring)
        return error_set_errno(error, errno, "cannot read captured frames");
    captures->source = g_unix_fd_source_new(ring_buffer__epoll_fd(captures->ring), G_IO_IN);
    g_source_set_callback(captures->source, G_SOURCE_FUNC(on_readable), captures, NULL);
    g_source_set_priority(captures->source, G_PRIORITY_LOW);
    g_source_set_name(captures->source, "captures");
    g_source_attach(captures->source, g_main_context_get_thread_default());
    return TRUE;
}
