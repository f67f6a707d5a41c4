" SPDX-License-Identifier: LGPL-2.1-or-later
if exists('b:did_ftplugin')
  finish
endif
let b:did_ftplugin = 1
setlocal commentstring=#\ %s comments=:#,:; formatoptions-=t omnifunc=qnet#complete
let b:undo_ftplugin = 'setlocal commentstring< comments< formatoptions< omnifunc<'
