package client_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
	"github.com/editlock/editlock/internal/sessiontest"
)

// noSockets is a proxy that refuses WebSockets.
func noSockets(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/v1/socket") {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// swallowed is a proxy that takes WebSockets, and lets nothing through.
func swallowed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/v1/socket") {
			<-r.Context().Done()
			return
		}
		next.ServeHTTP(w, r)
	})
}

// keptBack is a proxy that refuses WebSockets, and passes an answer on only when it is complete.
func keptBack(next http.Handler) http.Handler {
	return noSockets(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b := &buffering{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(b, r)
		w.WriteHeader(b.status)
		_, _ = w.Write(b.body.Bytes())
	}))
}

type buffering struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (b *buffering) WriteHeader(status int)      { b.status = status }
func (b *buffering) Write(p []byte) (int, error) { return b.body.Write(p) }
func (b *buffering) FlushError() error           { return nil }
func (b *buffering) Unwrap() http.ResponseWriter { return b.ResponseWriter }

var proxies = map[string]func(http.Handler) http.Handler{"refused": noSockets, "swallowed": swallowed, "answers kept back": keptBack}

// Faults: W6, Q1, Q2, Q3, Q7, A3, D1
func TestSessionWithoutWebSocket(t *testing.T) {
	for name, proxy := range proxies {
		t.Run(name, func(t *testing.T) {
			sessiontest.Run(t, sessiontest.Suite{Virtual: true, Open: func(t *testing.T) *sessiontest.Place {
				w := bubble(t, roomy)
				w.wrap = proxy
				return w.place()
			}})
		})
	}
}

// A program in a network whose only way out is a proxy for HTTP.
// Faults: W6
func TestOnlyByAProxy(t *testing.T) {
	virtual(t, roomy, func(t *testing.T, w *world) {
		ana := w.session("1", "Ana", func(o *client.Options) {
			o.Servers = []string{"http://lock.test/"}
			o.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: "proxy.test:3128"})
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address != "proxy.test:3128" {
					return nil, errors.New("no route to host")
				}
				return w.net.dial(ctx, network, address)
			}
		})
		a := w.acquire(ana)
		w.net.reset()
		pass(time.Minute)
		w.holds(a)
	})
}

// Faults: W6
func TestSessionWithoutWebSocketOverSockets(t *testing.T) {
	for name, proxy := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, tcp(t), editlock.Config{}, roomy)
			w.wrap = proxy
			ana, ben := w.session("1", "Ana"), w.session("2", "Ben")
			a := w.acquire(ana)
			waiting := w.waits(ben, 1)
			<-a.Renewed() // by a heartbeat
			if err := a.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.holds(w.got(waiting))
		})
	}
}

// Faults: W1, W2, W6. Cut and restored, without WebSocket.
func TestCutWithoutWebSocket(t *testing.T) {
	for name, proxy := range proxies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, tcp(t), editlock.Config{TTL: 10 * time.Second}, roomy)
			w.wrap = proxy
			patient := func(o *client.Options) { o.Timeout = patience }
			ana, ben := w.session("1", "Ana", patient), w.session("2", "Ben", patient)
			a := w.acquire(ana)
			waiting := w.waits(ben, 1)
			w.net.reset()
			if err := a.Changed(t.Context(), "17"); errors.Is(err, editlock.ErrStale) { // on a slow machine she may be unsure, not more
				t.Fatal(err)
			}
			w.net.cut()
			<-a.Context().Done()
			again := make(chan *client.Lock, 1)
			go func() { again <- w.acquire(ana) }()
			w.net.heal()
			b := w.got(again)
			if b.Fence() != a.Fence() {
				t.Fatalf("fence %d, before %d", b.Fence(), a.Fence())
			}
			if err := b.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			w.holds(w.got(waiting))
		})
	}
}

// A WebSocket that works again is used again, at the next connection; where none has ever worked, after a while.
func TestBackToWebSocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := bubble(t, roomy)
		sockets := 0
		blocked := true
		w.wrap = func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/v1/socket") {
					if sockets++; blocked {
						http.Error(rw, "no", http.StatusForbidden)
						return
					}
				}
				next.ServeHTTP(rw, r)
			})
		}
		ana := w.session("1", "Ana")
		a := w.acquire(ana)
		if sockets != 1 {
			t.Errorf("a WebSocket was tried %d times", sockets)
		}
		w.net.reset()
		pass(time.Minute)
		if sockets != 1 {
			t.Errorf("a WebSocket was tried %d times, soon after it was refused", sockets)
		}
		blocked = false
		pass(10 * time.Minute)
		w.net.reset()
		pass(time.Minute)
		if sockets != 2 {
			t.Errorf("a WebSocket was tried %d times", sockets)
		}
		w.holds(a)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := ana.Acquire(ctx, "article/43"); err != nil {
			t.Error(err)
		}
	})
}
