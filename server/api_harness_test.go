package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/editlock/editlock/wire"
)

// asker is a program, as far as the server can see.
type asker struct {
	testing.TB
	addr  string
	token string
	http  *http.Client
}

func (w *world) asker(user string, change ...func(map[string]any)) *asker {
	return &asker{TB: w.TB, addr: w.addr, token: access(user, change...), http: http.DefaultClient}
}

func rights(list ...string) func(map[string]any) {
	return func(m map[string]any) { m["rights"] = list }
}

// said is an answer.
type said struct {
	*http.Response
	body []byte
}

// request asks, and holds what was asked and answered against the document.
func (a *asker) request(ctx context.Context, method, path string, body []byte, header ...string) (*said, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+a.addr+path, reader)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+a.token)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	resp, err := a.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if err := theContract().judge(r, body, resp, got); err != nil {
		a.Error(err)
	}
	return &said{resp, got}, nil
}

func (a *asker) do(method, path string, in any, header ...string) *said {
	a.Helper()
	var body []byte
	switch in := in.(type) {
	case nil:
	case string:
		body = []byte(in)
	default:
		var err error
		if body, err = json.Marshal(in); err != nil {
			a.Fatal(err)
		}
	}
	s, err := a.request(a.Context(), method, path, body, header...)
	if err != nil {
		a.Fatal(err)
	}
	return s
}

// good wants an answer.
func good[Out any](a *asker, method, path string, in any) *Out {
	a.Helper()
	s := a.do(method, path, in)
	if s.StatusCode != http.StatusOK {
		a.Fatalf("%s %s %+v: %s %s", method, path, in, s.Status, s.body)
	}
	return parsed[Out](a, s)
}

func parsed[Out any](t testing.TB, s *said) *Out {
	t.Helper()
	out := new(Out)
	if err := json.Unmarshal(s.body, out); err != nil {
		t.Fatalf("%s: %v", s.body, err)
	}
	return out
}

// bad wants a problem with a code.
func (a *asker) bad(method, path string, in any, code wire.Code, header ...string) *wire.Problem {
	a.Helper()
	return a.problem(a.do(method, path, in, header...), code)
}

func (a *asker) problem(s *said, code wire.Code) *wire.Problem {
	a.Helper()
	p := parsed[wire.Problem](a, s)
	if p.Code != code || s.StatusCode != code.Status() || p.Status != s.StatusCode || p.Detail == "" || p.Title == "" || s.Header.Get("Content-Type") != wire.ProblemType {
		a.Fatalf("got %s %s, want %s", s.Status, s.body, code)
	}
	if s.Header.Get("Access-Control-Allow-Origin") != "" {
		a.Error("pages of other origins may read this")
	}
	return p
}

func (a *asker) acquire(c wire.AcquireCall) *wire.Granted {
	a.Helper()
	return good[wire.Granted](a, "POST", "/v1/acquire", c)
}

func (a *asker) renew(session string) *wire.Renewed {
	a.Helper()
	return good[wire.Renewed](a, "POST", "/v1/renew", wire.RenewCall{Session: session})
}

func (a *asker) release(g *wire.Granted) *wire.Standing {
	a.Helper()
	return good[wire.Standing](a, "POST", "/v1/release", wire.ReleaseCall{Session: g.Session, Resource: g.Resource, Fence: g.Fence})
}

func (a *asker) get(resource string) *wire.Snapshot {
	a.Helper()
	return good[wire.Snapshot](a, "GET", "/v1/locks/"+resource, nil)
}

// answers asks in a goroutine.
func (a *asker) answers(path string, in any) <-chan *said {
	ch := make(chan *said, 1)
	body, err := json.Marshal(in)
	if err != nil {
		a.Fatal(err)
	}
	go func() {
		s, err := a.request(a.Context(), "POST", path, body)
		if err != nil {
			a.Error(err)
		}
		ch <- s
	}()
	return ch
}

func mustJSON(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}
