#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""completion.py BASH ZSH KEYS VIM MAN PROGRAM... - --help, manual pages and completion agree

BASH, ZSH and KEYS are the completion files as built, VIM the directory of the others, MAN that of the pages. For each
program the usage of --help is read: its verbs, and the options of each. The same must be in the synopsis of its page, with
an entry for each below; and what bash offers, asked by COMP_WORDS as at a prompt, is that and nothing else. zsh must offer
what bash does. The generator's sections and keys are offered after --keys, and in Vim, where it is installed: by
omni-completion, and coloured in their own section only."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

CONF = "[VM host1]\nMemory=1G\n[VM host2]\n[Switch s1]\nAddress=10.9.0.1/24\n"
ASK = """source "$1"
while IFS=$'\\037' read -ra COMP_WORDS; do
        unset 'COMP_WORDS[-1]'  # a mark, so that an empty word before it is one
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
        f=$(complete -p "${COMP_WORDS[0]##*/}" | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
        "$f" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        (IFS=$'\\t'; echo "${COMPREPLY[*]}")
done"""
ZSH = """compadd() { shift ${@[(i)--]}; (( ! $# )) || print -l -- "$@" }
while IFS= read -r line; do
        words=("${(@ps:\\037:)line}") words[-1]=() CURRENT=$#words
        print -r -- ${(pj:\\t:)"${(@f)"$(source $1)"}"}
done"""


class Shells:
    def __init__(self, bash, zsh, root, generator):
        self.bash, self.zsh = bash, zsh
        os.makedirs(f"{root}/etc/qnet")
        with open(f"{root}/etc/qnet/lab.conf", "w", encoding="ascii") as f:
            f.write(CONF)
        for name, what in ("br0", "bridge"), ("tap0", "tun_flags"), ("eth0", "address"):
            os.makedirs(f"{root}/class/net/{name}")
            with open(f"{root}/class/net/{name}/{what}", "w", encoding="ascii"):
                pass
        self.env = dict(os.environ, QNET_ROOT=root, QNET_SYSFS=root, QNET_GENERATOR=generator, QNET_COMPLETION=bash)

    def ask(self, shell, queries):
        """What is offered for each list of words, the last one at the cursor."""
        command = {"bash": ["bash", "-c", ASK, "bash", self.bash], "zsh": ["zsh", "-fc", ZSH, "zsh", self.zsh]}[shell]
        text = "".join("\037".join(q) + "\037.\n" for q in queries)  # not a tab: it would swallow empty words
        p = subprocess.run(command, input=text, capture_output=True, text=True, env=self.env)
        answers = [set(line.split("\t")) - {""} for line in p.stdout.splitlines()]
        if p.stderr or len(answers) != len(queries):
            raise SystemExit(f"{shell} has {len(answers)} answers to {len(queries)} questions, and says: {p.stderr}")
        return answers


def usage_rows(text):
    """{verb: {option: value}} of --help; the verb is "" in a program without."""
    rows, found = re.split(r"^(?:Usage:|      ) \S+", text.split("\n\n")[0], flags=re.MULTILINE)[1:], {}
    for row in rows:
        verb = re.match(r" ([a-z][a-z-]*)(?:\s|$)", row)
        options = dict(re.findall(r"--([\w-]+)(?:=([^\s\]]+))?", row))
        found.setdefault(verb[1] if verb else "", {}).update(options)
    return found


def page_rows(text):
    """{verb: {option}} of the synopsis."""
    synopsis, found = re.search(r"^\.Sh SYNOPSIS\n(.*?)^\.Sh", text, re.MULTILINE | re.DOTALL)[1], {}
    for row in re.split(r"^\.Nm .*\n", synopsis, flags=re.MULTILINE)[1:]:
        options = set(re.findall(r"\bFl Fl ([\w-]+)", row)) - {"help", "version"}
        verbs = re.search(r"^\.Cm (.*)", row, re.MULTILINE)
        if "Fl Fl help" not in row or options:
            for verb in re.findall(r"[\w-]+", verbs[1]) if verbs else [""]:
                found.setdefault(verb, set()).update(options)
    return found


def page_complaints(page, rows):
    with open(page, encoding="utf-8") as f:
        text = f.read()
    described, found = "\n".join(re.findall(r"^\.It (.*)", text, re.MULTILINE)), page_rows(text)
    if set(rows) == {""}:
        found = {"": set().union(*found.values())}
    for verb in sorted(set(rows) | set(found)):
        if verb not in rows or verb not in found:
            yield f"{page}: verb {verb} is only in {'--help' if verb in rows else 'the page'}"
            continue
        if verb and not re.search(rf"^Cm {verb}\b", described, re.MULTILINE):
            yield f"{page}: no entry describes {verb}"
        for option in sorted(set(rows[verb]) ^ found[verb]):
            yield f"{page}: {verb} --{option} is only in {'--help' if option in rows[verb] else 'the synopsis'}"
        for option in rows[verb]:
            if not re.search(rf"\bFl Fl {option}\b(?!-)", described):
                yield f"{page}: no entry describes --{option}"


def as_offered(options):
    return {f"--{o}" + ("=" if v else "") for o, v in options.items()} | {"--help", "--version"}


def expectations(program, rows):
    """(words, what is to be offered for the last)"""
    every = {o: v for options in rows.values() for o, v in options.items()}
    yield [program, "-"], as_offered(every)
    for verb, options in rows.items():
        words = [program] + ([verb] if verb else [])
        if verb:
            yield [program, verb[:-1]], {v for v in rows if v.startswith(verb[:-1])}
            yield words + ["--"], as_offered(options)
        for option, value in options.items():
            choices = {c for c in (value or "").split("|") if c.islower()}
            for choice in choices:
                yield words + [f"--{option}", "=", choice[:-1]], {c for c in choices if c.startswith(choice[:-1])}
                yield words + [f"--{option}", choice], {choice}
    if "" not in rows:
        yield [program, ""], set(rows)


def values(programs):
    """Names of interfaces, machines and switches"""
    for words, wanted in (
            ("qnet-tap del .", {"tap0"}), ("qnet-tap own t", {"tap0"}), ("qnet-tap add t --bridge = .", {"br0"}),
            ("qnet-tap add t --vm = .", {"host1", "host2"}), ("qnet-tap add t --vm .", {"host1", "host2"}),
            ("qnet-tap add t --vm = host2", {"host2"}), ("qnet-tap add t --vm=host2", {"--vm=host2"}),
            ("qnet-switch del .", {"br0"}), ("qnet-switch add br0 --name = .", {"s1"}), ("qnet-switch del --name s1 b", {"br0"}),
            ("qnet-switch check .", {"br0", "s1"}), ("qnet-switch check br0 --uplink = .", {"br0", "eth0", "tap0"}),
            ("qnet-arp get x --dev = .", {"br0", "eth0", "tap0"}), ("qnet-reaper resolve host1 h", {"host1", "host2"}),
            ("qnet-reaper status .", set()), ("qnet-disk grow /etc/host .", set()), ("qnet-disk grow /etc/hostn", {"/etc/hostname"}),
            ("qnet-firmware --nvram = /etc/hostn", {"/etc/hostname"}), ("qnet-generator /us", {"/usr"}),
            ("qnet-lease d", {"del"}), ("qnet-generator --keys VM . .", set())):
        program, *rest = words.split(" ")
        if program in programs:
            yield [programs[program], *("" if w == "." else w for w in rest)], wanted


def table(generator):
    """{section: [key]}"""
    def column(n, *args):
        out = subprocess.run([generator, *args], check=True, capture_output=True, text=True).stdout
        return [line.split("\t")[n] for line in out.splitlines()]
    return {section: column(1, "--keys", section) for section in column(0, "--sections")}


def key_expectations(generator, sections):
    yield [generator, "--keys", ""], set(sections)
    for section, keys in sections.items():
        yield [generator, "--keys", section + "."], {f"{section}.{key}" for key in keys}


def shell_complaints(shells, programs, all_rows, sections):
    queries = [q for name, rows in all_rows.items() for q in expectations(programs[name], rows)]
    queries += list(values(programs)) + list(key_expectations(programs["qnet-generator"], sections))
    for (words, wanted), got in zip(queries, shells.ask("bash", [words for words, _ in queries]), strict=True):
        if got != wanted:
            yield f"bash offers for {' '.join(words)!r}: {sorted(got)} and not {sorted(wanted)}"
    if not shutil.which("zsh"):
        print("no zsh, not tested")
        return
    queries = [q for q in queries if "=" not in q[0]][::5]
    for (words, wanted), got in zip(queries, shells.ask("zsh", [words for words, _ in queries]), strict=True):
        if got != wanted:
            yield f"zsh offers for {' '.join(words)!r}: {sorted(got)} and not {sorted(wanted)}"


# ---- Vim ----

VIMSCRIPT = r"""
set nomore runtimepath^=%(vim)s
filetype plugin on
syntax on
function! s:group(line, column)
  return synIDattr(synIDtrans(synID(a:line, a:column, 1)), 'name')
endfunction
let result = []
for section in %(sections)s
  execute 'edit!' '%(root)s/etc/qnet/' . section . '.conf'
  call setline(1, ['# c', '[' . section . ' x]', '', 'X-Mine=1', 'NoSuchKey=1', '[Nope]'] + map(copy(g:keys), 'v:val . "=yes"'))
  call cursor(3, 1)
  let offered = map(qnet#complete(0, ''), 'v:val.word')
  call setline(3, '[ ')
  call cursor(3, 2)
  let sections = map(qnet#complete(0, ''), 'v:val.word')
  let known = []
  call setline(6, '')
  call setline(3, '')
  syntax sync fromstart
  for i in range(len(g:keys))
    if s:group(i + 7, 1) ==# 'Identifier'
      call add(known, g:keys[i])
    endif
  endfor
  call add(result, [&filetype, offered, sections, known, s:group(1, 1), s:group(2, 2), s:group(4, 1), s:group(5, 1), s:group(7, len(g:keys[0]) + 2)])
endfor
call writefile([json_encode(result)], '%(root)s/result')
qall!
"""


def vim_complaints(vim, keys_file, root, sections):
    with open(keys_file, encoding="utf-8") as f:
        text = f.read()
    every = sorted({key for keys in sections.values() for key in keys})
    for section, keys in sections.items():
        block = re.search(rf"\['{section}', '\w+', \[(.*?)\]\],", text, re.DOTALL)
        if not block or re.findall(r"\['(\w+)',", block[1]) != keys:
            yield f"{keys_file}: [{section}] has other keys than the generator's table"
    if not shutil.which("vim") or "+eval" not in subprocess.run(["vim", "--version"], capture_output=True, text=True).stdout:
        print("no vim, not tested")
        return
    shutil.copytree(vim, f"{root}/vim")
    os.makedirs(f"{root}/vim/autoload/qnet")
    shutil.copy(keys_file, f"{root}/vim/autoload/qnet/keys.vim")
    with open(f"{root}/test.vim", "w", encoding="utf-8") as f:
        f.write(f"let g:keys = {every}\n" + VIMSCRIPT % {"vim": f"{root}/vim", "root": root, "sections": list(sections)})
    p = subprocess.run(["vim", "-N", "-u", "NONE", "-i", "NONE", "-n", "-es", "-S", f"{root}/test.vim"], stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=60, env=dict(os.environ, TERM="dumb", HOME=root))
    if not os.path.exists(f"{root}/result"):
        yield f"vim: {p.stdout}{p.stderr}"
        return
    with open(f"{root}/result", encoding="utf-8") as f:
        result = eval(f.read())  # lists of strings
    for (section, keys), got in zip(sections.items(), result, strict=True):
        systemd = section in ("Unit", "Service", "Install")
        wanted = ["qnet", [k + "=" for k in keys], list(sections), every if systemd else sorted(keys), "Comment", "Title",
                  "Identifier", "Identifier" if systemd else "Error", "Constant"]
        names = ("type", "keys offered", "sections offered", "keys coloured", "comment", "heading", "X-Mine=", "NoSuchKey=", "yes")
        if not systemd and every[0] not in keys:
            wanted[-1] = got[-1]
        for name, w, g in zip(names, wanted, got, strict=True):
            if w != g:
                yield f"vim, [{section}], {name}: {g} and not {w}"


def main(bash, zsh, keys_file, vim, man, *paths):
    programs = {os.path.basename(path): path for path in paths}
    found, all_rows = [], {}
    for name, path in programs.items():
        text = subprocess.run([path, "--help"], check=True, capture_output=True, text=True).stdout
        all_rows[name] = usage_rows(text)
        found += page_complaints(f"{man}/{name}.8", all_rows[name])
    sections = table(programs["qnet-generator"])
    with tempfile.TemporaryDirectory(prefix="qnet-completion.") as root:
        shells = Shells(bash, zsh, root, programs["qnet-generator"])
        found += shell_complaints(shells, programs, all_rows, sections)
        found += vim_complaints(vim, keys_file, root, sections)
    options = sum(len(o) for rows in all_rows.values() for o in rows.values())
    print("\n".join(found) or f"{len(programs)} programs, {options} options of verbs, {len(sections)} sections agree")
    return 1 if found or not programs else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
