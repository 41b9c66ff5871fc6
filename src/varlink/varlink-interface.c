/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A recursive-descent parser; its depth is limited because the text may come from anywhere. */
#include "varlink-interface.h"

#include "varlink-error.h"
#include "varlink-scanner.h"

#include <string.h>

enum { DEPTH_MAX = 32 };

typedef struct Member {
    VarlinkMemberKind kind;
    char *name, *comment;
} Member;

struct VarlinkInterface {
    char *name, *comment;
    GPtrArray *members;  /* of Member, in the text's order */
    GHashTable *by_name; /* the members' */
};

/* A use of a named type, to be resolved when all are known. */
typedef struct Reference {
    char *name;
    guint line;
} Reference;

typedef struct Parser {
    VarlinkScanner scanner;
    VarlinkInterface *interface;
    GArray *references;
    guint depth;
} Parser;

static void
member_free(Member *member)
{
    g_free(member->name);
    g_free(member->comment);
    g_free(member);
}

static void
reference_clear(Reference *reference)
{
    g_free(reference->name);
}

static gboolean parse_type(Parser *parser, GError **error);

G_GNUC_PRINTF(3, 4)
static gboolean
fail(guint line, GError **error, const char *format, ...)
{
    va_list arguments;
    g_autofree char *what = NULL;

    va_start(arguments, format);
    what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, VARLINK_ERROR, VARLINK_ERROR_INTERFACE, "line %u: %s", line, what);
    return FALSE;
}

static gboolean
fail_expected(Parser *parser, GError **error, const char *what)
{
    VarlinkScanner *scanner = &parser->scanner;

    if (scanner->token == VARLINK_TOKEN_END)
        return fail(scanner->line, error, "%s expected, but the text ends", what);
    if (scanner->token == VARLINK_TOKEN_BAD)
        return fail(scanner->line, error, "%s expected, not byte 0x%02x", what,
                    (guint8)*scanner->text);
    return fail(scanner->line, error, "%s expected, not \"%.*s\"", what,
                (int)MIN(scanner->length, 64), scanner->text);
}

static gboolean
accept(Parser *parser, const char *text)
{
    if (!varlink_scanner_is(&parser->scanner, text))
        return FALSE;
    varlink_scanner_advance(&parser->scanner);
    return TRUE;
}

static gboolean
expect(Parser *parser, const char *text, GError **error)
{
    g_autofree char *what = NULL;

    if (accept(parser, text))
        return TRUE;
    what = g_strdup_printf("\"%s\"", text);
    return fail_expected(parser, error, what);
}

/* [A-Z][A-Za-z0-9]* */
static gboolean
is_member_name(const char *name)
{
    return g_ascii_isupper(*name) && !strpbrk(name, "_-.");
}

/* [A-Za-z](_?[A-Za-z0-9])* */
static gboolean
is_field_name(const char *name)
{
    return g_ascii_isalpha(*name) && !strpbrk(name, "-.") && !strstr(name, "__") &&
           !g_str_has_suffix(name, "_");
}

/* [A-Za-z](-*[A-Za-z0-9])*(\.[A-Za-z0-9](-*[A-Za-z0-9])*)+ */
static gboolean
is_interface_name(const char *name)
{
    g_auto(GStrv) labels = g_strsplit(name, ".", -1);

    if (!g_ascii_isalpha(*name) || g_strv_length(labels) < 2 || strchr(name, '_'))
        return FALSE;
    for (char **label = labels; *label; label++)
        if (**label == '\0' || **label == '-' || g_str_has_suffix(*label, "-"))
            return FALSE;
    return TRUE;
}

/* Takes a word that is_valid() likes; NULL and an error otherwise. */
static char *
take_word(Parser *parser, gboolean (*is_valid)(const char *), const char *what, GError **error)
{
    VarlinkScanner *scanner = &parser->scanner;
    g_autofree char *word = NULL;

    if (scanner->token == VARLINK_TOKEN_WORD)
        word = g_strndup(scanner->text, scanner->length);
    if (!word || !is_valid(word)) {
        fail_expected(parser, error, what);
        return NULL;
    }
    varlink_scanner_advance(scanner);
    return g_steal_pointer(&word);
}

static gboolean
take_field_name(Parser *parser, GHashTable *seen, GError **error)
{
    guint line = parser->scanner.line;
    char *name = take_word(parser, is_field_name, "a field's name", error);

    if (!name)
        return FALSE;
    if (g_hash_table_add(seen, name))
        return TRUE;
    /* name is gone, its equal stays */
    return fail(line, error, "a field's name stands twice between the same parentheses");
}

/* Behind "(": the fields of a struct or, where enum_allowed, the values of an enum, and ")". */
static gboolean
parse_fields(Parser *parser, gboolean enum_allowed, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    gboolean is_enum = FALSE;

    if (accept(parser, ")"))
        return TRUE;
    for (gboolean first = TRUE; first || accept(parser, ","); first = FALSE) {
        if (!take_field_name(parser, seen, error))
            return FALSE;
        if (first)
            is_enum = enum_allowed && !varlink_scanner_is(&parser->scanner, ":");
        if (is_enum)
            continue;
        if (!expect(parser, ":", error) || !parse_type(parser, error))
            return FALSE;
    }
    return expect(parser, ")", error);
}

static gboolean
parse_struct(Parser *parser, gboolean enum_allowed, GError **error)
{
    gboolean good;

    if (!expect(parser, "(", error))
        return FALSE;
    if (parser->depth == DEPTH_MAX)
        return fail(parser->scanner.line, error, "types nest deeper than %d", DEPTH_MAX);
    parser->depth++;
    good = parse_fields(parser, enum_allowed, error);
    parser->depth--;
    return good;
}

static gboolean
parse_element_type(Parser *parser, GError **error)
{
    static const char *const builtin[] = {"bool", "int", "float", "string", "object"};
    Reference reference = {.line = parser->scanner.line};

    if (varlink_scanner_is(&parser->scanner, "("))
        return parse_struct(parser, TRUE, error);
    for (guint i = 0; i < G_N_ELEMENTS(builtin); i++)
        if (accept(parser, builtin[i]))
            return TRUE;
    reference.name = take_word(parser, is_member_name, "a type", error);
    if (!reference.name)
        return FALSE;
    g_array_append_val(parser->references, reference);
    return TRUE;
}

/* ("?"? ("[]" | "[string]"))* "?"? element */
static gboolean
parse_type(Parser *parser, GError **error)
{
    gboolean nullable = FALSE;

    for (;;) {
        if (varlink_scanner_is(&parser->scanner, "?")) {
            if (nullable)
                return fail_expected(parser, error, "a type that is not nullable");
            nullable = TRUE;
            varlink_scanner_advance(&parser->scanner);
        } else if (accept(parser, "[")) {
            accept(parser, "string");
            if (!expect(parser, "]", error))
                return FALSE;
            nullable = FALSE;
        } else {
            return parse_element_type(parser, error);
        }
    }
}

static gboolean
parse_body(Parser *parser, VarlinkMemberKind kind, GError **error)
{
    switch (kind) {
    case VARLINK_MEMBER_TYPE:
        return parse_struct(parser, TRUE, error);
    case VARLINK_MEMBER_METHOD:
        return parse_struct(parser, FALSE, error) && expect(parser, "->", error) &&
               parse_struct(parser, FALSE, error);
    case VARLINK_MEMBER_ERROR:
        return parse_struct(parser, FALSE, error);
    }
    g_assert_not_reached();
}

static gboolean
parse_member(Parser *parser, GError **error)
{
    static const char *const keywords[] = {
        [VARLINK_MEMBER_TYPE] = "type",
        [VARLINK_MEMBER_METHOD] = "method",
        [VARLINK_MEMBER_ERROR] = "error",
    };
    VarlinkInterface *interface = parser->interface;
    g_autofree char *comment = g_strdup(parser->scanner.comment->str);
    guint kind = 0, line;
    char *name;
    Member *member;

    while (kind < G_N_ELEMENTS(keywords) && !accept(parser, keywords[kind]))
        kind++;
    if (kind == G_N_ELEMENTS(keywords))
        return fail_expected(parser, error, "\"type\", \"method\" or \"error\"");
    line = parser->scanner.line;
    name = take_word(parser, is_member_name, "a name with a capital letter first", error);
    if (!name)
        return FALSE;
    member = g_new(Member, 1);
    *member = (Member){kind, name, g_steal_pointer(&comment)};
    g_ptr_array_add(interface->members, member);
    if (!g_hash_table_insert(interface->by_name, name, member))
        return fail(line, error, "%s is declared twice", name);
    return parse_body(parser, kind, error);
}

static gboolean
resolve_references(Parser *parser, GError **error)
{
    for (guint i = 0; i < parser->references->len; i++) {
        Reference *reference = &g_array_index(parser->references, Reference, i);

        if (!varlink_interface_has_type(parser->interface, reference->name))
            return fail(reference->line, error, "no type %s is declared", reference->name);
    }
    return TRUE;
}

static gboolean
parse_text(Parser *parser, GError **error)
{
    VarlinkInterface *interface = parser->interface;

    interface->comment = g_strdup(parser->scanner.comment->str);
    if (!expect(parser, "interface", error))
        return FALSE;
    interface->name = take_word(parser, is_interface_name, "an interface's name", error);
    if (!interface->name)
        return FALSE;
    while (parser->scanner.token != VARLINK_TOKEN_END)
        if (!parse_member(parser, error))
            return FALSE;
    return resolve_references(parser, error);
}

VarlinkInterface *
varlink_interface_parse(const char *text, gssize length, GError **error)
{
    g_autoptr(VarlinkInterface) interface = g_new0(VarlinkInterface, 1);
    Parser parser = {.interface = interface};
    gsize bytes = length < 0 ? strlen(text) : (gsize)length;
    const char *bad;
    gboolean good;

    interface->members = g_ptr_array_new_with_free_func((GDestroyNotify)member_free);
    interface->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    /* Also refuses NUL bytes. */
    if (!g_utf8_validate_len(text, bytes, &bad)) {
        guint line = 1;

        for (const char *at = text; at < bad; at++)
            line += *at == '\n';
        fail(line, error, "the text is not UTF-8");
        return NULL;
    }
    parser.references = g_array_new(FALSE, FALSE, sizeof(Reference));
    g_array_set_clear_func(parser.references, (GDestroyNotify)reference_clear);
    varlink_scanner_init(&parser.scanner, text, bytes);
    good = parse_text(&parser, error);
    varlink_scanner_clear(&parser.scanner);
    g_array_unref(parser.references);
    return good ? g_steal_pointer(&interface) : NULL;
}

void
varlink_interface_free(VarlinkInterface *interface)
{
    if (!interface)
        return;
    g_hash_table_unref(interface->by_name);
    g_ptr_array_unref(interface->members);
    g_free(interface->name);
    g_free(interface->comment);
    g_free(interface);
}

const char *
varlink_interface_get_name(const VarlinkInterface *interface)
{
    return interface->name;
}

static gboolean
interface_has(const VarlinkInterface *interface, const char *name, VarlinkMemberKind kind)
{
    const Member *member = g_hash_table_lookup(interface->by_name, name);

    return member && member->kind == kind;
}

gboolean
varlink_interface_has_type(const VarlinkInterface *interface, const char *name)
{
    return interface_has(interface, name, VARLINK_MEMBER_TYPE);
}

gboolean
varlink_interface_has_method(const VarlinkInterface *interface, const char *name)
{
    return interface_has(interface, name, VARLINK_MEMBER_METHOD);
}

gboolean
varlink_interface_has_error(const VarlinkInterface *interface, const char *name)
{
    return interface_has(interface, name, VARLINK_MEMBER_ERROR);
}

const char **
varlink_interface_list(const VarlinkInterface *interface, VarlinkMemberKind kind)
{
    const char **names = g_new0(const char *, interface->members->len + 1);
    guint count = 0;

    for (guint i = 0; i < interface->members->len; i++) {
        const Member *member = g_ptr_array_index(interface->members, i);

        if (member->kind == kind)
            names[count++] = member->name;
    }
    return names;
}

const char *
varlink_interface_get_comment(const VarlinkInterface *interface, const char *name)
{
    const Member *member;

    if (!name)
        return interface->comment;
    member = g_hash_table_lookup(interface->by_name, name);
    return member ? member->comment : NULL;
}
