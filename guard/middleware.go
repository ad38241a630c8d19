package guard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/wire"
)

// Options of a middleware. Resource is required.
type Options struct {
	// Resource names what a request writes, or loads. The empty string lets the request pass unguarded.
	Resource func(*http.Request) string
	// User names whose request it is, as the application knows. If set, a token of another user is refused.
	User func(*http.Request) string
	// Checker, if set, is asked too: then a holding that was ended by a decision is refused at once, and a
	// refusal names the holder. If it cannot tell, the save is refused with 503.
	Checker Checker
}

// Middleware refuses every save, that is every request but GET, HEAD, OPTIONS and TRACE, that carries no good lock token, in the
// header Lock-Token or, sent by a form, in its field lock_token (the form is parsed for that, and its body then read): with 423
// when somebody else holds or there is no proof of ever having held, with 409 when the holding is over. The body is
// application/problem+json.
//
// A GET or HEAD needs no token. One that carries it in the header is the load that refreshes a new holder, and is refused as a save would
// be if the token is not good. So wrap the page or endpoint that loads the content as well: FromContext then tells its handler
// whether to raise the fence before it reads.
func (v *Verifier) Middleware(o Options) func(http.Handler) http.Handler {
	if o.Resource == nil {
		panic("guard: Options.Resource is required: without it nothing is guarded")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !concerns(r) {
				next.ServeHTTP(w, r)
				return
			}
			resource := o.Resource(r)
			if resource == "" {
				next.ServeHTTP(w, r)
				return
			}
			lock, err := v.admit(r, resource, o)
			if err != nil {
				refuse(w, err)
				return
			}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), contextKey{}, lock)))
		})
	}
}

// concerns reports whether a request is a save, or the load of a holder: whatever has the header, though it may be empty, is
// not taken for somebody who only reads.
func concerns(r *http.Request) bool {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return len(r.Header.Values(wire.Header)) > 0
	case http.MethodOptions, http.MethodTrace:
		return false
	}
	return true
}

// admit checks a request offline and then, if there is somebody to ask, online.
func (v *Verifier) admit(r *http.Request, resource string, o Options) (wire.Lock, error) {
	var token string
	switch values := r.Header.Values(wire.Header); len(values) {
	case 0:
		token = formToken(r) // a load has a token in the header, or does not come here
	case 1:
		token = values[0]
	default:
		return wire.Lock{}, fmt.Errorf("%w: there are %d of them", wire.ErrBadToken, len(values))
	}
	lock, err := v.Verify(token, resource)
	if err == nil && o.User != nil && o.User(r) != lock.User {
		err = ErrOtherUser
	}
	if o.Checker == nil || errors.Is(err, lease.ErrBadResource) {
		return lock, err
	}
	if err == nil {
		_, err := o.Checker.Check(r.Context(), resource, lock.Session, lock.Fence)
		return lock, err
	}
	// Refused already; but whoever wants to save should learn who holds.
	if _, checked := o.Checker.Check(r.Context(), resource, "", 0); errors.Is(checked, editlock.ErrLocked) {
		return wire.Lock{}, checked
	}
	return wire.Lock{}, err
}

// formToken is what <edit-lock> adds to a form that it guards.
func formToken(r *http.Request) string {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "application/x-www-form-urlencoded", "multipart/form-data":
		return r.PostFormValue(wire.Field)
	}
	return ""
}

// table says what a refused request is told. The first row that fits counts.
var table = []struct {
	err    error
	code   wire.Code
	detail string
}{
	{editlock.ErrLocked, wire.Locked, "Somebody else is editing this. Keep your text, and wait for your turn."},
	{wire.ErrExpired, wire.StaleFence, "Your lock token has expired, and the lock may have passed on. Keep your text, acquire the lock again, and compare before you save."},
	{editlock.ErrStale, wire.StaleFence, "Your hold has ended, so this may have been changed since. Keep your text, acquire the lock again, and compare before you save."},
	{ErrNoToken, wire.BadLockToken, "Only whoever holds the lock may save this, or load it for editing. Acquire it, and send its token in the header Lock-Token, or in the field lock_token of a form."},
	{ErrOtherResource, wire.BadLockToken, "The lock token is for another resource. Send the one of what is saved or loaded."},
	{ErrOtherUser, wire.BadLockToken, "The lock token is of another user."},
	{wire.ErrBadToken, wire.BadLockToken, "The lock token was not made by this server. Acquire the lock, and send its token."},
	{lease.ErrBadResource, wire.BadResource, "What is saved or loaded has a name that cannot be locked."},
	{editlock.ErrUnavailable, wire.Unavailable, "Whether you hold the lock cannot be told at this moment. Keep your text, and try again."},
}

// problem turns a refusal into what is told.
func problem(err error) *wire.Problem {
	p := &wire.Problem{Code: wire.Unavailable, Detail: "Whether you hold the lock cannot be told at this moment. Keep your text, and try again."}
	for _, row := range table {
		if errors.Is(err, row.err) {
			p.Code, p.Detail = row.code, row.detail
			break
		}
	}
	var locked *editlock.LockedError
	if errors.As(err, &locked) && locked.Snapshot.Holder != nil {
		h := locked.Snapshot.Holder
		p.Holder = &wire.Holder{
			User: h.User.ID, Name: h.User.Name, Since: h.Since.UTC().Truncate(time.Second),
			HeldFor: wire.In(time.Since(h.Since)), You: h.You, Yours: h.Yours,
		}
		p.Detail = h.User.Name + " is editing this. Keep your text, and wait for your turn."
	}
	p.Status = p.Code.Status()
	p.Title = http.StatusText(p.Status)
	return p
}

func refuse(w http.ResponseWriter, err error) {
	p := problem(err)
	h := w.Header()
	h.Set("Content-Type", wire.ProblemType)
	h.Set("Cache-Control", "no-store")
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "2")
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(p.Encode())
}
