noinst_LIBRARIES += master/librrmaster.a
master_librrmaster_a_CPPFLAGS = $(AM_CPPFLAGS) $(MASTER_INC)
master_librrmaster_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(JANSSON_CFLAGS)
master_librrmaster_a_SOURCES = \
	master/book.c master/book.h \
	master/candidate.c master/candidate.h \
	master/config_watch.c master/config_watch.h \
	master/child.c master/child.h \
	master/control.c master/control.h \
	master/control_calls.c master/control_calls.h \
	master/control_client.c master/control_client.h master/control_states.def \
	master/control_http.c master/control_http.h \
	master/control_json.c master/control_json.h \
	master/control_socket.c master/control_socket.h \
	master/generation.c master/generation.h \
	master/inherit.c master/inherit.h \
	master/listeners.c master/listeners.h \
	master/master.c master/master.h master/master_impl.h \
	master/notify.c \
	master/proxy_index.c master/proxy_index.h \
	master/options.c master/options.h \
	master/pulse.c \
	master/reaper.c \
	master/reload.c master/reload.h \
	master/slot.h master/slot_states.def master/slot_table.c \
	master/spawn.c master/spawn.h \
	master/stop.c \
	master/undrain.c \
	master/user.c master/user.h \
	master/view.c master/view.h master/view_pulls.c

dist_man_MANS += master/regrelayd.8

sbin_PROGRAMS += regrelayd
regrelayd_CPPFLAGS = $(AM_CPPFLAGS) $(MASTER_INC) -I$(srcdir)/worker -I$(srcdir)/keeper
regrelayd_SOURCES = master/main.c
regrelayd_LDADD = $(MASTER_LIBS) $(WORKER_LIBS) $(KEEPER_LIBS)
