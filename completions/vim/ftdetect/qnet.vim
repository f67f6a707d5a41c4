" SPDX-License-Identifier: LGPL-2.1-or-later
" The directories of qnet.conf(5), and drop-ins below them.
autocmd BufRead,BufNewFile */etc/qnet/*.conf,*/run/qnet/*.conf,*/lib/qnet/*.conf,*/.config/qnet/*.conf set filetype=qnet
