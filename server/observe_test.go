package server_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/wire"
)

// told collects what an Observer is told of requests.
type told struct {
	mu   sync.Mutex
	all  []string
	news chan struct{}
}

func (o *told) observer() *server.Observer {
	o.news = make(chan struct{}, 100)
	return &server.Observer{Request: func(ctx context.Context, r server.Request) (context.Context, func(wire.Code)) {
		return ctx, func(code wire.Code) {
			o.mu.Lock()
			o.all = append(o.all, fmt.Sprintf("%s %s %s %s", r.Transport, r.Kind, r.Resource, code))
			o.mu.Unlock()
			o.news <- struct{}{}
		}
	}}
}

// Every request that reaches the Manager is told, with the code that answered it; what is refused before it is counted.
func TestRequestsAreObserved(t *testing.T) {
	o := &told{}
	w := start(t, func(s *setup) { s.Observer = o.observer() })
	ana, ben := w.page("ana"), w.page("ben")
	no := false
	ana.hold("article/42")
	ben.fails(&wire.Acquire{ID: ben.nextID(), Target: target("article/42"), Wait: &no}, wire.Locked)
	ben.fails(&wire.Changed{ID: ben.nextID(), Target: target("article/42"), Fence: 1, Version: "2"}, wire.StaleFence)
	ben.fails(&wire.Acquire{ID: ben.nextID(), Target: target("salary/1")}, wire.Forbidden)
	for range 7 {
		recv(t, o.news, "the end of a request")
	}
	by := "websocket"
	if way != "" {
		by = way
	}
	o.mu.Lock()
	want := []string{
		by + " acquire article/42 ", by + " acquire article/42 locked", by + " acquire salary/1 forbidden",
		by + " changed article/42 stale_fence", by + " confirm article/42 ", by + " hello  ", by + " hello  ",
	}
	slices.Sort(o.all) // one may have been answered before the end of the one before was told
	if !slices.Equal(o.all, want) {
		t.Errorf("told\n%q, want\n%q", o.all, want)
	}
	o.mu.Unlock()

	w.get(t, "/v1/locks/article/42", access("cleo"))
	recv(t, o.news, "the end of a request over HTTP")
	o.mu.Lock()
	if got := o.all[len(o.all)-1]; got != "http getLock article/42 " {
		t.Errorf("of a request over HTTP it was told %q", got)
	}
	o.mu.Unlock()

	ben.sendText("{")
	ben.closedWith(wire.CloseBadMessage)
	w.get(t, "/v1/socket", "")
	st := w.s.Stats()
	happened(st.Errors)
	happened(st.Refused)
	happened(st.Closed)
	if !maps.Equal(st.Errors, map[wire.Code]int64{wire.Locked: 1, wire.StaleFence: 1, wire.Forbidden: 1, wire.BadJSON: 1}) {
		t.Errorf("errors: %v", st.Errors)
	}
	if !maps.Equal(st.Refused, map[wire.Code]int64{wire.BadHandshake: 1}) || !maps.Equal(st.Closed, map[uint16]int64{wire.CloseBadMessage: 1}) {
		t.Errorf("refused %v, closed %v", st.Refused, st.Closed)
	}
	if st.Received < 7 || st.Sent < 7 {
		t.Errorf("%d messages received, %d sent", st.Received, st.Sent)
	}
}

// get asks over HTTP, whatever the answer.
func (w *world) get(t *testing.T, path, token string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+w.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Body.Close()
}

// happened takes out what never did.
func happened[K comparable](counts map[K]int64) {
	maps.DeleteFunc(counts, func(_ K, n int64) bool { return n == 0 })
}

// What has not happened yet is counted, too: every code that there is stands at 0.
func TestEveryCodeIsCountedFromTheStart(t *testing.T) {
	file, err := os.ReadFile("../wire/code.go")
	if err != nil {
		t.Fatal(err)
	}
	st := start(t).s.Stats()
	codes := regexp.MustCompile(`(?m)^\t\w+ +Code += "(\w+)"`).FindAllStringSubmatch(string(file), -1)
	for _, m := range codes {
		_, sent := st.Errors[wire.Code(m[1])]
		_, refused := st.Refused[wire.Code(m[1])]
		if !sent || !refused {
			t.Errorf("%s is not counted before it happens", m[1])
		}
	}
	if len(codes) < 25 {
		t.Errorf("only %d codes were found", len(codes))
	}
}
