/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interface-name.h"

#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static gboolean
refuse(GError **error, const char *name, const char *why)
{
    g_autofree char *shown = g_strescape(name, NULL);

    g_set_error(error, ERRNO_ERROR, EINVAL, "'%.64s' cannot be an interface name: %s", shown, why);
    return FALSE;
}

/* The rules for every name, apart from its characters. */
static gboolean
check_form(const char *name, gsize max, GError **error)
{
    gsize length = strlen(name);

    if (length == 0)
        return refuse(error, name, "it is empty");
    if (length > max)
        return refuse(error, name,
                      max == INTERFACE_NAME_MAX ? "it is longer than 15 characters"
                                                : "it is longer than 127 characters");
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return refuse(error, name, "it is the name of a folder");
    return TRUE;
}

gboolean
interface_name_check(const char *name, GError **error)
{
    if (!check_form(name, INTERFACE_NAME_MAX, error))
        return FALSE;
    for (const char *c = name; *c; c++) {
        if (!g_ascii_isgraph(*c) || strchr("/:%", *c))
            return refuse(error, name,
                          "only printable ASCII without space, '/', ':', '%' may be used");
    }
    return TRUE;
}

static gboolean
has_only(const char *name, const char *marks)
{
    for (const char *c = name; *c; c++) {
        if (!g_ascii_isalnum(*c) && !strchr(marks, *c))
            return FALSE;
    }
    return TRUE;
}

gboolean
interface_name_check_parent(const char *name, GError **error)
{
    if (strchr(name, '#'))
        return refuse(error, name, "a comment needs a line of its own");
    if (!check_form(name, INTERFACE_ALTNAME_MAX, error))
        return FALSE;
    if (name[0] == '-')
        return refuse(error, name, "it begins with '-'");
    return has_only(name, "_.@-") ||
           refuse(error, name,
                  "only letters, digits, '_', '.', '@' and '-' may be used (several names are "
                  "separated by blanks)");
}

gboolean
interface_name_check_chosen(const char *name, GError **error)
{
    if (!check_form(name, INTERFACE_NAME_MAX, error))
        return FALSE;
    return (g_ascii_isalnum(name[0]) && has_only(name, "_.-")) ||
           refuse(error, name,
                  "only letters, digits, '_', '.' and '-' may be used, and the first must be a "
                  "letter or digit");
}

gboolean
interface_name_is_users(const char *name)
{
    /* Proxmox VE's bridges and VMware's networks belong to the host, despite their prefix. */
    static const char *const kept[] = {"vmbr", "vmnet"};

    for (guint i = 0; i < G_N_ELEMENTS(kept); i++) {
        if (g_str_has_prefix(name, kept[i]))
            return FALSE;
    }
    return g_str_has_prefix(name, "vm") || g_str_has_prefix(name, "mvt");
}

char *
interface_name_format(const char *name, char text[static INTERFACE_NAME_TEXT_SIZE])
{
    char *end = text;

    for (gsize i = 0; i < INTERFACE_NAME_MAX && name[i]; i++) {
        if (g_ascii_isgraph(name[i]) && name[i] != '\\')
            *end++ = name[i];
        else
            end += sprintf(end, "\\x%02x", (guint)(guint8)name[i]);
    }
    *end = '\0';
    return text;
}

/* Decodes the first byte of text, written in *ret_length bytes. */
static char
parse_byte(const char *text, gsize *ret_length)
{
    if (text[0] == '\\' && text[1] == 'x' && g_ascii_isxdigit(text[2]) &&
        g_ascii_isxdigit(text[3])) {
        *ret_length = 4;
        return (char)(g_ascii_xdigit_value(text[2]) << 4 | g_ascii_xdigit_value(text[3]));
    }
    *ret_length = 1;
    return text[0];
}

gboolean
interface_name_parse(const char *text, char ret_name[static INTERFACE_NAME_MAX + 1])
{
    char name[INTERFACE_NAME_MAX + 1] = "";
    gsize length;

    for (gsize i = 0; *text; i++, text += length) {
        char byte = parse_byte(text, &length);

        if (i == INTERFACE_NAME_MAX || byte == '\0' || g_ascii_isspace(byte) ||
            strchr("/:\v", byte))
            return FALSE;
        name[i] = byte;
    }
    if (!check_form(name, INTERFACE_NAME_MAX, NULL))
        return FALSE;
    strcpy(ret_name, name);
    return TRUE;
}
