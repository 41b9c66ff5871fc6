/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The libvirt QEMU hook's process: arguments and domain XML in, exit status, one line on stderr
 * (what virsh shows) and perhaps another XML out. What it does is in src/libvirt/hook.c.
 *
 * It runs for every domain of the host: one without our metadata costs reading its XML.
 */
#include "hook-state.h"
#include "hook.h"

#include "descriptor.h"
#include "output.h"
#include "privileges.h"

#include <string.h>
#include <unistd.h>

static void
say(const char *text)
{
    g_autofree char *line = g_strdup(text);

    g_printerr("macvtapd: %s\n", g_strdelimit(line, "\r\n", ' '));
}

static GString *
read_input(void)
{
    GString *text = g_string_new(NULL);
    char buffer[16384];
    ssize_t n;

    while ((n = read(STDIN_FILENO, buffer, sizeof buffer)) > 0)
        g_string_append_len(text, buffer, n);
    return text;
}

static gboolean
run(const HookOperation *operation, DomainXml *domain, int state_folder, GError **error)
{
    g_auto(Hook) hook = {.state_folder = -1};
    g_autofree char *mark = hook_state_file(domain->uuid, HOOK_STATE_SLOW);
    gboolean good;

    hook_init(&hook, domain, state_folder);
    deadline_set_mark(hook.state_folder, mark);
    good = operation->run(&hook, error);
    deadline_set_mark(-1, NULL);
    if (!good || !hook.output)
        return good;
    g_print("%s", hook.output);
    return output_finish(error);
}

int
main(int argc, char **argv)
{
    const HookOperation *operation = argc > 2 ? hook_operation_find(argv[2]) : NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = NULL;
    g_autofree char *late = NULL;
    AUTO_FD int state_folder = -1;
    DomainXml *domain;

    if (!descriptor_fill_standard())
        return operation && operation->must;
    output_start();
    /* libvirt's hooks run as root, but this one needs no power over other users. Failing to drop it
     * must not fail a domain either. */
    capabilities_keep(0, NULL);
    if (argc < 3) {
        say("this is libvirt's hook for QEMU domains: libvirt calls it");
        return 2;
    }
    if (!operation)
        return 0;
    late = g_strdup_printf("macvtapd: the daemon did not answer within %u ms: is it hanging?\n",
                           operation->milliseconds);
    deadline_start(operation->milliseconds, operation->must, late);
    state_folder = hook_open_state();
    hook_state_stamp(state_folder);
    text = read_input();
    if (!domain_xml_concerns_us(text->str, text->len))
        return 0;
    domain = domain_xml_parse(text->str, text->len, &error);
    if (domain && run(operation, domain, g_steal_fd(&state_folder), &error))
        return 0;
    say(error->message);
    return operation->must;
}
