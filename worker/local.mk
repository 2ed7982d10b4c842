noinst_LIBRARIES += worker/librrworker.a
worker_librrworker_a_CPPFLAGS = $(AM_CPPFLAGS) $(WORKER_INC)
worker_librrworker_a_CFLAGS = $(AM_CFLAGS)
worker_librrworker_a_SOURCES = \
	worker/acceptor.c worker/acceptor.h \
	worker/access.c worker/access.h \
	worker/answer_head.c worker/answer_head.h \
	worker/budget.c worker/budget.h \
	worker/client_body.c worker/client_body.h \
	worker/worker_confine.c worker/worker_confine.h \
	worker/fields.c worker/fields.h \
	worker/form.c worker/form.h \
	worker/http_date.c worker/http_date.h \
	worker/linger.c \
	worker/links.c worker/links.h \
	worker/live.c worker/live.h \
	worker/realm.c worker/realm.h \
	worker/reply.c worker/reply.h \
	worker/request.c worker/request.h worker/request_ends.def \
	worker/request_id.c worker/request_id.h \
	worker/service.c worker/service.h \
	worker/session.c worker/session.h worker/session_states.def \
	worker/session_answer.c \
	worker/session_form.c \
	worker/session_head.c \
	worker/session_tls.c \
	worker/worker.c worker/worker.h \
	worker/worker_channel.c worker/worker_channel.h
