/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "doctor.h"

#include "interface-name.h"

static void
finding_free(gpointer data)
{
    Finding *finding = data;

    g_free(finding->subject);
    g_free(finding->message);
    g_free(finding->remedy);
    g_free(finding);
}

Doctor *
doctor_new(const char *root, gboolean is_root)
{
    Doctor *doctor = g_new0(Doctor, 1);

    doctor->root = root;
    doctor->is_root = is_root;
    doctor->findings = g_ptr_array_new_with_free_func(finding_free);
    doctor->answer = macvtap_request_new(MACVTAP_METHOD_LIST_NETWORKS);
    return doctor;
}

void
doctor_free(Doctor *doctor)
{
    if (!doctor)
        return;
    g_free(doctor->release);
    g_free(doctor->ruleset);
    g_free(doctor->ruleset_problem);
    g_clear_pointer(&doctor->links, g_array_unref);
    g_clear_pointer(&doctor->kernel, kernel_free);
    g_clear_pointer(&doctor->addresses, g_array_unref);
    g_clear_pointer(&doctor->processes, g_array_unref);
    g_free(doctor->unreachable);
    g_clear_pointer(&doctor->networks, g_ptr_array_unref);
    g_clear_pointer(&doctor->ports, g_ptr_array_unref);
    macvtap_request_free(doctor->answer);
    g_ptr_array_unref(doctor->findings);
    g_free(doctor);
}

static gboolean
has_what_it_needs(const Doctor *doctor, guint needs)
{
    gboolean has_daemon = doctor->networks && doctor->ports;

    return !(needs & DOCTOR_NEEDS_DAEMON && !has_daemon) &&
           !(needs & DOCTOR_NEEDS_HERE && !(has_daemon && doctor->is_here && doctor->links)) &&
           !(needs & DOCTOR_NEEDS_ROOT && !doctor->is_root);
}

void
doctor_run(Doctor *doctor, const DoctorCheck *checks, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        doctor->check = &checks[i];
        if (has_what_it_needs(doctor, checks[i].needs))
            checks[i].run(doctor);
    }
}

/* Takes ownership of message. */
static void
add_finding(Doctor *doctor, DoctorSeverity severity, const char *kind, const char *name,
            const char *remedy, char *message)
{
    Finding *finding = g_new(Finding, 1);

    *finding = (Finding){
        .code = doctor->check->code,
        .severity = severity,
        .subject = name ? g_strdup_printf("%s %s", kind, name) : g_strdup(kind),
        .message = message,
        .remedy = g_strdup(remedy),
    };
    g_ptr_array_add(doctor->findings, finding);
}

void
doctor_problem(Doctor *doctor, const char *kind, const char *name, const char *remedy,
               const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add_finding(doctor, DOCTOR_PROBLEM, kind, name, remedy, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

void
doctor_note(Doctor *doctor, const char *kind, const char *name, const char *remedy,
            const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add_finding(doctor, DOCTOR_NOTE, kind, name, remedy, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

void
doctor_good(Doctor *doctor, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    add_finding(doctor, DOCTOR_GOOD, NULL, NULL, NULL, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

guint
doctor_count_problems(const Doctor *doctor)
{
    guint n = 0;

    for (guint i = 0; i < doctor->findings->len; i++)
        n += ((const Finding *)doctor->findings->pdata[i])->severity == DOCTOR_PROBLEM;
    return n;
}

/* Names from the kernel are arbitrary bytes; invalid UTF-8 in one must not break the whole output.
 * */
static json_t *
text_to_json(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    return json_string(valid);
}

json_t *
doctor_to_json(const Doctor *doctor)
{
    json_t *array = json_array();

    for (guint i = 0; i < doctor->findings->len; i++) {
        const Finding *finding = doctor->findings->pdata[i];

        if (finding->severity == DOCTOR_GOOD)
            continue;
        json_array_append_new(
            array,
            json_pack("{s:s, s:s, s:o, s:o, s:o}", "code", finding->code, "severity",
                      finding->severity == DOCTOR_PROBLEM ? "problem" : "note", "subject",
                      text_to_json(finding->subject), "message", text_to_json(finding->message),
                      "remedy", text_to_json(finding->remedy)));
    }
    return json_pack("{s:o}", "findings", array);
}

char *
doctor_to_text(const Doctor *doctor)
{
    static const char *const words[] = {"ok", "note", "PROBLEM"};
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < doctor->findings->len; i++) {
        const Finding *finding = doctor->findings->pdata[i];

        g_string_append_printf(text, "%-8s %s%s%s\n", words[finding->severity],
                               finding->subject ? finding->subject : "",
                               finding->subject ? ": " : "", finding->message);
        if (finding->remedy)
            g_string_append_printf(text, "%-8s   %s\n", "", finding->remedy);
    }
    return g_string_free(text, FALSE);
}

/* The index of the link that has this alternative name, or 0. */
static int
find_alternative_name(const Doctor *doctor, const char *name)
{
    LinkInfo link;

    return doctor->kernel && doctor->kernel->ops->link_by_name(doctor->kernel, name, &link, NULL)
               ? link.index
               : 0;
}

static const LinkInfo *
find_index(const Doctor *doctor, int index)
{
    for (guint i = 0; index != 0 && i < doctor->links->len; i++) {
        const LinkInfo *link = &g_array_index(doctor->links, LinkInfo, i);

        if (link->index == index)
            return link;
    }
    return NULL;
}

const LinkInfo *
doctor_find_parent(const Doctor *doctor, const char *name)
{
    const LinkInfo *link = doctor_find_link(doctor, name), *below;

    if (!link && doctor->links)
        link = find_index(doctor, find_alternative_name(doctor, name));
    below =
        link && g_str_equal(link->kind, "macvlan") ? find_index(doctor, link->lower_index) : NULL;
    return below ? below : link;
}

const LinkInfo *
doctor_find_link(const Doctor *doctor, const char *name)
{
    char raw[INTERFACE_NAME_MAX + 1];

    if (!doctor->links || !interface_name_parse(name, raw))
        return NULL;
    for (guint i = 0; i < doctor->links->len; i++) {
        const LinkInfo *link = &g_array_index(doctor->links, LinkInfo, i);

        if (g_str_equal(link->name, raw))
            return link;
    }
    return NULL;
}

const LinkInfo *
doctor_find_device(const Doctor *doctor, const MacvtapPort *port)
{
    const LinkInfo *link = doctor_find_link(doctor, macvtap_port_get_interface_name(port));

    return link && link->index == macvtap_port_get_interface_index(port) ? link : NULL;
}
