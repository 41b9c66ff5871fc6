/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vmm-start.h"

#include "hand-over.h"
#include "vmm-arguments.h"

#include "descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static void
clear_vmm_port(gpointer data)
{
    VmmPort *port = data;

    g_clear_pointer(&port->taps, g_array_unref);
    g_clear_pointer(&port->vhosts, g_array_unref);
    hand_over_free((HandOver *)port->hand_over);
}

/* A VmmPort for each option, filled in from the option. */
static GArray *
describe_options(const VmmStart *start)
{
    GArray *ports = g_array_new(FALSE, TRUE, sizeof(VmmPort));

    g_array_set_clear_func(ports, clear_vmm_port);
    for (guint i = 0; i < start->options->len; i++) {
        const NetworkOption *option = &g_array_index(start->options, NetworkOption, i);
        VmmPort port = {
            .label = network_option_label(option),
            .is_port = option->port != NULL,
            .mac = option->mac,
            .interface_name = option->interface_name,
            .model = option->model,
            .bus = option->bus,
            .mtu = option->mtu,
            .other_mac = !option->check_mac,
            .taps = descriptor_array_new(),
            .vhosts = descriptor_array_new(),
        };

        g_array_append_val(ports, port);
    }
    return ports;
}

static void
append_unknown(GArray *numbers, gsize n)
{
    const int unknown = -1;

    for (gsize i = 0; i < n; i++)
        g_array_append_val(numbers, unknown);
}

static void
plan_port(const NetworkOption *option, VmmPort *port)
{
    guint n = MAX(option->queues, 1);

    port->is_plan = TRUE;
    append_unknown(port->taps, n);
    append_unknown(port->vhosts, g_strcmp0(option->vhost, "require") == 0 ? n : 0);
}

/* The folder of the one seed=, or NULL; FALSE if there are several. */
static gboolean
find_seed(const VmmStart *start, const char **ret_folder, GError **error)
{
    const char *folder = NULL;

    for (guint i = 0; i < start->options->len; i++) {
        const char *seed = g_array_index(start->options, NetworkOption, i).seed;

        if (!seed)
            continue;
        if (folder || !seed[0]) {
            g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s",
                        folder ? "seed= is given twice; one disk tells the guest of all its ports"
                               : "seed= must name a folder");
            return FALSE;
        }
        folder = seed;
    }
    *ret_folder = folder;
    return TRUE;
}

/* The arguments (taken), with the disk of the seed. */
static GStrv
add_seed(GStrv arguments, const char *folder, GError **error)
{
    g_auto(GStrv) taken = arguments, disk = NULL;
    const char *closer;
    int qemu = vmm_command_find_qemu((const char *const *)taken, &closer);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();

    if (qemu < 0) {
        g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                            "seed= adds a disk to QEMU, and the command starts none; macvtapctl"
                            " port cloud-init prints what the guest needs");
        return NULL;
    }
    disk = seed_arguments(folder, (const char *const *)taken + qemu, error);
    if (!disk)
        return NULL;
    g_strv_builder_addv(builder, (const char **)taken);
    g_strv_builder_addv(builder, (const char **)disk);
    return g_strv_builder_end(builder);
}

static GStrv
expand_and_check(const VmmStart *start, const GArray *ports, VmmUse *uses, GError **error)
{
    const VmmPort *described = (const VmmPort *)ports->data;
    g_auto(GStrv) arguments =
        vmm_arguments_expand(start->command, described, ports->len, uses, error);

    const char *folder;

    if (!arguments ||
        !vmm_arguments_check((const char *const *)arguments, described, ports->len, uses, error) ||
        !find_seed(start, &folder, error))
        return NULL;
    return folder ? add_seed(g_steal_pointer(&arguments), folder, error)
                  : g_steal_pointer(&arguments);
}

GStrv
vmm_start_plan(const VmmStart *start, GError **error)
{
    g_autoptr(GArray) ports = describe_options(start);
    g_autofree VmmUse *uses = g_new0(VmmUse, ports->len);

    for (guint i = 0; i < ports->len; i++)
        plan_port(&g_array_index(start->options, NetworkOption, i),
                  &g_array_index(ports, VmmPort, i));
    return expand_and_check(start, ports, uses, error);
}

/* Keeps a descriptor open across execve(2). */
static gboolean
pass_on(int fd, GArray *numbers, GError **error)
{
    g_array_append_val(numbers, fd);
    if (fd >= 0 && fcntl(fd, F_SETFD, 0) == 0)
        return TRUE;
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "descriptor %d: %s", fd,
                g_strerror(errno));
    return FALSE;
}

gboolean
vmm_start_look_up(MacvtapClient *client, const GPtrArray *ports, GPtrArray **ret_networks,
                  GError **error)
{
    GPtrArray *networks = NULL;
    gboolean any = FALSE;

    for (guint i = 0; i < ports->len; i++)
        any |= port_text(ports->pdata[i], "addresses")[0] != '\0';
    if (any && !(networks = ask_networks(client, error)))
        return FALSE;
    *ret_networks = networks;
    return TRUE;
}

static const MacvtapNetwork *
find_network(const VmmStart *start, const MacvtapPort *port)
{
    const char *name = macvtap_port_get_network(port);

    for (guint i = 0; start->networks && i < start->networks->len; i++) {
        if (g_str_equal(macvtap_network_get_name(start->networks->pdata[i]), name))
            return start->networks->pdata[i];
    }
    return NULL;
}

/* *ret_kept: the folder whose network-config the user wrote, which stays; NULL otherwise. */
static gboolean
write_seed(const VmmStart *start, const GArray *ports, const char **ret_kept, GError **error)
{
    g_autofree const HandOver **leases = g_new(const HandOver *, ports->len);
    const char *folder;
    g_autofree char *yaml = NULL;
    json_t *config;
    gboolean kept;

    *ret_kept = NULL;
    if (!find_seed(start, &folder, error))
        return FALSE;
    if (!folder)
        return TRUE;
    for (guint i = 0; i < ports->len; i++) {
        leases[i] = g_array_index(ports, VmmPort, i).hand_over;
        if (!seed_has_own_config(folder) &&
            !hand_over_is_known(leases[i], "network-config for seed=", error))
            return FALSE;
    }
    config = hand_over_network_config(leases, ports->len);
    yaml = hand_over_to_yaml(config);
    json_decref(config);
    if (!seed_write(folder, leases[0]->port, yaml, &kept, error))
        return FALSE;
    *ret_kept = kept ? folder : NULL;
    return TRUE;
}

static void
describe_port(const VmmStart *start, const MacvtapPort *port, VmmPort *vmm_port)
{
    const char *interface_name = macvtap_port_get_interface_name(port);

    vmm_port->mac = macvtap_port_get_mac_address(port);
    vmm_port->interface_name = interface_name[0] ? interface_name : NULL;
    vmm_port->mtu = macvtap_port_get_mtu(port);
    vmm_port->hand_over = hand_over_new(port, find_network(start, port));
}

/* Its descriptors stay its own. */
static void
foresee_port(const MacvtapPort *port, VmmPort *vmm_port)
{
    gsize n_taps = macvtap_port_get_n_taps(port), n_vhosts = macvtap_port_get_n_vhosts(port);

    if (n_taps == 0) {
        n_taps = macvtap_port_get_queues(port);
        n_vhosts = macvtap_port_get_vhost(port) == MACVTAP_VHOST_REQUIRE ? n_taps : 0;
    }
    append_unknown(vmm_port->taps, n_taps);
    append_unknown(vmm_port->vhosts, n_vhosts);
}

gboolean
vmm_start_check(const VmmStart *start, GError **error)
{
    g_autoptr(GArray) ports = describe_options(start);
    g_autofree VmmUse *uses = g_new0(VmmUse, ports->len);
    g_auto(GStrv) arguments = NULL;
    const char *kept;

    for (guint i = 0; i < ports->len; i++) {
        VmmPort *vmm_port = &g_array_index(ports, VmmPort, i);

        describe_port(start, start->ports->pdata[i], vmm_port);
        foresee_port(start->ports->pdata[i], vmm_port);
    }
    arguments = expand_and_check(start, ports, uses, error);
    return arguments && write_seed(start, ports, &kept, error);
}

static gboolean
take_port(MacvtapPort *port, VmmPort *vmm_port, GError **error)
{
    for (guint i = 0; i < macvtap_port_get_n_taps(port); i++) {
        if (!pass_on(macvtap_port_take_tap(port, i), vmm_port->taps, error))
            return FALSE;
    }
    for (guint i = 0; i < macvtap_port_get_n_vhosts(port); i++) {
        if (!pass_on(macvtap_port_take_vhost(port, i), vmm_port->vhosts, error))
            return FALSE;
    }
    return TRUE;
}

/* Whether an argument contains the MTU in digits, as host_mtu=9000. */
static gboolean
says_mtu(GStrv arguments, guint mtu)
{
    g_autofree char *digits = g_strdup_printf("%u", mtu);

    for (guint i = 0; arguments[i]; i++) {
        const char *option = strstr(arguments[i], "mtu");

        if (option && strstr(option, digits))
            return TRUE;
    }
    return FALSE;
}

/* A card other than virtio cannot tell its guest the MTU. */
static void
warn_of_mtu(const VmmPort *port, const VmmUse *use, GStrv arguments)
{
    const char *kind = port->is_port ? "port" : "network";

    if (port->mtu != VMM_DEFAULT_MTU && !use->mtu && !says_mtu(arguments, port->mtu))
        g_printerr("%s: the MTU of %s %s is %u, and the command does not tell the guest: set it"
                   " there, or use a virtio device with host_mtu={mtu}\n",
                   g_get_prgname(), kind, port->label, port->mtu);
}

static void
say_port(const MacvtapPort *port, const VmmPort *vmm_port)
{
    g_printerr("%s: port %s on network %s: %s, MAC %s, MTU %u, %u queue%s%s\n", g_get_prgname(),
               macvtap_port_get_name(port), macvtap_port_get_network(port),
               vmm_port->interface_name, vmm_port->mac, vmm_port->mtu, vmm_port->taps->len,
               vmm_port->taps->len > 1 ? "s" : "", vmm_port->vhosts->len > 0 ? ", vhost-net" : "");
}

static void
say_start(const VmmStart *start, const GArray *ports, GStrv arguments)
{
    g_autofree char *command = vmm_arguments_quote((const char *const *)arguments);

    for (guint i = 0; i < ports->len; i++)
        say_port(start->ports->pdata[i], &g_array_index(ports, VmmPort, i));
    g_printerr("%s: starting %s\n", g_get_prgname(), command);
}

int
vmm_start_become(const VmmStart *start, const char *program, int failure, GError **error)
{
    g_autoptr(GArray) ports = describe_options(start);
    g_autofree VmmUse *uses = g_new0(VmmUse, ports->len);
    g_auto(GStrv) arguments = NULL;
    const char *kept;
    int status;

    for (guint i = 0; i < ports->len; i++) {
        VmmPort *vmm_port = &g_array_index(ports, VmmPort, i);

        describe_port(start, start->ports->pdata[i], vmm_port);
        if (!take_port(start->ports->pdata[i], vmm_port, error))
            return failure;
    }
    arguments = expand_and_check(start, ports, uses, error);
    if (!arguments || !write_seed(start, ports, &kept, error))
        return failure;
    if (kept)
        g_printerr("%s: note: %s/network-config is your own, and stays as it is\n", g_get_prgname(),
                   kept);
    for (guint i = 0; i < ports->len; i++)
        warn_of_mtu(&g_array_index(ports, VmmPort, i), &uses[i], arguments);
    if (start->verbose)
        say_start(start, ports, arguments);
    execv(program, arguments);
    status = errno == ENOENT ? VMM_START_NOT_FOUND : VMM_START_NOT_EXECUTABLE;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "cannot execute %s: %s", program,
                g_strerror(errno));
    return status;
}

int
vmm_start_find_program(const char *command, char **ret_program, GError **error)
{
    g_autofree char *program = g_find_program_in_path(command);

    if (program) {
        *ret_program = g_steal_pointer(&program);
        return 0;
    }
    if (strchr(command, '/') && g_file_test(command, G_FILE_TEST_EXISTS)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s cannot be executed", command);
        return VMM_START_NOT_EXECUTABLE;
    }
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "there is no program %s", command);
    return VMM_START_NOT_FOUND;
}
