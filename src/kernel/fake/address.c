/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-private.h"

#include "error.h"

typedef struct FakeAddress {
    int index;
    char text[64];
} FakeAddress;

typedef struct FakeAddressWatch {
    AddressHandler handler;
    gpointer user_data;
    GMainContext *context;
    GQueue news;     /* of FakeAddress */
    GSource *source; /* NULL: nothing is queued */
} FakeAddressWatch;

void
fake_address_watch_free(gpointer data)
{
    FakeAddressWatch *watch = data;

    if (watch->source) {
        g_source_destroy(watch->source);
        g_source_unref(watch->source);
    }
    g_queue_clear_full(&watch->news, g_free);
    g_main_context_unref(watch->context);
    g_free(watch);
}

static gboolean
deliver(gpointer user_data)
{
    FakeAddressWatch *watch = user_data;
    FakeAddress *address;

    while ((address = g_queue_pop_head(&watch->news))) {
        watch->handler(address->index, address->text, watch->user_data);
        g_free(address);
    }
    g_clear_pointer(&watch->source, g_source_unref);
    return G_SOURCE_REMOVE;
}

static void
tell(FakeAddressWatch *watch, const FakeAddress *address)
{
    g_queue_push_tail(&watch->news, g_memdup2(address, sizeof *address));
    if (watch->source)
        return;
    watch->source = g_idle_source_new();
    g_source_set_priority(watch->source, G_PRIORITY_DEFAULT);
    g_source_set_callback(watch->source, deliver, watch, NULL);
    g_source_attach(watch->source, watch->context);
}

gboolean
fake_watch_addresses(Kernel *base, AddressHandler handler, gpointer user_data, GError **error)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeAddressWatch *watch;

    if (fake_fails(kernel, "watch_addresses", error))
        return FALSE;
    watch = g_new0(FakeAddressWatch, 1);
    watch->handler = handler;
    watch->user_data = user_data;
    watch->context = g_main_context_ref_thread_default();
    g_queue_init(&watch->news);
    for (guint i = 0; i < kernel->addresses->len; i++)
        tell(watch, kernel->addresses->pdata[i]);
    g_ptr_array_add(kernel->address_watches, watch);
    return TRUE;
}

void
kernel_fake_add_address(Kernel *base, int index, const char *text)
{
    FakeKernel *kernel = fake_kernel(base);
    FakeAddress *address = g_new0(FakeAddress, 1);

    g_return_if_fail(fake_find(kernel, index) != NULL);
    address->index = index;
    g_strlcpy(address->text, text, sizeof address->text);
    g_ptr_array_add(kernel->addresses, address);
    for (guint i = 0; i < kernel->address_watches->len; i++)
        tell(kernel->address_watches->pdata[i], address);
}

void
fake_addresses_vanish(FakeKernel *kernel, int index)
{
    for (guint i = kernel->addresses->len; i-- > 0;) {
        if (((const FakeAddress *)kernel->addresses->pdata[i])->index == index)
            g_ptr_array_remove_index(kernel->addresses, i);
    }
}
