noinst_LIBRARIES += ctl/librrctl.a
ctl_librrctl_a_CPPFLAGS = $(AM_CPPFLAGS) $(CTL_INC)
ctl_librrctl_a_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
ctl_librrctl_a_SOURCES = \
	ctl/ctl.c ctl/ctl.h \
	ctl/ctl_ask.c ctl/ctl_ask.h \
	ctl/ctl_json.c ctl/ctl_json.h \
	ctl/ctl_options.c ctl/ctl_commands.def ctl/ctl_options.h \
	ctl/ctl_page_status.c \
	ctl/ctl_pages.c ctl/ctl_pages.h \
	ctl/ctl_table.c ctl/ctl_table.h
