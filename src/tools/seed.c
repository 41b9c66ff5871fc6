/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hand-over.h"

#include "qemu-options.h"

#include <errno.h>
#include <glib/gstdio.h>

#define FIRST_LINE                                                                                 \
    "# macvtap-run writes this file at each start; to keep your own, delete this line.\n"

/* What a reader finds there: the old file or the new one, whole. */
static gboolean
write_file(const char *folder, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_set_contents(path, text, -1, error);
}

static gboolean
write_if_missing(const char *folder, const char *name, const char *text, GError **error)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);

    return g_file_test(path, G_FILE_TEST_EXISTS) || write_file(folder, name, text, error);
}

gboolean
seed_has_own_config(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "network-config", NULL);
    g_autofree char *text = NULL;

    return g_file_test(path, G_FILE_TEST_EXISTS) &&
           !(g_file_get_contents(path, &text, NULL, NULL) && g_str_has_prefix(text, FIRST_LINE));
}

gboolean
seed_write(const char *folder, const char *name, const char *network_config, gboolean *ret_kept,
           GError **error)
{
    g_autofree char *config = g_strconcat(FIRST_LINE, network_config, NULL);
    g_autofree char *meta =
        g_strdup_printf("instance-id: \"%s\"\nlocal-hostname: \"%s\"\n", name, name);
    gboolean kept;

    if (g_mkdir(folder, 0777) < 0 && errno != EEXIST) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "cannot make %s: %s",
                    folder, g_strerror(errno));
        return FALSE;
    }
    kept = seed_has_own_config(folder);
    if ((!kept && !write_file(folder, "network-config", config, error)) ||
        !write_if_missing(folder, "meta-data", meta, error) ||
        !write_if_missing(folder, "user-data", "#cloud-config\n", error))
        return FALSE;
    *ret_kept = kept;
    return TRUE;
}

GStrv
seed_arguments(const char *folder, const char *const *command, GError **error)
{
    const char *card = qemu_options_network_device(command, error);
    g_auto(GStrv) parts = g_strsplit(folder, ",", -1);
    g_autofree char *escaped = g_strjoinv(",,", parts);
    gboolean is_mmio;
    GPtrArray *words;

    if (!card)
        return NULL;
    /* With if=virtio it comes behind all disks of the user's, whose names in the guest (vda) then
     * stay; but QEMU knows no other bus than PCI and CCW for it. */
    is_mmio = g_str_has_suffix(card, "-device");
    words = g_ptr_array_new();
    g_ptr_array_add(words, g_strdup("-drive"));
    g_ptr_array_add(words, g_strdup_printf("if=%s,id=macvtap-seed,format=raw,read-only=on,"
                                           "file.driver=vvfat,file.label=CIDATA,file.dir=%s",
                                           is_mmio ? "none" : "virtio", escaped));
    if (is_mmio) {
        g_ptr_array_add(words, g_strdup("-device"));
        g_ptr_array_add(words, g_strdup("virtio-blk-device,drive=macvtap-seed"));
    }
    g_ptr_array_add(words, NULL);
    return (GStrv)g_ptr_array_free(words, FALSE);
}
