"""Write completion scripts for bash, zsh and fish from the command tree.

Commands and options are in the script itself, so completing them starts no process; ids, script names, tags, users and servers come from
`analyst __complete KIND PREFIX PREVIOUS`, which answers from the local store within milliseconds.
"""

from collections.abc import Iterator

from analyst_cli.commands.completion_tree import Node, Option, Values

__all__ = ["bash_script", "fish_script", "zsh_script"]

_HEADER = "# Completion of analyst for SHELL. Made by `analyst completion SHELL`: do not edit."


def bash_script(root: Node) -> str:
    """Return the script for bash 4 and later; it needs no bash-completion package."""
    return "\n".join([_HEADER.replace("SHELL", "bash"), *_bash_lines(root), ""])


def zsh_script(root: Node) -> str:
    """Return the script for zsh: a file `_analyst` in a folder of `$fpath`."""
    lines = ["#compdef analyst", _HEADER.replace("SHELL", "zsh"), *_ZSH_WORDS]
    for node in root.walk():
        lines += _zsh_function(node)
    lines += [
        'if [[ "$funcstack[1]" == "_analyst" ]]; then',
        '  _analyst "$@"',
        "else",
        "  compdef _analyst analyst",
        "fi",
        "",
    ]
    return "\n".join(lines)


def fish_script(root: Node) -> str:
    """Return the script for fish 3 and later."""
    lines = [_HEADER.replace("SHELL", "fish"), *_fish_position(root), "complete -c analyst -f"]
    for node in root.walk():
        here = f"-n \"__analyst_at '{' '.join(node.path)}'\""
        lines += [f"complete -c analyst {here} -a {child.path[-1]} -d '{child.help}'" for child in node.children]
        lines += [f"complete -c analyst {here} {_fish_option(option)}" for option in node.options]
        if node.argument is not None and (words := _fish_values(node.argument)):
            lines.append(f"complete -c analyst {here} {words}")
    return "\n".join([*lines, ""])


def _bash_lines(root: Node) -> Iterator[str]:
    yield "_analyst() {"
    yield '  local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" at="" word i skip=0'
    yield "  COMPREPLY=()"
    yield "  # an address contains colons, at which bash splits: put the pieces of the last word together again"
    yield '  local line="${COMP_LINE:0:COMP_POINT}"; local last="${line##*[[:space:]]}"'
    yield "  # so it does at the `=` of --option=value"
    yield '  if [[ $cur == "=" ]]; then cur="" last=""; elif [[ $prev == "=" ]]; then prev="${COMP_WORDS[COMP_CWORD-2]}" last="${last#*=}"; fi'
    yield "  for ((i = 1; i < COMP_CWORD; i++)); do"
    yield '    word="${COMP_WORDS[i]}"'
    yield "    if ((skip)); then skip=0; continue; fi"
    yield '    case "$at $word" in'
    valued = [
        f'"{_at(node)} {name}"'
        for node in root.walk()
        for option in node.options
        if option.values
        for name in option.names
    ]
    yield f"      {'|'.join(valued)}) skip=1 ;;"
    named = [f'"{_at(node.path[:-1])} {node.path[-1]}"' for node in root.walk() if node.path]
    yield f'      {"|".join(named)}) at="${{at:+$at }}$word" ;;'
    yield "    esac"
    yield "  done"
    yield '  case "$at $prev" in'
    for node in root.walk():
        for option in node.options:
            if option.values is not None:
                names = "|".join(f'"{_at(node)} {name}"' for name in option.names)
                yield f"    {names}) {_bash_values(option.values)}; return ;;"
    yield "  esac"
    yield '  case "$at" in'
    for node in root.walk():
        names = " ".join(name for option in node.options for name in option.names)
        words = " ".join(child.path[-1] for child in node.children)
        argument = f"; {_bash_values(node.argument)}" if node.argument is not None else ""
        yield f"    \"{_at(node)}\") if [[ $cur == -* ]]; then _analyst_reply '{names}'; else _analyst_reply '{words}'{argument}; fi ;;"
    yield "  esac"
    yield "}"
    yield "_analyst_reply() {"
    yield '  local word; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -W "$1" -- "$cur")'
    yield "}"
    yield "_analyst_words() {"
    yield '  local word rest="${last%"$cur"}"'
    yield "  while IFS=$'\\t' read -r word _; do"
    yield '    [[ $word == "$last"* ]] && COMPREPLY+=("${word#"$rest"}")'
    yield '  done < <(analyst __complete "$1" "$last" "$prev" 2>/dev/null)'
    yield "}"
    yield "_analyst_files() {"
    yield '  local word; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$cur")'
    yield "  compopt -o filenames 2>/dev/null"
    yield "}"
    yield "complete -F _analyst analyst"


def _at(node: Node | tuple[str, ...]) -> str:
    return " ".join(node.path if isinstance(node, Node) else node)


def _bash_values(values: Values) -> str:
    if values.kind:
        return f"_analyst_words {values.kind}"
    if values.words:
        return f"_analyst_reply '{' '.join(values.words)}'"
    return "_analyst_files" if values.files else ":"


_ZSH_WORDS = (
    "_analyst_words() {",
    '  local previous="${(Q)words[CURRENT-1]}"; local -a words; local word what',
    "  while IFS=$'\\t' read -r word what; do",
    '    words+=("${word//:/\\\\:}${what:+:$what}")',
    '  done < <(analyst __complete "$1" "${(Q)PREFIX}" "$previous" 2>/dev/null)',
    '  _describe -t words "$1" words',
    "}",
)


def _zsh_function(node: Node) -> list[str]:
    name = "_".join(("_analyst", *node.path)).replace("-", "_")
    specs = [spec for option in node.options for spec in _zsh_option(option)]
    if not node.children:
        if node.argument is not None:
            specs.append(f"'*:{node.path[-1] if node.path else 'word'}:{_zsh_values(node.argument)}'")
        return [f"{name}() {{", "  _arguments -s -S " + " \\\n    ".join(specs), "}"]
    children = [f"'{child.path[-1]}:{child.help}'" for child in node.children]
    cases = [
        f"      {child.path[-1]}) {'_'.join(('_analyst', *child.path)).replace('-', '_')} ;;" for child in node.children
    ]
    return [
        f"{name}() {{",
        "  local curcontext=$curcontext state line",
        "  _arguments -C -s " + " \\\n    ".join([*specs, "'1: :->command'", "'*:: :->rest'"]),
        "  case $state in",
        "  command)",
        "    local -a commands=(",
        *(f"      {child}" for child in children),
        "    )",
        "    _describe command commands ;;",
        "  rest)",
        "    case $words[1] in",
        *cases,
        "    esac ;;",
        "  esac",
        "}",
    ]


def _zsh_option(option: Option) -> Iterator[str]:
    others = f"({' '.join(option.names)})" if len(option.names) > 1 else ""
    for name in option.names:
        if option.values is None:
            yield f"'{others}{name}[{option.help}]'"
        else:  # `*`: some may be repeated, and offering one twice harms nobody
            sign = "=" if name.startswith("--") else "+"
            yield f"'*{name}{sign}[{option.help}]:{name.lstrip('-')}:{_zsh_values(option.values)}'"


def _zsh_values(values: Values) -> str:
    if values.kind:
        return f" _analyst_words {values.kind}"  # without the blank zsh would put arguments of its own before ours
    if values.words:
        return f"({' '.join(values.words)})"
    return "_files" if values.files else ""


def _fish_position(root: Node) -> Iterator[str]:
    """Write the function that tells whether the command line so far is at a command: options and their values are passed over."""
    valued = sorted(
        {
            f"{_at(node)} {name}"
            for node in root.walk()
            for option in node.options
            if option.values
            for name in option.names
        }
    )
    named = [f"{_at(node.path[:-1])} {node.path[-1]}" for node in root.walk() if node.path]
    yield "function __analyst_at"
    yield "    set -l at ''"
    yield "    set -l skip 0"
    yield "    for word in (commandline -opc)[2..-1]"
    yield "        if test $skip = 1"
    yield "            set skip 0"
    yield f'        else if contains -- "$at $word" {" ".join(_quoted(one) for one in valued)}'
    yield "            set skip 1"
    yield f'        else if contains -- "$at $word" {" ".join(_quoted(one) for one in named)}'
    yield '            set at (string trim -- "$at $word")'
    yield "        end"
    yield "    end"
    yield '    test "$at" = "$argv[1]"'
    yield "end"
    yield "function __analyst_words"
    yield "    set -l typed (commandline -ct | string replace -r '^-[^=]*=' '')"
    yield "    set -l before (commandline -opc)"
    yield '    analyst __complete $argv[1] "$typed" "$before[-1]" 2>/dev/null'
    yield "end"


def _fish_option(option: Option) -> str:
    words = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    if option.help:
        words.append(f"-d '{option.help}'")
    if option.values is not None:
        words.append("-r -F" if option.values.files else f"-x {_fish_values(option.values)}".rstrip())
    return " ".join(words)


def _fish_values(values: Values) -> str:
    if values.kind:
        return f"-a '(__analyst_words {values.kind})'"
    if values.words:
        return f"-a '{' '.join(values.words)}'"
    return "-F" if values.files else ""


def _quoted(words: str) -> str:
    return f"'{words}'"
