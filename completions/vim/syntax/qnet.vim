" SPDX-License-Identifier: LGPL-2.1-or-later
" qnet.conf(5). A key is one only below its own section; elsewhere it is an error, as the generator warns.
if exists('b:current_syntax')
  finish
endif

syntax case match
syntax match qnetComment /^\s*[#;].*/ contains=@Spell
syntax match qnetUnknownSection /^\s*\[[^]]*\]\?/
syntax match qnetUnknownKey /^\s*\h\w*\ze\s*=/ nextgroup=qnetValue skipwhite
syntax match qnetValue /=\%(.*\\\n\)*.*/ contained contains=qnetSpecifier,qnetContinued,qnetBoolean
syntax match qnetContinued /\\$/ contained
syntax match qnetSpecifier /%[A-Za-z%]/ contained
syntax match qnetBoolean /\%(=\s*\)\@<=\%(yes\|no\|true\|false\|on\|off\)\ze\s*$/ contained

for [s:section, s:kind, s:keys] in g:qnet#keys#sections
  execute 'syntax match qnetSection /^\s*\[' . s:section . '\%(\s[^]]*\)\?\]/ contained'
  execute 'syntax region qnet' . s:section . ' start=/^\s*\[' . s:section . '[] ]/ end=/^\ze\s*\[/ transparent fold'
        \ . ' contains=qnetComment,qnetUnknownKey,qnetForeign,qnetSection,qnet' . s:section . 'Key'
  let s:names = s:kind ==# 'systemd' ? '\h[-A-Za-z0-9_]*' : '\%(X-[-A-Za-z0-9_]*\|' . join(map(copy(s:keys), 'v:val[0]'), '\|') . '\)'
  execute 'syntax match qnet' . s:section . 'Key /^\s*' . s:names . '\ze\s*=/ contained nextgroup=qnetValue skipwhite'
  execute 'highlight default link qnet' . s:section . 'Key qnetKey'
endfor
syntax region qnetForeign start=/^\s*\[X-/ end=/^\ze\s*\[/
syntax sync fromstart

highlight default link qnetComment Comment
highlight default link qnetSection Title
highlight default link qnetKey Identifier
highlight default link qnetValue String
highlight default link qnetContinued Special
highlight default link qnetSpecifier Special
highlight default link qnetBoolean Boolean
highlight default link qnetForeign Comment
highlight default link qnetUnknownSection Error
highlight default link qnetUnknownKey Error

let b:current_syntax = 'qnet'
