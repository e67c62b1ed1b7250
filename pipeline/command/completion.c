#include "pipeline/command/completion.h"

#include "pipeline/config/table.h"

#include <string.h>

/* ---- kinds of words -------------------------------------------------------------------------------------------- */

/* The kind of an argument, according to its name in the help. */
enum kind { OTHER, FILES, KEYS, COMMANDS, LAYERS, WORDS };

static const char *const kind_names[] = {"other", "files", "keys", "commands", "layers", "words"};

static enum kind kind_of(const char *argument)
{
    static const struct {
        const char *name;
        enum kind kind;
    } names[] = {{"FILE", FILES},     {"STORE", FILES},        {"CONFIG", FILES}, {"FOLDER", FILES},  {"PAGE", FILES},
                 {"KEY=VALUE", KEYS}, {"[COMMAND]", COMMANDS}, {"LAYER", LAYERS}, {"A,B,...", LAYERS}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(argument, names[i].name) == 0)
            return names[i].kind;
    return strchr(argument, '|') ? WORDS : OTHER;
}

/* Arguments that are no options are files, except those of `help`. */
static enum kind kind_of_arguments(const struct option_table *table)
{
    enum kind kind = kind_of(table->operands.form);

    return kind == OTHER ? FILES : kind;
}

/* Print words separated by '|', with spaces instead. */
static void put_words(FILE *out, const char *words)
{
    for (const char *c = words; *c; c++)
        fputc(*c == '|' ? ' ' : *c, out);
}

/* The allowed words of a key's value; empty if the value is of another kind. */
static const char *key_words(const struct config_key *key)
{
    return key->type != CONFIG_TYPE_PAIRS && key->allowed ? key->allowed : "";
}

/* Whether a key's value is a list of layers. */
static bool has_layers(const struct config_key *key)
{
    return key->type == CONFIG_TYPE_WORDS;
}

/* "measure.bias="; or "measure.rule.", which the user completes. */
static void put_key(FILE *out, const struct config_key *key)
{
    fprintf(out, "%s.%s%c", key->section, key->name, key->type == CONFIG_TYPE_PAIRS ? '.' : '=');
}

/* ---- bash ------------------------------------------------------------------------------------------------------ */

static void begin_bash(FILE *out, const struct command_list *commands)
{
    fputs("# Completion of nrmflow for bash; printed by `nrmflow help --completion bash`.\n"
          "_nrmflow()\n"
          "{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} left= options= kinds= kind= "
          "words=\n"
          "    local keys arguments=files commands='",
          out);
    for (size_t i = 0; i < commands->count; i++)
        fprintf(out, "%s%s", i ? " " : "", commands->items[i]->table.command);
    fputs("'\n"
          "    COMPREPLY=()\n"
          "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
          "        COMPREPLY=($(compgen -W \"$commands --help --version\" -- \"$word\"))\n"
          "        return\n"
          "    fi\n"
          "    # Readline cuts at \"=\": measure.bias=spread is three words.\n"
          "    if [ \"$word\" = = ]; then\n"
          "        left=$before word=\n"
          "    elif [ \"$before\" = = ]; then\n"
          "        left=${COMP_WORDS[COMP_CWORD - 2]}\n"
          "    fi\n"
          "    case ${COMP_WORDS[1]} in\n",
          out);
}

static void put_bash_command(FILE *out, const struct option_table *table)
{
    fputs("        options='", out);
    for (size_t i = 0; i < table->nrows; i++) {
        fprintf(out, "--%s ", table->rows[i].name);
        if (table->rows[i].letter)
            fprintf(out, "-%c ", table->rows[i].letter);
    }
    fputs("--help'\n        kinds='", out);
    for (size_t i = 0; i < table->nrows; i++) {
        const struct option_row *row = &table->rows[i];

        if (row->kind == OPTION_FLAG)
            continue;
        fprintf(out, " --%s:%s", row->name, kind_names[kind_of(row->argument)]);
        if (row->letter)
            fprintf(out, " -%c:%s", row->letter, kind_names[kind_of(row->argument)]);
    }
    fprintf(out, "'\n        arguments=%s\n", kind_names[kind_of_arguments(table)]);
    for (size_t i = 0; i < table->nrows; i++)
        if (table->rows[i].kind != OPTION_FLAG && kind_of(table->rows[i].argument) == WORDS) {
            fprintf(out, "        [ \"${left:-$before}\" = --%s ] && words='", table->rows[i].name);
            put_words(out, table->rows[i].argument);
            fputs("'\n", out);
        }
}

/* The values of a key are completed as the argument of --set. */
static void put_bash_keys(FILE *out)
{
    const struct config_key *key;

    fputs("    case $left in\n", out);
    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++) {
        if (has_layers(key))
            fprintf(out, "    %s.%s) kind=layers ;;\n", key->section, key->name);
        if (!*key_words(key))
            continue;
        fprintf(out, "    %s.%s) kind=words words='", key->section, key->name);
        put_words(out, key_words(key));
        fputs("' ;;\n", out);
    }
    fputs("    esac\n    keys='", out);
    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++) {
        fputs(i ? " " : "", out);
        put_key(out, key);
    }
    fputs("'\n", out);
}

void completion_bash(FILE *out, const struct command_list *commands)
{
    begin_bash(out, commands);
    for (size_t i = 0; i < commands->count; i++) {
        fprintf(out, "    %s)\n", commands->items[i]->table.command);
        put_bash_command(out, &commands->items[i]->table);
        fputs("        ;;\n", out);
    }
    fputs("    esac\n"
          "    for kind in $kinds -:; do\n"
          "        [ \"${kind%%:*}\" = \"${left:-$before}\" ] && break\n"
          "    done\n"
          "    kind=${kind#*:}\n",
          out);
    put_bash_keys(out);
    fputs("    if [ -z \"$kind\" ] && [[ $word == -* ]]; then\n"
          "        kind=options\n"
          "    fi\n"
          "    case ${kind:-$arguments} in\n"
          "    files)\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n"
          "        compopt -o filenames\n"
          "        ;;\n"
          "    keys)\n"
          "        COMPREPLY=($(compgen -W \"$keys\" -- \"$word\"))\n"
          "        compopt -o nospace\n"
          "        ;;\n"
          "    commands) COMPREPLY=($(compgen -W \"$commands\" -- \"$word\")) ;;\n"
          "    options) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
          "    layers)\n"
          "        # Those of the first file on the line: a store, or a configuration or its model.\n"
          "        left= words=\n"
          "        for kind in \"${COMP_WORDS[@]:2}\"; do\n"
          "            [ -f \"${kind/#\\~/$HOME}\" ] || continue\n"
          "            words=$(\"${COMP_WORDS[0]/#\\~/$HOME}\" help --layers \"${kind/#\\~/$HOME}\" 2>/dev/null) && "
          "break\n"
          "        done\n"
          "        [[ $word == *,* ]] && left=${word%,*},\n"
          "        COMPREPLY=($(compgen -P \"$left\" -W \"$words\" -- \"${word##*,}\"))\n"
          "        ;;\n"
          "    words) COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n"
          "    esac\n"
          "}\n"
          "complete -F _nrmflow nrmflow\n",
          out);
}

/* ---- zsh ------------------------------------------------------------------------------------------------------- */

/* Print text for the brackets of a specification inside single quotes. */
static void put_zsh(FILE *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (strchr("\\[]:", *c))
            fputc('\\', out);
        if (*c == '\'')
            fputs("'\\''", out);
        else
            fputc(*c == '\n' ? ' ' : *c, out);
    }
}

/* The functions that offer commands, layers and keys. */
static void put_zsh_commands(FILE *out, const struct command_list *commands)
{
    fputs("#compdef nrmflow\n"
          "# Completion of nrmflow for zsh; printed by `nrmflow help --completion zsh`.\n"
          "_nrmflow_commands() {\n"
          "    local -a names\n"
          "    names=(\n",
          out);
    for (size_t i = 0; i < commands->count; i++) {
        fprintf(out, "    '%s:", commands->items[i]->table.command);
        put_zsh(out, commands->items[i]->summary);
        fputs("'\n", out);
    }
    fputs("    )\n"
          "    _describe command names\n"
          "}\n",
          out);
}

static void put_zsh_layers(FILE *out)
{
    fputs("# Those of the first file on the line: a store, or a configuration or its model.\n"
          "_nrmflow_layers() {\n"
          "    local file\n"
          "    local -a names\n"
          "    for file in ${(Q)words[2,-1]}; do\n"
          "        [[ -f $file ]] || continue\n"
          "        names=(${(f)\"$(_call_program layers nrmflow help --layers ${(q)file} 2>/dev/null)\"})\n"
          "        (($#names)) && break\n"
          "    done\n"
          "    compset -P '*,'\n"
          "    compadd -a names\n"
          "}\n",
          out);
}

static void put_zsh_keys(FILE *out)
{
    const struct config_key *key;

    fputs("_nrmflow_keys() {\n"
          "    local -a names\n"
          "    if compset -P '*='; then\n"
          "        case ${IPREFIX##* } in\n",
          out);
    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++) {
        if (has_layers(key))
            fprintf(out, "        *%s.%s=) _nrmflow_layers; return ;;\n", key->section, key->name);
        if (!*key_words(key))
            continue;
        fprintf(out, "        *%s.%s=) names=(", key->section, key->name);
        put_words(out, key_words(key));
        fputs(") ;;\n", out);
    }
    fputs("        esac\n"
          "        compadd -a names\n"
          "        return\n"
          "    fi\n"
          "    names=(\n",
          out);
    for (size_t i = 0; (key = config_table_key(i)) != NULL; i++) {
        fputs("    '", out);
        put_key(out, key);
        fputs(":", out);
        put_zsh(out, key->help);
        fputs("'\n", out);
    }
    fputs("    )\n"
          "    _describe key names -S ''\n"
          "}\n",
          out);
}

static void begin_zsh(FILE *out, const struct command_list *commands)
{
    put_zsh_commands(out, commands);
    put_zsh_layers(out);
    put_zsh_keys(out);
    fputs("_nrmflow() {\n"
          "    if ((CURRENT == 2)); then\n"
          "        [[ $PREFIX == -* ]] && compadd -- --help --version && return\n"
          "        _nrmflow_commands\n"
          "        return\n"
          "    fi\n"
          "    local command=${words[2]}\n"
          "    shift words\n"
          "    ((CURRENT--))\n"
          "    case $command in\n",
          out);
}

static void put_zsh_action(FILE *out, const char *argument, enum kind kind)
{
    static const char *const actions[] = {[OTHER] = " ",
                                          [FILES] = "_files",
                                          [KEYS] = "_nrmflow_keys",
                                          [COMMANDS] = "_nrmflow_commands",
                                          [LAYERS] = "_nrmflow_layers"};

    fputc(':', out);
    put_zsh(out, argument);
    fputc(':', out);
    if (kind == WORDS) {
        fputc('(', out);
        put_words(out, argument);
        fputc(')', out);
    } else
        fputs(actions[kind], out);
}

static void put_zsh_command(FILE *out, const struct option_table *table)
{
    fputs("        _arguments -S \\\n", out);
    for (size_t i = 0; i < table->nrows; i++) {
        const struct option_row *row = &table->rows[i];
        const char *equals = row->kind == OPTION_FLAG ? "" : "=";

        if (row->letter)
            fprintf(out, "            '(--%s -%c)'{--%s%s,-%c}'[", row->name, row->letter, row->name, equals,
                    row->letter);
        else
            fprintf(out, "            '%s--%s%s[", row->kind == OPTION_LIST ? "*" : "", row->name, equals);
        put_zsh(out, row->help);
        fputc(']', out);
        if (row->kind != OPTION_FLAG)
            put_zsh_action(out, row->argument, kind_of(row->argument));
        fputs("' \\\n", out);
    }
    fputs("            '(- *)'{--help,-h}'[show help]' \\\n            '*", out);
    put_zsh_action(out, table->operands.form[0] ? table->operands.form : "nothing", kind_of_arguments(table));
    fputs("'\n", out);
}

void completion_zsh(FILE *out, const struct command_list *commands)
{
    begin_zsh(out, commands);
    for (size_t i = 0; i < commands->count; i++) {
        fprintf(out, "    %s)\n", commands->items[i]->table.command);
        put_zsh_command(out, &commands->items[i]->table);
        fputs("        ;;\n", out);
    }
    fputs("    esac\n"
          "}\n"
          "_nrmflow \"$@\"\n",
          out);
}
