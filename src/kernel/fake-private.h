/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the fake share. For them alone. */
#pragma once

#include "fake.h"

typedef struct FakeLink {
    LinkInfo info;
    gboolean nopromisc;
    MacAddress restored_mac; /* passthru: what the parent gets back when this link goes */
} FakeLink;

typedef struct FakeKernel {
    Kernel kernel;       /* first member: the operations */
    GPtrArray *links;    /* of FakeLink, in order of making */
    GPtrArray *monitors; /* of FakeMonitor */
    GArray *failures;    /* of FakeFailure */
    int next_index;
} FakeKernel;

static inline FakeKernel *
fake_kernel(Kernel *kernel)
{
    return (FakeKernel *)kernel;
}

/* fake.c. Whether the operation has to fail now; then *error is set. */
gboolean fake_fails(FakeKernel *kernel, const char *operation, GError **error);
FakeLink *fake_find(FakeKernel *kernel, int index);
FakeLink *fake_find_name(FakeKernel *kernel, const char *name);
FakeLink *fake_add(FakeKernel *kernel, const LinkInfo *info);
void fake_remove(FakeKernel *kernel, FakeLink *link);

/* fake-monitor.c. fake_tell() queues the event for every monitor. */
void fake_tell(FakeKernel *kernel, LinkEventType type, const LinkInfo *link);
gboolean fake_monitor(Kernel *base, LinkEventHandler handler, gpointer user_data, GError **error);
void fake_monitor_free(gpointer data);

/* fake-macvtap.c. What macvlan.c of the kernel does. */
gboolean fake_macvtap_create(Kernel *base, const MacvtapSpec *spec, LinkInfo *ret_link,
                             GError **error);
gboolean fake_set_mac(Kernel *base, int index, const MacAddress *mac, GError **error);
void fake_parent_changed(FakeKernel *kernel, const FakeLink *parent);
void fake_macvlan_removed(FakeKernel *kernel, const FakeLink *link);
