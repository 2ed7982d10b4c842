noinst_LIBRARIES += conf/librrconf.a
conf_librrconf_a_CPPFLAGS = $(AM_CPPFLAGS) $(CONF_INC)
conf_librrconf_a_CFLAGS = $(AM_CFLAGS) $(INIH_CFLAGS)
conf_librrconf_a_SOURCES = \
	conf/conf.c conf/conf.h \
	conf/conf_build.h \
	conf/conf_check.c \
	conf/conf_cpus.c \
	conf/conf_dump.c \
	conf/conf_format.c \
	conf/conf_key.c conf/conf_key.h conf/conf_keys.def \
	conf/conf_parse.c \
	conf/conf_value.c \
	conf/conf_words.c conf/conf_words.h
