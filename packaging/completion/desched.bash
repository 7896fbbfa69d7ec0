# SPDX-License-Identifier: MIT
# Bash completion: all words come from the programs themselves (desched(1), --list).
_desched_words() { # _desched_words PROGRAM [COMMAND] [OPTION]: what may be at the cursor
	local word=${COMP_WORDS[COMP_CWORD]} words
	words=$("$@" 2>/dev/null)
	if [ "$words" = "<file>" ]; then
		compopt -o filenames 2>/dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	else
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
	fi
}

_desched() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} list
	list=("$1" --list)
	COMPREPLY=()
	if [ "${1##*/}" = desched ]; then
		if [ "$COMP_CWORD" = 1 ] || { [ "$COMP_CWORD" = 2 ] && [ "$before" = help ]; }; then
			_desched_words "${list[@]}"
			[ "$COMP_CWORD" = 2 ] || mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < \
				<(compgen -W "help --help --version" -- "$word")
			return
		fi
		list+=("${COMP_WORDS[1]}")
	fi
	# "--json=FILE" arrives as three words.
	[ "$word" = "=" ] && word='' before=${COMP_WORDS[COMP_CWORD - 1]}
	[ "$before" = "=" ] && before=${COMP_WORDS[COMP_CWORD - 2]}
	case $before in
	-*)
		_desched_words "${list[@]}" "$before"
		[ ${#COMPREPLY[@]} = 0 ] || return
		;;
	esac
	case $word in
	-*) _desched_words "${list[@]}" ;;
	*) _desched_words "${list[@]}" - ;;
	esac
}
complete -F _desched desched vmdesched vmdesched-exporter deschedd
