/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-options.h"

#include <string.h>
#include <sys/utsname.h>

typedef struct MachineRow {
    const char *architecture, *machine; /* patterns of g_pattern_match_simple() */
    const char *device;                 /* NULL: no bus for a network card that the user adds */
} MachineRow;

/* The first matching row applies. Machines of QEMU 7.2 (hw/ARCH/); "" is an architecture's default.
 * Any other machine has PCI, or QEMU reports an error. */
static const MachineRow machine_rows[] = {
    {"*", "none", NULL},
    {"s390*", "*", "virtio-net-ccw"},
    {"*", "microvm*", "virtio-net-device"},
    {"x86_64-microvm", "*", "virtio-net-device"},
    {"*", "isapc", "ne2k_isa"},
    {"*", "raspi*", NULL},
    {"*", "vexpress-*", "virtio-net-device"},
    {"*", "xlnx-versal-virt", "virtio-net-device"},
    {"*", "xlnx-zcu102", NULL},
    {"*", "xilinx-zynq-a9", NULL},
    {"*", "mps2-*", NULL},
    {"*", "mps3-*", NULL},
    {"*", "cubieboard", NULL},
    {"*", "orangepi-pc", NULL},
    {"riscv*", "", NULL},
    {"riscv*", "spike*", NULL},
    {"*", "sifive_*", NULL},
    {"*", "microchip-icicle-kit", NULL},
    {"*", "opentitan", NULL},
    {"*", "shakti_c", NULL},
    {"m68k", "virt*", "virtio-net-device"},
    {"m68k", "*", NULL},
    {"*", "*", "virtio-net-pci"},
};

typedef struct MachinePattern {
    const char *architecture, *machine; /* "": the default one */
} MachinePattern;

/* Machines that create no network device unless asked. */
static const MachinePattern bare_machines[] = {
    {"x86_64*", "*"}, {"i386", "*"},     {"s390x", "*"},    {"*", "virt"},       {"*", "virt-*"},
    {"ppc64*", ""},   {"*", "pseries*"}, {"*", "sbsa-ref"}, {"*", "vexpress-*"},
};

/* Machines whose PCI bus "pcie.0" is a chipset's. */
static const MachinePattern express_machines[] = {
    {"x86_64", "q35*"},   {"x86_64", "pc-q35*"}, {"i386", "q35*"},    {"i386", "pc-q35*"},
    {"aarch64", "virt*"}, {"arm", "virt*"},      {"riscv*", "virt*"}, {"loongarch64", "virt*"},
};

char *
qemu_option_value(const char **text)
{
    g_autoptr(GString) value = g_string_new(NULL);
    const char *c = *text;

    for (; *c && (*c != ',' || c[1] == ','); c++) {
        if (*c == ',')
            c++;
        g_string_append_c(value, *c);
    }
    *text = *c ? c + 1 : c;
    return g_string_free(g_steal_pointer(&value), FALSE);
}

gboolean
qemu_option_is(const char *argument, const char *name)
{
    if (argument[0] != '-')
        return FALSE;
    return g_str_equal(argument + (argument[1] == '-' ? 2 : 1), name);
}

/* The value of key=VALUE in text, or its first value without a key; NULL: neither. The last one
 * wins. Free with g_free(). */
static char *
find_value(const char *text, const char *key)
{
    g_autofree char *found = NULL;

    for (gboolean first = TRUE; *text; first = FALSE) {
        gsize length = strcspn(text, "=,");
        gboolean wanted;

        if (text[length] == '=') {
            wanted = strlen(key) == length && strncmp(text, key, length) == 0;
            text += length + 1;
        } else {
            wanted = first;
        }
        {
            g_autofree char *value = qemu_option_value(&text);

            if (wanted) {
                g_free(found);
                found = g_steal_pointer(&value);
            }
        }
    }
    return g_steal_pointer(&found);
}

/* The value of key in the last -option (or -alias) that has it. */
static char *
find_last(const char *const *command, const char *option, const char *alias, const char *key)
{
    g_autofree char *found = NULL;

    for (guint i = 1; command[0] && command[i] && command[i + 1]; i++) {
        g_autofree char *value = NULL;

        if (!qemu_option_is(command[i], option) && !qemu_option_is(command[i], alias))
            continue;
        value = find_value(command[++i], key);
        if (value) {
            g_free(found);
            found = g_steal_pointer(&value);
        }
    }
    return g_steal_pointer(&found);
}

char *
qemu_options_guest_name(const char *const *command)
{
    g_autofree char *name = find_last(command, "name", "name", "guest");

    return name && name[0] ? g_steal_pointer(&name) : NULL;
}

/* The machine's architecture by the program's name; qemu-kvm's is the host's. */
static char *
find_architecture(const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    struct utsname system;

    if (g_str_has_prefix(name, "qemu-system-"))
        return g_strdup(name + strlen("qemu-system-"));
    return g_strdup(uname(&system) == 0 ? system.machine : "");
}

const char *
qemu_options_network_device(const char *const *command, GError **error)
{
    g_autofree char *architecture = find_architecture(command[0]);
    g_autofree char *machine = find_last(command, "machine", "M", "type");
    const MachineRow *row = machine_rows;

    while (!g_pattern_match_simple(row->architecture, architecture) ||
           !g_pattern_match_simple(row->machine, machine ? machine : ""))
        row++;
    if (!row->device)
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                    "QEMU's %s%s has no bus for virtio-net: say which network device it takes with"
                    " model=MODEL",
                    machine ? "machine " : "default machine for ",
                    machine ? machine : architecture);
    return row->device;
}

static gboolean
matches_any(const char *const *command, const MachinePattern *patterns, gsize n)
{
    g_autofree char *architecture = find_architecture(command[0]);
    g_autofree char *machine = find_last(command, "machine", "M", "type");

    for (gsize i = 0; i < n; i++) {
        if (g_pattern_match_simple(patterns[i].architecture, architecture) &&
            g_pattern_match_simple(patterns[i].machine, machine ? machine : ""))
            return TRUE;
    }
    return FALSE;
}

gboolean
qemu_options_machine_is_bare(const char *const *command)
{
    return matches_any(command, bare_machines, G_N_ELEMENTS(bare_machines));
}

gboolean
qemu_options_need_root_ports(const char *const *command)
{
    return matches_any(command, express_machines, G_N_ELEMENTS(express_machines));
}
