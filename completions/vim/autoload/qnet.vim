" SPDX-License-Identifier: LGPL-2.1-or-later
" Omni-completion (CTRL-X CTRL-O) of sections and keys, with their meaning; see complete-functions.

function! s:section() abort
  let line = search('^\s*\[\h\w*', 'bnW')
  return line ? matchstr(getline(line), '^\s*\[\zs\h\w*') : ''
endfunction

function! qnet#complete(findstart, base) abort
  let before = strpart(getline('.'), 0, col('.') - 1)
  if a:findstart
    return before =~# '^\s*\[\?\w*$' ? match(before, '\w*$') : -3
  endif
  let words = []
  for [section, kind, keys] in g:qnet#keys#sections
    if before =~# '^\s*\['
      call add(words, {'word': section, 'menu': kind})
    elseif section ==# s:section()
      call extend(words, map(copy(keys), {_, key -> {'word': key[0] . '=', 'menu': key[1]}}))
    endif
  endfor
  return filter(words, {_, word -> stridx(tolower(word.word), tolower(a:base)) == 0})
endfunction
