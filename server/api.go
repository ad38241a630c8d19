package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/singleflight"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/wire"
)

// api is HTTP for programs: each request is answered by itself, and the sessions of programs are kept without a connection.
type api struct {
	programs  programs
	resumes   singleflight.Group // of one session at a time
	addresses *paces[string]
	users     *paces[string]
	waits     waits
	stopping  chan struct{} // closed when those that wait are to be sent away
}

// An address may ask so many times as often as a user: behind it may be an application that asks for many.
const addressFactor = 10

func newAPI(o Options) *api {
	return &api{
		programs:  programs{limit: o.MaxPrograms, all: map[string]*program{}},
		addresses: newPaces[string](addressFactor*o.RequestRate, 2*addressFactor*o.RequestRate),
		users:     newPaces[string](o.RequestRate, 2*o.RequestRate),
		waits:     waits{limit: o.MaxWaits, perUser: o.MaxPerUser, users: map[string]int{}},
		stopping:  make(chan struct{}),
	}
}

// endpoint is one route of HTTP for programs, with all that the document says of it.
type endpoint struct {
	method, path string
	name         string // in the document
	about, more  string
	in, out      any // zero values of the types of the body, or the parameters, and of the answer
	codes        []wire.Code
	serve        func(s *Server, c *call) (any, error)
}

// everywhere are the codes that every endpoint may answer with.
var everywhere = []wire.Code{
	wire.BadRequest, wire.Unauthenticated, wire.Forbidden, wire.OriginForbidden, wire.RateLimited,
	wire.Unavailable, wire.UnknownOutcome, wire.ShuttingDown,
}

// withBody are those of an endpoint whose request has one.
var withBody = []wire.Code{wire.BadJSON, wire.TooLarge}

// post makes an endpoint that is asked with a body.
func post[In, Out any, P interface {
	*In
	wire.Call
}](path, name, about, more string, codes []wire.Code, f func(s *Server, c *call, in P) (*Out, error)) endpoint {
	return endpoint{
		method: http.MethodPost, path: path, name: name, about: about, more: more, in: *new(In), out: *new(Out),
		codes: append(append(append([]wire.Code{}, everywhere...), withBody...), codes...),
		serve: func(s *Server, c *call) (any, error) {
			in := P(new(In))
			body, err := c.body()
			if err != nil {
				return nil, err
			}
			if refused := wire.DecodeCall(body, in); refused != nil {
				return nil, refused
			}
			return result(f(s, c, in))
		},
	}
}

// get makes an endpoint that is asked by its address alone.
func get[In, Out any](path, name, about, more string, codes []wire.Code, f func(s *Server, c *call, in *In) (*Out, error)) endpoint {
	return endpoint{
		method: http.MethodGet, path: path, name: name, about: about, more: more, in: *new(In), out: *new(Out),
		codes: append(append([]wire.Code{}, everywhere...), codes...),
		serve: func(s *Server, c *call) (any, error) {
			in := new(In)
			if err := c.parameters(in); err != nil {
				return nil, err
			}
			return result(f(s, c, in))
		},
	}
}

func result[Out any](out *Out, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return out, nil
}

// call is one request under way.
type call struct {
	w        http.ResponseWriter
	r        *http.Request
	control  *http.ResponseController
	received time.Time
	resource string // what follows the path of the endpoint
	who      *identity
	ctx      context.Context // of the work: it does not end with the request, which may be cut off in the midst of a change
	after    func(lost bool) // what is to be done once the answer is on its way, or certainly lost; nil: nothing
}

// failure is an answer that is none, with what belongs into its body.
type failure struct {
	err  error
	fill func(*wire.Problem)
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// serveAPI answers a request below /v1/ that nothing else answers.
func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for i := range endpoints {
		e := &endpoints[i]
		resource, ok := e.match(r.URL.Path)
		switch {
		case !ok:
		case e.method == r.Method, e.method == http.MethodGet && r.Method == http.MethodHead:
			s.serveEndpoint(w, r, e, resource)
			return
		default:
			allowed = append(allowed, methods(e.method)...)
		}
	}
	allowed = append(allowed, s.others(r)...)
	if allowed != nil {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.refuse(w, r, &wire.Problem{Status: wire.BadMethod.Status(), Code: wire.BadMethod, Detail: "This address answers to " + strings.Join(allowed, ", ") + " alone."})
		return
	}
	s.refuse(w, r, &wire.Problem{Status: wire.NotFound.Status(), Code: wire.NotFound, Detail: "There is no such address here. Those that there are stand in v1/openapi.json."})
}

// others are the methods with which something other than HTTP for programs answers at an address.
func (s *Server) others(r *http.Request) (list []string) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		other := http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(&other); pattern != "" && pattern != catchAll {
			list = append(list, methods(method)...)
		}
	}
	return list
}

// methods are those of an address that is for one: what can be got has headers that can be asked for alone.
func methods(one string) []string {
	if one == http.MethodGet {
		return []string{one, http.MethodHead}
	}
	return []string{one}
}

// catchAll is what nothing else answers below /v1/.
const catchAll = "/v1/"

// named says whether a path is that of an endpoint which names a resource.
func named(path string) bool {
	return strings.HasPrefix(path, "/v1/locks/") || strings.HasPrefix(path, "/v1/history/")
}

// match says whether a path is the endpoint's, and which resource it names.
func (e *endpoint) match(path string) (resource string, ok bool) {
	if before, found := strings.CutSuffix(e.path, "{resource}"); found {
		return strings.CutPrefix(path, before)
	}
	return "", path == e.path
}

func (s *Server) serveEndpoint(w http.ResponseWriter, r *http.Request, e *endpoint, resource string) {
	ctx, cancel := context.WithTimeout(s.ctx, s.opts.RequestTimeout)
	defer cancel()
	ctx, done := s.observed(ctx, Request{Transport: "http", Kind: e.name, Resource: resource, Header: r.Header})
	c := &call{w: w, r: r, control: http.NewResponseController(w), received: time.Now(), resource: resource, ctx: ctx}
	out, err := s.work(c, e)
	defer func() {
		if c.after != nil {
			lost := c.control.Flush()
			c.after(lost != nil && !errors.Is(lost, http.ErrNotSupported) || r.Context().Err() != nil)
		}
	}()
	if err != nil {
		done(s.fail(c, err))
		return
	}
	h := w.Header()
	body, err := json.Marshal(out)
	if err != nil { // text that is not UTF-8 can come from a name in an old record at most
		done(s.fail(c, err))
		return
	}
	done("")
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write(append(body, '\n'))
}

// work does what is asked. A panic costs that request.
func (s *Server) work(c *call, e *endpoint) (out any, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.panics.Add(1)
			s.log.Error("a panic ended a request", "path", e.path, "panic", v, "stack", string(debug.Stack()))
			err = errors.New("a panic")
		}
	}()
	if err := s.identify(c); err != nil {
		return nil, err
	}
	return e.serve(s, c)
}

// identify says whether a request is answered at all, and on whose behalf.
func (s *Server) identify(c *call) error {
	for _, name := range []string{"Origin", "Authorization", "Content-Type"} {
		if len(c.r.Header.Values(name)) > 1 {
			return &wire.Error{Code: wire.BadRequest, Message: "The header " + name + " occurs twice."}
		}
	}
	if !s.originAllowed(c.r) {
		s.warnOfStranger(c.r)
		return &wire.Error{Code: wire.OriginForbidden, Message: "This is for programs. Pages of the origin " + strings.ToValidUTF8(clip(c.r.Header.Get("Origin")), "?") + " may not ask here."}
	}
	if wait := s.api.addresses.allow(s.address(c.r).String(), c.received); wait > 0 {
		return tooFast("Too many requests come from this address. Try again later.", wait)
	}
	scheme, token, _ := strings.Cut(c.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return unauthenticated(`it is missing. Send it in the header, as "Authorization: Bearer …"`)
	}
	id, err := s.opts.Access.verify(strings.TrimSpace(token), c.received)
	if err != nil {
		s.refusedToken(err, "addr", s.address(c.r))
		return unauthenticated(why(err))
	}
	s.unknownRight(id)
	c.who = id
	if wait := s.api.users.allow(id.user.ID, c.received); wait > 0 {
		return tooFast("Too many requests of this user. Try again later.", wait)
	}
	return nil
}

func unauthenticated(why string) error {
	return &wire.Error{Code: wire.Unauthenticated, Message: "The access token was refused: " + why + "."}
}

func tooFast(message string, wait time.Duration) error {
	return &wire.Error{Code: wire.RateLimited, Message: message, RetryAfter: wire.In(max(wait, 10*time.Millisecond))}
}

// may says that the caller lacks a right, if it does. It knows nothing of whether there is such a resource.
func (c *call) may(verb, resource string) error {
	if !c.who.rights.allows(verb, resource) {
		return forbidden(0, verb, resource)
	}
	return nil
}

// body reads the body.
func (c *call) body() ([]byte, error) {
	_ = c.control.SetReadDeadline(c.received.Add(10 * time.Second)) // whoever sends a byte a second is not waited for
	body, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, wire.MaxBody))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, &wire.Error{Code: wire.TooLarge, Message: fmt.Sprintf("The body is larger than %d bytes.", wire.MaxBody)}
	case err != nil:
		return nil, &wire.Error{Code: wire.BadRequest, Message: "The body did not arrive as a whole."}
	}
	c.r.Body = http.NoBody // nothing is left of it: even if the request is refused, the connection is good for another
	return body, nil
}

// told is what the caller is told of an error.
func told(err error) *wire.Error {
	var e *wire.Error
	if !errors.As(err, &e) {
		e, _ = explain(0, err)
	}
	return e
}

// fail answers with a problem.
func (s *Server) fail(c *call, err error) wire.Code {
	e := told(err)
	if e.Code == wire.UnknownOutcome || e.Code == wire.Unavailable {
		s.failedRequest(err, "path", clip(c.r.URL.Path))
	}
	p := &wire.Problem{Status: e.Code.Status(), Code: e.Code, Detail: e.Message, RetryAfter: e.RetryAfter}
	var locked *editlock.LockedError
	if errors.As(err, &locked) {
		if p.Detail = lockedMessage(locked.Snapshot); locked.Snapshot.Holder != nil && locked.Snapshot.Holder.Yours {
			p.Detail = ownMessage(locked.Snapshot)
		}
		p.Snapshot = c.snapshot(locked.Snapshot)
		p.Holder = p.Snapshot.Holder
	}
	var f *failure
	if errors.As(err, &f) {
		f.fill(p)
	}
	if p.Status == http.StatusUnauthorized {
		c.w.Header().Set("WWW-Authenticate", `Bearer realm="editlock"`)
	}
	s.refuse(c.w, c.r, p)
	return p.Code
}

// retryAfter is what the header of that name says: whole seconds.
func retryAfter(p *wire.Problem) string {
	if p.RetryAfter == 0 {
		return "2"
	}
	return strconv.Itoa(int(p.RetryAfter + 0.999))
}

// snapshot writes a snapshot as the caller, who has no session there, may see it.
func (c *call) snapshot(s editlock.Snapshot) *wire.Snapshot {
	w := plain(s)
	if w.Holder != nil {
		w.Holder.Fence = s.Holder.Fence
		w.Holder.Yours = w.Holder.Yours || !w.Holder.You && w.Holder.User == c.who.user.ID
	}
	return &w
}
