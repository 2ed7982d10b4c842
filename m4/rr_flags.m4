# RR_TRY_CFLAG(FLAG, VAR): append FLAG to VAR when the compiler and linker take it without a warning.
AC_DEFUN([RR_TRY_CFLAG], [
  AS_VAR_PUSHDEF([rr_id], [rr_cv_cflag_$1])
  AC_CACHE_CHECK([whether $CC accepts $1], [rr_id], [
    rr_saved=$CFLAGS
    CFLAGS="$CFLAGS -Wall -Werror $1"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[puts("x");]])],
      [AS_VAR_SET([rr_id], [yes])], [AS_VAR_SET([rr_id], [no])])
    CFLAGS=$rr_saved])
  AS_VAR_IF([rr_id], [yes], [AS_VAR_APPEND([$2], [" $1"])])
  AS_VAR_POPDEF([rr_id])
])

# RR_TRY_LDFLAG(FLAG, VAR): the same for a linker flag.
AC_DEFUN([RR_TRY_LDFLAG], [
  AS_VAR_PUSHDEF([rr_id], [rr_cv_ldflag_$1])
  AC_CACHE_CHECK([whether the linker accepts $1], [rr_id], [
    rr_saved=$LDFLAGS
    LDFLAGS="$LDFLAGS -Werror $1"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([[#include <stdio.h>]], [[puts("x");]])],
      [AS_VAR_SET([rr_id], [yes])], [AS_VAR_SET([rr_id], [no])])
    LDFLAGS=$rr_saved])
  AS_VAR_IF([rr_id], [yes], [AS_VAR_APPEND([$2], [" $1"])])
  AS_VAR_POPDEF([rr_id])
])
