# The part of a kubeconfig that may leave the master, by the rules of `kcm_kubeconfig::public_view`.
outer_keys=' << cluster clusters context contexts preferences user users '
leaf_keys=' apiVersion certificate-authority certificate-authority-data client-certificate client-certificate-data client-key current-context disable-compression insecure-skip-tls-verify kind name namespace proxy-url server tls-server-name tokenFile '
named_keys=' as as-groups as-uid as-user-extra auth-provider client-key-data exec extensions password token username '

kubeconfig_public() {
  IFS=' ' read -r n r t bom odd all lines <<END
$(printf '\001 \r \t. \357\273\277 \001-\010\013\014\016-\037\177 \001-\377 \302\205|\342\200[\250\251]')
END
  t=${t%.} s="[ ${t%.}]" i="[^] ${t%.}$n,[{}:#?]" b='[A-Za-z0-9+/=]' run='[A-Za-z0-9+=]' depth=0 key_col=-1 dark=999999999
  run=$run$run$run$run$run run=$run$run$run$run$run$run$run$run atom="(/\\[[0-9A-Fa-f:.]*]|$i|#|:+($i|#))*"
  plain="([^] $t$n,[{}:#?&*!|>%@\"'\`-]|-+$i)$atom($s+($i|:+($i|#))$atom)*" col=0 key='' lit='' open='' start=1 out='' IFS=$newline
  for token in $(sed -E "1s/^$bom//;:a
\$!{N;ba
};s/$r\$//;/[$odd]|[^$all]|$lines|$r[^\\n]/{s/.*/|/;q
};y/\\n/$n/;s/[ $t$r]+($n|\$)/\\1/g;s/^((($s*#[^$n]*)?$n)*)---($s|$n|\$)/\\1   \\4/;s/$n(---|\\.\\.\\.)(($s|$n).*)?\$//;:j
s~(-data[\"']?:)$s*[|][-+0-9]*( *$b*)($n+)$s+($b+)($n|\$)~\\1 | \\2\\4\\3\\5~;tj
s~(-data[\"']?:) [|] +($b)~\\1 \\2~g
s~($plain|\"([^\"\\]|\\\\.)*\"|'([^']|'')*')($s*:)?|$n$s*|$s+|#[^$n]*|[&*][^] $t$n,[{}]*|-$n$s*|-$s+|.~&\\
~g"); do kubeconfig_token || { out="$out # hidden from here" && break; }; done
  IFS=$n
  # shellcheck disable=SC2086 # Every line is to be a word.
  if [ -n "$out" ]; then set -- $out$n && IFS=$newline && printf '%s\n' "$*"; fi
}

# Appends $token to the output. Fails if its context is ambiguous.
kubeconfig_token() {
  first=${token%"${token#?}"}
  case $token in
    "$n"*) out=$out$token start=1 col=$((${#token} - 1)) && case $depth$token in 0*"$t"*) return 1 ;; *) return ;; esac ;;
    [\ $t]*) out=$out$token col=$((col + ${#token})) && return ;;
    '#'*) out="$out#" && return ;;
  esac
  if [ -n "$open" ] && { [ "$depth$start" != 01 ] || [ "$col" -gt "$key_col" ]; }; then
    case $open,$depth,$start,$token in
      plain,[1-9]*,*,[]},] | complete,[1-9]*,*,[]},]) ;;
      plain,0,,[][{},?]) out=$out$token && return ;;
      plain,0,,[\"\'\|\>\&*!%@\`]* | plain,0,,*: | plain,0,,- | plain,0,,-[\ $t$n]* | complete,* | plain,0,1,* | plain,[1-9]*) return 1 ;;
    esac
  fi
  open='' && case $token in
    -[\ $t$n]*) case $depth$start$token in 01*"$t"*) return 1 ;; 01*) out=$out$token key='' key_col=$col ;; *) return 1 ;; esac
      case $token in *"$n"*) col=$((${#token} - 2)) ;; *) col=$((col + ${#token})) ;; esac && return ;;
    [\&*]*) digest "${token#?}" && out=$out$first$digest col=$((col + ${#token})) && case $first in '*') open=complete ;; esac && return ;;
    [[{]) out=$out$token depth=$((depth + 1)) ;;
    []},]) [ "$depth" -gt 0 ] && out=$out$token && if [ "$token" != , ]; then depth=$((depth - 1)) open=complete; fi || return ;;
    *:) kubeconfig_key && return || return ;;
    \"*\" | \'*\') kubeconfig_indented "$token" && token=${token#?} && kubeconfig_value "${token%?}" "$first" && open=complete ;;
    - | [?\|\>!%@\`\"\']*) return 1 ;;
    *) kubeconfig_value "$token" '' && open=plain ;;
  esac && key='' start=''
}

# QUOTED: reports whether its continuation lines are indented more than its key.
kubeconfig_indented() {
  text=$1
  while [ "$depth" = 0 ] && case $text in *"$n"*) ;; *) false ;; esac do
    text=${text#*"$n"} && line=${text%%"$n"*} blanks=${text%%[! ]*}
    case $line in *[!\ $t]*) [ "${#blanks}" -gt "$key_col" ] || return ;; esac
  done
}

kubeconfig_key() {
  name=${token%:} name=${name%"${name##*[!\ $t]}"} quote='' at=$col
  case $first in [\"\']) quote=$first name=${name#?} name=${name%?} ;; esac
  case $depth,$start,$key,$name in *, | *\\* | *"$n"* | 0,,* | [!0]*,*,?*,*) return 1 ;; 0,*) key_col=$col ;; *) at=$((900000000 + depth)) ;; esac
  if [ "$at" -le "$dark" ]; then dark=999999999; fi
  key=$name start='' lit=$dark word=" $name "
  case $name in *[!A-Za-z\<-]*) word=, ;; esac
  case $outer_keys in *"$word"*) out=$out$token && return ;; esac
  if [ "$at" -lt "$dark" ]; then dark=$at; fi
  case $leaf_keys in *"$word"*) out=$out$token && return ;; esac
  lit='' && case $named_keys in *"$word"*) out=$out$token ;; *) digest "$name" && out=$out${quote}sha256:$digest$quote: ;; esac
}

# VALUE QUOTE: appends the visible part of the value of $key, with its line breaks.
kubeconfig_value() {
  text=$1 shown='' quote=$2 IFS="$n$t " && set -- $1 && IFS='' && joined=$* && IFS=$newline
  case $lit$key,$text in
    999999999*-data,*) case $text in
      *[!A-Za-z0-9+/=]* | *UFJJVkFURSBLRV* | *BSSVZBVEUgS0VZ* | *QUklWQVRFIEtFW*) ;;
      *QkVHSU4gQ0VSVElGSUNBVE* | *JFR0lOIENFUlRJRklDQVRF* | *CRUdJTiBDRVJUSUZJQ0FUR*) shown=$text ;;
      esac ;;
    999999999server,*@* | 999999999proxy-url,*@* | 999999999,* | 999999999?*,*[!]A-Za-z0-9\ ._:/@%+=~,\(\)[-]* | *,LS0t* | *,MC4C* | *,MII* | *,eyJ* | *,*$run*) ;;
    999999999?*) shown=$text ;;
  esac
  case $quote,$text in ,null | ,Null | ,NULL | ,'~' | *,) shown=$text lit=1 ;; *) lit=$shown ;; esac
  if [ -z "$lit" ]; then
    digest "$joined" && shown=sha256:$digest
    case $quote$joined in \"*\\* | \'*\'*) kind=escaped- ;; *) kind='' ;; esac
    case $key,$((${#text} % 4)),$text in *-data,[123],* | *-data,0,*[!A-Za-z0-9+/=]* | *-data,0,*=[!=]* | *-data,0,*===) kind=not-base64- ;; esac
    shown=$kind$shown
  fi
  out=$out$quote$shown$quote
  while case $text in *"$n"*) ;; *) false ;; esac do out=$out$n text=${text#*"$n"}; done
}

digest() { digest=$(printf %s "$1" | sha256sum) && digest=${digest%% *}; }
