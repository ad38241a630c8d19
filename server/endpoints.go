package server

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strconv"
	"time"

	"github.com/editlock/editlock/wire"
)

// endpoints is HTTP for programs: what is answered, and what the document says of it.
var endpoints = []endpoint{
	post("/v1/acquire", "acquire", "Acquires a lock",
		"Waits for it if wait says so. Somebody else holds: 423, with the holder. Still waiting at the end of the time: 423 too, with the place in snapshot.mine and the session; ask again with that session, and the place is kept. Asking again for what the session holds gives it again, with the same fence.",
		[]wire.Code{wire.BadResource, wire.Locked, wire.QueueFull, wire.TooManyLocks, wire.TooManyWatches, wire.TooManySessions, wire.ResumeRefused, wire.ResumeReused, wire.Replaced, wire.SessionOver},
		(*Server).callAcquire),
	post("/v1/renew", "renew", "Keeps a session alive",
		"The heartbeat of a program: answers all its locks, with fresh tokens, and its places. After a restart of the server it resumes the session, and the answer has the next session to use. 409 session_over: nothing is left.",
		[]wire.Code{wire.TooManySessions, wire.ResumeRefused, wire.ResumeReused, wire.Replaced, wire.SessionOver},
		(*Server).callRenew),
	post("/v1/release", "release", "Gives a lock back",
		"A second time, or with an old fence, nothing happens, and the answer is the same. A session that holds and waits for nothing after it ends.",
		[]wire.Code{wire.BadResource, wire.TooManySessions, wire.ResumeRefused, wire.ResumeReused, wire.Replaced, wire.SessionOver},
		(*Server).callRelease),
	post("/v1/cancel", "cancel", "Gives a place in the queue up",
		"What the session holds stays.",
		[]wire.Code{wire.BadResource, wire.TooManySessions, wire.ResumeRefused, wire.ResumeReused, wire.Replaced, wire.SessionOver},
		(*Server).callCancel),
	post("/v1/changed", "changed", "Says that content was saved",
		"All who wait or watch are told the version. The holder says it with its session and fence; the application, with the right administer, without.",
		[]wire.Code{wire.BadResource, wire.StaleFence, wire.TooManySessions, wire.ResumeRefused, wire.ResumeReused, wire.Replaced, wire.SessionOver},
		(*Server).callChanged),
	checks(post("/v1/check", "check", "Says whether resources are held as is claimed",
		"Of one, or of many by items. It is certain for the moment at which it was read only: where it can be done, check in the transaction of the write.",
		[]wire.Code{wire.BadResource}, (*Server).callCheck)),
	post("/v1/force-release", "forceRelease", "Ends another's hold",
		"Takes the right administer. Whoever held is told at once, and the first who waits is let in. Who did it, and why, stand in the history. Name the fence: a repeated request cannot hit anybody else then.",
		[]wire.Code{wire.BadResource}, (*Server).callForce),
	get("/v1/locks", "listLocks", "Lists what is held, lapsed or waited for",
		"Only what the caller may watch.",
		[]wire.Code{wire.BadResource}, (*Server).callList),
	get("/v1/locks/{resource}", "getLock", "Says what holds of a resource",
		"A resource of which nothing is known is free.",
		[]wire.Code{wire.BadResource}, (*Server).callGet),
	get("/v1/history/{resource}", "getHistory", "Says who held a resource, and why it ended",
		"Oldest first.",
		[]wire.Code{wire.BadResource}, (*Server).callHistory),
}

// checks gives the one endpoint whose answer has two forms its form.
func checks(e endpoint) endpoint {
	inner := e.serve
	e.serve = func(s *Server, c *call) (any, error) {
		out, err := inner(s, c)
		if err != nil {
			return nil, err
		}
		return out.(*checkAnswer).answer(), nil
	}
	e.out = nil // see the document
	return e
}

// defaultLimit is how many entries a list has if nothing is said.
const defaultLimit = 100

// parameters reads what the address says into the fields of v, by their tags.
func (c *call) parameters(v any) error {
	if c.r.ContentLength != 0 {
		return badParameter("A request by this method has no body.")
	}
	given, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return badParameter("The query of the address cannot be read: after a %% there are two hexadecimal digits.")
	}
	s := reflect.ValueOf(v).Elem()
	for i := range s.NumField() {
		name := s.Type().Field(i).Tag.Get("param")
		if name == "resource" {
			s.Field(i).SetString(c.resource)
			continue
		}
		values, text := given[name], ""
		delete(given, name)
		if len(values) > 1 {
			return badParameter("The parameter %s occurs twice.", name)
		}
		if len(values) == 1 {
			text = values[0]
		}
		switch field := s.Field(i).Addr().Interface().(type) {
		case *string:
			*field = text
		case *int:
			if *field = defaultLimit; text != "" {
				if *field, err = strconv.Atoi(text); err != nil || *field < 1 || *field > wire.MaxList {
					return badParameter("The parameter %s must be a number from 1 to %d.", name, wire.MaxList)
				}
			}
		case *time.Time:
			if text != "" {
				if *field, err = time.Parse(time.RFC3339, text); err != nil {
					return badParameter("The parameter %s must be an instant such as 2026-11-23T14:05:00Z, with + written as %%2B.", name)
				}
			}
		}
	}
	for name := range given {
		return badParameter("There is no parameter %q here. Is it misspelt?", clip(name))
	}
	return nil
}

func badParameter(format string, args ...any) error {
	return &wire.Error{Code: wire.BadRequest, Message: fmt.Sprintf(format, args...)}
}

// serveDocument answers with the description of all this.
func (s *Server) serveDocument(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(OpenAPI())
}
