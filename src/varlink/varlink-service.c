/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "varlink-service.h"

const char varlink_service_description[] =
    "# Every Varlink service has this interface: it tells what the service is and offers.\n"
    "interface org.varlink.service\n"
    "\n"
    "# What the service is, and the names of its interfaces.\n"
    "method GetInfo() -> (\n"
    "  vendor: string,\n"
    "  product: string,\n"
    "  version: string,\n"
    "  url: string,\n"
    "  interfaces: []string\n"
    ")\n"
    "\n"
    "# The text of an interface, as this one.\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n"
    "\n"
    "# The service has no such interface.\n"
    "error InterfaceNotFound (interface: string)\n"
    "\n"
    "# The interface has no such method.\n"
    "error MethodNotFound (method: string)\n"
    "\n"
    "# The interface has the method, but the service cannot do it, or not in the way asked for.\n"
    "error MethodNotImplemented (method: string)\n"
    "\n"
    "# The parameter is missing, unknown, or has a value that it cannot have.\n"
    "error InvalidParameter (parameter: string)\n"
    "\n"
    "# The caller may not do this.\n"
    "error PermissionDenied ()\n"
    "\n"
    "# The method can only be called with \"more\".\n"
    "error ExpectedMore ()\n";

void
varlink_service_init(VarlinkService *service, const VarlinkServiceInfo *info)
{
    *service = (VarlinkService){
        .vendor = g_strdup(info->vendor ? info->vendor : ""),
        .product = g_strdup(info->product ? info->product : ""),
        .version = g_strdup(info->version ? info->version : ""),
        .url = g_strdup(info->url ? info->url : ""),
        .interfaces = g_ptr_array_new(),
        .descriptions = g_hash_table_new(g_str_hash, g_str_equal),
    };
}

void
varlink_service_clear(VarlinkService *service)
{
    g_free(service->vendor);
    g_free(service->product);
    g_free(service->version);
    g_free(service->url);
    g_ptr_array_unref(service->interfaces);
    g_hash_table_unref(service->descriptions);
}

void
varlink_service_add(VarlinkService *service, const char *name, const char *description)
{
    g_ptr_array_add(service->interfaces, (gpointer)name);
    g_hash_table_insert(service->descriptions, (gpointer)name, (gpointer)description);
}

/* The first key of the call that is not known (or NULL for none). */
static const char *
find_unknown(VarlinkCall *call, const char *known)
{
    const char *key;
    json_t *value;

    json_object_foreach (varlink_call_parameters(call), key, value) {
        if (!known || !g_str_equal(key, known))
            return key;
    }
    return NULL;
}

static void
service_get_info(VarlinkCall *call, gpointer user_data)
{
    const VarlinkService *service = user_data;
    const char *unknown = find_unknown(call, NULL);
    json_t *interfaces;

    if (unknown) {
        varlink_call_invalid_parameter(call, unknown);
        return;
    }
    interfaces = json_array();
    for (guint i = 0; i < service->interfaces->len; i++)
        json_array_append_new(interfaces, json_string(g_ptr_array_index(service->interfaces, i)));
    varlink_call_reply(call,
                       json_pack("{s:s, s:s, s:s, s:s, s:o}", "vendor", service->vendor, "product",
                                 service->product, "version", service->version, "url", service->url,
                                 "interfaces", interfaces),
                       NULL);
}

static void
service_get_interface_description(VarlinkCall *call, gpointer user_data)
{
    const VarlinkService *service = user_data;
    const char *unknown = find_unknown(call, "interface");
    const char *name =
        json_string_value(json_object_get(varlink_call_parameters(call), "interface"));
    const char *description = name ? g_hash_table_lookup(service->descriptions, name) : NULL;

    if (unknown || !name)
        varlink_call_invalid_parameter(call, unknown ? unknown : "interface");
    else if (!description)
        varlink_call_error(call, "org.varlink.service.InterfaceNotFound",
                           json_pack("{s:s}", "interface", name));
    else
        varlink_call_reply(call, json_pack("{s:s}", "description", description), NULL);
}

const VarlinkMethod varlink_service_methods[] = {
    {"GetInfo", service_get_info},
    {"GetInterfaceDescription", service_get_interface_description},
    {NULL},
};
