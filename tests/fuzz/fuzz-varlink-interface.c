/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Input: an interface text. What parses must name its members consistently. */
#include "fuzz-target.h"

#include "varlink-error.h"
#include "varlink-interface.h"

static void
check(gboolean promise)
{
    if (!promise)
        g_error("the interface broke a promise");
}

static guint
check_members(const VarlinkInterface *interface, VarlinkMemberKind kind,
              gboolean (*has)(const VarlinkInterface *, const char *))
{
    g_autofree const char **names = varlink_interface_list(interface, kind);
    guint count = 0;

    for (; names[count]; count++) {
        check(has(interface, names[count]) && g_ascii_isupper(names[count][0]));
        check(varlink_interface_get_comment(interface, names[count]) != NULL);
    }
    return count;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VarlinkInterface) interface =
        varlink_interface_parse((const char *)data, size, &error);

    if (!interface) {
        check(error && error->domain == VARLINK_ERROR && error->code == VARLINK_ERROR_INTERFACE);
        check(g_str_has_prefix(error->message, "line "));
        check(g_utf8_validate(error->message, -1, NULL));
        return 0;
    }
    check(varlink_interface_get_name(interface) != NULL);
    check(varlink_interface_get_comment(interface, NULL) != NULL);
    check_members(interface, VARLINK_MEMBER_TYPE, varlink_interface_has_type);
    check_members(interface, VARLINK_MEMBER_METHOD, varlink_interface_has_method);
    check_members(interface, VARLINK_MEMBER_ERROR, varlink_interface_has_error);
    return 0;
}
