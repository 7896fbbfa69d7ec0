# SPDX-License-Identifier: MIT
# Fish completion: all words come from the programs themselves (desched(1), --list).
function __desched_words
    set -l typed (commandline -opc)
    set -l word (commandline -ct)
    set -l list $typed[1] --list
    if test (basename $typed[1]) = desched
        if test (count $typed) -eq 1
            $list
            printf '%s\n' help --help --version
            return
        else if test (count $typed) -eq 2; and test $typed[2] = help
            $list
            return
        end
        set list $list $typed[2]
    end
    if string match -q -- '--*=*' $word
        set -l option (string split -m 1 = -- $word)[1]
        for value in ($list $option 2>/dev/null)
            if test $value = '<file>'
                __fish_complete_path (string replace -r '^[^=]*=' '' -- $word) | string replace -r '^' "$option="
            else
                echo $option=$value
            end
        end
        return
    end
    set -l values
    if string match -q -- '-*' $typed[-1]
        set values ($list $typed[-1] 2>/dev/null)
    end
    if test -z "$values"; and string match -q -- '-*' $word
        set values ($list 2>/dev/null)
    else if test -z "$values"
        set values ($list - 2>/dev/null)
    end
    if test "$values" = '<file>'
        __fish_complete_path $word
    else
        printf '%s\n' $values
    end
end
for program in desched vmdesched vmdesched-exporter deschedd
    complete -c $program -f -a '(__desched_words)'
end
