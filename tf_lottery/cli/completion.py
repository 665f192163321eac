"""The script by which bash and zsh complete commands, flags and their choices."""

from tf_lottery.cli.command_list import COMMANDS, all_flags

# bash takes "--scope=gl" for three words, zsh for one.
_SCRIPT = """\
# Completes the command tf_lottery. Made by: tf_lottery completion @SHELL@
_tf_lottery() {
  local word="${COMP_WORDS[COMP_CWORD]}" flag="" begin="" offered="" file
  local called="${COMP_WORDS[1]}"
  if [ "$COMP_CWORD" -gt 2 ]; then
    flag="${COMP_WORDS[COMP_CWORD - 1]}"
    if [ "$flag" = "=" ]; then
      flag="${COMP_WORDS[COMP_CWORD - 2]}"
    elif [ "$word" = "=" ]; then
      word=""
    fi
  fi
  case "$word" in
    --*=*) flag="${word%%=*}" begin="${word%%=*}=" word="${word#*=}" ;;
  esac
  if [ "$COMP_CWORD" -eq 1 ]; then
    offered="@COMMANDS@"
  else
    case "$called $flag" in
@CHOICES@
      *)
        case "$called $word" in
@FLAGS@
        esac ;;
    esac
  fi
  if [ -z "$offered" ] && [ -n "$begin" ]; then
    COMPREPLY=()
    for file in "$word"*; do
      [ -e "$file" ] && COMPREPLY+=("$begin$file")
    done
  else
    COMPREPLY=($(compgen -P "$begin" -W "$offered" -- "$word"))
  fi
}
"""
_ENDS = {
    "bash": "complete -o default -F _tf_lottery tf_lottery\n",
    "zsh": """\
autoload -Uz +X compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
complete -o default -F _tf_lottery tf_lottery
""",
}


def script(shell: str) -> str:
    """The script for "bash" or "zsh"; files are completed where nothing else is."""
    values, words = [], []
    for command, about in COMMANDS.items():
        flags = all_flags(command)
        off = [f"no-{name}" for name, flag in flags.items() if flag.can_be_off]
        names = " ".join(f"--{name}" for name in [*flags, *off, "flagfile", "help"])
        words.append(f'          "{command} -"*) offered="{names}" ;;')
        for argument in about.arguments.values():
            if argument.choices:
                offered = " ".join(argument.choices)
                words.append(f'          "{command} "*) offered="{offered}" ;;')
        for name, flag in flags.items():
            if flag.choices:
                offered = " ".join(flag.choices)
                values.append(f'      "{command} --{name}") offered="{offered}" ;;')
    text = _SCRIPT.replace("@SHELL@", shell)
    text = text.replace("@COMMANDS@", " ".join(COMMANDS))
    text = text.replace("@CHOICES@", "\n".join(values))
    return text.replace("@FLAGS@", "\n".join(words)) + _ENDS[shell]
