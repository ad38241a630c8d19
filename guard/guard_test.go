package guard_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/guard"
	"github.com/editlock/editlock/lease"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

func key(t *testing.T, secret string) *wire.Key {
	t.Helper()
	k, err := wire.NewKey("lock", []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

const ours, theirs = "Xp2s5v8y/B?E(H+MbQeThWmZq4t7w9z$", "r4u7x!A%D*G-KaPdSgVkYp3s6v9y$B&E"

func sign(t *testing.T, k *wire.Key, l wire.Lock) string {
	t.Helper()
	token, err := wire.SignLock(k, l)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func lock(change ...func(*wire.Lock)) wire.Lock {
	now := time.Now().UTC().Truncate(time.Second)
	l := wire.Lock{User: "ana", Session: "s1", Resource: "article/caf\u00e9", Fence: 7, Issued: now, Expires: now.Add(time.Minute)}
	for _, f := range change {
		f(&l)
	}
	return l
}

func TestVerify(t *testing.T) {
	k := key(t, ours)
	v, err := guard.NewVerifier(k)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := v.Verify(sign(t, k, lock()), "article/cafe\u0301"); err != nil || got != lock() {
		t.Errorf("%+v, %v", got, err)
	}
	for name, c := range map[string]struct {
		token, resource string
		want            error
	}{
		"none":           {"", "article/caf\u00e9", guard.ErrNoToken},
		"rubbish":        {"x.y.z", "article/caf\u00e9", wire.ErrBadToken},
		"forged":         {sign(t, key(t, theirs), lock()), "article/caf\u00e9", wire.ErrBadToken},
		"expired":        {sign(t, k, lock(func(l *wire.Lock) { l.Expires = l.Issued.Add(-time.Second) })), "article/caf\u00e9", wire.ErrExpired},
		"other resource": {sign(t, k, lock()), "article/43", guard.ErrOtherResource},
		"other, expired": {sign(t, k, lock(func(l *wire.Lock) { l.Expires = l.Issued })), "article/43", guard.ErrOtherResource},
		"a part":         {sign(t, k, lock(func(l *wire.Lock) { l.Part = "title" })), "article/caf\u00e9", guard.ErrOtherResource},
		"a bad name":     {sign(t, k, lock()), "article/..", lease.ErrBadResource},
	} {
		if _, err := v.Verify(c.token, c.resource); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := guard.NewVerifier(); err == nil {
		t.Error("a Verifier without a key")
	}
	if _, err := guard.NewVerifier(nil); err == nil {
		t.Error("a Verifier with a nil key")
	}
}

// save sends a save through the middleware.
func save(t *testing.T, o guard.Options, method, path string, tokens ...string) (*http.Response, wire.Problem, *wire.Lock) {
	t.Helper()
	v, err := guard.NewVerifier(key(t, ours))
	if err != nil {
		t.Fatal(err)
	}
	var passed *wire.Lock
	if o.Resource == nil {
		o.Resource = func(r *http.Request) string { return strings.TrimPrefix(r.URL.Path, "/") }
	}
	h := v.Middleware(o)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l, _ := guard.FromContext(r.Context())
		passed = &l
	}))
	r := httptest.NewRequest(method, path, strings.NewReader("text"))
	for _, token := range tokens {
		r.Header.Add(wire.Header, token)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	resp := rec.Result()
	var p wire.Problem
	if resp.Header.Get("Content-Type") == wire.ProblemType {
		body, _ := io.ReadAll(resp.Body)
		if err := json.Unmarshal(body, &p); err != nil || p.Status != resp.StatusCode || p.Detail == "" || p.Title == "" {
			t.Errorf("%s: %v", body, err)
		}
	}
	return resp, p, passed
}

func TestMiddlewareOffline(t *testing.T) {
	k := key(t, ours)
	plain := func(l *wire.Lock) { l.Resource = "article/42" }
	good := sign(t, k, lock(plain))
	ana := guard.Options{User: func(*http.Request) string { return "ana" }}
	ben := guard.Options{User: func(*http.Request) string { return "ben" }}
	for name, c := range map[string]struct {
		o            guard.Options
		method, path string
		tokens       []string
		status       int
		code         wire.Code
	}{
		"good":        {ana, "PUT", "/article/42", []string{good}, 200, ""},
		"a read":      {ana, "GET", "/article/42", nil, 200, ""},
		"unguarded":   {guard.Options{Resource: func(*http.Request) string { return "" }}, "POST", "/", nil, 200, ""},
		"no token":    {ana, "PUT", "/article/42", nil, 423, wire.BadLockToken},
		"odd method":  {ana, "BREW", "/article/42", nil, 423, wire.BadLockToken},
		"two tokens":  {ana, "PUT", "/article/42", []string{good, good}, 423, wire.BadLockToken},
		"forged":      {ana, "POST", "/article/42", []string{sign(t, key(t, theirs), lock(plain))}, 423, wire.BadLockToken},
		"for another": {ana, "DELETE", "/article/43", []string{good}, 423, wire.BadLockToken},
		"of another":  {ben, "PATCH", "/article/42", []string{good}, 423, wire.BadLockToken},
		"expired":     {ana, "PUT", "/article/42", []string{sign(t, k, lock(plain, func(l *wire.Lock) { l.Expires = l.Issued }))}, 409, wire.StaleFence},
		"a bad name":  {ana, "PUT", "/article/..%2f42", []string{good}, 400, wire.BadResource},

		"a holder's load":        {ana, "GET", "/article/42", []string{good}, 200, ""},
		"a load, expired":        {ana, "GET", "/article/42", []string{sign(t, k, lock(plain, func(l *wire.Lock) { l.Expires = l.Issued }))}, 409, wire.StaleFence},
		"a load, forged":         {ana, "HEAD", "/article/42", []string{"x.y.z"}, 423, wire.BadLockToken},
		"a load for another":     {ana, "GET", "/article/43", []string{good}, 423, wire.BadLockToken},
		"a load of another":      {ben, "GET", "/article/42", []string{good}, 423, wire.BadLockToken},
		"a load, two tokens":     {ana, "GET", "/article/42", []string{good, good}, 423, wire.BadLockToken},
		"a load, an empty token": {ana, "GET", "/article/42", []string{""}, 423, wire.BadLockToken},
		"a preflight":            {ana, "OPTIONS", "/article/42", []string{"x.y.z"}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			resp, p, passed := save(t, c.o, c.method, c.path, c.tokens...)
			if resp.StatusCode != c.status || p.Code != c.code || (passed != nil) != (c.status == 200) {
				t.Errorf("%s, %+v, passed: %t; want %d %s", resp.Status, p, passed != nil, c.status, c.code)
			}
			fence := int64(0)
			if c.status == 200 && slices.Contains([]string{"good", "a holder's load"}, name) {
				fence = 7
			}
			if passed != nil && passed.Fence != fence {
				t.Errorf("the handler was given %+v", passed)
			}
		})
	}
}

// The whole way, with a real Manager: the holder saves; who lost the lock is refused, told who has it.
func TestMiddlewareOnline(t *testing.T) {
	ctx := context.Background()
	st := mem.New()
	m, err := editlock.Open(ctx, st, editlock.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	o := guard.Options{Checker: m}
	connect := func(user string) *editlock.Conn {
		c, err := m.Connect(ctx, editlock.Connect{User: editlock.User{ID: user, Name: strings.ToUpper(user)}, Nonce: user, Notify: func(editlock.Snapshot) {}})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	hold := func(c *editlock.Conn, user string) (string, int64) {
		s, err := c.Acquire(ctx, editlock.Request{Resource: "article/42"})
		if err == nil {
			s, err = c.Confirm(ctx, "article/42", s.Mine.Fence)
		}
		if err != nil {
			t.Fatal(err)
		}
		return sign(t, key(t, ours), lock(func(l *wire.Lock) {
			l.Resource, l.User, l.Session, l.Fence = "article/42", user, c.Session(), s.Mine.Fence
		})), s.Mine.Fence
	}
	want := func(what string, tokens []string, status int, code wire.Code, holder string) {
		t.Helper()
		resp, p, passed := save(t, o, "PUT", "/article/42", tokens...)
		if resp.StatusCode != status || p.Code != code || (passed != nil) != (status == 200) {
			t.Errorf("%s: %s, %+v", what, resp.Status, p)
		}
		if got := p.Holder; (got != nil) != (holder != "") || got != nil && got.User != holder {
			t.Errorf("%s: the holder is %+v, want %q", what, got, holder)
		}
	}
	want("nobody holds, no token", nil, 423, wire.BadLockToken, "")
	ana, ben := connect("ana"), connect("ben")
	first, fence := hold(ana, "ana")
	want("the holder", []string{first}, 200, "", "")
	want("no token", nil, 423, wire.Locked, "ana")
	want("rubbish", []string{"x"}, 423, wire.Locked, "ana")
	if _, err := ana.Release(ctx, "article/42", fence, ""); err != nil {
		t.Fatal(err)
	}
	want("released, nobody holds", []string{first}, 409, wire.StaleFence, "")
	second, _ := hold(ben, "ben")
	want("somebody else holds now", []string{first}, 423, wire.Locked, "ben")
	want("the new holder", []string{second}, 200, "", "")
	// Where it cannot be told, nothing is saved.
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	want("the store does not answer", []string{second}, 503, wire.Unavailable, "")
}

// A plain form brings its token in a field, and the handler still reads what else was sent.
func TestMiddlewareTakesTheFieldOfAForm(t *testing.T) {
	v, err := guard.NewVerifier(key(t, ours))
	if err != nil {
		t.Fatal(err)
	}
	token := sign(t, key(t, ours), lock(func(l *wire.Lock) { l.Resource = "article/42" }))
	var body string
	h := v.Middleware(guard.Options{Resource: func(*http.Request) string { return "article/42" }})(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { body = r.PostFormValue("body") }))
	for _, c := range []struct {
		field, kind string
		status      int
	}{
		{token, "application/x-www-form-urlencoded; charset=utf-8", 200},
		{"forged", "application/x-www-form-urlencoded", 423},
		{token, "text/plain", 423},
	} {
		form := url.Values{"lock_token": {c.field}, "body": {"Ana was here."}}
		r := httptest.NewRequest("POST", "/save?lock_token="+token, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", c.kind)
		rec := httptest.NewRecorder()
		body = ""
		h.ServeHTTP(rec, r)
		if rec.Code != c.status || (body == "Ana was here.") != (c.status == 200) {
			t.Errorf("%s as %s: %d, %q", c.field[:6], c.kind, rec.Code, body)
		}
	}
}
