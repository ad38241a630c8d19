package server_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"go.uber.org/goleak"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/server"
	"github.com/editlock/editlock/store/mem"
	"github.com/editlock/editlock/wire"
)

// Every connection, whatever became of it, leaves no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *editlock.Manager {
	t.Helper()
	m, err := editlock.Open(context.Background(), mem.New(), editlock.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func TestOptionsThatAreRefused(t *testing.T) {
	m := open(t)
	for name, change := range map[string]func(*server.Options){
		"no access keys":         func(o *server.Options) { o.Access.Keys = nil },
		"no issuer":              func(o *server.Options) { o.Access.Issuer = "" },
		"no audience":            func(o *server.Options) { o.Access.Audience = "" },
		"no lock key":            func(o *server.Options) { o.LockKey = nil },
		"a short resume secret":  func(o *server.Options) { o.ResumeSecret = []byte("short") },
		"an origin with a path":  func(o *server.Options) { o.Origins = []string{"https://app.example.com/"} },
		"an origin without host": func(o *server.Options) { o.Origins = []string{"https://"} },
		"any origin":             func(o *server.Options) { o.Origins = []string{"*"} },
		"a lazy heartbeat":       func(o *server.Options) { o.Heartbeat = time.Minute },
		"a lazy pong":            func(o *server.Options) { o.PongTimeout = time.Minute },
		"a negative limit":       func(o *server.Options) { o.MaxPerUser = -1 },
		"a rate beyond bounds":   func(o *server.Options) { o.RequestRate = 1e6 },
		"a negative duration":    func(o *server.Options) { o.HelloTimeout = -1 },
		"tiny messages":          func(o *server.Options) { o.MaxMessage = 10 },
	} {
		o := server.Options{Access: server.Access{Keys: wire.Keys{appKey}, Issuer: "app", Audience: "editlock"}, LockKey: lockKey}
		change(&o)
		if s, err := server.New(m, o); err == nil {
			t.Errorf("%s: accepted", name)
			_ = s.Close(context.Background())
		}
	}
	if _, err := server.New(nil, server.Options{}); err == nil {
		t.Error("no Manager: accepted")
	}
}

// Under a base and over TLS, as it is deployed.
func TestMountedOverTLS(t *testing.T) {
	m := open(t)
	s, err := server.New(m, server.Options{
		Access: server.Access{Keys: wire.Keys{appKey}, Issuer: "app", Audience: "editlock"}, LockKey: lockKey, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/editlock/", http.StripPrefix("/editlock", s))
	h := httptest.NewTLSServer(mux)
	defer h.Close()
	w := &world{TB: t, m: m, s: s}
	c := w.newClient()
	ws, _, err := gws.NewClient(events{c: c}, &gws.ClientOption{
		Addr: "wss" + strings.TrimPrefix(h.URL, "https") + "/editlock/v1/socket", TlsConfig: &tls.Config{InsecureSkipVerify: true},
		RequestHeader: http.Header{"Sec-Websocket-Protocol": {wire.Subprotocol}, "Origin": {h.URL}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.line = socketLine{ws}
	go ws.ReadLoop()
	c.hello(access("ana"), "")
	c.hold("article/42")
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Error(err)
	}
	c.closedWith(wire.CloseRestart)
	if err := s.Close(ctx); err != nil {
		t.Errorf("a second Close: %v", err)
	}
}

// Silent connections are closed, and an honest page is served meanwhile.
// Faults: A10
func TestSilentCrowd(t *testing.T) {
	w := start(t, fast, func(o *setup) { o.HelloTimeout, o.MaxPerAddress = 3*time.Second, 1000 })
	var crowd []*client
	for range 200 {
		crowd = append(crowd, w.connect())
	}
	w.page("ana").hold("article/42")
	for _, c := range crowd {
		c.closedWith(wire.CloseHelloLate)
	}
	w.holds("article/42", "ana")
}

// Whoever may not see a resource learns nothing by guessing.
// Faults: A11
func TestUniformAnswers(t *testing.T) {
	w := start(t)
	w.page("ana").hold("article/42")
	eve := w.connect()
	eve.hello(access("eve", func(m map[string]any) { m["rights"] = []string{"edit:note/*"} }), "")
	for _, r := range []func(string) wire.Request{
		func(name string) wire.Request { return &wire.Acquire{ID: 5, Target: target(name), Wait: new(bool)} },
		func(name string) wire.Request { return &wire.Watch{ID: 5, Target: target(name)} },
		func(name string) wire.Request { return &wire.Release{ID: 5, Target: target(name), Fence: 1} },
	} {
		there := eve.fails(r("article/42"), wire.Forbidden)
		nowhere := eve.fails(r("article/43"), wire.Forbidden)
		nowhere.Message = strings.ReplaceAll(nowhere.Message, "article/43", "article/42")
		if *there != *nowhere {
			t.Errorf("%+v is told from %+v", there, nowhere)
		}
	}
}
