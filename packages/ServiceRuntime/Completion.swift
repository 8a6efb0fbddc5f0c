/// The shells that can be taught.
enum CompletionShell: String, CaseIterable { case bash, zsh, fish }

/// What makes a shell complete command lines: commands, options, and where it can be known what may stand behind one. Made from the
/// settings, so that it knows what the program knows.
extension CommandLineProgram {
    func completion(_ words: [String]) throws(CommandError) -> String {
        let shells = CompletionShell.allCases.map(\.rawValue)
        guard words.count == 1, let shell = CompletionShell(rawValue: words[0]) else {
            if words.contains("--help") || words.contains("-h") {
                return """
                    Print what makes a shell complete command lines.

                    Usage: \(name) completion \(shells.joined(separator: "|"))

                    Example
                      source <(\(name) completion bash)

                    For every new shell: write it to /etc/bash_completion.d/\(name), to _\(name) in a folder of zsh's $fpath, or to
                    ~/.config/fish/completions/\(name).fish.
                    """
            }
            throw CommandError(.usage, "completion takes one of \(shells.joined(separator: ", ")).")
        }
        return switch shell {
        case .bash: bash
        case .zsh: zsh
        case .fish: fish
        }
    }

    /// A text as a word of any of the three shells.
    private static func quoted(_ text: String) -> String { "'\(text.replacing("'", with: #"'\''"#))'" }

    // MARK: bash

    private var bash: String {
        func names(_ words: [String]) -> String { Self.quoted(words.joined(separator: " ")) }
        let families = families.map { family in
            let members = family.members.map { String($0.name.dropFirst(family.first.count + 1)) }
            return """
                        \(family.first))
                            if ((COMP_CWORD == 2)) && [[ $cur != -* ]]; then
                                _\(name)_words \(names(members)); return
                            fi
                            [[ \(names([""] + members + [""])) == *" ${COMP_WORDS[2]} "* ]] && command+=" ${COMP_WORDS[2]}" ;;
                """
        }
        let commands = outlines.map { outline -> String in
            let groups = Dictionary(grouping: outline.options.filter { $0.value != .none }) {
                Self.bash($0.value, name)
            }
            let values = groups.sorted { $0.key < $1.key }.map { action, options in
                "            \(options.map(\.flag).joined(separator: "|"))) \(action); return ;;\n"
            }
            return """
                    \(Self.quoted(outline.name)))
                        case $prev in
                \(values.joined())            esac
                        if [[ $cur == -* ]]; then
                            _\(name)_words \(names(outline.options.map(\.flag)))
                        else
                            \(Self.bash(outline.value, name))
                        fi ;;

                """
        }
        return """
            # bash completion for \(name): source <(\(name) completion bash)
            _\(name)_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }
            _\(name)_files() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen "$1" -- "$cur"); }
            _\(name)() {
                local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
                COMPREPLY=()
                # --flag=value comes as three words.
                if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi
                if ((COMP_CWORD == 1)); then
                    _\(name)_words \(names(firstWords.map { $0.word } + ["--help", "--version"])); return
                fi
                case $command in
            \(families.joined(separator: "\n"))
                esac
                case $command in
            \(commands.joined())    esac
            }
            complete -F _\(name) \(name)
            """
    }

    private static func bash(_ value: CommandOutline.Value, _ name: String) -> String {
        switch value {
        case .none, .any: ":"
        case .file: "_\(name)_files -f"
        case .folder: "_\(name)_files -d"
        case .words(let words): "_\(name)_words \(quoted(words.joined(separator: " ")))"
        }
    }

    // MARK: zsh

    private var zsh: String {
        func list(_ items: [(String, String)]) -> String {
            items.map { Self.quoted("\($0.0):\($0.1)") }.joined(separator: " ")
        }
        let families = families.map { family in
            let members = family.members.map { (String($0.name.dropFirst(family.first.count + 1)), $0.summary) }
            return """
                        \(family.first))
                            if (( CURRENT == 3 )) && [[ $words[3] != -* ]]; then
                                items=(\(list(members))); _describe command items; return
                            fi
                            if [[ \(Self.quoted(" \(members.map(\.0).joined(separator: " ")) ")) == *" $words[3] "* ]]; then
                                command+=" $words[3]"; skip=2
                            fi ;;
                """
        }
        let commands = outlines.map { outline -> String in
            let options = outline.options.map { option in
                // [ ] and : would end the text.
                let help = option.help.map { "[]:".contains($0) ? " " : $0 }
                let value = option.value == .none ? "" : ":\(option.placeholder ?? "value"):\(Self.zsh(option.value))"
                return Self.quoted("\(option.flag)[\(String(help))]\(value)")
            }
            let rest = outline.value == .none ? [] : [Self.quoted("*: :\(Self.zsh(outline.value))")]
            return "        \(Self.quoted(outline.name))) _arguments \((options + rest).joined(separator: " ")) ;;\n"
        }
        return """
            #compdef \(name)
            # zsh completion: \(name) completion zsh > a folder of $fpath/_\(name)
            _\(name)() {
                local command=$words[2] skip=1
                local -a items
                if (( CURRENT == 2 )); then
                    items=(\(list(firstWords.map { ($0.word, $0.summary) }))); _describe command items; return
                fi
                case $command in
            \(families.joined(separator: "\n"))
                esac
                words=("${(@)words[$((skip + 1)),-1]}"); (( CURRENT -= skip ))
                case $command in
            \(commands.joined())    esac
            }
            if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _\(name) "$@"; else compdef _\(name) \(name); fi
            """
    }

    private static func zsh(_ value: CommandOutline.Value) -> String {
        switch value {
        case .none, .any: " "
        case .file: "_files"
        case .folder: "_files -/"
        case .words(let words): "(\(words.map { $0.replacing(" ", with: #"\ "#) }.joined(separator: " ")))"
        }
    }

    // MARK: fish

    private var fish: String {
        let (outlines, families) = (outlines, families)
        var lines = [
            "# fish completion: \(name) completion fish > ~/.config/fish/completions/\(name).fish",
            "function __\(name)_words",
            "    set -l words (commandline -opc)",
            "    set -e words[1]",
            "    string join ' ' -- $words",
            "end",
            "function __\(name)_at", "    test (__\(name)_words | string collect -a) = \"$argv[1]\"", "end",
            "function __\(name)_in",
            "    string match -q -- \"$argv[1] *\" (__\(name)_words | string collect -a)' '",
            "end",
            "complete -c \(name) -f",
        ]
        func add(_ condition: String, _ words: String, _ help: String) {
            lines.append("complete -c \(name) -n \(Self.quoted(condition)) \(words) -d \(Self.quoted(help))")
        }
        for (word, summary) in Self.firstWords(of: outlines) { add("__\(name)_at \"\"", "-a \(word)", summary) }
        for (first, members) in families {
            for member in members {
                add("__\(name)_at \(first)", "-a \(member.name.dropFirst(first.count + 1))", member.summary)
            }
        }
        for outline in outlines {
            // Of a command that others begin with, not theirs.
            let members = families.first { $0.first == outline.name }?.members ?? []
            let condition = ([outline.name] + members.map(\.name)).map { "__\(name)_in \"\($0)\"" }
                .joined(separator: "; and not ")
            for option in outline.options {
                add(condition, "-l \(option.flag.dropFirst(2))\(Self.fish(option.value, isOption: true))", option.help)
            }
            if outline.value != .none, outline.value != .any {
                add(condition, Self.fish(outline.value, isOption: false), outline.placeholder)
            }
        }
        return lines.joined(separator: "\n")
    }

    private static func fish(_ value: CommandOutline.Value, isOption: Bool) -> String {
        let required = isOption ? " -x" : ""
        return switch value {
        case .none: ""
        case .any: required
        case .file: isOption ? " -r -F" : "-F"
        case .folder: required + " -a '(__fish_complete_directories)'"
        case .words(let words):
            required + " -a " + quoted(words.map { $0.replacing(" ", with: "\\ ") }.joined(separator: " "))
        }
    }
}
