noinst_LIBRARIES += ctl/librrctl.a
ctl_librrctl_a_CPPFLAGS = $(AM_CPPFLAGS) $(CTL_INC)
ctl_librrctl_a_CFLAGS = $(AM_CFLAGS)
ctl_librrctl_a_SOURCES =
